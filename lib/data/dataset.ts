/** Data sets: examples by number, fetched a batch at a time as plain arrays in JavaScript's memory. */
import { allocate, arrayOf, type DType, type TypedArray } from "../base/dtype.js";
import { DTypeError, IndexError, ShapeError, ValueError } from "../base/errors.js";
import { checkShape, format, type Shape, sizeOf } from "../base/shape.js";

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

/**
 * A number of examples that can be fetched in any order. Extend it with `length` and `get` for data of your own:
 *
 * ```ts
 * class Squares extends Dataset<LabeledBatch> {
 *   readonly length = 1000;
 *   get(indices: ArrayLike<number>) {
 *     const x = Float32Array.from(indices);
 *     const shape = [indices.length, 1];
 *     return { x: { data: x, shape, dtype: "f32" }, y: { data: x.map((v) => v * v), shape, dtype: "f32" } } as const;
 *   }
 * }
 * ```
 */
export abstract class Dataset<B extends Batch = Batch> {
  /** Number of examples. */
  abstract readonly length: number;

  /** The examples at `indices`, in that order; repeated indices repeat examples. Throws {@link IndexError}. */
  abstract get(indices: ArrayLike<number>): B | Promise<B>;

  /** The same examples, changed a batch at a time when they are fetched. Each call gets whatever indices were asked for together. */
  map<C extends Batch>(transform: (batch: B) => C | Promise<C>): Dataset<C> {
    return new MappedDataset(this, transform);
  }

  /** Examples `start` to `end` (not included), counted from the end if negative, as for arrays; nothing is copied. */
  slice(start = 0, end = this.length): Dataset<B> {
    const from = fromEnd(start, this.length);
    const to = Math.max(fromEnd(end, this.length), from);
    return new Subset(
      this,
      Int32Array.from({ length: to - from }, (_, i) => from + i),
    );
  }

  /** The first `count` examples, or all if there are fewer. */
  take(count: number): Dataset<B> {
    if (!Number.isInteger(count) || count < 0) {
      throw new ValueError(`take: expected a whole number ≥ 0 of examples but received ${count}`, { op: "take", inputs: [count] });
    }
    return this.slice(0, count);
  }

  /** The examples at `indices` as a data set of their own; nothing is copied. Throws {@link IndexError}. */
  select(indices: ArrayLike<number>): Dataset<B> {
    checkIndices("select", indices, this.length);
    return new Subset(this, Int32Array.from(indices));
  }
}

/** A position as Array.prototype.slice understands it, within 0 … length. */
function fromEnd(position: number, length: number): number {
  if (!Number.isInteger(position)) {
    throw new ValueError(`slice: expected whole numbers but received ${position}`, { op: "slice", inputs: [position] });
  }
  return position < 0 ? Math.max(position + length, 0) : Math.min(position, length);
}

function checkIndices(op: string, indices: ArrayLike<number>, length: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i];
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      const range = length === 0 ? "the data set is empty" : `examples are numbered from 0 to ${length - 1}`;
      throw new IndexError(`${op}: there is no example ${index}; ${range}`, { op, inputs: [index, length] });
    }
  }
}

class MappedDataset<B extends Batch, C extends Batch> extends Dataset<C> {
  constructor(
    private readonly source: Dataset<B>,
    private readonly transform: (batch: B) => C | Promise<C>,
  ) {
    super();
  }

  get length(): number {
    return this.source.length;
  }

  get(indices: ArrayLike<number>): C | Promise<C> {
    const batch = this.source.get(indices);
    return batch instanceof Promise ? batch.then(this.transform) : this.transform(batch);
  }
}

class Subset<B extends Batch> extends Dataset<B> {
  constructor(
    private readonly source: Dataset<B>,
    private readonly chosen: Int32Array,
  ) {
    super();
  }

  get length(): number {
    return this.chosen.length;
  }

  get(indices: ArrayLike<number>): B | Promise<B> {
    checkIndices("get", indices, this.length);
    return this.source.get(Int32Array.from(indices, (i) => this.chosen[i]));
  }
}

/**
 * Examples in typed arrays, one array for each field, examples on the first axis. The arrays are not copied.
 *
 * ```ts
 * new ArrayDataset({
 *   x: { data: new Float32Array(100 * 4), shape: [100, 4], dtype: "f32" },
 *   y: { data: new Int32Array(100), shape: [100], dtype: "i32" },
 * });
 * ```
 *
 * @throws {ShapeError} if fields have different numbers of examples, or elements do not fill their shape.
 * @throws {DTypeError} if a typed array does not hold its dtype.
 */
export class ArrayDataset<B extends Batch = Batch> extends Dataset<B> {
  readonly length: number;

  constructor(private readonly fields: B) {
    super();
    const entries = Object.entries(fields);
    if (entries.length === 0) throw new ValueError("ArrayDataset: expected at least one field but received none", { op: "ArrayDataset" });
    for (const [name, field] of entries) checkField(name, field);
    const [firstName, first] = entries[0];
    this.length = first.shape[0];
    for (const [name, { shape }] of entries) {
      if (shape[0] !== this.length) {
        throw new ShapeError(`ArrayDataset: ${firstName} has ${this.length} examples but ${name} has ${shape[0]}`, {
          op: "ArrayDataset",
          inputs: entries.map(([, field]) => field.shape),
        });
      }
    }
  }

  get(indices: ArrayLike<number>): B {
    checkIndices("get", indices, this.length);
    return Object.fromEntries(Object.entries(this.fields).map(([name, field]) => [name, takeRows(field, indices)])) as B;
  }
}

function checkField(name: string, { data, shape, dtype }: HostArray): void {
  const details = { op: "ArrayDataset", inputs: [shape, dtype] };
  checkShape("ArrayDataset", shape);
  if (shape.length === 0) throw new ShapeError(`ArrayDataset: ${name} is a scalar; its first axis must count the examples`, details);
  if (!(data instanceof arrayOf(dtype))) {
    throw new DTypeError(
      `ArrayDataset: ${name} of dtype ${dtype} must be a ${arrayOf(dtype).name}; received ${data?.constructor?.name}`,
      details,
    );
  }
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(`ArrayDataset: ${name} has ${data.length} elements but shape ${format(shape)} takes ${sizeOf(shape)}`, details);
  }
}

function takeRows({ data, shape, dtype }: HostArray, indices: ArrayLike<number>): HostArray {
  const rowSize = sizeOf(shape.slice(1));
  const rows = allocate(dtype, indices.length * rowSize);
  for (let i = 0; i < indices.length; i++) {
    rows.set(data.subarray(indices[i] * rowSize, (indices[i] + 1) * rowSize), i * rowSize);
  }
  return { data: rows, shape: [indices.length, ...shape.slice(1)], dtype };
}
