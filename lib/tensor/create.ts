/** Tensors from numbers. */
import type { TypedArray } from "../base/dtype.js";
import { checkOptions } from "../base/options.js";
import { checkShape, type Shape } from "../base/shape.js";
import type { Tensor } from "../graph/tensor.js";
import { asTensor, fromArray, type NestedArray, type TensorLike } from "../ops/convert.js";
import type { DTypeOptions } from "../ops/create.js";
import { cast } from "../ops/elementwise.js";
import { currentDevice } from "./devices.js";
import { storageFor } from "./evaluate.js";

/** Bytes from which elements go to the device at once: its memory has been used before, whereas a fresh array's costs a page fault every 4 KB. */
const worthMoving = 1 << 14;

/**
 * A tensor from nested arrays, a number or a typed array (copied). Numbers become f32 unless `dtype` says otherwise;
 * typed arrays keep their own dtype, `shape` gives them more axes. An array of a batch says both itself: `tensor(x.data, x)`.
 */
export function tensor(value: TensorLike, options: DTypeOptions & { shape?: Shape } = {}): Tensor {
  checkOptions("tensor", options, ["dtype", "shape", "data"]);
  const { dtype, shape } = options;
  if (shape !== undefined) checkShape("tensor", shape);
  if (typeof value === "number" || typeof value === "boolean") {
    const own = dtype ?? (typeof value === "boolean" ? "bool" : "f32");
    return fromArray("tensor", [value], own, shape ?? []);
  }
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
    const x = asTensor("tensor", value);
    return dtype === undefined ? x : cast(x, dtype);
  }
  const isLarge = ArrayBuffer.isView(value) && value.byteLength >= worthMoving;
  const x = fromArray("tensor", value as NestedArray | TypedArray, dtype, shape, isLarge);
  if (isLarge) storageFor(currentDevice(), x);
  return x;
}
