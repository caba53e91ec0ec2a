/** Rows picked by an index, and its adjoint: rows added where an index says. */
import type { TypedArray } from "../../base/dtype.js";
import { elements, IndexFailure, type ReferenceKernel, type Signature } from "./operand.js";

function check(table: Signature, index: Signature, picked: Signature): string | null {
  if (index.dtype !== "i32") return `the index is ${index.dtype}, not i32`;
  if (table.dtype !== picked.dtype) return `the dtypes ${table.dtype} and ${picked.dtype} differ`;
  if (table.shape.length !== 2 || index.shape.length !== 1 || picked.shape.length !== 2) return "rows have two axes, their index one";
  if (picked.shape[0] !== index.shape[0] || picked.shape[1] !== table.shape[1]) {
    return `[${index.shape}] rows of [${table.shape}] do not make [${picked.shape}]`;
  }
  return null;
}

function checkIndex(index: TypedArray, rows: number): void {
  for (const row of index) if (row < 0 || row >= rows) throw new IndexFailure(row, rows);
}

export const gather_rows: ReferenceKernel = {
  check: ({ inputs: [x, index], outputs: [y] }) => check(x, index, y),
  run({ inputs, outputs }) {
    const [rows, n] = inputs[0].shape;
    const [x, index] = inputs.map(elements);
    const y = elements(outputs[0]);
    checkIndex(index, rows);
    index.forEach((row, i) => {
      for (let j = 0; j < n; j++) y[i * n + j] = x[row * n + j];
    });
  },
};

export const scatter_add_rows: ReferenceKernel = {
  check: ({ inputs: [gy, index], outputs: [gx] }) => check(gx, index, gy),
  run({ inputs, outputs }) {
    const [rows, n] = outputs[0].shape;
    const [gy, index] = inputs.map(elements);
    const gx = new Float64Array(rows * n);
    checkIndex(index, rows);
    index.forEach((row, i) => {
      for (let j = 0; j < n; j++) gx[row * n + j] += gy[i * n + j];
    });
    elements(outputs[0]).set(gx);
  },
};
