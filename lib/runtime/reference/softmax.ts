/** Softmax, its logarithm, cross-entropy and its gradient over rows, shifted by the row's maximum so that exp cannot overflow. */
import type { TypedArray } from "../../base/dtype.js";
import { sameShape } from "../../base/shape.js";
import { type Call, elements, IndexFailure, type ReferenceKernel, type Signature } from "./operand.js";

/** max x and Σ exp(x − max x) of the row [start, start + n). */
function normalizer(x: TypedArray, start: number, n: number): { top: number; sum: number } {
  let top = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < n; j++) top = Math.max(top, x[start + j]);
  let sum = 0;
  for (let j = 0; j < n; j++) sum += Math.exp(x[start + j] - top);
  return { top, sum };
}

function checkRows({ inputs: [x], outputs: [y] }: Call<Signature>): string | null {
  return x.shape.length === 2 && sameShape(x.shape, y.shape) ? null : `x [${x.shape}] and y [${y.shape}] are not the same rows`;
}

export const softmax: ReferenceKernel = {
  check: checkRows,
  run({ inputs, outputs }) {
    const [rows, n] = inputs[0].shape;
    const x = elements(inputs[0]);
    const y = elements(outputs[0]);
    for (let r = 0; r < rows; r++) {
      const { top, sum } = normalizer(x, r * n, n);
      for (let i = r * n; i < (r + 1) * n; i++) y[i] = Math.exp(x[i] - top) / sum;
    }
  },
};

export const log_softmax: ReferenceKernel = {
  check: checkRows,
  run({ inputs, outputs }) {
    const [rows, n] = inputs[0].shape;
    const x = elements(inputs[0]);
    const y = elements(outputs[0]);
    for (let r = 0; r < rows; r++) {
      const { top, sum } = normalizer(x, r * n, n);
      for (let i = r * n; i < (r + 1) * n; i++) y[i] = x[i] - top - Math.log(sum);
    }
  },
};

function checkLabels({ inputs: [logits, labels] }: Call<Signature>): string | null {
  if (logits.shape.length !== 2) return `the logits are [${logits.shape}], not rows`;
  if (labels.dtype !== "i32") return `the labels are ${labels.dtype}, not i32`;
  return sameShape(labels.shape, [logits.shape[0]]) ? null : `labels [${labels.shape}] are not one for each row of [${logits.shape}]`;
}

export const cross_entropy: ReferenceKernel = {
  check(call) {
    const [rows] = call.inputs[0].shape;
    const [loss] = call.outputs;
    return checkLabels(call) ?? (sameShape(loss.shape, [rows]) ? null : `the loss is [${loss.shape}], not one for each of ${rows} rows`);
  },
  run({ inputs, outputs }) {
    const [rows, n] = inputs[0].shape;
    const [x, labels] = inputs.map(elements);
    const loss = elements(outputs[0]);
    for (let r = 0; r < rows; r++) {
      if (labels[r] < 0 || labels[r] >= n) throw new IndexFailure(labels[r], n);
      const { top, sum } = normalizer(x, r * n, n);
      loss[r] = Math.log(sum) + (top - x[r * n + labels[r]]);
    }
  },
};

export const cross_entropy_grad: ReferenceKernel = {
  check: (call) => checkLabels(call) ?? checkRows(call),
  run(call) {
    const n = call.inputs[0].shape[1];
    const labels = elements(call.inputs[1]);
    const y = elements(call.outputs[0]);
    const bad = labels.find((label) => label < 0 || label >= n);
    if (bad !== undefined) throw new IndexFailure(bad, n);
    softmax.run(call);
    labels.forEach((label, r) => {
      y[r * n + label] -= 1;
    });
  },
};
