/** Copies between strided windows of one dtype and shape. */
import { sameShape } from "../../base/shape.js";
import { count, isInjective, locate, type ReferenceKernel } from "./operand.js";

export const copy: ReferenceKernel = {
  check({ inputs: [x], outputs: [y] }) {
    if (x.dtype !== y.dtype) return `the dtypes ${x.dtype} and ${y.dtype} differ`;
    if (!sameShape(x.shape, y.shape)) return `the shapes [${x.shape}] and [${y.shape}] differ`;
    return isInjective(y) || count(y.shape) === 0 ? null : `elements of the output overlap: shape [${y.shape}], strides [${y.strides}]`;
  },
  run({ inputs: [x], outputs: [y] }) {
    const size = count(x.shape);
    const from = new Float64Array(size);
    const to = new Float64Array(size);
    locate(x, 0, size, from);
    locate(y, 0, size, to);
    for (let i = 0; i < size; i++) y.data[to[i]] = x.data[from[i]];
  },
};
