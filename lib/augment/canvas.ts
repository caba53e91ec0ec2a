/** One picture on its way through the steps of an augmentation, with its boxes and mask: geometry waits and is done at once. */
import { ShapeError, ValueError } from "../base/errors.js";
import { apply, applyInverse, isMatrix, type Matrix, multiply, type Point, type Warp } from "./geometry.js";

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
    const place = placer(waiting);
    this.picture = {
      height,
      width,
      channels: this.channels,
      data: resample(before, {
        height,
        width,
        fill,
        place,
        nearest: interpolation === "nearest",
        rays: interpolation === "nearest" ? 1 : raysOf(waiting, height, width),
      }),
    };
    if (this.classes !== null) this.classes = resampleMask(this.classes, before, { height, width, fill, place });
    this.kept = this.kept.flatMap((box) => moved(box, before, waiting, height, width, minVisible) ?? []);
  }
}

/** From a place in what is made to its place in what there was. */
type Place = (x: number, y: number) => Point;

function placer(warps: readonly Warp[]): Place {
  if (warps.length === 1 && isMatrix(warps[0])) {
    const [a, b, c, d, e, f, g, h] = warps[0] as Matrix;
    if (g === 0 && h === 0) {
      const i = warps[0][8];
      return (x, y) => [(a * x + b * y + c) / i, (d * x + e * y + f) / i];
    }
  }
  return (x, y) => warps.reduceRight<Point>((point, warp) => apply(warp, point), [x, y]);
}

/** Samples a side for each pixel, such that hardly any of the old pixels is passed over where the picture shrinks. */
function raysOf(warps: readonly Warp[], height: number, width: number): number {
  const place = placer(warps.filter(isMatrix));
  const [x, y] = [width / 2, height / 2];
  const [[x0, y0], [x1, y1], [x2, y2]] = [place(x, y), place(x + 1, y), place(x, y + 1)];
  const shrinks = Math.max(Math.hypot(x1 - x0, y1 - y0), Math.hypot(x2 - x0, y2 - y0));
  return Math.min(Math.max(1, Math.ceil(shrinks - 0.5)), 16);
}

interface Resampling {
  readonly height: number;
  readonly width: number;
  readonly fill: Fill;
  readonly place: Place;
}

function resample(from: Pixels, { height, width, fill, place, nearest, rays }: Resampling & { nearest: boolean; rays: number }) {
  const { channels, data } = from;
  const out = new Float32Array(height * width * channels);
  const constant = typeof fill === "number" ? fill : 0;
  const share = 1 / (rays * rays);
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at += channels) {
      for (let ray = 0; ray < rays * rays; ray++) {
        const [px, py] = place(column + ((ray % rays) + 0.5) / rays, row + (Math.floor(ray / rays) + 0.5) / rays);
        const [x, y] = [within(px, from.width, fill), within(py, from.height, fill)];
        if (Number.isNaN(x) || Number.isNaN(y)) {
          for (let c = 0; c < channels; c++) out[at + c] += share * constant;
          continue;
        }
        if (nearest) {
          const source = (Math.floor(y) * from.width + Math.floor(x)) * channels;
          for (let c = 0; c < channels; c++) out[at + c] += share * data[source + c];
          continue;
        }
        // Between the middles of pixels; beyond those of the outermost their values stay.
        const [u, v] = [Math.min(Math.max(x - 0.5, 0), from.width - 1), Math.min(Math.max(y - 0.5, 0), from.height - 1)];
        const [left, top] = [Math.floor(u), Math.floor(v)];
        const [s, t] = [u - left, v - top];
        const p00 = (top * from.width + left) * channels;
        const right = s === 0 ? 0 : channels;
        const below = t === 0 ? 0 : from.width * channels;
        for (let c = 0; c < channels; c++) {
          const p = p00 + c;
          const upper = data[p] + s * (data[p + right] - data[p]);
          const lower = data[p + below] + s * (data[p + below + right] - data[p + below]);
          out[at + c] += share * (upper + t * (lower - upper));
        }
      }
    }
  }
  return out;
}

function resampleMask(mask: Mask, from: { height: number; width: number }, { height, width, fill, place }: Resampling): Mask {
  const out = mask instanceof Uint8Array ? new Uint8Array(height * width) : new Int32Array(height * width);
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at++) {
      const [px, py] = place(column + 0.5, row + 0.5);
      const [x, y] = [within(px, from.width, fill), within(py, from.height, fill)];
      if (!Number.isNaN(x) && !Number.isNaN(y)) out[at] = mask[Math.floor(y) * from.width + Math.floor(x)];
    }
  }
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
function moved(box: Box, from: Pixels, warps: readonly Warp[], height: number, width: number, minVisible: number): Box | null {
  const [left, top, right, bottom] = cutOff(box, from.height, from.width);
  if (!(right > left && bottom > top)) return null;
  const steps = warps.every(isMatrix) ? 1 : followed;
  const points: Point[] = [];
  for (let k = 0; k < steps; k++) {
    const [x, y] = [left + ((right - left) * k) / steps, top + ((bottom - top) * k) / steps];
    points.push([x, top], [right, y], [right + left - x, bottom], [left, bottom + top - y]);
  }
  const now = points.map((point) => warps.reduce<Point>((at, warp) => applyInverse(warp, at), point));
  const [xs, ys] = [now.map(([x]) => x), now.map(([, y]) => y)];
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
