/** `augment`: steps applied to every picture of a batch, with its boxes and its mask. */
import { allocate } from "../base/dtype.js";
import { DTypeError, ShapeError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sizeOf } from "../base/shape.js";
import type { Batch, HostArray, Sampling } from "../data/index.js";
import { Canvas, type CanvasOptions, checkNumber, type Mask } from "./canvas.js";
import { compose, type Step } from "./steps.js";

export interface AugmentOptions extends CanvasOptions {
  /** The field of pictures. Default `x`. */
  field?: string;
}

/** What `map` of a data set, or a transform module of a loader, wants: the same batch, its pictures changed. */
export type Augmentation = <B extends Batch>(batch: B, sampling: Sampling) => B;

/**
 * Changes each picture by the steps, one after the other; what is random depends on seed, epoch and example alone, so that it is the same for any
 * batch size and any number of workers. Steps that move pixels and follow one another are one interpolation.
 *
 * Pictures are [n, height, width, channels], u8 or f32 from 0 to 1, and stay of their type. With them go, where a batch has them: `boxes` f32
 * [n, most, 4 or more], each left, top, right, bottom in pixels and what else belongs to a box; rows without area are no boxes, and those of boxes
 * that are out of sight become zeros behind the others; `mask` u8 or i32 [n, height, width] or [n, height, width, 1], classes of pixels, taken from the nearest.
 *
 * ```ts
 * const train = photos.map(augment([mirror(), randomCrop(32, { pad: 4 }), colorJitter(0.2)], { fill: "reflect" }));
 * // Or in threads: a module with `export default augment([…])`, and new DataLoader(photos, { transform: new URL("…", import.meta.url), workers: 2 }).
 * ```
 *
 * @throws {ShapeError} if pictures are of another shape, or come out in different sizes. @throws {DTypeError} if they are neither u8 nor f32.
 */
export function augment(steps: readonly Step[], options: AugmentOptions = {}): Augmentation {
  const names = ["field", "fill", "interpolation", "minVisible"] as const;
  const { field = "x", fill = 0, interpolation = "bilinear", minVisible = 0.1 } = optionsOf("augment", options, names);
  if (fill !== "edge" && fill !== "reflect") checkNumber("augment", "fill", fill, 0, 1);
  checkNumber("augment", "minVisible", minVisible, 0, 1);
  const change = compose(...steps);
  return (batch, sampling) => {
    const x: HostArray | undefined = batch[field];
    checkPictures(field, x);
    const [n, height, width, channels] = x.shape;
    const { boxes, mask } = batch as { readonly boxes?: HostArray; readonly mask?: HostArray };
    checkBeside(x, boxes, mask);
    const most = boxes?.shape[1] ?? 0;
    const columns = boxes?.shape[2] ?? 0;
    const size = height * width * channels;
    const canvases = Array.from({ length: n }, (_, i) => {
      const data = Float32Array.from(x.data.subarray(i * size, (i + 1) * size) as Float32Array);
      if (x.dtype === "u8") for (let k = 0; k < size; k++) data[k] /= 255;
      const rows = Array.from({ length: most }, (_, k) =>
        (boxes!.data as Float32Array).slice((i * most + k) * columns, (i * most + k + 1) * columns),
      );
      const canvas = new Canvas(
        { height, width, channels, data },
        rows.filter(([left, top, right, bottom]) => right > left && bottom > top),
        (mask?.data.slice(i * height * width, (i + 1) * height * width) as Mask | undefined) ?? null,
        { fill, interpolation, minVisible },
      );
      change(canvas, sampling.random(i));
      return canvas;
    });
    const shape = n === 0 ? [height, width] : [canvases[0].height, canvases[0].width];
    const other = canvases.find((canvas) => canvas.height !== shape[0] || canvas.width !== shape[1]);
    if (other !== undefined) {
      throw new ShapeError(
        `augment: one picture comes out as ${format(shape)}, another as ${format([other.height, other.width])}; end with a crop or resize(size)`,
        {
          op: "augment",
          inputs: [shape, [other.height, other.width]],
        },
      );
    }
    const out = { data: allocate(x.dtype, n * shape[0] * shape[1] * channels), shape: [n, ...shape, channels], dtype: x.dtype };
    canvases.forEach((canvas, i) => {
      const { data } = canvas.pixels;
      const at = i * data.length;
      if (x.dtype === "u8") for (let k = 0; k < data.length; k++) out.data[at + k] = Math.min(Math.max(Math.round(255 * data[k]), 0), 255);
      else out.data.set(data, at);
    });
    const changed: Record<string, HostArray> = { ...batch, [field]: out };
    if (boxes !== undefined) {
      const rows = canvases.map((canvas) => canvas.boxes.flatMap((box) => [...box]));
      changed.boxes = { ...boxes, data: together(rows, most * columns) };
    }
    if (mask !== undefined) {
      const masks = canvases.map((canvas) => canvas.mask!);
      changed.mask = joined(mask, masks, shape);
    }
    return changed as typeof batch;
  };
}

/** Rows of numbers below each other, filled up with zeros. */
function together(rows: readonly (readonly number[])[], width: number): Float32Array {
  const all = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    all.set(row, i * width);
  });
  return all;
}

function joined({ shape, dtype }: HostArray, masks: readonly Mask[], size: readonly number[]): HostArray {
  const full = [masks.length, ...size, ...shape.slice(3)];
  const data = allocate(dtype, sizeOf(full));
  masks.forEach((mask, i) => {
    data.set(mask, i * mask.length);
  });
  return { data, shape: full, dtype };
}

function checkPictures(field: string, x: HostArray | undefined): asserts x is HostArray {
  const details = { op: "augment", inputs: [field, x?.shape, x?.dtype] };
  if (x === undefined || x.shape.length !== 4) {
    const found = x === undefined ? "there is no such field" : `it is ${format(x.shape)}`;
    throw new ShapeError(`augment: pictures ${field} must be [n, height, width, channels] but ${found}`, details);
  }
  if (x.dtype !== "u8" && x.dtype !== "f32")
    throw new DTypeError(`augment: pictures ${field} must be u8 or f32 but are ${x.dtype}`, details);
}

function checkBeside({ shape: [n, height, width] }: HostArray, boxes: HostArray | undefined, mask: HostArray | undefined): void {
  const refuse = (name: string, expected: string, { shape, dtype }: HostArray) => {
    throw new ShapeError(`augment: ${name} must be ${expected} but are ${dtype} ${format(shape)}`, {
      op: "augment",
      inputs: [shape, dtype],
    });
  };
  if (boxes !== undefined && !(boxes.dtype === "f32" && boxes.shape.length === 3 && boxes.shape[0] === n && boxes.shape[2] >= 4))
    refuse("boxes", `f32 [${n}, most, 4 or more]`, boxes);
  if (mask === undefined) return;
  const [rows, h, w, ...rest] = mask.shape;
  if (!(rows === n && h === height && w === width && sizeOf(rest) === 1 && (mask.dtype === "u8" || mask.dtype === "i32")))
    refuse("mask", `u8 or i32 [${n}, ${height}, ${width}]`, mask);
}
