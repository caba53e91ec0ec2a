/** Reductions over the middle of [outer, n, inner]: of the values a tile computes, and to the position of an extreme. */
import { count, elements, type ReferenceKernel } from "./operand.js";
import { evaluate } from "./tile.js";

const reductions = [
  { neutral: 0, combine: (a: number, b: number) => a + b },
  { neutral: Number.NEGATIVE_INFINITY, combine: (a: number, b: number) => Math.max(a, b) },
  { neutral: Number.POSITIVE_INFINITY, combine: (a: number, b: number) => Math.min(a, b) },
  { neutral: 1, combine: (a: number, b: number) => a * b },
];

export const reduce: ReferenceKernel = {
  check({ attrs: [op, outer, n, inner], outputs, tile }) {
    if (!(op in reductions)) return `there is no reduction number ${op}`;
    if (count(tile!.shape) !== outer * n * inner) return `the tile has ${count(tile!.shape)} elements, not ${outer} × ${n} × ${inner}`;
    for (const y of outputs) {
      if (count(y.shape) !== outer * inner) return `an output has ${count(y.shape)} elements, not ${outer} × ${inner}`;
      if (y.dtype !== tile!.dtype) return `an output is ${y.dtype}, the tile ${tile!.dtype}`;
    }
    return outputs.length >= 1 && outputs.length <= 4 ? null : `the tile of a reduction has 1 to 4 stores, not ${outputs.length}`;
  },
  run({ attrs: [op, outer, n, inner], inputs, outputs, tile, uniforms }) {
    const { neutral, combine } = reductions[op];
    const totals = outputs.map(() => new Float64Array(outer * inner).fill(neutral));
    evaluate(tile!, inputs, uniforms, (registers, start, length) => {
      for (const [k, total] of totals.entries()) {
        const values = registers[tile!.stores[k]];
        for (let i = 0; i < length; i++) {
          const at = Math.floor((start + i) / (n * inner)) * inner + ((start + i) % inner);
          total[at] = combine(total[at], values[i]);
        }
      }
    });
    for (const [k, y] of outputs.entries()) elements(y).set(totals[k]);
  },
};

export const arg_reduce: ReferenceKernel = {
  check({ attrs: [op, outer, n, inner], inputs: [x], outputs: [y] }) {
    if (op !== 0 && op !== 1) return `there is no arg-reduction number ${op}`;
    if (n === 0 && outer * inner > 0) return "the extreme of no elements has no position";
    if (count(x.shape) !== outer * n * inner) return `the input has ${count(x.shape)} elements, not ${outer} × ${n} × ${inner}`;
    if (count(y.shape) !== outer * inner) return `the output has ${count(y.shape)} elements, not ${outer} × ${inner}`;
    return y.dtype === "i32" ? null : `the output is ${y.dtype}, not i32`;
  },
  run({ attrs: [op, outer, n, inner], inputs: [source], outputs: [target] }) {
    const [x, y] = [elements(source), elements(target)];
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const value = (j: number) => x[(o * n + j) * inner + i];
        let best = 0;
        for (let j = 1; j < n && !Number.isNaN(value(best)); j++) {
          const better = op === 0 ? value(j) > value(best) : value(j) < value(best);
          if (better || Number.isNaN(value(j))) best = j;
        }
        y[o * inner + i] = best;
      }
    }
  },
};
