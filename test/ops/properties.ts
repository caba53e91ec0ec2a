/** The properties that every row of the table of ops must have, each for one drawing. */
import { inspect } from "node:util";
import { type DeviceName, getDevice, getThreads, grad, NablaError, scan, setDevice, setThreads, Tensor, tensor } from "nabla";
import { expect } from "vitest";
import { allocate, type DType, isFloat, type TypedArray } from "../../lib/base/dtype.js";
import { sizeOf } from "../../lib/base/shape.js";
import { graphOf, Signature } from "../../lib/graph/signature.js";
import { fromArray } from "../../lib/ops/convert.js";
import * as functions from "../../lib/ops/index.js";
import { toElement } from "../../lib/runtime/reference/operand.js";
import { evaluate } from "../../lib/tensor/evaluate.js";
import { testedDevices } from "../devices.js";
import { repeatable } from "../seeds.js";
import { Argument, Draw, normal } from "./draw.js";
import type { Row } from "./rows.js";
import { type OpName, table } from "./table.js";

export const opNames = Object.keys(table) as OpName[];
export const rowOf = (name: OpName): Row => table[name];

const callable = { ...functions, scan, tensor } as unknown as Readonly<Record<OpName, (...args: unknown[]) => Tensor>>;

/** The op of a row on drawn arguments, made anew as often as it is asked for. */
export class Call {
  readonly draw: Draw;
  readonly args: readonly Argument[];
  /** How often it can be differentiated, and by which leaves. */
  readonly order: number;
  readonly smooth: readonly number[];
  readonly rest: readonly unknown[];

  constructor(
    readonly name: OpName,
    seed: number,
    dtype: DType,
    large = false,
  ) {
    this.draw = new Draw(seed, dtype, large);
    const { draw, order = 2 } = rowOf(name);
    const { inputs, rest = [] } = draw(this.draw);
    this.rest = rest;
    this.args = inputs.map((input) => new Argument(this.draw, input));
    this.smooth = this.args.flatMap(({ isFree, dtype }, k) => (isFree && isFloat(dtype) ? [k] : []));
    this.order = this.smooth.length > 0 ? order : 0;
  }

  /** Nearly as a user would write it. */
  toString(): string {
    return `${this.name}(${[...this.args, ...this.rest.map((value) => inspect(value))].join(", ")})`;
  }

  leaves(): Tensor[] {
    return this.args.map((arg) => arg.leaf());
  }

  /** The op itself. */
  apply(xs: Tensor[]): Tensor {
    const { call } = rowOf(this.name);
    return call === undefined ? callable[this.name](...xs, ...this.rest) : call(xs, ...(this.rest as never[]));
  }

  /** The op on views of its leaves. */
  of(leaves: readonly Tensor[]): Tensor {
    return this.apply(this.args.map((arg, k) => arg.view(leaves[k])));
  }

  /** ⟨Jᵀ·u, w⟩ for a cotangent u that varies with the result, and a random w: a number whose gradient is of second order. */
  readonly gradient: Fn = (leaves) =>
    pulled((xs) => curved(this.of(xs)), leaves, this.smooth, this.draw.seed + 1)
      .map((g, k) => paired(() => g, [], this.draw.seed + 2 + k))
      .reduce((a, b) => a.add(b));

  /** The result and all derivatives there are, as graphs. */
  derivatives(): Tensor[] {
    const leaves = this.leaves();
    return [...this.results(), ...(this.order < 2 ? [] : pulled(this.gradient, leaves, this.smooth, this.draw.seed + 3))];
  }

  /** The result and, where there are any, its gradients by the leaves for a random cotangent. */
  results(): Tensor[] {
    const leaves = this.leaves();
    const y = this.of(leaves);
    return this.order === 0 ? [y] : [y, ...pulled((xs) => this.of(xs), leaves, this.smooth, this.draw.seed + 1)];
  }
}

const curved = (y: Tensor): Tensor => y.mul(y.add(1));

export type Fn = (xs: readonly Tensor[]) => Tensor;

/** Normal numbers, as constants of the dtype and shape of `x`. */
function randomLike({ shape, dtype }: Tensor, seed: number): Tensor {
  return fromArray("random", normal(new Draw(seed), sizeOf(shape)), dtype, shape);
}

/** ⟨f(xs), u⟩ for a random cotangent u. */
const paired = (f: Fn, xs: readonly Tensor[], seed: number): Tensor => {
  const y = f(xs);
  return y.mul(randomLike(y, seed)).sum();
};

/** Jᵀ·u by the arguments `smooth`, for a random cotangent u. */
const pulled = (f: Fn, xs: readonly Tensor[], smooth: readonly number[], seed: number): Tensor[] =>
  grad((...args) => paired(f, args, seed), { argnums: smooth })(...xs);

/** The elements of several tensors, computed in one run of `device`. */
function valuesOn(device: DeviceName, make: () => readonly Tensor[]): TypedArray[] {
  const before = getDevice();
  setDevice(device);
  try {
    const xs = make();
    evaluate(xs);
    return xs.map((x) => x.dataSync());
  } finally {
    setDevice(before);
  }
}

