/**
 * The safetensors format: a file of named arrays, as bytes. Reading trusts nothing: whatever a header claims is checked
 * against the bytes that are there before anything is made of it.
 *
 * Layout: u64 n, little endian; n bytes of JSON, `{"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__"?: {…}}`;
 * then the data, which the offsets must cover without gaps. Source: github.com/huggingface/safetensors, README "Format".
 */
import { FormatError, ValueError } from "../base/errors.js";

/** Bytes per element of every type a file may hold. */
export const safetensorsTypes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;
export type SafetensorsType = keyof typeof safetensorsTypes;

/** One array of a file: its bytes are little endian, row-major and not necessarily aligned. */
export interface RawTensor {
  readonly dtype: SafetensorsType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface SafetensorsFile {
  /** By name, in the order of their data. */
  readonly tensors: Map<string, RawTensor>;
  readonly metadata: Record<string, string>;
}

const prefixBytes = 8;
/** The limit of the format's own implementation. */
const maxHeaderBytes = 100_000_000;
const metadataKey = "__metadata__";
const forbiddenKey = "__proto__";

/**
 * Reads a safetensors file. The data of the result are windows on `bytes`, not copies.
 *
 * @throws {FormatError} if the file is truncated or its header is not true of its bytes.
 */
export function parseSafetensors(bytes: Uint8Array): SafetensorsFile {
  const { arrays, metadata } = parseSafetensorsHead(bytes.subarray(0, safetensorsHeadSize(bytes, bytes.length)), bytes.length);
  const windows = [...arrays].map(([name, { dtype, shape, begin, end }]): [string, RawTensor] => {
    return [name, { dtype, shape, data: bytes.subarray(begin, end) }];
  });
  return { tensors: new Map(windows), metadata };
}

/** Where the bytes of an array lie, counted from the beginning of the file. */
export interface ArrayPlace extends ArrayLayout {
  readonly begin: number;
  readonly end: number;
}

/**
 * What a file of `size` bytes holds, and where, by its head alone: all that stands before the data ({@link safetensorsHeadSize}).
 *
 * @throws {FormatError} if the head is not true of a file of this size.
 */
export function parseSafetensorsHead(
  head: Uint8Array,
  size: number,
): { readonly arrays: Map<string, ArrayPlace>; readonly metadata: Record<string, string> } {
  const header = parseHeader(head.subarray(prefixBytes));
  const metadata = Object.hasOwn(header, metadataKey) ? parseMetadata(header[metadataKey]) : {};
  const available = size - head.length;
  const entries = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, entry]) => parseEntry(name, entry, available))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);

  let covered = 0;
  const arrays = new Map<string, ArrayPlace>();
  for (const { name, dtype, shape, begin, end } of entries) {
    if (begin < covered)
      fail(`the data of ${quote(name)} start at byte ${begin}, inside those of the tensor before, which end at ${covered}`);
    if (begin > covered) fail(`bytes ${covered} to ${begin} of the data belong to no tensor`);
    arrays.set(name, { dtype, shape, begin: head.length + begin, end: head.length + end });
    covered = end;
  }
  if (covered !== available) fail(`the tensors end at byte ${covered} but the data at ${available}: the file has bytes too many`);
  return { arrays, metadata };
}

function fail(problem: string, cause?: unknown): never {
  throw new FormatError(`safetensors: ${problem}`, { op: "safetensors", cause });
}

/** A name as messages print it; a hostile one may be long. */
function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

/**
 * Number of bytes before the data, by the first eight of a file of `size` bytes.
 *
 * @throws {FormatError} if the file cannot hold as many.
 */
export function safetensorsHeadSize(start: Uint8Array, size: number): number {
  if (size < prefixBytes) fail(`the file has ${size} bytes; the length of its header alone takes ${prefixBytes}`);
  const length = new DataView(start.buffer, start.byteOffset, prefixBytes).getBigUint64(0, true);
  const available = size - prefixBytes;
  if (length > available)
    fail(`the header claims ${length} bytes but ${available} are left: the file is truncated, or no safetensors file`);
  if (length > maxHeaderBytes) fail(`the header has ${length} bytes; at most ${maxHeaderBytes} are allowed`);
  return prefixBytes + Number(length);
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== "{".charCodeAt(0)) fail("the header is not a JSON object");
  let header: Record<string, unknown>;
  let keys: { repeated: string | null; forbidden: boolean };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    header = JSON.parse(text);
    keys = inspectKeys(text);
  } catch (cause) {
    fail("the header is not JSON in UTF-8", cause);
  }
  if (keys.repeated !== null) fail(`the header has the key ${quote(keys.repeated)} twice`);
  if (keys.forbidden) fail(`the header has the key "${forbiddenKey}"`);
  return header;
}

