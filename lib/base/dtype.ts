/** Element types: what a tensor may hold, how wide it is, and which typed array carries it in JavaScript. */

export type DType = "f32" | "f64" | "i32" | "u8" | "bool";
export type FloatDType = "f32" | "f64";
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Position in this list is the element type's number in an encoded program (native/kernels/kernel.h has the same order). */
export const dtypes: readonly DType[] = ["f32", "f64", "i32", "u8", "bool"];

export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f64: 8, i32: 4, u8: 1, bool: 1 };

const arrays = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array, bool: Uint8Array } as const;

export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === "f32" || dtype === "f64";
}

/** A new typed array of `length` elements; `bool` is held as bytes 0 and 1. */
export function allocate(dtype: DType, length: number): TypedArray {
  return new arrays[dtype](length);
}

/** The typed-array class that carries `dtype`. */
export function arrayOf(dtype: DType): (typeof arrays)[DType] {
  return arrays[dtype];
}
