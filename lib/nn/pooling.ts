/** Pooling layers over images [n, h, w, c]. */
import { ShapeError } from "../base/errors.js";
import { format } from "../base/shape.js";
import { checkWindow, wholePair } from "../ops/conv.js";
import * as ops from "../tensor/index.js";
import { concat, type Pair, type Pool2dOptions, type Tensor } from "../tensor/index.js";
import { showCall } from "./layer.js";
import type { Module } from "./module.js";
import { Stateless } from "./stateless.js";

/** A pooling layer; its options are checked now, not at the first image. */
function pool<Options extends Pool2dOptions>(
  name: string,
  op: string,
  apply: (x: Tensor, window: Pair, options?: Options) => Tensor,
): (window: Pair, options?: Options) => Module {
  return (window, options) => {
    const { stride = window, padding = "valid" } = options ?? {};
    wholePair(op, "window", window, 1);
    checkWindow(op, { stride, padding, dilation: 1 });
    return new Stateless(showCall(name, [window], options), (x) => apply(x, window, options));
  };
}

/** Largest value in each window; windows do not overlap unless `stride` says so. [n, h, w, c] → [n, h', w', c]. */
export const maxPool2d = pool("MaxPool2d", "maxPool2d", ops.maxPool2d);
/** Mean of each window; windows do not overlap unless `stride` says so. [n, h, w, c] → [n, h', w', c]. */
export const avgPool2d = pool("AvgPool2d", "avgPool2d", ops.avgPool2d);

type Reduction = (x: Tensor, options: { axis: number | readonly number[]; keepDims?: boolean }) => Tensor;

function checkImages(op: string, x: Tensor): void {
  if (x.shape.length !== 4) {
    throw new ShapeError(`${op}(x: ${format(x.shape)}): expected images [n, h, w, c]; does it stand before nn.flatten()?`, {
      op,
      inputs: [x.shape],
    });
  }
}

const overAll = (name: string, op: string, reduce: Reduction) => (): Module =>
  new Stateless(`${name}()`, (x) => {
    checkImages(op, x);
    return reduce(x, { axis: [1, 2] });
  });

/** Mean over all rows and columns. [n, h, w, c] → [n, c]. */
export const globalAvgPool2d = overAll("GlobalAvgPool2d", "globalAvgPool2d", ops.mean);
/** Largest value over all rows and columns; equal ones share the gradient. [n, h, w, c] → [n, c]. */
export const globalMaxPool2d = overAll("GlobalMaxPool2d", "globalMaxPool2d", ops.max);

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

/** Pooling to a given size. Windows are rectangles, so rows can be reduced before columns. */
const adaptive = (name: string, op: string, apply: (x: Tensor, window: Pair) => Tensor, reduce: Reduction): ((size: Pair) => Module) => {
  return (size) => {
    const [h, w] = wholePair(op, "size", size, 1);
    return new Stateless(showCall(name, [size]), (x) => {
      checkImages(op, x);
      const [, rows, columns] = x.shape;
      const even = rows >= h && columns >= w && rows % h === 0 && columns % w === 0;
      return even ? apply(x, [rows / h, columns / w]) : adapt(adapt(x, 1, h, reduce), 2, w, reduce);
    });
  };
};

/**
 * Means of windows that are as equal as they can be, so many that the result has the given rows and columns: any size of image →
 * [n, ...size, c]. Windows overlap by one where sizes do not divide, as in PyTorch.
 */
export const adaptiveAvgPool2d = adaptive("AdaptiveAvgPool2d", "adaptiveAvgPool2d", ops.avgPool2d, ops.mean);
/** Largest values of the windows of {@link adaptiveAvgPool2d}. */
export const adaptiveMaxPool2d = adaptive("AdaptiveMaxPool2d", "adaptiveMaxPool2d", ops.maxPool2d, ops.max);
