/** Matrix products: one op over [m, k] · [k, n] and batches of them; everything else is views around it. */
import { DTypeError, ShapeError } from "../base/errors.js";
import { broadcast, format, type Shape, sizeOf } from "../base/shape.js";
import { defineOp, node } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import type { View } from "../runtime/program.js";
import { floating, show, type TensorLike } from "./convert.js";
import { expand } from "./reduce.js";
import { expandDims, reshape, transpose } from "./views.js";

const batched = (view: View, batch: number): View =>
  view.shape.length === 3 ? view : { ...view, shape: [batch, ...view.shape], strides: [0, ...view.strides] };

/** [..., m, n] → [rows, n] */
const flat = (x: Tensor): Tensor => reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);

/** a: [m, k] or [b, m, k], b: [k, n] or, with as many as a's, [b, k, n]. Transposed operands are absorbed by their strides. */
const matmulOp = defineOp({
  name: "matmul",
  inputs: ["a", "b"],
  vjp: {
    a: (gy, { b }) => matmul(gy, transpose(b)),
    b: (gy, { a, b }) => (b.shape.length === 2 ? matmul(transpose(flat(a)), flat(gy)) : matmul(transpose(a), gy)),
  },
  lowering: {
    kind: "kernel",
    kernel: "gemm",
    strided: true,
    epilogue: true,
    takesPrologue: () => true,
    operands: (inputs, output) => {
      const batch = output.shape.length === 3 ? output.shape[0] : 1;
      return { inputs: inputs.map((view) => batched(view, batch)), output: batched(output, batch) };
    },
  },
});

/**
 * Matrix product. [m, k] · [k, n] → [m, n]; vectors act as in NumPy; leading axes are batches and broadcast.
 * @throws ShapeError if the inner dimensions differ.
 */
export function matmul(left: TensorLike, right: TensorLike): Tensor {
  const a = floating("matmul", left);
  const b = floating("matmul", right);
  if (a.dtype !== b.dtype) {
    throw new DTypeError(
      `matmul(${show("a", a)}, ${show("b", b)}): dtypes differ: ${a.dtype} and ${b.dtype}; cast one: b.cast("${a.dtype}")`,
      {
        op: "matmul",
        inputs: [a.shape, b.shape],
      },
    );
  }
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new ShapeError(`matmul(${show("a", a)}, ${show("b", b)}): scalars have no inner dimension; use mul`, {
      op: "matmul",
      inputs: [a.shape, b.shape],
    });
  }
  if (a.shape.length === 1) return dropAxis(matmul(expandDims(a, 0), b), -2);
  if (b.shape.length === 1) return dropAxis(matmul(a, expandDims(b, 1)), -1);

  const [m, ka] = a.shape.slice(-2);
  const [kb, n] = b.shape.slice(-2);
  if (ka !== kb) throw innerMismatch(a, b, ka, kb, n);
  if (a.shape.length === 2 && b.shape.length === 2) return node(matmulOp, [a, b], [m, n], a.dtype);
  // One matrix on the right serves all on the left.
  if (b.shape.length === 2) {
    const before = a.shape.slice(0, -2);
    const y = node(matmulOp, [reshape(a, [sizeOf(before), m, ka]), b], [sizeOf(before), m, n], a.dtype);
    return reshape(y, [...before, m, n]);
  }

  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (batch === null) {
    throw new ShapeError(
      `matmul(${show("a", a)}, ${show("b", b)}): batch dimensions ${format(a.shape.slice(0, -2))} and ${format(b.shape.slice(0, -2))} do not broadcast`,
      {
        op: "matmul",
        inputs: [a.shape, b.shape],
      },
    );
  }
  const count = sizeOf(batch);
  const stackOf = (x: Tensor, rows: Shape): Tensor => reshape(expand(x, [...batch, ...rows]), [count, ...rows]);
  const y = node(matmulOp, [stackOf(a, [m, ka]), stackOf(b, [kb, n])], [count, m, n], a.dtype);
  return reshape(y, [...batch, m, n]);
}

function dropAxis(x: Tensor, axis: number): Tensor {
  return reshape(
    x,
    x.shape.filter((_, i) => i !== x.shape.length + axis),
  );
}

function innerMismatch(a: Tensor, b: Tensor, ka: number, kb: number, n: number): ShapeError {
  const hint =
    ka === n && b.shape.length === 2
      ? "; did you mean matmul(a, transpose(b))?"
      : `.\n  Did the layer before this one produce ${kb} features?  linear(${ka}, ${kb}) → linear(${kb}, ${n})`;
  return new ShapeError(`matmul: inner dimensions differ: ${format(a.shape)} · ${format(b.shape)} needs ${ka} = ${kb}${hint}`, {
    op: "matmul",
    inputs: [a.shape, b.shape],
  });
}
