/**
 * A program: the flat, plain-data form of a computation that every device runs.
 *
 * The compiler writes it, `encode.ts` turns it into the numbers that cross into native code, the reference device
 * walks it as it stands. Everything a device needs is in it; nothing in it refers back to the graph.
 */
import type { DType, FloatDType } from "../base/dtype.js";

/**
 * Where a buffer lives. `arena`: scratch shared by the whole run, at byte offset `place`. The others are storages
 * handed to each run, `place` being their position in that list: `input` is only read, `output` is fresh and written,
 * `state` (a variable) is read and written in place.
 */
export type BufferKind = "arena" | "input" | "output" | "state";
export const bufferKinds: readonly BufferKind[] = ["arena", "input", "output", "state"];

export interface BufferSpec {
  readonly kind: BufferKind;
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  readonly place: number;
}

/** A strided window on a buffer. `offset` and `strides` count elements; a stride of 0 broadcasts, negative walks back. */
export interface View {
  readonly buffer: number;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** Inside loops: elements added to `offset` per iteration of each enclosing loop, outermost first. Absent: none. */
  readonly steps?: readonly number[];
}

/**
 * One kernel call, or a loop mark. Kernels are named as in `native/kernels`; what operands and attributes each takes
 * is stated in `docs/kernels.md`. A `loop` (attrs: [count]) repeats what stands between it and its `end`; where no iteration reads what
 * another writes ([count, 1]), a device may run several at once, each with room of its own for arena buffers that only the loop touches.
 */
export interface Instruction {
  readonly kernel: string;
  readonly outputs: readonly View[];
  readonly inputs: readonly View[];
  readonly attrs: readonly number[];
  /** Elementwise chain: the kernel's whole work (`tile`), what it reduces (`reduce`) or its epilogue (`gemm`, `conv2d` …). */
  readonly tile?: Tile;
  /** What the first input is to be taken for (`gemm`, `conv2d` …); never computed as a whole. */
  readonly prologue?: Tile;
  /** The op this instruction came from, for messages: `crossEntropy`. */
  readonly label: string;
}

/**
 * A chain of elementwise operations over one iteration space, computed tile by tile in cache.
 *
 * Step i defines register i (every register is written once). All arithmetic is done in `dtype`; loads convert from,
 * and stores convert to, the operand's own element type. Booleans are 0 and 1.
 */
export interface Tile {
  readonly dtype: FloatDType;
  readonly shape: readonly number[];
  readonly steps: readonly TileStep[];
  /** Registers written to the tile's outputs, in order. Outputs that repeat along their first axes receive sums or moments over them. */
  readonly stores: readonly number[];
}

/**
 * `load`: args = [operand]. `const`: args = [value]. `uniform`: args = [uniform slot]. `index`: args = [], the row-major
 * position in the iteration space. Every other op: args are registers.
 */
export interface TileStep {
  readonly op: TileOp;
  readonly args: readonly number[];
}

/** The operations of the tile machine with their number of arguments. Comparisons and logic give 0 or 1. */
// biome-ignore format: a table
export const tileOps = {
  load: 1, const: 1, uniform: 1, index: 0,
  neg: 1, abs: 1, sign: 1, exp: 1, expm1: 1, log: 1, log1p: 1, sqrt: 1, sin: 1, cos: 1, tanh: 1, sigmoid: 1, erf: 1,
  floor: 1, ceil: 1, round: 1, trunc: 1, not: 1,
  add: 2, sub: 2, mul: 2, div: 2, pow: 2, mod: 2, maximum: 2, minimum: 2,
  eq: 2, ne: 2, lt: 2, le: 2, gt: 2, ge: 2, and: 2, or: 2,
  where: 3,
} as const;
export type TileOp = keyof typeof tileOps;

/** A compiled computation. `uniformCount` numbers are handed to every run, beside the storages. */
export interface Program {
  readonly buffers: readonly BufferSpec[];
  readonly instructions: readonly Instruction[];
  readonly uniformCount: number;
  /** Bytes of arena that the memory plan needs. */
  readonly arenaBytes: number;
}
