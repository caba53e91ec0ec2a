/** The tile machine: a list of elementwise steps, evaluated one step at a time over short stretches of the iteration space. */
import { allocate, type TypedArray } from "../../base/dtype.js";
import type { Tile, TileOp } from "../program.js";
import { erf, mod, pow, round } from "./math.js";
import { type Call, count, locate, type Operand, type ReferenceKernel, receivedBy, toElement } from "./operand.js";

type ScalarOp = Exclude<TileOp, "load" | "const" | "uniform" | "index">;
const bit = (condition: boolean) => (condition ? 1 : 0);

const scalar: Record<ScalarOp, (a: number, b: number, c: number) => number> = {
  neg: (a) => -a,
  abs: (a) => Math.abs(a),
  sign: (a) => Math.sign(a),
  exp: (a) => Math.exp(a),
  expm1: (a) => Math.expm1(a),
  log: (a) => Math.log(a),
  log1p: (a) => Math.log1p(a),
  sqrt: (a) => Math.sqrt(a),
  sin: (a) => Math.sin(a),
  cos: (a) => Math.cos(a),
  tanh: (a) => Math.tanh(a),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  erf,
  floor: (a) => Math.floor(a),
  ceil: (a) => Math.ceil(a),
  round,
  trunc: (a) => Math.trunc(a),
  not: (a) => bit(a === 0),
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow,
  mod,
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  eq: (a, b) => bit(a === b),
  ne: (a, b) => bit(a !== b),
  lt: (a, b) => bit(a < b),
  le: (a, b) => bit(a <= b),
  gt: (a, b) => bit(a > b),
  ge: (a, b) => bit(a >= b),
  and: (a, b) => bit(a !== 0 && b !== 0),
  or: (a, b) => bit(a !== 0 || b !== 0),
  where: (a, b, c) => (a !== 0 ? b : c),
};

const stretch = 1024;

/**
 * Computes all registers over the iteration space and shows them to `visit`, a stretch at a time. A register is a typed
 * array of the tile's dtype, so every step rounds to it.
 */
export function evaluate(
  tile: Tile,
  operands: readonly Operand[],
  uniforms: Float64Array,
  visit: (registers: readonly TypedArray[], start: number, length: number) => void,
): void {
  const total = count(tile.shape);
  const registers = tile.steps.map(() => allocate(tile.dtype, Math.min(stretch, total)));
  const positions = new Float64Array(Math.min(stretch, total));
  for (let start = 0; start < total; start += stretch) {
    const length = Math.min(stretch, total - start);
    tile.steps.forEach(({ op, args }, r) => {
      const out = registers[r];
      if (op === "load") {
        const { data } = operands[args[0]];
        locate(operands[args[0]], start, length, positions);
        for (let i = 0; i < length; i++) out[i] = data[positions[i]];
      } else if (op === "const") {
        out.fill(args[0]);
      } else if (op === "uniform") {
        out.fill(uniforms[args[0]]);
      } else if (op === "index") {
        for (let i = 0; i < length; i++) out[i] = start + i;
      } else {
        const f = scalar[op];
        // Arguments that an op does not take repeat its first; it does not look at them.
        const a = registers[args[0]];
        const b = registers[args[1] ?? args[0]];
        const c = registers[args[2] ?? args[0]];
        for (let i = 0; i < length; i++) out[i] = f(a[i], b[i], c[i]);
      }
    });
    visit(registers, start, length);
  }
}

/**
 * Evaluates a tile and writes its stores to `outputs`; those that repeat along their first axes receive sums. A stretch is loaded whole
 * before it is stored: in place is safe.
 */
export function runTile(tile: Tile, operands: readonly Operand[], outputs: readonly Operand[], uniforms: Float64Array): void {
  const positions = new Float64Array(stretch);
  const rank = tile.shape.length;
  const totals = outputs.map((y) => new Totals(receivedBy(y, rank)!.columns));
  evaluate(tile, operands, uniforms, (registers, start, length) => {
    tile.stores.forEach((register, k) => {
      const { data, dtype } = outputs[k];
      if (totals[k].columns > 0) {
        for (let i = 0; i < length; i++) totals[k].add(registers[register][i], start + i);
        return;
      }
      locate(outputs[k], start, length, positions);
      for (let i = 0; i < length; i++) data[positions[i]] = toElement(dtype, registers[register][i]);
    });
  });
  outputs.forEach((y, k) => {
    const { columns, n, sum, mean, squares } = totals[k];
    if (receivedBy(y, rank)!.kind === "sums") y.data.set(sum, y.offset);
    if (receivedBy(y, rank)!.kind !== "moments") return;
    y.data.set(mean, y.offset);
    y.data.set(
      squares.map((total, j) => total / n[j]),
      y.offset + columns,
    );
  });
}

/** Sums, and means and squares around them (Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962). */
class Totals {
  readonly n: Float64Array;
  readonly sum: Float64Array;
  readonly mean: Float64Array;
  readonly squares: Float64Array;

  constructor(readonly columns: number) {
    [this.n, this.sum, this.mean, this.squares] = Array.from({ length: 4 }, () => new Float64Array(columns));
  }

  add(x: number, position: number): void {
    const j = position % this.columns;
    const off = x - this.mean[j];
    this.n[j]++;
    this.sum[j] += x;
    this.mean[j] += off / this.n[j];
    this.squares[j] += off * (x - this.mean[j]);
  }
}

/** The kernel that is nothing but a tile. */
export const tile: ReferenceKernel = {
  check: () => null,
  run({ tile, inputs, outputs, uniforms }: Call) {
    runTile(tile!, inputs, outputs, uniforms);
  },
};
