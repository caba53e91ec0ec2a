/** Data sets: examples by number, fetched a batch at a time as plain arrays in JavaScript's memory. */
import { arrayOf } from "../base/dtype.js";
import { DTypeError, IndexError, ShapeError, ValueError } from "../base/errors.js";
import { checkShape, format, sizeOf } from "../base/shape.js";
import { type Batch, type HostArray, keptRows, RowBuffer, selectRows } from "./batch.js";
import { type Pass, Sampling } from "./sampling.js";

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

  constructor(
    /** Functions given to `map` that an example goes through: each draws random numbers of its own. */
    readonly transforms = 0,
  ) {}

  /**
   * The examples at `indices`, in that order; repeated indices repeat examples. Throws {@link IndexError}. A loader says with `pass`
   * which pass over the data this belongs to: what is random in an example depends on that alone.
   */
  abstract get(indices: ArrayLike<number>, pass?: Pass): B | Promise<B>;

  /**
   * The same examples, changed a batch at a time when they are fetched. Each call gets whatever indices were asked for together; a
   * random change draws from `sampling.random(i)`, so that the same seed gives the same examples whatever batch they are in.
   */
  map<C extends Batch>(transform: (batch: B, sampling: Sampling) => C | Promise<C>): Dataset<C> {
    return new MappedDataset(this, transform);
  }

  /**
   * The examples for which `keep` gives true (or 1), a batch at a time: all are looked at once, now.
   * @example const fives = await train.filter(({ y }) => y.data.map((digit) => Number(digit === 5)));
   */
  async filter(keep: (batch: B) => ArrayLike<boolean | number>): Promise<Dataset<B>> {
    const kept: number[] = [];
    await visitAll(this, (batch, indices) => {
      for (const row of keptRows(keep(batch), batch)) kept.push(indices[row]);
    });
    return new Subset(this, Int32Array.from(kept));
  }

  /** These examples and behind them those of `others`, which have the same fields. */
  concat(...others: readonly Dataset<B>[]): Dataset<B> {
    return new Concatenated([this, ...others]);
  }

  /** Each example with the fields of that of `other` at the same place. Throws {@link ValueError} if lengths differ or, when fetched, names are the same. */
  zip<C extends Batch>(other: Dataset<C>): Dataset<B & C> {
    return new Zipped(this, other);
  }

  /** The same examples, each fetched once and then kept in memory; what is random in them stays as it was drawn first. */
  cache(): Dataset<B> {
    return new Cached(this);
  }

  /**
   * One field of all examples, of one number each (labels, groups); a promise where examples are fetched asynchronously. Data sets that
   * know it without fetching override this. Throws {@link ValueError} if there is no such field, or it has more than one number an example.
   */
  column(name: string): ArrayLike<number> | Promise<ArrayLike<number>> {
    const column: number[] = [];
    const add = (batch: B) => {
      for (const value of Array.from(numbersOf(name, batch))) column.push(value);
    };
    return then(visitAll(this, add), () => column);
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

  /** Throws {@link IndexError} unless all `indices` are numbers of examples. */
  protected check(indices: ArrayLike<number>): void {
    checkIndices("get", indices, this.length);
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

/** Examples fetched at once by those who go through all of them. */
const stretch = 256;

/** Fetches all examples in order and hands them over a batch at a time; without waiting as long as they are there at once. */
function visitAll<B extends Batch>(dataset: Dataset<B>, visit: (batch: B, indices: Int32Array) => void): void | Promise<void> {
  let start = 0;
  const goOn = (): void | Promise<void> => {
    while (start < dataset.length) {
      const from = start;
      start = Math.min(from + stretch, dataset.length);
      const indices = Int32Array.from({ length: start - from }, (_, i) => from + i);
      const batch = dataset.get(indices);
      if (batch instanceof Promise)
        return batch.then((fetched) => {
          visit(fetched, indices);
          return goOn();
        });
      visit(batch, indices);
    }
  };
  return goOn();
}

/** The field `name` of a batch, if it has one number an example. */
function numbersOf(name: string, batch: Batch): ArrayLike<number> {
  const field = Object.hasOwn(batch, name) ? batch[name] : undefined;
  if (field === undefined || sizeOf(field.shape.slice(1)) !== 1) {
    const fields = Object.entries(batch).map(([known, { shape }]) => `${known} ${format(shape.slice(1))}`);
    throw new ValueError(`column("${name}"): expected a field of one number an example; there are ${fields.join(", ")}`, {
      op: "column",
      inputs: [name],
    });
  }
  return field.data;
}

/** Goes on with a value at once if it is there, or when its promise is kept. */
function then<A, R>(value: A | Promise<A>, next: (value: A) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

class MappedDataset<B extends Batch, C extends Batch> extends Dataset<C> {
  constructor(
    private readonly source: Dataset<B>,
    private readonly transform: (batch: B, sampling: Sampling) => C | Promise<C>,
  ) {
    super(source.transforms + 1);
  }

  get length(): number {
    return this.source.length;
  }

  get(indices: ArrayLike<number>, pass?: Pass): C | Promise<C> {
    return then(this.source.get(indices, pass), (batch) => this.transform(batch, new Sampling(indices, pass, this.source.transforms)));
  }
}

class Subset<B extends Batch> extends Dataset<B> {
  constructor(
    private readonly source: Dataset<B>,
    private readonly chosen: Int32Array,
  ) {
    super(source.transforms);
  }

  get length(): number {
    return this.chosen.length;
  }

  get(indices: ArrayLike<number>, pass?: Pass): B | Promise<B> {
    this.check(indices);
    return this.source.get(
      Int32Array.from(indices, (i) => this.chosen[i]),
      pass,
    );
  }

  override column(name: string): ArrayLike<number> | Promise<ArrayLike<number>> {
    return then(this.source.column(name), (all) => Array.from(this.chosen, (i) => all[i]));
  }
}

class Concatenated<B extends Batch> extends Dataset<B> {
  readonly length: number;
  /** Number of the first example of each part. */
  private readonly starts: number[] = [];

  constructor(private readonly parts: readonly Dataset<B>[]) {
    super(Math.max(...parts.map(({ transforms }) => transforms)));
    let length = 0;
    for (const part of parts) {
      this.starts.push(length);
      length += part.length;
    }
    this.length = length;
  }

  get(indices: ArrayLike<number>, pass?: Pass): B | Promise<B> {
    this.check(indices);
    const wanted: { rows: number[]; indices: number[] }[] = this.parts.map(() => ({ rows: [], indices: [] }));
    for (let row = 0; row < indices.length; row++) {
      const part = this.starts.findLastIndex((start) => start <= indices[row]);
      wanted[part].rows.push(row);
      wanted[part].indices.push(indices[row] - this.starts[part]);
    }
    const used = wanted.flatMap((want, part) => (want.rows.length > 0 ? [{ ...want, part }] : []));
    if (used.length === 0) return this.parts[0].get([], pass);
    if (used.length === 1) return this.parts[used[0].part].get(used[0].indices, pass);
    const fetched = used.map((want) => this.parts[want.part].get(want.indices, pass));
    const join = (batches: readonly B[]) => {
      const rows = new RowBuffer(batches[0], indices.length);
      for (const [k, batch] of batches.entries()) for (let i = 0; i < used[k].rows.length; i++) rows.put(used[k].rows[i], batch, i);
      return rows.batch();
    };
    return fetched.some((batch) => batch instanceof Promise) ? Promise.all(fetched).then(join) : join(fetched as B[]);
  }

  override column(name: string): ArrayLike<number> | Promise<ArrayLike<number>> {
    const columns = this.parts.map((part) => part.column(name));
    const join = (all: readonly ArrayLike<number>[]) => all.flatMap((column) => Array.from(column));
    return columns.some((column) => column instanceof Promise) ? Promise.all(columns).then(join) : join(columns as ArrayLike<number>[]);
  }
}

class Zipped<B extends Batch, C extends Batch> extends Dataset<B & C> {
  constructor(
    private readonly left: Dataset<B>,
    private readonly right: Dataset<C>,
  ) {
    super(Math.max(left.transforms, right.transforms));
    if (left.length !== right.length) {
      throw new ValueError(`zip: there are ${left.length} and ${right.length} examples; each needs its partner`, {
        op: "zip",
        inputs: [left.length, right.length],
      });
    }
  }

  get length(): number {
    return this.left.length;
  }

  get(indices: ArrayLike<number>, pass?: Pass): (B & C) | Promise<B & C> {
    const right = this.right.get(indices, pass);
    return then(this.left.get(indices, pass), (a) =>
      then(right, (b) => {
        const twice = Object.keys(a).find((name) => Object.hasOwn(b, name));
        if (twice === undefined) return { ...a, ...b };
        throw new ValueError(
          `zip: both sides have a field ${twice}; rename one: .map(({ ${twice}, ...rest }) => ({ ...rest, other: ${twice} }))`,
          {
            op: "zip",
            inputs: [twice],
          },
        );
      }),
    );
  }
}

class Cached<B extends Batch> extends Dataset<B> {
  private rows: RowBuffer<B> | null = null;
  private readonly isKept: Uint8Array;

  constructor(private readonly source: Dataset<B>) {
    super(source.transforms);
    this.isKept = new Uint8Array(source.length);
  }

  get length(): number {
    return this.source.length;
  }

  get(indices: ArrayLike<number>, pass?: Pass): B | Promise<B> {
    this.check(indices);
    const missing = [...new Set(Array.from(indices).filter((i) => this.isKept[i] === 0))];
    if (missing.length === 0 && this.rows !== null) return this.rows.batch(indices);
    return then(this.source.get(missing, pass), (batch) => {
      this.rows ??= new RowBuffer(batch, this.length);
      for (const [row, index] of missing.entries()) {
        this.rows.put(index, batch, row);
        this.isKept[index] = 1;
      }
      return this.rows.batch(indices);
    });
  }

  override column(name: string): ArrayLike<number> | Promise<ArrayLike<number>> {
    return this.source.column(name);
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
    this.check(indices);
    return selectRows(this.fields, indices);
  }

  override column(name: string): ArrayLike<number> {
    return numbersOf(name, this.fields);
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
