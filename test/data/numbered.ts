/** Data sets whose examples say which they are. */
import { ArrayDataset, type Batch, type Dataset, type LabeledBatch } from "../../lib/data/index.js";

/** n examples of which number i is x = [i, −i], y = i. */
export function numbered(n: number): ArrayDataset<LabeledBatch> {
  const x = Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? i / 2 : -(i - 1) / 2));
  const y = Int32Array.from({ length: n }, (_, i) => i);
  return new ArrayDataset<LabeledBatch>({ x: { data: x, shape: [n, 2], dtype: "f32" }, y: { data: y, shape: [n], dtype: "i32" } });
}

/** The y of all examples. */
export const labels = async (dataset: Dataset<LabeledBatch>) => [
  ...(await dataset.get(Array.from({ length: dataset.length }, (_, i) => i))).y.data,
];

export async function collect<B extends Batch>(batches: AsyncIterable<B>): Promise<B[]> {
  const all: B[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

/** The y of each batch. */
export const order = async (batches: AsyncIterable<LabeledBatch>) => (await collect(batches)).map(({ y }) => [...y.data]);
export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
export const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
