/** From what users pass (numbers, nested arrays, typed arrays, variables) to tensors, and the dtype rules of operands. */
import { allocate, type DType, isFloat, type TypedArray } from "../base/dtype.js";
import { DTypeError, describe, ShapeError, ValueError } from "../base/errors.js";
import { format, type Shape, sizeOf } from "../base/shape.js";
import { defineOp, node, sourceNode } from "../graph/op.js";
import { noInputs, Tensor } from "../graph/tensor.js";
import { readVariable, uniform } from "../graph/trace.js";
import { Variable } from "../graph/variable.js";

export type NestedArray = readonly (number | boolean | NestedArray)[];
/** Whatever can stand where a tensor is expected. A bare number takes the dtype of the tensor it meets. */
export type TensorLike = Tensor | Variable | number | boolean | NestedArray | TypedArray;

/** A tensor over elements in JavaScript's memory, which must not be changed afterwards. */
export function fromHost(host: TypedArray, shape: Shape, dtype: DType): Tensor {
  return sourceNode({ kind: "data", elements: { host, storage: null, ticket: 0, disposed: false } }, shape, dtype);
}

const constantOp = defineOp({ name: "constant", inputs: [], vjp: {}, lowering: { kind: "constant" } });

/** A number that is part of the program: the ½ of a formula. Numbers that users pass are uniforms instead. */
export function constant(value: number, dtype: DType, shape: Shape = []): Tensor {
  return node(constantOp, noInputs, shape, dtype, { value });
}

/** Any accepted value as a tensor; `dtype` is what bare numbers become. */
export function asTensor(op: string, value: TensorLike, dtype: DType = "f32"): Tensor {
  if (value instanceof Tensor) return value;
  if (value instanceof Variable) return readVariable(value);
  if (typeof value === "number") return scalar(op, value, dtype);
  if (typeof value === "boolean") return constant(value ? 1 : 0, "bool");
  return fromArray(op, value, dtype);
}

function scalar(op: string, value: number, dtype: DType): Tensor {
  if (dtype === "bool" || (!isFloat(dtype) && !Number.isInteger(value))) {
    throw new DTypeError(`${op}: the number ${value} cannot meet a tensor of dtype ${dtype}; cast the tensor first: x.cast("f32")`, {
      op,
      inputs: [value, dtype],
    });
  }
  return uniform(() => value, dtype);
}

/**
 * Nested arrays or a typed array as a tensor; without `dtype`, a typed array keeps its own, booleans are bool, numbers f32.
 * `mayShare`: over the very elements of a typed array, which must not be changed before the tensor has its own.
 */
export function fromArray(op: string, value: NestedArray | TypedArray, dtype?: DType, shape?: Shape, mayShare = false): Tensor {
  if (ArrayBuffer.isView(value)) {
    const own = dtypeOf(op, value);
    const isOwn = dtype === undefined || dtype === own;
    const data = isOwn ? (mayShare ? value : value.slice()) : convert(value, dtype);
    const given = shape ?? [value.length];
    checkCount(op, data.length, given);
    return fromHost(data, given, dtype ?? own);
  }
  if (!Array.isArray(value)) {
    throw new ValueError(`${op}: expected a tensor, a number or an array but received ${describe(value)}`, { op, inputs: [value] });
  }
  const measured = measure(value);
  const flat: number[] = [];
  flatten(op, value, measured, 0, flat);
  const inferred = dtype ?? (typeof first(value) === "boolean" ? "bool" : "f32");
  const given = shape ?? measured;
  checkCount(op, flat.length, given);
  return fromHost(convert(flat, inferred), given, inferred);
}

function convert(values: ArrayLike<number>, dtype: DType): TypedArray {
  const out = allocate(dtype, values.length);
  if (dtype === "bool") for (let i = 0; i < values.length; i++) out[i] = values[i] ? 1 : 0;
  else out.set(values);
  return out;
}

function checkCount(op: string, count: number, shape: Shape): void {
  if (sizeOf(shape) !== count) {
    throw new ShapeError(`${op}: ${count} elements do not fill shape ${format(shape)}, which has ${sizeOf(shape)}`, {
      op,
      inputs: [count, shape],
    });
  }
}

function dtypeOf(op: string, value: TypedArray): DType {
  if (value instanceof Float32Array) return "f32";
  if (value instanceof Float64Array) return "f64";
  if (value instanceof Int32Array) return "i32";
  if (value instanceof Uint8Array) return "u8";
  throw new DTypeError(`${op}: expected a Float32Array, Float64Array, Int32Array or Uint8Array but received ${describe(value)}`, { op });
}

function first(value: unknown): unknown {
  let at = value;
  while (Array.isArray(at)) at = at[0];
  return at;
}

function measure(value: NestedArray): number[] {
  const shape: number[] = [];
  for (let at: unknown = value; Array.isArray(at); at = at[0]) shape.push(at.length);
  return shape;
}

function flatten(op: string, value: unknown, shape: Shape, depth: number, out: number[]): void {
  if (depth === shape.length) {
    if (typeof value !== "number" && typeof value !== "boolean") {
      throw new ValueError(`${op}: expected numbers in the array but found ${describe(value)}`, { op, inputs: [value] });
    }
    out.push(Number(value));
    return;
  }
  if (!Array.isArray(value) || value.length !== shape[depth]) {
    const found = Array.isArray(value) ? `${value.length} entries` : describe(value);
    throw new ShapeError(`${op}: ragged array: expected ${shape[depth]} entries at depth ${depth} but found ${found}`, {
      op,
      inputs: [shape],
    });
  }
  for (const entry of value) flatten(op, entry, shape, depth + 1, out);
}

/** `x: [2, 3] f32` for messages. */
export function show(name: string, x: Tensor): string {
  return `${name}: ${format(x.shape)}${x.dtype === "f32" ? "" : ` ${x.dtype}`}`;
}

/** Takes its dtype from the tensor it meets. */
const bare = (value: TensorLike): boolean => typeof value === "number" || Array.isArray(value);

/** Two operands of one dtype; a bare number adopts the other's. Different dtypes are never mixed silently. */
export function pair(op: string, a: TensorLike, b: TensorLike): [Tensor, Tensor] {
  if (a instanceof Tensor && b instanceof Tensor && a.dtype === b.dtype) return [a, b];
  let x: Tensor;
  let y: Tensor;
  if (bare(a) && !bare(b)) {
    y = asTensor(op, b);
    x = asTensor(op, a, y.dtype);
  } else {
    x = asTensor(op, a);
    y = asTensor(op, b, bare(b) ? x.dtype : undefined);
  }
  if (x.dtype !== y.dtype) {
    throw new DTypeError(
      `${op}(${show("a", x)}, ${show("b", y)}): dtypes differ: ${x.dtype} and ${y.dtype} do not mix; cast one: b.cast("${x.dtype}")`,
      { op, inputs: [x.shape, y.shape] },
    );
  }
  return [x, y];
}

/** A floating tensor, or a {@link DTypeError} that says how to get one. */
export function floating(op: string, value: TensorLike): Tensor {
  const x = asTensor(op, value);
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`${op}(${show("x", x)}): needs f32 or f64 but received ${x.dtype}; cast first: x.cast("f32")`, {
      op,
      inputs: [x.shape],
    });
  }
  return x;
}
