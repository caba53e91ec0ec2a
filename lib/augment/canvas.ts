/** One picture on its way through the steps of an augmentation, with its boxes and mask: geometry waits and is done at once. */
import { ShapeError, ValueError } from "../base/errors.js";
import { apply, applyInverse, isMatrix, multiply, type Point, type Warp } from "./geometry.js";

/** What lies outside of a picture: a value from 0 to 1 in every channel, its edge, or its mirror image. */
export type Fill = number | "edge" | "reflect";

export interface CanvasOptions {
  /** What is seen where a step shows what lies outside of the picture. Default 0: black. */
  fill?: Fill;
  /** How values between pixels are found. Default bilinear. */
  interpolation?: "bilinear" | "nearest";
  /** Share of a box that must stay in sight for the box to be kept. Default 0.1. */
  minVisible?: number;
}

/** A box in pixels, then what else belongs to it: left, top, right, bottom, …. */
export type Box = Float32Array;

/** Values of all pixels, [height, width, channels], mostly from 0 to 1. */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Float32Array<ArrayBuffer>;
}

/** Classes of pixels, [height, width]. */
export type Mask = Uint8Array | Int32Array;

export class Canvas {
  /** As the steps so far have made them. */
  height: number;
  width: number;
  readonly channels: number;
  private waiting: Warp[] = [];

  constructor(
    private picture: Pixels,
    private kept: readonly Box[] = [],
    private classes: Mask | null = null,
    private readonly options: CanvasOptions = {},
  ) {
    ({ height: this.height, width: this.width, channels: this.channels } = picture);
  }

  /**
   * A change of place. `map` takes places of what is made, `height` × `width`, to places of what there was; neighbouring matrices become one, and
   * all that wait are done in one interpolation when pixels are next looked at.
   */
  warp(map: Warp, height = this.height, width = this.width): void {
    if (!(Number.isInteger(height) && Number.isInteger(width) && height > 0 && width > 0))
      throw new ShapeError(`augment: a step makes pictures of ${height} × ${width}; sizes are whole numbers ≥ 1`, {
        inputs: [height, width],
      });
    const last = this.waiting[this.waiting.length - 1];
    if (last !== undefined && isMatrix(last) && isMatrix(map)) this.waiting[this.waiting.length - 1] = multiply(last, map);
    else this.waiting.push(map);
    [this.height, this.width] = [height, width];
  }

  /** The pixels as they are now; they may be changed in place. */
  get pixels(): Pixels {
    this.settle();
    return this.picture;
  }

  /** Other pixels of the same size in their place. */
  replace(data: Float32Array<ArrayBuffer>): void {
    const { height, width, channels } = this.pixels;
    this.picture = { height, width, channels, data };
  }

  get boxes(): readonly Box[] {
    this.settle();
    return this.kept;
  }

  get mask(): Mask | null {
    this.settle();
    return this.classes;
  }

  private settle(): void {
    if (this.waiting.length === 0) return;
    const { waiting, height, width, options } = this;
    this.waiting = [];
    const before = this.picture;
    const { fill = 0, interpolation = "bilinear", minVisible = 0.1 } = options;
    const resampling = { from: before, warps: waiting, height, width, fill };
    this.picture = { height, width, channels: this.channels, data: resample(resampling, interpolation === "nearest") };
    if (this.classes !== null) this.classes = resampleMask(this.classes, resampling);
    this.kept = this.kept.flatMap((box) => moved(box, resampling, minVisible) ?? []);
  }
}

interface Resampling {
  readonly from: Pixels;
  /** From what is made back to `from`: the last first. */
  readonly warps: readonly Warp[];
  /** Of what is made. */
  readonly height: number;
  readonly width: number;
  readonly fill: Fill;
}

/** Calls `visit` with rows of places in the old picture, brought into it or NaN; those of row y are (columns + offset x, y + offset y). */
function eachRow(
  { from, warps, height, width, fill }: Resampling,
  [dx, dy]: Point,
  visit: (row: number, xs: Float64Array, ys: Float64Array) => void,
): void {
  const [xs, ys] = [new Float64Array(width), new Float64Array(width)];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) xs[column] = column + dx;
    ys.fill(row + dy);
    for (let k = warps.length - 1; k >= 0; k--) apply(warps[k], xs, ys);
    for (let column = 0; column < width; column++) {
      xs[column] = within(xs[column], from.width, fill);
      ys[column] = within(ys[column], from.height, fill);
    }
    visit(row, xs, ys);
  }
}

/** Samples a side for each pixel, such that hardly any of the old pixels is passed over where the picture shrinks. */
function raysOf({ warps, height, width }: Resampling): number {
  const [xs, ys] = [Float64Array.of(0, 1, 0).map((x) => x + width / 2), Float64Array.of(0, 0, 1).map((y) => y + height / 2)];
  for (const warp of warps.filter(isMatrix).reverse()) apply(warp, xs, ys);
  const shrinks = Math.max(Math.hypot(xs[1] - xs[0], ys[1] - ys[0]), Math.hypot(xs[2] - xs[0], ys[2] - ys[0]));
  return Math.min(Math.max(1, Math.ceil(shrinks - 0.5)), 16);
}

