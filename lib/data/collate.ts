/** Single examples, as programs hold them, put together as batches. */
import { allocate, arrayOf, type DType, type TypedArray } from "../base/dtype.js";
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sameShape, sizeOf } from "../base/shape.js";
import type { Batch, HostArray } from "./batch.js";
import { Dataset } from "./dataset.js";

/** A field of one example: a number, numbers in a row, or an array with its shape. */
export type ExampleField = number | boolean | TypedArray | readonly number[] | HostArray;

/** One example: its fields by name. */
export type Example = Readonly<Record<string, ExampleField>>;

export interface CollateOptions {
  /** Types of fields given as plain numbers, `{ y: "i32" }`; typed arrays keep theirs. Default f32 (booleans: bool). */
  dtypes?: Readonly<Record<string, DType>>;
  /**
   * Fields whose first axis differs from example to example, with the number that fills the shorter ones up: `{ words: 0 }`. The lengths
   * before that are the field of the same name with `Length` behind it.
   */
  pad?: Readonly<Record<string, number>>;
}

/**
 * Examples as one batch, stacked along a new first axis.
 * @example collate([{ x: [1, 2], y: 0 }, { x: [3, 4], y: 1 }], { dtypes: { y: "i32" } }) // x f32 [2, 2], y i32 [2]
 * @throws {ShapeError} if examples have different shapes or fields.
 */
export function collate(examples: readonly Example[], options: CollateOptions = {}): Batch {
  const { dtypes = {}, pad = {} } = optionsOf("collate", options, ["dtypes", "pad"]);
  if (examples.length === 0) throw new ValueError("collate: expected at least one example but received none", { op: "collate" });
  const batch: Record<string, HostArray> = {};
  for (const name of Object.keys(examples[0])) {
    const arrays = examples.map((example, i) => toArray(name, example[name], dtypes[name], i));
    if (Object.hasOwn(pad, name)) {
      batch[`${name}Length`] = { data: Int32Array.from(arrays, ({ shape }) => shape[0]), shape: [arrays.length], dtype: "i32" };
      const longest = Math.max(...arrays.map(({ shape }) => shape[0]));
      batch[name] = stack(
        name,
        arrays.map((array) => padded(array, longest, pad[name])),
      );
    } else batch[name] = stack(name, arrays);
  }
  return batch;
}

function toArray(name: string, field: ExampleField | undefined, dtype: DType | undefined, i: number): HostArray {
  if (field === undefined)
    throw new ShapeError(`collate: example ${i} has no field ${name}, as the first has`, { op: "collate", inputs: [name, i] });
  if (typeof field === "number" || typeof field === "boolean") {
    const type = dtype ?? (typeof field === "boolean" ? "bool" : "f32");
    return { data: arrayOf(type).of(Number(field)), shape: [], dtype: type };
  }
  if ("shape" in field) return field;
  if (Array.isArray(field)) return { data: arrayOf(dtype ?? "f32").from(field), shape: [field.length], dtype: dtype ?? "f32" };
  const data = field as TypedArray;
  const own = (["f32", "f64", "i32", "u8"] as const).find((type) => data instanceof arrayOf(type));
  if (own === undefined)
    throw new ShapeError(`collate: ${name} of example ${i} is neither a number, nor numbers, nor an array with a shape`, {
      op: "collate",
      inputs: [name, i],
    });
  return { data, shape: [data.length], dtype: own };
}

function stack(name: string, arrays: readonly HostArray[]): HostArray {
  const [{ shape, dtype }] = arrays;
  const size = sizeOf(shape);
  const data = allocate(dtype, arrays.length * size);
  arrays.forEach((array, i) => {
    if (array.dtype !== dtype || !sameShape(array.shape, shape)) {
      throw new ShapeError(
        `collate: ${name} is ${format(shape)} ${dtype} in example 0 but ${format(array.shape)} ${array.dtype} in example ${i}; pad: { ${name}: 0 } fills up a first axis`,
        { op: "collate", inputs: [shape, array.shape] },
      );
    }
    data.set(array.data, i * size);
  });
  return { data, shape: [arrays.length, ...shape], dtype };
}

function padded({ data, shape: [length, ...rest], dtype }: HostArray, longest: number, value: number): HostArray {
  if (length === longest) return { data, shape: [length, ...rest], dtype };
  const shape = [longest, ...rest];
  const full = allocate(dtype, sizeOf(shape)).fill(value);
  full.set(data);
  return { data: full, shape, dtype };
}

/** Examples that can be asked for one at a time; an array is one. */
export interface ExampleSource {
  readonly length: number;
  at(index: number): Example | Promise<Example> | undefined;
}

export interface FromExamplesOptions extends CollateOptions {
  /** Puts the examples of a batch together. Default: {@link collate}, with these options. */
  collate?: (examples: readonly Example[], options: CollateOptions) => Batch;
}

/**
 * A data set of examples that are held, or made, one at a time.
 * @example fromExamples([{ x: [0, 1], y: 1 }, { x: [1, 1], y: 0 }], { dtypes: { y: "i32" } })
 */
export function fromExamples<B extends Batch = Batch>(source: ExampleSource, options: FromExamplesOptions = {}): Dataset<B> {
  const { collate: join = collate, ...how } = optionsOf("fromExamples", options, ["collate", "dtypes", "pad"]);
  return new ExampleDataset(source, (examples) => join(examples, how) as B);
}

class ExampleDataset<B extends Batch> extends Dataset<B> {
  constructor(
    private readonly source: ExampleSource,
    private readonly join: (examples: readonly Example[]) => B,
  ) {
    super();
  }

  get length(): number {
    return this.source.length;
  }

  get(indices: ArrayLike<number>): B | Promise<B> {
    this.check(indices);
    const examples = Array.from(indices, (i) => this.source.at(i)!);
    return examples.some((example) => example instanceof Promise)
      ? Promise.all(examples).then(this.join)
      : this.join(examples as readonly Example[]);
  }
}
