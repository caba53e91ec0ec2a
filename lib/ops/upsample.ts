/** Signals, images and volumes in another size, by the nearest element or by interpolation. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sizeOf } from "../base/shape.js";
import type { Tensor } from "../graph/tensor.js";
import { asTensor, floating, fromArray, show, type TensorLike } from "./convert.js";
import { arange } from "./create.js";
import { add, mul, sub } from "./elementwise.js";
import { expand } from "./reduce.js";
import { gather } from "./rows.js";
import { expandDims, reshape } from "./views.js";

export interface UpsampleOptions {
  /** How many times as large each axis becomes, rounded down: one number, or one for each axis. This or `size`. */
  scale?: number | readonly number[];
  /** The size of each axis: one number, or one for each axis. */
  size?: number | readonly number[];
  /** `nearest`, the default, or interpolation between neighbours, which has the name that goes with the number of axes: 1, 2 or 3. */
  mode?: "nearest" | "linear" | "bilinear" | "trilinear";
  /** Whether interpolation keeps the outermost elements where they are, instead of taking elements for cells of equal size. Default false. */
  alignCorners?: boolean;
}

const interpolations = ["linear", "bilinear", "trilinear"];

/** Throws unless the options of `upsample` make sense by themselves. */
export function checkUpsample(options: UpsampleOptions): void {
  const { scale, size, mode = "nearest", alignCorners = false } = optionsOf("upsample", options, ["scale", "size", "mode", "alignCorners"]);
  const refuse = (problem: string) => {
    throw new ValueError(`upsample: ${problem}`, { op: "upsample", inputs: [scale ?? size, mode] });
  };
  if ((scale === undefined) === (size === undefined)) refuse("needs either scale or size");
  if ([scale ?? []].flat().some((factor) => !(factor > 0 && Number.isFinite(factor))))
    refuse(`scale must be > 0 but is ${JSON.stringify(scale)}`);
  if ([size ?? []].flat().some((n) => !Number.isInteger(n) || n < 1))
    refuse(`size must be whole numbers ≥ 1 but is ${JSON.stringify(size)}`);
  if (mode !== "nearest" && !interpolations.includes(mode))
    refuse(`mode must be "nearest" or one of ${interpolations.join(", ")} but is "${mode}"`);
  if (mode === "nearest" && alignCorners) refuse("only interpolation has corners to align; choose another mode");
}

/** Entries of an axis by number, several times or not at all. */
function pick(x: Tensor, axis: number, index: readonly number[]): Tensor {
  const [lead, n, rest] = [x.shape.slice(0, axis), x.shape[axis], x.shape.slice(axis + 1)];
  const starts = arange(0, sizeOf(lead) * n, n, { dtype: "i32" });
  const rows = add(expandDims(starts, 1), fromArray("upsample", index, "i32"));
  const picked = gather(reshape(x, [sizeOf(lead) * n, sizeOf(rest)]), rows);
  return reshape(picked, [...lead, index.length, ...rest]);
}

/** One axis in another size; a step to the next element of the result is one of `ratio` elements of x. */
function resize(
  x: Tensor,
  axis: number,
  count: number,
  ratio: number,
  { mode = "nearest", alignCorners = false }: UpsampleOptions,
): Tensor {
  const n = x.shape[axis];
  if (count === n && ratio === 1) return x;
  if (mode === "nearest") {
    if (ratio * count === n && Number.isInteger(1 / ratio)) {
      const shape = [...x.shape.slice(0, axis + 1), 1 / ratio, ...x.shape.slice(axis + 1)];
      return reshape(expand(expandDims(x, axis + 1), shape), [...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)]);
    }
    const single = Math.fround(ratio); // PyTorch computes positions in single precision
    return pick(
      x,
      axis,
      Array.from({ length: count }, (_, i) => Math.min(Math.floor(Math.fround(i * single)), n - 1)),
    );
  }
  const step = alignCorners ? (n - 1) / Math.max(count - 1, 1) : ratio;
  const positions = Array.from({ length: count }, (_, i) => (alignCorners ? i * step : Math.max((i + 0.5) * step - 0.5, 0)));
  const low = positions.map((at) => Math.min(Math.floor(at), n - 1));
  const high = low.map((at) => Math.min(at + 1, n - 1));
  const weight = fromArray(
    "upsample",
    positions.map((at, i) => at - low[i]),
    x.dtype,
  );
  const [a, b] = [pick(x, axis, low), pick(x, axis, high)];
  return add(a, mul(sub(b, a), reshape(weight, [count, ...x.shape.slice(axis + 1).map(() => 1)])));
}

/**
 * Signals, images or volumes in another size: [n, …, c] → [n, …', c] with ⌊size · scale⌋, or the `size` asked for, along each axis between.
 * Positions as in PyTorch: element i of the nearest is element ⌊i / scale⌋.
 * @example upsample(images, { scale: 2, mode: "bilinear" })
 */
export function upsample(value: TensorLike, options: UpsampleOptions): Tensor {
  const op = "upsample";
  checkUpsample(options);
  const { scale, size, mode = "nearest" } = options;
  const x = mode === "nearest" ? asTensor(op, value) : floating(op, value);
  const rank = x.shape.length - 2;
  const refuse = (problem: string) => {
    throw new ShapeError(`${op}(${show("x", x)}): ${problem}`, { op, inputs: [x.shape, scale ?? size] });
  };
  if (rank < 1 || rank > 3 || sizeOf(x.shape) === 0) refuse("expected signals [n, l, c], images [n, h, w, c] or volumes [n, d, h, w, c]");
  if (mode !== "nearest" && mode !== interpolations[rank - 1])
    refuse(`of ${rank} axes the mode is "${interpolations[rank - 1]}", not "${mode}"`);
  const given = scale ?? size!;
  const each = typeof given === "number" ? new Array<number>(rank).fill(given) : given;
  if (each.length !== rank) refuse(`needs ${rank} numbers or one, not ${each.length}`);
  return each.reduce((y, number, i) => {
    const n = x.shape[1 + i];
    const count = scale === undefined ? number : Math.floor(n * number);
    if (count < 1) refuse(`a scale of ${number} leaves nothing of ${format([n])}`);
    return resize(y, 1 + i, count, scale === undefined ? n / count : 1 / number, options);
  }, x);
}