const epsilon: Readonly<Record<DType, number>> = { f32: 2 ** -23, f64: 2 ** -52, i32: 0, u8: 0, bool: 0 };

/** Equal but for a rounding error; NaN and infinities must be the same. */
const agree = (got: number, want: number, error: number): boolean =>
  got === want || (Number.isNaN(got) && Number.isNaN(want)) || (Number.isFinite(want) && Math.abs(got - want) <= error);

function expectClose(what: string, got: TypedArray, want: TypedArray, tolerance: number): void {
  const scale = [...want].reduce((top, value) => (Number.isFinite(value) ? Math.max(top, Math.abs(value)) : top), 1);
  const k = want.findIndex((value, i) => !agree(got[i], value, tolerance * scale));
  if (got.length !== want.length || k >= 0) {
    throw new Error(`${what}: element ${k} of ${want.length} is ${got[k]} but should be ${want[k]}, within ${tolerance * scale}`);
  }
}

/** How much larger partial sums may be than what they end as: an element of a gradient adds up as many terms as there are results for each. */
const growth = ([result]: readonly TypedArray[], one: TypedArray): number =>
  Math.sqrt(Math.max(1, result.length / Math.max(1, one.length)));

/** Native and reference device agree, and so do f32 and f64; on results as on gradients. */
function checkDevices(name: OpName, seed: number): void {
  const { dtypes = ["f32", "f64"], tolerance = 16 } = rowOf(name);
  const onFirst = new Map<DType, TypedArray[]>();
  for (const dtype of dtypes) {
    const call = new Call(name, seed, dtype);
    const [first, ...others] = testedDevices.map((device) => valuesOn(device, () => call.results()));
    const rounding = Math.min(tolerance, 1024) * epsilon[dtype];
    for (const other of others)
      first.forEach((got, k) =>
        expectClose(`${call}, ${label(k)}: ${testedDevices.join(" against ")}`, got, other[k], rounding * growth(first, got)),
      );
    onFirst.set(dtype, first);
  }
  const narrow = onFirst.get("f32");
  const wide = onFirst.get("f64");
  narrow?.forEach((got, k) => {
    if (wide !== undefined)
      expectClose(
        `${new Call(name, seed, "f32")}, ${label(k)}: f32 against f64`,
        got,
        wide[k],
        tolerance * epsilon.f32 * growth(narrow, got),
      );
  });
}

const label = (k: number): string => (k === 0 ? "result" : `gradient ${k}`);

/** 1, 2 and 3 threads give the same bits. */
function checkThreads(name: OpName, seed: number): void {
  const { dtypes: [dtype] = ["f32"] } = rowOf(name);
  const call = new Call(name, seed, dtype, true);
  const before = getThreads();
  try {
    const [alone, ...others] = [1, 2, 3].map((threads) => {
      setThreads(threads);
      return valuesOn("cpu", () => call.results());
    });
    others.forEach((shared, i) =>
      shared.forEach((got, k) => expectClose(`${call}, ${label(k)}: ${i + 2} threads against 1`, got, alone[k], 0)),
    );
  } finally {
    setThreads(before);
  }
}

const step = 1e-5;

/**
 * For a random cotangent u and direction v, ⟨u, J·v⟩ by differences equals ⟨Jᵀ·u, v⟩ by automatic differentiation, in f64.
 * The error is in units of |Jᵀ·u|, which is what ⟨Jᵀ·u, v⟩ measures on the average.
 */
export function differenceError(f: Fn, leaves: readonly Tensor[], smooth: readonly number[], seed: number): number {
  const directions = new Map(smooth.map((k) => [k, randomLike(leaves[k], seed + 2 + k)]));
  const moved = (by: number) =>
    paired(
      f,
      leaves.map((x, k) => (directions.has(k) ? x.add(directions.get(k)!.mul(by)) : x)),
      seed,
    ).itemSync();
  // Richardson extrapolation of two-sided differences: error O(step⁴).
  const wide = (moved(2 * step) - moved(-2 * step)) / (4 * step);
  const narrow = (moved(step) - moved(-step)) / (2 * step);
  const numeric = (4 * narrow - wide) / 3;
  const gradients = pulled(f, leaves, smooth, seed);
  const along = gradients.map((g, i) => g.mul(directions.get(smooth[i])!).sum());
  const squares = gradients.map((g) => g.square().sum());
  const total = (xs: Tensor[]) => xs.reduce((sum, x) => sum + x.itemSync(), 0);
  evaluate([...along, ...squares]);
  const size = Math.max(Math.sqrt(total(squares)), 1e-3 * (1 + Math.abs(moved(0))));
  return Math.abs(numeric - total(along)) / size;
}

