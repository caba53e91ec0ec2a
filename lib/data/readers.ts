/** Readers of tables: CSV, JSON lines, Parquet and Arrow files, each through the package that is kept for it. */
import { createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as zlib from "node:zlib";
import { DataError, FormatError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { optional } from "./optional.js";
import { type Cell, type RawRows, type TableOptions, TableStream } from "./table.js";

/** Rows that are handed over at once. */
const piece = 1024;

/** The bytes of a file, unpacked if its name ends in .gz. Throws {@link DataError} if it cannot be read. */
async function open(op: string, path: string): Promise<Readable> {
  await exists(op, path);
  const file = createReadStream(path);
  if (!path.endsWith(".gz")) return file;
  const unpacked = zlib.createGunzip();
  file.on("error", (error) => unpacked.destroy(error));
  return file.pipe(unpacked);
}

async function exists(op: string, path: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new DataError(`${op}: ${path} cannot be read: ${(cause as Error).message}`, { op, inputs: [path], cause });
  }
}

/** What `body` gives; what goes wrong in it, other than nabla's own errors, is the file's fault. */
async function* ofFile(op: string, path: string, body: () => AsyncIterable<RawRows>): AsyncGenerator<RawRows> {
  try {
    yield* body();
  } catch (cause) {
    if (cause instanceof DataError || cause instanceof FormatError) throw cause;
    throw new FormatError(`${op}: ${path}: ${(cause as Error).message}`, { op, inputs: [path], cause });
  }
}

const tableNames = ["types", "categories", "missing", "dtype"] as const;

export interface CsvOptions extends TableOptions {
  /** Whether the first line names the columns, or their names. Default true. */
  header?: boolean | readonly string[];
  /** Lines in front of all that are not read. Default 0. */
  skipLines?: number;
  /** Default ",". */
  delimiter?: string;
}

/**
 * A table in a CSV file (plain or .gz), read by the package `csv-parse`. Streams; `await csv(path).read()` holds it in memory.
 * @example const houses = (await csv("houses.csv").read()).features({ target: "price" });
 * @throws {DataError} if the file or the package is not there. @throws {FormatError} if a line does not fit the others.
 */
export function csv(path: string, options: CsvOptions = {}): TableStream {
  const names = ["header", "skipLines", "delimiter", ...tableNames] as const;
  const { header = true, skipLines = 0, delimiter = ",", ...table } = optionsOf("csv", options, names);
  const rows = async function* (): AsyncGenerator<RawRows> {
    const { parse } = await optional<typeof import("csv-parse")>("csv", "CSV files", "csv-parse");
    const parser = parse({ delimiter, from_line: skipLines + 1, skip_empty_lines: true, bom: true });
    const file = await open("csv", path);
    file.on("error", (error) => parser.destroy(error));
    let names = typeof header === "boolean" ? null : header;
    let columns: Cell[][] = [];
    for await (const line of file.pipe(parser) as AsyncIterable<string[]>) {
      if (names === null) {
        names = header === true ? line : line.map((_, k) => String(k));
        if (header === true) continue;
      }
      if (line.length !== names.length)
        throw new FormatError(`csv: ${path}: a line has ${line.length} values for ${names.length} columns`, { op: "csv", inputs: [path] });
      if (columns.length === 0) columns = names.map(() => []);
      for (const [k, text] of line.entries()) columns[k].push(text);
      if (columns[0].length === piece) {
        yield { names, columns };
        columns = [];
      }
    }
    if (columns.length > 0) yield { names: names!, columns };
  };
  return new TableStream("csv", () => ofFile("csv", path, rows), table);
}

/** Objects as columns; the first piece decides which there are. */
async function* columnsOf(objects: AsyncIterable<Readonly<Record<string, Cell>>>): AsyncGenerator<RawRows> {
  let waiting: Readonly<Record<string, Cell>>[] = [];
  let names: readonly string[] | null = null;
  const pieceOf = (): RawRows => {
    const own = [...new Set(waiting.flatMap((object) => Object.keys(object)))];
    names = [...(names ?? []), ...own.filter((name) => !names?.includes(name))];
    const columns = names.map((name) => waiting.map((object) => object[name]));
    waiting = [];
    return { names, columns };
  };
  for await (const object of objects) {
    waiting.push(object);
    if (waiting.length === piece) yield pieceOf();
  }
  if (waiting.length > 0) yield pieceOf();
}

/** A table in a file of JSON lines (plain or .gz), an object a line; what an object lacks is missing. Streams. */
export function jsonLines(path: string, options: TableOptions = {}): TableStream {
  optionsOf("jsonLines", options, tableNames);
  const objects = async function* () {
    let number = 0;
    for await (const line of createInterface({ input: await open("jsonLines", path), crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (line.trim() === "") continue;
      const object = parseLine(path, line, number);
      yield object;
    }
  };
  return new TableStream("jsonLines", () => ofFile("jsonLines", path, () => columnsOf(objects())), options);
}

function parseLine(path: string, line: string, number: number): Readonly<Record<string, Cell>> {
  let value: unknown;
  let cause: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    cause = error;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, Cell>;
  throw new FormatError(`jsonLines: ${path}: line ${number} is no JSON object`, { op: "jsonLines", inputs: [path, number], cause });
}

/** A table in a Parquet file, read by the package `hyparquet`, a group of rows at a time. */
export function parquet(path: string, options: TableOptions = {}): TableStream {
  optionsOf("parquet", options, tableNames);
  const rows = async function* (): AsyncGenerator<RawRows> {
    const reader = await optional<typeof import("hyparquet")>("parquet", "Parquet files", "hyparquet");
    await exists("parquet", path);
    const file = await reader.asyncBufferFromFile(path);
    const metadata = await reader.parquetMetadataAsync(file);
    const names = reader.parquetSchema(metadata).children.map(({ element }) => element.name);
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      const objects = await reader.parquetReadObjects({ file, metadata, rowStart, rowEnd, compressors });
      yield { names, columns: names.map((name) => objects.map((object) => object[name] as Cell)) };
      rowStart = rowEnd;
    }
  };
  return new TableStream("parquet", () => ofFile("parquet", path, rows), options);
}

/** What Node can unpack of what the reader cannot by itself. Zstandard needs Node 22.15. */
const compressors = {
  GZIP: (bytes: Uint8Array): Uint8Array => zlib.gunzipSync(bytes),
  BROTLI: (bytes: Uint8Array): Uint8Array => zlib.brotliDecompressSync(bytes),
  ...("zstdDecompressSync" in zlib ? { ZSTD: zlib.zstdDecompressSync as (bytes: Uint8Array) => Uint8Array } : {}),
};

/** A table in an Arrow file or stream (Feather version 2 too), read by the package `apache-arrow`, a record batch at a time. */
export function arrow(path: string, options: TableOptions = {}): TableStream {
  optionsOf("arrow", options, tableNames);
  const rows = async function* (): AsyncGenerator<RawRows> {
    const reader = await optional<typeof import("apache-arrow")>("arrow", "Arrow files", "apache-arrow");
    const batches = await reader.RecordBatchReader.from(await open("arrow", path));
    for await (const batch of batches) {
      const names = batch.schema.fields.map(({ name }) => name);
      yield { names, columns: names.map((_, k) => [...batch.getChildAt(k)!] as Cell[]) };
    }
  };
  return new TableStream("arrow", () => ofFile("arrow", path, rows), options);
}