function resample(resampling: Resampling, nearest: boolean): Float32Array<ArrayBuffer> {
  const { height, width, fill } = resampling;
  const { channels, data, width: w, height: h } = resampling.from;
  const out = new Float32Array(height * width * channels);
  const constant = typeof fill === "number" ? fill : 0;
  const rays = nearest ? 1 : raysOf(resampling);
  const share = 1 / (rays * rays);
  const visit = (row: number, xs: Float64Array, ys: Float64Array) => {
    for (let column = 0, at = row * width * channels; column < width; column++, at += channels) {
      const x = xs[column];
      const y = ys[column];
      if (!(x >= 0 && y >= 0)) {
        for (let c = 0; c < channels; c++) out[at + c] += share * constant;
        continue;
      }
      // Between the middles of pixels; beyond those of the outermost their values stay.
      const u = nearest ? Math.floor(x) : Math.min(Math.max(x - 0.5, 0), w - 1);
      const v = nearest ? Math.floor(y) : Math.min(Math.max(y - 0.5, 0), h - 1);
      const left = Math.floor(u);
      const top = Math.floor(v);
      const s = u - left;
      const t = v - top;
      const p00 = (top * w + left) * channels;
      const right = s === 0 ? 0 : channels;
      const below = t === 0 ? 0 : w * channels;
      for (let c = 0; c < channels; c++) {
        const p = p00 + c;
        const upper = data[p] + s * (data[p + right] - data[p]);
        const lower = data[p + below] + s * (data[p + below + right] - data[p + below]);
        out[at + c] += share * (upper + t * (lower - upper));
      }
    }
  };
  for (let ray = 0; ray < rays * rays; ray++)
    eachRow(resampling, [((ray % rays) + 0.5) / rays, (Math.floor(ray / rays) + 0.5) / rays], visit);
  return out;
}

function resampleMask(mask: Mask, resampling: Resampling): Mask {
  const { height, width, from } = resampling;
  const out = mask instanceof Uint8Array ? new Uint8Array(height * width) : new Int32Array(height * width);
  eachRow(resampling, [0.5, 0.5], (row, xs, ys) => {
    for (let column = 0, at = row * width; column < width; column++, at++) {
      if (xs[column] >= 0 && ys[column] >= 0) out[at] = mask[Math.floor(ys[column]) * from.width + Math.floor(xs[column])];
    }
  });
  return out;
}

const ulp = 1 - 2 ** -40;

/** A coordinate brought into [0, n) as `fill` has it; NaN where it stays outside. */
function within(t: number, n: number, fill: Fill): number {
  if (t >= 0 && t < n) return t;
  if (typeof fill === "number" || Number.isNaN(t)) return Number.NaN;
  if (fill === "edge") return t < 0 ? 0 : n * ulp;
  const period = ((t % (2 * n)) + 2 * n) % (2 * n);
  return Math.min(period < n ? period : 2 * n - period, n * ulp);
}

/** Points on each side of a box that are followed where sides do not stay straight. */
const followed = 8;

/** The smallest box around what a box becomes, cut off at the borders; null where too little of it is left. */
function moved(box: Box, { from, warps, height, width }: Resampling, minVisible: number): Box | null {
  const [left, top, right, bottom] = cutOff(box, from.height, from.width);
  if (!(right > left && bottom > top)) return null;
  const steps = warps.every(isMatrix) ? 1 : followed;
  const shares = Array.from({ length: steps }, (_, k) => k / steps);
  const [across, down] = [shares.map((t) => t * (right - left)), shares.map((t) => t * (bottom - top))];
  // Clockwise from the top left.
  const xs = Float64Array.from([
    ...across.map((d) => left + d),
    ...down.map(() => right),
    ...across.map((d) => right - d),
    ...down.map(() => left),
  ]);
  const ys = Float64Array.from([
    ...across.map(() => top),
    ...down.map((d) => top + d),
    ...across.map(() => bottom),
    ...down.map((d) => bottom - d),
  ]);
  for (const warp of warps) applyInverse(warp, xs, ys);
  const whole = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  const cut = cutOff(whole, height, width);
  const area = ([l, t, r, b]: readonly number[]) => Math.max(r - l, 0) * Math.max(b - t, 0);
  if (!(area(cut) > 0) || area(cut) < minVisible * area(whole)) return null;
  const kept = Float32Array.from(box);
  kept.set(cut);
  return kept;
}

function cutOff([left, top, right, bottom]: ArrayLike<number> & Iterable<number>, height: number, width: number): number[] {
  return [Math.max(left, 0), Math.max(top, 0), Math.min(right, width), Math.min(bottom, height)];
}

/** Throws unless `value` is a number within bounds. */
export function checkNumber(op: string, name: string, value: number, low: number, high = Number.POSITIVE_INFINITY): void {
  if (typeof value === "number" && value >= low && value <= high) return;
  const bounds = high === Number.POSITIVE_INFINITY ? `at least ${low}` : `from ${low} to ${high}`;
  throw new ValueError(`${op}: ${name} must be ${bounds} but is ${value}`, { op, inputs: [value] });
}
