/** Tables: named columns of numbers and of categories, in memory or streamed, and the features made of them. */
import { allocate, type FloatDType } from "../base/dtype.js";
import { DataError, FormatError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { type Batch, type HostArray, type LabeledBatch, rowCount } from "./batch.js";
import { ArrayDataset, Dataset } from "./dataset.js";
import type { Pass } from "./sampling.js";
import { StreamDataset } from "./stream.js";

/** What a column holds: numbers (NaN where missing), or one of some categories (as its number, −1 where missing). */
export type ColumnType = { readonly kind: "number" } | { readonly kind: "category"; readonly categories: readonly string[] };

/** Columns by name, in their order. */
export type Schema = ReadonlyMap<string, ColumnType>;

export interface TableOptions {
  /** What columns hold. Default: numbers if every value that is there is one, else categories. */
  types?: Readonly<Record<string, ColumnType["kind"]>>;
  /** The categories of columns, in order. Default: those that occur, sorted. Data that are streamed must be told them. */
  categories?: Readonly<Record<string, readonly string[]>>;
  /** Texts that mean that a value is missing. Default: "", "NA", "N/A", "NaN", "nan", "null", "?". */
  missing?: readonly string[];
  /** Type of numbers. Default f32. */
  dtype?: FloatDType;
}

export interface FeatureOptions {
  /** The column, or columns, to be predicted. Numbers become y [n, columns] of the table's dtype; a single column of categories y i32 [n]. */
  target: string | readonly string[];
  /** Columns that x is made of. Default: all that are no target. */
  columns?: readonly string[];
}
const featureNames = ["target", "columns"] as const;

/** A value as a reader found it. */
export type Cell = string | number | boolean | bigint | Date | null | undefined;

/** Some rows as a reader found them: a list of values for each column. */
export interface RawRows {
  readonly names: readonly string[];
  readonly columns: readonly (readonly Cell[])[];
}

const defaultMissing = ["", "NA", "N/A", "NaN", "nan", "null", "?"];

/**
 * A table in memory: a field for each column, numbers as f32 (or f64) with NaN where they are missing, categories as i32 with −1.
 * `features` makes of it what a model is trained on.
 */
export class Table extends ArrayDataset<Batch> {
  constructor(
    columns: Batch,
    readonly schema: Schema,
  ) {
    super(columns);
  }

  /**
   * Examples x [n, features], y: numbers as they are (NaN where missing), categories one-hot (all zero where missing).
   * @example const houses = (await csv("houses.csv").read()).features({ target: "price" });
   * @throws {ValueError} if there is no such column.
   */
  features(options: FeatureOptions): Features {
    return new Features(this, this.schema, options);
  }
}

/** The examples of a table: x [n, features] and y. */
export class Features extends Dataset<LabeledBatch> {
  /** What each column of x is: a column's name, or `name=category`. */
  readonly names: readonly string[];
  readonly length: number;
  private readonly encode: (rows: Batch) => LabeledBatch;

  constructor(
    private readonly table: Dataset<Batch>,
    schema: Schema,
    options: FeatureOptions,
  ) {
    super();
    this.length = table.length;
    const { names, encode } = encoder(schema, optionsOf("features", options, featureNames));
    this.names = names;
    this.encode = encode;
  }

  get(indices: ArrayLike<number>, pass?: Pass): LabeledBatch | Promise<LabeledBatch> {
    const rows = this.table.get(indices, pass);
    return rows instanceof Promise ? rows.then(this.encode) : this.encode(rows);
  }
}

/** How columns become x and y. */
function encoder(schema: Schema, { target, columns }: FeatureOptions) {
  const targets = typeof target === "string" ? [target] : [...target];
  const used = columns ?? [...schema.keys()].filter((name) => !targets.includes(name));
  const typeOf = (name: string): ColumnType => {
    const type = schema.get(name);
    if (type !== undefined) return type;
    throw new ValueError(`features: there is no column "${name}"; the columns are ${[...schema.keys()].join(", ")}`, {
      op: "features",
      inputs: [name],
    });
  };
  const names = used.flatMap((name) => {
    const type = typeOf(name);
    return type.kind === "number" ? [name] : type.categories.map((category) => `${name}=${category}`);
  });
  const areClasses = targets.map((name) => typeOf(name).kind === "category");
  if (targets.length === 0 || (areClasses.includes(true) && targets.length > 1)) {
    throw new ValueError(
      `features: expected columns of numbers, or one of categories, as the target but received ${targets.join(", ") || "none"}`,
      {
        op: "features",
        inputs: [targets],
      },
    );
  }
  const encode = (rows: Batch): LabeledBatch => ({
    x: encodeColumns(
      used.map((name) => [rows[name], typeOf(name)]),
      names.length,
      rowCount(rows),
    ),
    y: areClasses[0]
      ? rows[targets[0]]
      : encodeColumns(
          targets.map((name) => [rows[name], typeOf(name)]),
          targets.length,
          rowCount(rows),
        ),
  });
  return { names, encode };
}

function encodeColumns(columns: readonly (readonly [HostArray, ColumnType])[], width: number, rows: number): HostArray {
  const dtype = columns.find(([, { kind }]) => kind === "number")?.[0].dtype ?? "f32";
  const data = allocate(dtype, rows * width);
  let at = 0;
  for (const [{ data: values }, type] of columns) {
    if (type.kind === "number") for (let i = 0; i < rows; i++) data[i * width + at] = values[i];
    else for (let i = 0; i < rows; i++) if (values[i] >= 0) data[i * width + at + values[i]] = 1;
    at += type.kind === "number" ? 1 : type.categories.length;
  }
  return { data, shape: [rows, width], dtype };
}

/**
 * A table that is read piece by piece, again for each epoch, and need not fit into memory. `read()` reads all of it.
 * Types are inferred from the first piece; categories of a column must be given, as they cannot be known before the end.
 */
export class TableStream extends StreamDataset<Batch> {
  private schema: Schema | null = null;

  constructor(
    private readonly op: string,
    private readonly raw: () => AsyncIterable<RawRows>,
    private readonly options: TableOptions,
  ) {
    super(() => this.typed());
  }

  private async *typed(): AsyncGenerator<Batch> {
    let first = 1;
    for await (const rows of this.raw()) {
      this.schema ??= schemaOf(this.op, rows, this.options, false);
      yield toColumns(this.op, rows, this.schema, this.options, first);
      first += rows.columns[0]?.length ?? 0;
    }
  }

  /** Examples x and y, made as {@link Table.features} makes them, as they come. */
  features(options: FeatureOptions): StreamDataset<LabeledBatch> {
    let encode: ((rows: Batch) => LabeledBatch) | null = null;
    optionsOf("features", options, featureNames);
    return this.map((rows) => {
      encode ??= encoder(this.schema!, options).encode;
      return encode(rows);
    });
  }

  /** Reads the whole table into memory, where all values decide what columns hold. Throws {@link DataError} if it has no row. */
  override async read(): Promise<Table> {
    let all: { names: readonly string[]; columns: Cell[][] } | null = null;
    for await (const { names, columns } of this.raw()) {
      all ??= { names, columns: names.map(() => []) };
      for (const [k, column] of columns.entries()) for (const cell of column) all.columns[k].push(cell);
    }
    if (all === null || (all.columns[0]?.length ?? 0) === 0) throw new DataError(`${this.op}: there are no rows`, { op: this.op });
    const schema = schemaOf(this.op, all, this.options, true);
    return new Table(toColumns(this.op, all, schema, this.options, 1), schema);
  }
}

const isMissing = (cell: Cell, missing: readonly string[]) =>
  cell === null ||
  cell === undefined ||
  (typeof cell === "number" && Number.isNaN(cell)) ||
  (typeof cell === "string" && missing.includes(cell.trim()));

/** The number a cell is, or NaN. */
function numberOf(cell: Cell): number {
  return typeof cell === "string" && cell.trim() === "" ? Number.NaN : Number(cell);
}

function schemaOf(
  op: string,
  { names, columns }: RawRows,
  { types = {}, categories = {}, missing = defaultMissing }: TableOptions,
  isAll: boolean,
): Schema {
  for (const name of [...Object.keys(types), ...Object.keys(categories)]) {
    if (!names.includes(name))
      throw new ValueError(`${op}: there is no column "${name}"; the columns are ${names.join(", ")}`, { op, inputs: [name] });
  }
  return new Map(
    names.map((name, k): [string, ColumnType] => {
      const present = columns[k].filter((cell) => !isMissing(cell, missing));
      const odd = present.find((cell) => typeof cell === "object" && !(cell instanceof Date));
      if (odd !== undefined)
        throw new FormatError(`${op}: column "${name}" holds lists or objects; only numbers, texts, booleans and dates are read`, {
          op,
          inputs: [name],
        });
      const given = Object.hasOwn(categories, name) ? categories[name] : undefined;
      const inferred = given !== undefined || present.some((cell) => Number.isNaN(numberOf(cell))) ? "category" : "number";
      if ((types[name] ?? inferred) === "number") return [name, { kind: "number" }];
      if (given === undefined && !isAll) {
        throw new ValueError(
          `${op}: column "${name}" holds categories, which are not known before the end of a stream; give them (categories: { ${JSON.stringify(name)}: [...] }) or read the table into memory: await ….read()`,
          { op, inputs: [name] },
        );
      }
      return [name, { kind: "category", categories: given ?? [...new Set(present.map((cell) => String(cell)))].sort(inOrder) }];
    }),
  );
}

/** Numbers by size, texts by code unit: the same order on every machine. */
const inOrder = (a: string, b: string) => Number(a) - Number(b) || (a < b ? -1 : 1);

function toColumns(
  op: string,
  { names, columns }: RawRows,
  schema: Schema,
  { missing = defaultMissing, dtype = "f32" }: TableOptions,
  firstRow: number,
): Batch {
  const typed: Record<string, HostArray> = {};
  for (const [k, name] of names.entries()) {
    const type = schema.get(name);
    const cells = columns[k];
    const wrong = (i: number, problem: string): never => {
      const row = firstRow + i;
      throw new FormatError(`${op}: row ${row}: ${JSON.stringify(cells[i])} in column "${name}" ${problem}`, {
        op,
        inputs: [row, name, cells[i]],
      });
    };
    if (type === undefined)
      throw new FormatError(`${op}: from row ${firstRow} on there is a column "${name}", which the first rows do not have`, {
        op,
        inputs: [name],
      });
    if (type.kind === "number") {
      const data = allocate(dtype, cells.length);
      for (const [i, cell] of cells.entries()) {
        data[i] = isMissing(cell, missing) ? Number.NaN : numberOf(cell);
        if (Number.isNaN(data[i]) && !isMissing(cell, missing))
          wrong(i, `is no number; say that it is missing (missing: [...]) or a category (types: { ${JSON.stringify(name)}: "category" })`);
      }
      typed[name] = { data, shape: [cells.length], dtype };
    } else {
      const numbers = new Map(type.categories.map((category, number) => [category, number]));
      const data = Int32Array.from(cells, (cell, i) =>
        isMissing(cell, missing)
          ? -1
          : (numbers.get(String(cell)) ?? wrong(i, `is none of the categories ${type.categories.slice(0, 12).join(", ")}`)),
      );
      typed[name] = { data, shape: [cells.length], dtype: "i32" };
    }
  }
  return typed;
}
