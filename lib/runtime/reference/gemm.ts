/** Batched matrix product: c[b,i,j] = Σₚ a[b,i,p] · b[b,p,j], accumulated in doubles. */
import { elements, type ReferenceKernel } from "./operand.js";

export const gemm: ReferenceKernel = {
  check({ inputs: [a, b], outputs: [c] }) {
    if (a.shape.length !== 3 || b.shape.length !== 3 || c.shape.length !== 3) return "operands have three axes";
    const [batch, m, k] = a.shape;
    const n = b.shape[2];
    if (b.shape[0] !== batch || b.shape[1] !== k) return `b is [${b.shape}] but a is [${a.shape}]`;
    if (c.shape[0] !== batch || c.shape[1] !== m || c.shape[2] !== n) return `c is [${c.shape}], not [${[batch, m, n]}]`;
    return null;
  },
  run({ inputs: [a, b], outputs: [c] }) {
    const [batch, m, n] = c.shape;
    const k = a.shape[2];
    const [aBatch, aRow, aColumn] = a.strides;
    const [bBatch, bRow, bColumn] = b.strides;
    const result = elements(c);
    const row = new Float64Array(n);
    for (let t = 0; t < batch; t++) {
      for (let i = 0; i < m; i++) {
        row.fill(0);
        for (let p = 0; p < k; p++) {
          const factor = a.data[a.offset + t * aBatch + i * aRow + p * aColumn];
          const start = b.offset + t * bBatch + p * bRow;
          for (let j = 0; j < n; j++) row[j] += factor * b.data[start + j * bColumn];
        }
        result.set(row, (t * m + i) * n);
      }
    }
  },
};
