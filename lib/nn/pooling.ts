/** Pooling layers over images [n, h, w, c], and what they share with those over signals and volumes. */
import { checkOptions } from "../base/options.js";
import { avgPoolNames, checkWindow, poolNames, type Rank, spatial, wholes } from "../ops/conv.js";
import * as ops from "../tensor/index.js";
import { concat, type PoolOptions, type Tensor } from "../tensor/index.js";
import { showCall } from "./layer.js";
import type { Module } from "./module.js";
import { Stateless } from "./stateless.js";

/** A pooling layer; its options are checked now, not at the first image. */
export function pool<Size extends number | readonly number[], Options extends PoolOptions<Size>>(
  name: string,
  op: string,
  rank: Rank,
  apply: (x: Tensor, window: Size, options?: Options) => Tensor,
  names: readonly string[] = poolNames,
): (window: Size, options?: Options) => Module {
  return (window, options = {} as Options) => {
    checkOptions(op, options, names);
    const { stride = window, padding = "valid" } = options;
    wholes(op, "window", window, 1, rank);
    checkWindow(op, { stride, padding, dilation: 1 }, rank);
    return new Stateless(showCall(name, [window], options), (x) => apply(x, window, options));
  };
}

/** Largest value in each window; windows do not overlap unless `stride` says so. [n, h, w, c] → [n, h', w', c]. */
export const maxPool2d = pool("MaxPool2d", "maxPool2d", 2, ops.maxPool2d);
/** Mean of each window; windows do not overlap unless `stride` says so. [n, h, w, c] → [n, h', w', c]. */
export const avgPool2d = pool("AvgPool2d", "avgPool2d", 2, ops.avgPool2d, avgPoolNames);

type Reduction = (x: Tensor, options: { axis: number | readonly number[]; keepDims?: boolean }) => Tensor;

/** A layer that reduces all spatial axes. */
export const overAll = (name: string, op: string, rank: Rank, reduce: Reduction) => (): Module =>
  new Stateless(`${name}()`, (x) => {
    const { shape } = spatial(op, x, rank);
    return reduce(x, { axis: [...shape.keys()].slice(1, -1) });
  });

/** Mean over all rows and columns. [n, h, w, c] → [n, c]. */
export const globalAvgPool2d = overAll("GlobalAvgPool2d", "globalAvgPool2d", 2, ops.mean);
/** Largest value over all rows and columns; equal ones share the gradient. [n, h, w, c] → [n, c]. */
export const globalMaxPool2d = overAll("GlobalMaxPool2d", "globalMaxPool2d", 2, ops.max);

/** An axis of n entries cut into `count` windows, window i going from ⌊i·n / count⌋ to ⌈(i + 1)·n / count⌉, each reduced to one. */
function adapt(x: Tensor, axis: number, count: number, reduce: Reduction): Tensor {
  const n = x.shape[axis];
  if (n === count) return x;
  const window = (i: number) => {
    const bounds = (all: number, own: number) => x.shape.slice(0, axis + 1).map((_, k) => (k === axis ? own : all));
    const [start, end] = [Math.floor((i * n) / count), Math.ceil(((i + 1) * n) / count)];
    return reduce(x.slice(bounds(0, start), [...x.shape.slice(0, axis), end]), { axis, keepDims: true });
  };
  return concat(
    Array.from({ length: count }, (_, i) => window(i)),
    { axis },
  );
}

/** Pooling to a given size. Windows are boxes, so axes can be reduced one after the other. */
export const adaptive =
  <Size extends number | readonly number[]>(
    name: string,
    op: string,
    rank: Rank,
    apply: (x: Tensor, window: Size) => Tensor,
    reduce: Reduction,
  ): ((size: Size) => Module) =>
  (size) => {
    const counts = wholes(op, "size", size, 1, rank);
    return new Stateless(showCall(name, [size]), (x) => {
      const cells = spatial(op, x, rank).shape.slice(1, -1);
      const window = cells.map((n, i) => n / counts[i]);
      if (window.every((n) => n >= 1 && Number.isInteger(n))) return apply(x, (rank === 1 ? window[0] : window) as Size);
      return counts.reduce((y, count, i) => adapt(y, 1 + i, count, reduce), x);
    });
  };

/**
 * Means of windows that are as equal as they can be, so many that the result has the given rows and columns: any size of image →
 * [n, ...size, c]. Windows overlap by one where sizes do not divide, as in PyTorch.
 */
export const adaptiveAvgPool2d = adaptive("AdaptiveAvgPool2d", "adaptiveAvgPool2d", 2, ops.avgPool2d, ops.mean);
/** Largest values of the windows of {@link adaptiveAvgPool2d}. */
export const adaptiveMaxPool2d = adaptive("AdaptiveMaxPool2d", "adaptiveMaxPool2d", 2, ops.maxPool2d, ops.max);
