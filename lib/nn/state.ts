/** Values of variables by name: copied, set all or none of them, and kept in safetensors files. */
import { readFile } from "node:fs/promises";
import type { TypedArray } from "../base/dtype.js";
import { DTypeError, FormatError, NablaError, ShapeError, ValueError } from "../base/errors.js";
import { format, type Shape, sameShape } from "../base/shape.js";
import { decodeElements, encodeElements, encodeSafetensors, parseSafetensors, writeFileAtomic } from "../io/index.js";
import { evaluated } from "../tensor/evaluate.js";
import { assignAll, type DType, Tensor, tensor, type Variable } from "../tensor/index.js";

/** Tensors by the names of the variables they are values of. */
export type StateDict = Record<string, Tensor>;

/** An array read from a file: a tensor still to be made. */
export interface HostArray {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: TypedArray;
}

/** Copies of the current values, made in one run. */
export function snapshot(variables: ReadonlyMap<string, Variable>): StateDict {
  const values = evaluated([...variables.values()].map(({ value }) => value));
  return Object.fromEntries([...variables.keys()].map((name, i) => [name, values[i]]));
}

/** Who asks, for messages; values from a file are foreign data, and what does not fit is the file's fault. */
interface Origin {
  readonly op: string;
  readonly file?: string;
}

/** Values that are to be given to variables, by name, and what counts once they are. */
export interface Loading {
  readonly targets: ReadonlyMap<string, Variable>;
  readonly given: ReadonlyMap<string, Tensor | HostArray>;
  readonly loaded: () => void;
}

/** Sets all `targets` from the values of their names in one run; throws, and changes nothing, if anything is amiss. */
export function assignState(
  origin: Origin,
  targets: ReadonlyMap<string, Variable>,
  given: ReadonlyMap<string, Tensor | HostArray>,
  strict: boolean,
): void {
  checkState(origin, targets, given, strict);
  const found = [...targets].filter(([name]) => given.has(name));
  assignAll(
    found.map(([name, target]) => {
      const value = given.get(name)!;
      return [target, value instanceof Tensor ? value : tensor(value.data, value)];
    }),
  );
}

/** What {@link assignState} throws, and nothing else. */
export function checkState(
  { op, file }: Origin,
  targets: ReadonlyMap<string, Variable>,
  given: ReadonlyMap<string, Tensor | HostArray>,
  strict: boolean,
): void {
  const missing = strict ? [...targets.keys()].filter((name) => !given.has(name)) : [];
  const unexpected = strict ? [...given.keys()].filter((name) => !targets.has(name)) : [];
  const both = [...targets].flatMap(([name, target]) => {
    const value = given.get(name);
    return value === undefined ? [] : [{ name, target, value }];
  });
  const shapes = both.filter(({ target, value }) => !sameShape(target.shape, value.shape));
  const dtypes = both.filter(({ target, value }) => target.dtype !== value.dtype);
  const misfits = [
    ...shapes.map(({ name, target, value }) => `"${name}" is ${format(target.shape)} but was given ${format(value.shape.slice(0, 8))}`),
    ...dtypes.map(({ name, target, value }) => `"${name}" is ${target.dtype} but was given ${value.dtype}`),
  ];
  const problems = [...list("missing", missing.map(quote)), ...list("unexpected", unexpected.map(quote)), ...list("do not fit", misfits)];
  if (problems.length === 0) return;

  const Class = shapes.length > 0 ? ShapeError : dtypes.length > 0 ? DTypeError : file !== undefined ? FormatError : ValueError;
  const mend = misfits.length > 0 ? "was it saved from the same model?" : "{ strict: false } takes what both sides have";
  const who = file === undefined ? op : `${op}("${file}")`;
  throw new Class(`${who}: the values do not fit the variables, which are left as they were; ${mend}${problems.join("")}`, {
    op,
    inputs: [missing, unexpected, [...shapes, ...dtypes].map(({ name }) => name)],
  });
}

const listed = 8;

function list(title: string, entries: readonly string[]): string[] {
  if (entries.length === 0) return [];
  const rest = entries.length > listed ? `, and ${entries.length - listed} more` : "";
  return [`\n  ${title}: ${entries.slice(0, listed).join(", ")}${rest}`];
}

/** A name as messages print it; one from a hostile file may be long. */
const quote = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);

/** Writes tensors, and text beside them, to a safetensors file, which appears whole or not at all. */
export async function writeState(path: string, state: Readonly<StateDict>, metadata?: Readonly<Record<string, string>>): Promise<void> {
  const entries = Object.entries(state).map(async ([name, x]) => [name, encodeElements(x.dtype, x.shape, await x.data())] as const);
  await writeFileAtomic(path, encodeSafetensors(await Promise.all(entries), metadata));
}

/** The arrays of a safetensors file, and the text beside them. @throws FormatError naming file and tensor if the file is broken. */
export async function readState(path: string): Promise<{ state: Map<string, HostArray>; metadata: Readonly<Record<string, string>> }> {
  const bytes = await readFile(path);
  const state = new Map<string, HostArray>();
  const { tensors, metadata } = inFile(path, "", () => parseSafetensors(bytes));
  for (const [name, raw] of tensors) {
    state.set(name, { shape: raw.shape, ...inFile(path, `tensor ${quote(name)}: `, () => decodeElements(raw)) });
  }
  return { state, metadata };
}

/** Errors of `read` with the file's name before them. */
function inFile<T>(path: string, where: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof NablaError)) throw cause;
    throw new FormatError(`load("${path}"): ${where}${cause.message}`, { op: "load", inputs: [path], cause });
  }
}