/** The gradient, and the gradient of the gradient, agree with differences. */
function checkGradients(name: OpName, seed: number): void {
  const call = new Call(name, seed, "f64");
  for (const [k, f] of [(xs: readonly Tensor[]) => call.of(xs), call.gradient].slice(0, call.order).entries()) {
    const error = differenceError(f, call.leaves(), call.smooth, seed + 20 * k);
    if (!(error <= 1e-7)) throw new Error(`${call}: the derivative of order ${k + 1} is wrong: relative error ${error}`);
  }
}

/** Values at which elementwise functions are special. */
const special: Readonly<Record<DType, readonly number[]>> = {
  f32: [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3,
    1e-10,
    -1e-10,
    87,
    -87,
    1e30,
    -1e30,
  ],
  f64: [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3,
    1e-10,
    -1e-10,
    700,
    -700,
    1e200,
    -1e200,
  ],
  i32: [0, 1, -1, 2, 7, -7, 2147483647, -2147483648],
  u8: [0, 1, 2, 128, 255],
  bool: [0, 1],
};

/** Elementwise ops are what NumPy says, at all combinations of special values. */
function checkSpecialValues(name: OpName): void {
  const { numpy, dtypes = ["f32", "f64"], tolerance = 16 } = rowOf(name);
  if (numpy === undefined) return;
  for (const dtype of dtypes) {
    const call = new Call(name, 1, dtype);
    const kinds = call.args.map((arg) => special[arg.dtype]);
    const points = kinds.reduce<number[][]>((all, kind) => all.flatMap((point) => kind.map((value) => [...point, value])), [[]]);
    const columns = call.args.map(({ dtype: own }, k) =>
      fromArray(
        "special",
        points.map((point) => point[k]),
        own,
      ),
    );
    for (const device of testedDevices) {
      const y = call.apply(columns);
      const [got] = valuesOn(device, () => [y]);
      points.forEach((point, i) => {
        const [want] = allocate(y.dtype, 1).fill(
          toElement(y.dtype, numpy(...point.map((value, k) => (call.args[k].dtype === "f32" ? Math.fround(value) : value)))),
        );
        if (!agree(got[i], want, tolerance * epsilon[y.dtype] * Math.abs(want)))
          throw new Error(`${name}(${point.join(", ")}), ${dtype} on ${device}, is ${got[i]} but NumPy says ${want}`);
      });
    }
  }
}

/** The dimensions of nested arrays. */
const dimensions = (value: unknown): number[] => (Array.isArray(value) ? [value.length, ...dimensions(value[0])] : []);

/** Calls with known results have them. */
function checkKnown(name: OpName): void {
  for (const { args, result } of rowOf(name).known ?? []) {
    const what = `${name}(${args.map((arg) => inspect(arg)).join(", ")})`;
    expect({ call: what, shape: callable[name](...args).shape }).toEqual({ call: what, shape: dimensions(result) });
    for (const device of testedDevices) {
      const [got] = valuesOn(device, () => [callable[name](...args)]);
      expectClose(`${what} on ${device}`, got, Float64Array.from([result].flat(9).map(Number)), 4 * epsilon.f32);
    }
  }
}

/** What it refuses, it refuses with the error of the row, which names the function that was called. */
function checkRefusals(name: OpName): void {
  const { refuses, knownAs = name } = rowOf(name);
  for (const { code, args } of refuses) {
    let thrown: unknown;
    try {
      callable[name](...args).dataSync();
    } catch (error) {
      thrown = error;
    }
    const shown = `${name}(${args.map((arg) => (arg instanceof Tensor ? `${arg.dtype} [${arg.shape}]` : inspect(arg))).join(", ")})`;
    if (!(thrown instanceof NablaError)) throw new Error(`${shown} throws ${thrown} but should throw an error with the code ${code}`);
    expect({ call: shown, code: thrown.code, op: thrown.op }).toEqual({ call: shown, code, op: knownAs });
  }
}

/** Where tensors have a method of that name, it is the op. */
function checkMethod(name: OpName): void {
  const method = (Tensor.prototype as unknown as Partial<typeof callable>)[name];
  if (method === undefined) return;
  const call = new Call(name, 1, (rowOf(name).dtypes ?? ["f32"])[0]);
  const xs = call.args.map((arg) => arg.view(arg.leaf()));
  const byMethod = method.call(xs[0], ...xs.slice(1), ...call.rest);
  expect(new Signature(graphOf([call.apply(xs)], [])).matches(graphOf([byMethod], [])), `x.${name}() is ${name}(x)`).toBe(true);
}

/** What a row promises whatever is drawn. */
export function checkRow(name: OpName): void {
  checkSpecialValues(name);
  checkKnown(name);
  checkRefusals(name);
  checkMethod(name);
}

/** What a row promises of every drawing. */
export async function checkDrawing(name: OpName, seed: number): Promise<void> {
  await repeatable(`op ${name}`, seed, () => {
    checkDevices(name, seed);
    checkGradients(name, seed);
    if (seed % 4 === 1) checkThreads(name, seed); // large drawings cost the most
  });
}
