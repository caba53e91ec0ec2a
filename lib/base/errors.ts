/** Every error nabla throws on purpose. Each has a `code` to match on, the op's name and the shapes involved. */

export interface ErrorDetails {
  /** The function the user called: `matmul`. */
  readonly op?: string;
  /** Shapes, names or numbers that were given. */
  readonly inputs?: readonly unknown[];
  readonly cause?: unknown;
}

/** Base of all errors of nabla; match on `code`, not on prose. */
export class NablaError extends Error {
  /** Stable identifier, `ERR_…`. */
  readonly code: string = "ERR_NABLA";
  readonly op: string | undefined;
  readonly inputs: readonly unknown[];

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.op = details.op;
    this.inputs = details.inputs ?? [];
  }
}

/** Shapes, axes or sizes that do not fit. */
export class ShapeError extends NablaError {
  override readonly code = "ERR_SHAPE";
}

/** Element types that do not fit; nabla never converts between them silently. */
export class DTypeError extends NablaError {
  override readonly code = "ERR_DTYPE";
}

/** An argument outside what the function accepts: a negative rate, an unknown option. */
export class ValueError extends NablaError {
  override readonly code = "ERR_VALUE";
}

/** A label or row index outside its range, found while the program ran. */
export class IndexError extends NablaError {
  override readonly code = "ERR_INDEX";
}

/** A file or byte stream that is not what it claims to be. */
export class FormatError extends NablaError {
  override readonly code = "ERR_FORMAT";
}

/** Data that is not where it was looked for; the message says how to get it. */
export class DataError extends NablaError {
  override readonly code = "ERR_DATA";
}

/** A program or tensor that does not fit the memory there is. */
export class OutOfMemoryError extends NablaError {
  override readonly code = "ERR_OUT_OF_MEMORY";
}

/** A lazy tensor read a variable that was assigned before the tensor was evaluated. */
export class StaleVariableError extends NablaError {
  override readonly code = "ERR_STALE_VARIABLE";
}

/** Something that cannot be done while a compiled function is being traced, such as reading a value. */
export class TraceError extends NablaError {
  override readonly code = "ERR_TRACE";
}

/** A tensor used after it was disposed. */
export class DisposedError extends NablaError {
  override readonly code = "ERR_DISPOSED";
}

/** No usable device: the native binary is missing or does not load, or a device refused a program. */
export class DeviceError extends NablaError {
  override readonly code = "ERR_DEVICE";
}

/** What a value is, for messages: `a Tensor`, `the number 3`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return `the ${typeof value} ${String(value)}`;
  const name = value.constructor?.name ?? "object";
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}
