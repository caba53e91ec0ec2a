/** Operands of the reference kernels: a view whose buffer has been bound to memory, and how elements are found and stored. */
import type { DType, TypedArray } from "../../base/dtype.js";
import type { Tile } from "../program.js";

/** What is known of an operand before it has memory. */
export interface Signature {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export interface Operand extends Signature {
  /** The whole buffer; element [0, …] is at `offset`. */
  readonly data: TypedArray;
  readonly offset: number;
}

/** One instruction as a kernel sees it: of signatures while it is checked, of operands while it runs. */
export interface Call<O extends Signature = Operand> {
  readonly inputs: readonly O[];
  readonly outputs: readonly O[];
  readonly attrs: readonly number[];
  readonly tile: Tile | undefined;
  readonly uniforms: Float64Array;
}

export interface ReferenceKernel {
  /** One sentence on what is wrong with the operands, or null. Counts, bounds and contiguity have been checked before. */
  check(call: Call<Signature>): string | null;
  run(call: Call): void;
}

/** Thrown by a kernel that finds an index outside [0, limit). */
export class IndexFailure extends Error {
  constructor(
    readonly value: number,
    readonly limit: number,
  ) {
    super(`index ${value} is not in [0, ${limit})`);
  }
}

/** The elements of a row-major operand, counted from 0. */
export function elements(x: Operand): TypedArray {
  return x.data.subarray(x.offset, x.offset + count(x.shape));
}

export function count(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

/** Whether the strides are those of a row-major array; those of axes of size 1, and of empty arrays, do not matter. */
export function isRowMajor({ shape, strides }: Signature): boolean {
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== step) return count(shape) === 0;
    step *= shape[d];
  }
  return true;
}

/** Elements after which a view repeats along its first axes: 0 if it is row-major, null if it is neither. */
function repeatsAfter(x: Signature): number | null {
  if (isRowMajor(x)) return 0;
  const { shape, strides } = x;
  let period = 1;
  let axis = shape.length - 1;
  for (; axis >= 0 && (shape[axis] === 1 || strides[axis] === period); axis--) period *= shape[axis];
  return shape.slice(0, axis + 1).every((n, d) => n === 1 || strides[d] === 0) ? period : null;
}

/** What an output of a tile receives: what is stored, or sums or moments over the axes along which it repeats, in so many columns. */
export interface Received {
  readonly kind: "elements" | "sums" | "moments";
  readonly columns: number;
}

/** What an output of a tile of that many axes receives; null if there is no such. Moments have an axis of two before the others. */
export function receivedBy(x: Signature, rank: number): Received | null {
  if (x.shape.length === rank) {
    const columns = repeatsAfter(x);
    return columns === null ? null : { kind: columns === 0 ? "elements" : "sums", columns };
  }
  const columns = repeatsAfter({ ...x, shape: x.shape.slice(1), strides: x.strides.slice(1) });
  const fits = x.shape.length === rank + 1 && x.shape[0] === 2 && columns !== null && columns > 0 && x.strides[0] === columns;
  return fits ? { kind: "moments", columns } : null;
}

/** Whether no two elements share a place: each stride, the smallest first, steps over all that the smaller ones reach. */
export function isInjective({ shape, strides }: Signature): boolean {
  let reach = 0;
  const axes = shape.map((size, d) => ({ size, stride: Math.abs(strides[d]) })).filter(({ size }) => size > 1);
  return axes
    .sort((a, b) => a.stride - b.stride)
    .every(({ size, stride }) => {
      const isClear = stride > reach;
      reach += (size - 1) * stride;
      return isClear;
    });
}

/** Where in `data` the elements [start, start + length) of the row-major iteration space lie. */
export function locate(x: Operand, start: number, length: number, positions: Float64Array): void {
  const { shape, strides } = x;
  if (isRowMajor(x)) {
    for (let i = 0; i < length; i++) positions[i] = x.offset + start + i;
    return;
  }
  const at = new Array<number>(shape.length);
  let position = x.offset;
  for (let d = shape.length - 1, rest = start; d >= 0; d--) {
    at[d] = rest % shape[d];
    rest = Math.floor(rest / shape[d]);
    position += at[d] * strides[d];
  }
  for (let i = 0; i < length; i++) {
    positions[i] = position;
    for (let d = shape.length - 1; d >= 0; d--) {
      position += strides[d];
      if (++at[d] < shape[d]) break;
      position -= at[d] * strides[d];
      at[d] = 0;
    }
  }
}

/** A number as an element of `dtype`: integers truncate toward zero and saturate, NaN → 0; anything but 0 is true. */
export function toElement(dtype: DType, value: number): number {
  switch (dtype) {
    case "f32":
    case "f64":
      return value; // the typed array rounds
    case "i32":
      return Math.trunc(Math.min(Math.max(value, -0x80000000), 0x7fffffff)) || 0;
    case "u8":
      return Math.trunc(Math.min(Math.max(value, 0), 255)) || 0;
    case "bool":
      return value !== 0 ? 1 : 0;
  }
}
