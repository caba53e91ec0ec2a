/** Ops on the rows of a matrix: softmax and its kin, cross-entropy, picking and scattering rows. */
import { isFloat } from "../base/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, normalizeAxis, type Shape, sameShape, sizeOf } from "../base/shape.js";
import { defineOp, node } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import type { View } from "../runtime/program.js";
import { asTensor, floating, show, type TensorLike } from "./convert.js";
import { arange } from "./create.js";
import { cast, eq, exp, mul, sub } from "./elementwise.js";
import { sum } from "./reduce.js";
import { expandDims, permute, reshape } from "./views.js";

/** A contiguous view as [rows, n], n being the last dimension. */
const asRows = (view: View): View => {
  const n = view.shape.at(-1) ?? 1;
  return { ...view, shape: [sizeOf(view.shape.slice(0, -1)), n], strides: [n, 1] };
};

const rowsOf = (kernel: string) => ({
  kind: "kernel" as const,
  kernel,
  operands: (inputs: readonly View[], output: View) => ({ inputs: inputs.map(asRows), output: asRows(output) }),
});

const last = { axis: -1, keepDims: true };

/** Jᵀ·gy with J = diag(y) − y·yᵀ. */
const softmaxGradient = (gy: Tensor, y: Tensor): Tensor => mul(y, sub(gy, sum(mul(gy, y), last)));

const softmaxOp = defineOp({
  name: "softmax",
  inputs: ["x"],
  vjp: { x: (gy, { y }) => softmaxGradient(gy, y) },
  lowering: rowsOf("softmax"),
});

const logSoftmaxOp = defineOp({
  name: "logSoftmax",
  inputs: ["x"],
  vjp: { x: (gy, { y }) => sub(gy, mul(exp(y), sum(gy, last))) },
  lowering: rowsOf("log_softmax"),
});

/** Applies a row op along any axis by bringing that axis last. */
function along(name: string, value: TensorLike, axis: number, apply: (x: Tensor) => Tensor): Tensor {
  const x = floating(name, value);
  const k = normalizeAxis(name, axis, x.shape);
  const rank = x.shape.length;
  if (k === rank - 1) return apply(x);
  const order = [...x.shape.map((_, i) => i).filter((i) => i !== k), k];
  return permute(
    apply(permute(x, order)),
    order.map((_, i) => order.indexOf(i)),
  );
}

/** exp(x − max x) / Σ exp(x − max x) along `axis` (default the last). */
export function softmax(value: TensorLike, axis = -1): Tensor {
  return along("softmax", value, axis, (x) => node(softmaxOp, [x], x.shape, x.dtype));
}

/** log softmax(x) along `axis` (default the last), without overflow. */
export function logSoftmax(value: TensorLike, axis = -1): Tensor {
  return along("logSoftmax", value, axis, (x) => node(logSoftmaxOp, [x], x.shape, x.dtype));
}

/** softmax(logits) − oneHot(labels), in one pass with whatever scales it. */
const crossEntropyGradientOp = defineOp({
  name: "crossEntropyGradient",
  inputs: ["logits", "labels"],
  vjp: { logits: (u, { logits }) => softmaxGradient(u, softmax(logits)), labels: null },
  lowering: { kind: "kernel", kernel: "cross_entropy_grad", fallible: true, epilogue: true },
});

const crossEntropyOp = defineOp({
  name: "crossEntropy",
  inputs: ["logits", "labels"],
  vjp: {
    logits: (gy, { logits, labels }) => mul(node(crossEntropyGradientOp, [logits, labels], logits.shape, logits.dtype), expandDims(gy, 1)),
    labels: null,
  },
  lowering: { kind: "kernel", kernel: "cross_entropy", fallible: true },
});

/**
 * −log softmax(logits)[label] of each row. logits: [rows, classes], labels: [rows] i32 → [rows].
 * A label outside 0 … classes − 1 makes the run fail with an IndexError.
 */
export function crossEntropyRows(logitsLike: TensorLike, labelsLike: TensorLike): Tensor {
  const logits = floating("crossEntropy", logitsLike);
  const labels = asTensor("crossEntropy", labelsLike, "i32");
  if (labels.dtype !== "i32") {
    throw new DTypeError(
      `crossEntropy(${show("logits", logits)}, ${show("labels", labels)}): labels must be i32 class numbers; cast them: labels.cast("i32")`,
      {
        op: "crossEntropy",
        inputs: [logits.shape, labels.shape],
      },
    );
  }
  if (logits.shape.length !== 2 || labels.shape.length !== 1 || labels.shape[0] !== logits.shape[0]) {
    throw new ShapeError(
      `crossEntropy(${show("logits", logits)}, ${show("labels", labels)}): expected logits [n, classes] and labels [n]; one label per row of logits`,
      { op: "crossEntropy", inputs: [logits.shape, labels.shape] },
    );
  }
  return node(crossEntropyOp, [logits, labels], [logits.shape[0]], logits.dtype);
}