/** Looks through the keys of all objects in a valid JSON text; JSON.parse keeps the last of two equal ones without a word. */
function inspectKeys(text: string): { repeated: string | null; forbidden: boolean } {
  const open: Set<string>[] = [];
  let repeated: string | null = null;
  let forbidden = false;
  for (const [token, string, colon] of text.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "}") open.pop();
    else if (colon !== undefined) {
      const key: string = JSON.parse(string);
      const seen = open[open.length - 1];
      if (seen.has(key)) repeated ??= key;
      if (key === forbiddenKey) forbidden = true;
      seen.add(key);
    }
  }
  return { repeated, forbidden };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isType(value: unknown): value is SafetensorsType {
  return typeof value === "string" && Object.hasOwn(safetensorsTypes, value);
}

function parseMetadata(value: unknown): Record<string, string> {
  if (!isObject(value)) fail(`"${metadataKey}" is not an object`);
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") fail(`the metadata ${quote(key)} is not a string`);
    metadata[key] = text;
  }
  return metadata;
}

function parseEntry(name: string, entry: unknown, available: number) {
  const wrong = (problem: string) => fail(`tensor ${quote(name)}: ${problem}`);
  if (!isObject(entry)) return wrong("its entry is not an object");
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isType(dtype)) return wrong(`its dtype is not one of ${Object.keys(safetensorsTypes).join(", ")}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) return wrong("its shape is not a list of whole numbers ≥ 0");
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    return wrong("its data_offsets are not two whole numbers ≥ 0");
  const [begin, end]: number[] = offsets;
  if (begin > end || end > available) return wrong(`its data_offsets [${begin}, ${end}] do not lie within the ${available} bytes of data`);
  const size = byteSize(dtype, shape);
  if (size !== end - begin) return wrong(`shape [${shape.slice(0, 16).join(", ")}] of ${dtype} takes ${size} bytes but has ${end - begin}`);
  return { name, dtype, shape: shape as number[], begin, end };
}

function byteSize(dtype: SafetensorsType, shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((n, size) => n * size, safetensorsTypes[dtype]);
}

/** An array of a file to be: all but its data. */
export type ArrayLayout = Omit<RawTensor, "data">;

/** How a file begins, and where in it the data of each array lie. */
export interface SafetensorsLayout {
  /** All that stands before the data. */
  readonly head: Uint8Array;
  /** First byte of each array, by name, counted from the beginning of the file. */
  readonly begins: ReadonlyMap<string, number>;
  /** Of the whole file, in bytes. */
  readonly size: number;
}

/**
 * The layout of a file of the given arrays. Equal arrays give equal bytes: they are ordered by element size, widest first, then by
 * name, which leaves all of them aligned.
 *
 * @throws {ValueError} if a name is reserved or given twice.
 */
export function layoutSafetensors(
  entries: Iterable<readonly [name: string, array: ArrayLayout]>,
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const sorted = [...entries].sort(([a, x], [b, y]) => safetensorsTypes[y.dtype] - safetensorsTypes[x.dtype] || (a < b ? -1 : 1));
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set(metadataKey, metadata);
  const offsets = new Map<string, number>();
  let end = 0;
  for (const [name, { dtype, shape }] of sorted) {
    if (!isType(dtype)) refuse(name, shape, `dtype ${dtype} is not one of ${Object.keys(safetensorsTypes).join(", ")}`);
    if (name === metadataKey || name === forbiddenKey) refuse(name, shape, "the name is reserved");
    if (header.has(name)) refuse(name, shape, "the name is given twice");
    if (shape.some((n) => !isSize(n))) refuse(name, shape, `shape [${shape.join(", ")}] is not made of whole numbers ≥ 0`);
    offsets.set(name, end);
    const begin = end;
    end += byteSize(dtype, shape);
    header.set(name, { dtype, shape, data_offsets: [begin, end] });
  }

  // Spaces after the JSON align the data.
  const members = [...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(prefixBytes + headerBytes).fill(" ".charCodeAt(0), prefixBytes);
  new DataView(head.buffer).setBigUint64(0, BigInt(headerBytes), true);
  head.set(json, prefixBytes);
  return { head, begins: new Map([...offsets].map(([name, begin]) => [name, head.length + begin])), size: head.length + end };
}

function refuse(name: string, shape: readonly number[], problem: string): never {
  throw new ValueError(`safetensors: tensor ${quote(name)}: ${problem}`, { op: "safetensors", inputs: [name, shape] });
}

/**
 * A safetensors file of the given arrays; equal contents give equal bytes.
 *
 * @throws {ValueError} if a name is reserved or given twice, or data do not fill their shape.
 */
export function encodeSafetensors(
  entries: Iterable<readonly [name: string, tensor: RawTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const all = [...entries];
  const { head, begins, size } = layoutSafetensors(all, metadata);
  const bytes = new Uint8Array(size);
  bytes.set(head);
  for (const [name, { dtype, shape, data }] of all) {
    if (byteSize(dtype, shape) !== data.length) {
      refuse(name, shape, `shape [${shape.join(", ")}] of ${dtype} takes ${byteSize(dtype, shape)} bytes but ${data.length} are given`);
    }
    bytes.set(data, begins.get(name)!);
  }
  return bytes;
}
