/** Means and variances of the middle of [outer, n, inner]; rows brought to mean 0 and variance 1, and the gradient of that. */
import type { TypedArray } from "../../base/dtype.js";
import { sameShape } from "../../base/shape.js";
import { type Call, count, elements, type ReferenceKernel, type Signature } from "./operand.js";

export const moments: ReferenceKernel = {
  check({ attrs: [outer, n, inner], inputs: [x], outputs: [y] }) {
    if (count(x.shape) !== outer * n * inner) return `the input has ${count(x.shape)} elements, not ${outer} × ${n} × ${inner}`;
    return count(y.shape) === 2 * outer * inner ? null : `the output has ${count(y.shape)} elements, not 2 × ${outer} × ${inner}`;
  },
  run({ attrs: [outer, n, inner], inputs, outputs }) {
    const [x, y] = [elements(inputs[0]), elements(outputs[0])];
    for (let at = 0; at < outer * inner; at++) {
      const value = (j: number) => x[(Math.floor(at / inner) * n + j) * inner + (at % inner)];
      const mean = sum(n, value) / n;
      y[at] = mean;
      y[outer * inner + at] = sum(n, (j) => (value(j) - mean) ** 2) / n;
    }
  },
};

function sum(n: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
}

/** What is wrong with the operands of a row norm, the third of which has the shape of `like`. */
function checkRows({ attrs: [centered], inputs: [x, weight, third, eps], outputs: [y] }: Call<Signature>, like: Signature): string | null {
  const n = count(weight.shape);
  if (centered !== 0 && centered !== 1) return `rows are centered or not, 1 or 0, but not ${centered}`;
  if (n === 0 || count(x.shape) % n !== 0) return `rows of ${n} do not make [${x.shape}]`;
  if (count(third.shape) !== count(like.shape)) return `the third input is [${third.shape}] but should be like [${like.shape}]`;
  if (count(eps.shape) !== 1) return `eps is one number but [${eps.shape}]`;
  return sameShape(x.shape, y.shape) ? null : `x [${x.shape}] and y [${y.shape}] differ`;
}

/** Standardised values of a row and their scale: z = (x − m) · r. */
function standardized(x: TypedArray, eps: number, centered: boolean): { z: Float64Array; r: number } {
  const n = x.length;
  const m = centered ? sum(n, (i) => x[i]) / n : 0;
  const r = 1 / Math.sqrt(sum(n, (i) => (x[i] - m) ** 2) / n + eps);
  return { z: Float64Array.from(x, (value) => (value - m) * r), r };
}

export const layer_norm: ReferenceKernel = {
  check: (call) => checkRows(call, call.inputs[1]),
  run({ attrs: [centered], inputs, outputs }) {
    const [x, weight, bias, [eps]] = inputs.map(elements);
    const y = elements(outputs[0]);
    const n = weight.length;
    for (let start = 0; start < x.length; start += n) {
      const { z } = standardized(x.subarray(start, start + n), eps, centered === 1);
      for (let i = 0; i < n; i++) y[start + i] = z[i] * weight[i] + bias[i];
    }
  },
};

export const layer_norm_grad: ReferenceKernel = {
  check: (call) => checkRows(call, call.inputs[0]),
  run({ attrs: [centered], inputs, outputs }) {
    const [x, weight, gy, [eps]] = inputs.map(elements);
    const gx = elements(outputs[0]);
    const n = weight.length;
    for (let start = 0; start < x.length; start += n) {
      const { z, r } = standardized(x.subarray(start, start + n), eps, centered === 1);
      const g = (i: number) => weight[i] * gy[start + i];
      const offset = centered === 1 ? sum(n, g) / n : 0;
      const slope = sum(n, (i) => g(i) * z[i]) / n;
      for (let i = 0; i < n; i++) gx[start + i] = r * (g(i) - offset - z[i] * slope);
    }
  },
};
