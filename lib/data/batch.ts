/** Batches: some examples as arrays in JavaScript's memory, a row an example; rows taken out of them and put together. */
import { allocate, type DType, type TypedArray } from "../base/dtype.js";
import { ShapeError } from "../base/errors.js";
import { format, type Shape, sameShape, sizeOf } from "../base/shape.js";

/** An array in JavaScript's memory: row-major elements, their shape and type. Batches count examples on the first axis. */
export interface HostArray {
  readonly data: TypedArray;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Some examples: one array for each field, all with the same number of rows. */
export type Batch = Readonly<Record<string, HostArray>>;

/** Examples with what is to be predicted of them. */
export type LabeledBatch = { readonly x: HostArray; readonly y: HostArray };

/** Number of examples in a batch. */
export function rowCount(batch: Batch): number {
  return Object.values(batch)[0]?.shape[0] ?? 0;
}

/** The rows at `indices` of every field, copied. */
export function selectRows<B extends Batch>(batch: B, indices: ArrayLike<number>): B {
  return mapFields(batch, ({ data, shape, dtype }) => {
    const size = sizeOf(shape.slice(1));
    const rows = allocate(dtype, indices.length * size);
    for (let i = 0; i < indices.length; i++) rows.set(data.subarray(indices[i] * size, (indices[i] + 1) * size), i * size);
    return { data: rows, shape: [indices.length, ...shape.slice(1)], dtype };
  });
}

/** A batch with each of its fields changed. */
export function mapFields<B extends Batch>(batch: B, change: (field: HostArray) => HostArray): B {
  return Object.fromEntries(Object.entries(batch).map(([name, field]) => [name, change(field)])) as B;
}

/** Room for a number of examples, filled one by one. */
export class RowBuffer<B extends Batch = Batch> {
  private readonly fields: B;

  /** For `capacity` rows with the fields, shapes and dtypes of those of `like`. */
  constructor(like: B, capacity: number) {
    this.fields = mapFields(like, ({ shape, dtype }) => {
      const full = [capacity, ...shape.slice(1)];
      return { data: allocate(dtype, sizeOf(full)), shape: full, dtype };
    });
  }

  /** Copies row `row` of `batch` to place `at`. @throws {ShapeError} if its fields are not those of the rows before. */
  put(at: number, batch: B, row: number): void {
    for (const name in this.fields) {
      const to: HostArray = this.fields[name];
      const from: HostArray | undefined = batch[name];
      const shape = to.shape.slice(1);
      if (from === undefined || from.dtype !== to.dtype || !sameShape(from.shape.slice(1), shape)) {
        const found = from === undefined ? "is missing" : `is ${format(from.shape.slice(1))} ${from.dtype}`;
        throw new ShapeError(
          `examples differ: ${name} of one is ${format(shape)} ${to.dtype}, of another it ${found}; bring them to one shape, or pad them when they are collated`,
          { op: "batch", inputs: [to.shape, from?.shape] },
        );
      }
      const size = sizeOf(shape);
      to.data.set(from.data.subarray(row * size, (row + 1) * size), at * size);
    }
  }

  /** Copies of the rows at `indices`; without them all rows, which are handed over and not copied. */
  batch(indices?: ArrayLike<number>): B {
    return indices === undefined ? this.fields : selectRows(this.fields, indices);
  }
}

/** Batches of the same fields as one. */
export function joinBatches<B extends Batch>(batches: readonly B[]): B {
  if (batches.length === 1) return batches[0];
  const rows = new RowBuffer(
    batches[0],
    batches.reduce((sum, batch) => sum + rowCount(batch), 0),
  );
  let at = 0;
  for (const batch of batches) for (let i = 0; i < rowCount(batch); i++) rows.put(at++, batch, i);
  return rows.batch();
}

/** What a filter answers for the examples of a batch, as the numbers of those that stay. @throws {ShapeError} unless there is one answer each. */
export function keptRows(answers: ArrayLike<boolean | number>, batch: Batch): number[] {
  const rows = rowCount(batch);
  if (answers.length !== rows) {
    throw new ShapeError(`filter: keep gave ${answers.length} answers for ${rows} examples; it must give one for each`, {
      op: "filter",
      inputs: [answers.length, rows],
    });
  }
  return upTo(rows).filter((row) => answers[row]);
}

/** 0 … n − 1. */
export function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