/** Labels of the rows of logits [..., classes], checked: class numbers [...], i32 or u8, as i32. */
export function labelsOf(op: string, logits: Tensor, labelsLike: TensorLike): Tensor {
  const labels = asTensor(op, labelsLike, "i32");
  const call = `${op}(${show("logits", logits)}, ${show("labels", labels)})`;
  const context = { op, inputs: [logits.shape, labels.shape] };
  const rows = logits.shape.slice(0, -1);
  if (labels.dtype !== "i32" && labels.dtype !== "u8") {
    const mend = sameShape(logits.shape, labels.shape) ? "from one-hot rows: labels.argmax(-1)" : 'cast them: labels.cast("i32")';
    throw new DTypeError(`${call}: labels must be class numbers, i32 or u8, but are ${labels.dtype}; ${mend}`, context);
  }
  if (logits.shape.length === 0 || !sameShape(rows, labels.shape)) {
    const mend = sizeOf(rows) === sizeOf(labels.shape) ? `; labels.reshape(${format(rows)})` : "";
    throw new ShapeError(`${call}: expected logits [..., classes] and labels [...], one label per row of logits${mend}`, context);
  }
  return cast(labels, "i32");
}

const gatherRowsOp = defineOp({
  name: "gather",
  inputs: ["x", "index"],
  vjp: { x: (gy, { x, index }) => scatterAddRows(gy, index, x.shape[0]), index: null },
  lowering: { kind: "kernel", kernel: "gather_rows", fallible: true },
});

const scatterAddRowsOp = defineOp({
  name: "scatterAddRows",
  inputs: ["gy", "index"],
  vjp: { gy: (g, { index }) => gather(g, index), index: null },
  lowering: { kind: "kernel", kernel: "scatter_add_rows", fallible: true },
});

function scatterAddRows(gy: Tensor, index: Tensor, rows: number): Tensor {
  return node(scatterAddRowsOp, [gy, index], [rows, gy.shape[1]], gy.dtype);
}

/**
 * Entries of the first axis by number. x: [n, …], index: any shape, i32 → [...index shape, …].
 * An index outside 0 … n − 1 makes the run fail with an IndexError.
 */
export function gather(value: TensorLike, indexLike: TensorLike): Tensor {
  const x = asTensor("gather", value);
  const index = asTensor("gather", indexLike, "i32");
  if (index.dtype !== "i32") {
    throw new DTypeError(`gather(${show("x", x)}, ${show("index", index)}): the index must be i32; cast it: index.cast("i32")`, {
      op: "gather",
    });
  }
  if (x.shape.length === 0) throw new ShapeError("gather: a scalar has no entries to pick", { op: "gather", inputs: [x.shape] });
  const rest: Shape = x.shape.slice(1);
  const width = sizeOf(rest);
  const rows = reshape(x, [x.shape[0], width]);
  const picked = node(gatherRowsOp, [rows, reshape(index, [sizeOf(index.shape)])], [sizeOf(index.shape), width], x.dtype);
  return reshape(picked, [...index.shape, ...rest]);
}

/** 1 at each label's position, else 0. labels: any shape, i32 → [..., classes]. Labels out of range give rows of zeros. */
export function oneHot(labelsLike: TensorLike, classes: number, options: { dtype?: Tensor["dtype"] } = {}): Tensor {
  const { dtype = "f32" } = optionsOf("oneHot", options, ["dtype"]);
  const labels = asTensor("oneHot", labelsLike, "i32");
  if (isFloat(labels.dtype) || labels.dtype === "bool")
    throw new DTypeError(`oneHot(${show("labels", labels)}): labels must be whole numbers; cast them: labels.cast("i32")`, {
      op: "oneHot",
    });
  if (!Number.isInteger(classes) || classes < 1)
    throw new ValueError(`oneHot: classes must be a whole number ≥ 1 but is ${classes}`, { op: "oneHot", inputs: [classes] });
  return cast(eq(cast(expandDims(labels, -1), "f32"), arange(classes)), dtype);
}
