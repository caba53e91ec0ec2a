/** From the bytes of a file's arrays to typed arrays and back: alignment, half precision, and integers JavaScript's arrays lack. */
import type { DType, TypedArray } from "../base/dtype.js";
import { FormatError } from "../base/errors.js";
import type { RawTensor, SafetensorsType } from "./safetensors.js";

interface Decoder {
  /** The element type that holds every value, or (64-bit and unsigned integers) those that are met in practice. */
  readonly dtype: DType;
  /** Reads an aligned, private buffer. */
  readonly decode: (buffer: ArrayBuffer) => TypedArray;
}

const decoders: Readonly<Record<SafetensorsType, Decoder>> = {
  F64: { dtype: "f64", decode: (buffer) => new Float64Array(buffer) },
  F32: { dtype: "f32", decode: (buffer) => new Float32Array(buffer) },
  F16: { dtype: "f32", decode: (buffer) => Float32Array.from(new Uint16Array(buffer), halfToNumber) },
  // A bfloat16 is the upper half of a float32.
  BF16: { dtype: "f32", decode: (buffer) => new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer) },
  I64: { dtype: "i32", decode: (buffer) => narrow(new BigInt64Array(buffer)) },
  I32: { dtype: "i32", decode: (buffer) => new Int32Array(buffer) },
  I16: { dtype: "i32", decode: (buffer) => Int32Array.from(new Int16Array(buffer)) },
  I8: { dtype: "i32", decode: (buffer) => Int32Array.from(new Int8Array(buffer)) },
  U64: { dtype: "i32", decode: (buffer) => narrow(new BigUint64Array(buffer)) },
  U32: { dtype: "i32", decode: (buffer) => narrow(new Uint32Array(buffer)) },
  U16: { dtype: "i32", decode: (buffer) => Int32Array.from(new Uint16Array(buffer)) },
  U8: { dtype: "u8", decode: (buffer) => new Uint8Array(buffer) },
  BOOL: { dtype: "bool", decode: (buffer) => new Uint8Array(buffer).map((byte) => (byte === 0 ? 0 : 1)) },
};

const fileTypes: Readonly<Record<DType, SafetensorsType>> = { f32: "F32", f64: "F64", i32: "I32", u8: "U8", bool: "BOOL" };

/**
 * The elements of a raw array as a typed array of its own: half precisions become f32, narrower and wider integers i32.
 *
 * @throws {FormatError} if an integer does not fit i32.
 */
export function decodeElements({ dtype, data }: RawTensor): { dtype: DType; data: TypedArray } {
  const decoder = decoders[dtype];
  // A copy, as the bytes in a file need not be aligned. (Not slice(): that of Node's Buffer copies nothing.)
  return { dtype: decoder.dtype, data: decoder.decode(new Uint8Array(data).buffer as ArrayBuffer) };
}

/** A typed array as it is stored in a file; the bytes are shared, not copied. */
export function encodeElements(dtype: DType, shape: readonly number[], data: TypedArray): RawTensor {
  return { dtype: fileTypes[dtype], shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** IEEE 754 binary16: sign, 5 bits of exponent biased by 15, 10 bits of fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

function narrow(values: ArrayLike<number | bigint>): Int32Array {
  const out = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    out[i] = Number(values[i]);
    if (Number(values[i]) !== out[i])
      throw new FormatError(`element ${i} is ${values[i]}, which does not fit i32`, { inputs: [values[i]] });
  }
  return out;
}
