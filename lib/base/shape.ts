/** Arithmetic on shapes: sizes, strides, broadcasting, axes. Every function is pure. */
import { ShapeError } from "./errors.js";

export type Shape = readonly number[];

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i];
  return n;
}

/** `[2, 3]` as messages print it. */
export function format(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Strides, in elements, of a row-major array. */
export function rowMajor(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

/** The shape two shapes broadcast to (NumPy's rule), or null if they do not. */
export function broadcast(a: Shape, b: Shape): Shape | null {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const m = i <= a.length ? a[a.length - i] : 1;
    const n = i <= b.length ? b[b.length - i] : 1;
    if (m !== n && m !== 1 && n !== 1) return null;
    out[rank - i] = m === 1 ? n : m;
  }
  return out;
}

/** Checks that a shape consists of non-negative integers, few and small enough to count. */
export function checkShape(op: string, shape: Shape): void {
  for (const n of shape) {
    if (!Number.isInteger(n) || n < 0) {
      throw new ShapeError(`${op}: shape ${format(shape)} has the dimension ${n}; dimensions are whole numbers ≥ 0`, {
        op,
        inputs: [shape],
      });
    }
  }
  if (shape.length > 8) {
    throw new ShapeError(`${op}: shape ${format(shape)} has ${shape.length} dimensions; at most 8 are supported`, { op, inputs: [shape] });
  }
  if (!Number.isSafeInteger(sizeOf(shape) * 8)) {
    throw new ShapeError(`${op}: shape ${format(shape)} has too many elements to address`, { op, inputs: [shape] });
  }
}

/** An axis counted from either end, as 0 … rank − 1. */
export function normalizeAxis(op: string, axis: number, shape: Shape): number {
  const k = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(k) || k < 0 || k >= shape.length) {
    const range = shape.length === 0 ? "a scalar has no axes" : `axes go from ${-shape.length} to ${shape.length - 1}`;
    throw new ShapeError(`${op}: axis ${axis} is out of range for shape ${format(shape)}; ${range}`, { op, inputs: [shape, axis] });
  }
  return k;
}

/** One axis, several, or (undefined) all of them, sorted, each once. */
export function normalizeAxes(op: string, axis: number | readonly number[] | undefined, shape: Shape): number[] {
  if (axis === undefined) return shape.map((_, i) => i);
  const axes = (typeof axis === "number" ? [axis] : axis).map((k) => normalizeAxis(op, k, shape)).sort((p, q) => p - q);
  if (axes.some((k, i) => k === axes[i - 1])) {
    throw new ShapeError(`${op}: axis list ${format(axis as readonly number[])} names an axis twice`, { op, inputs: [shape, axis] });
  }
  return axes;
}
