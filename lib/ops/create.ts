/** Tensors from nothing: fills, ranges, random numbers. They own no memory until evaluated. */
import { type DType, type FloatDType, isFloat } from "../base/dtype.js";
import { DTypeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkShape, type Shape, sizeOf } from "../base/shape.js";
import { defineOp, node } from "../graph/op.js";
import { noInputs, type Tensor } from "../graph/tensor.js";
import { currentTrace, uniform } from "../graph/trace.js";
import { constant, fromArray } from "./convert.js";
import { add, cast, mul } from "./elementwise.js";

export interface DTypeOptions {
  dtype?: DType;
}

/** A tensor of `shape` filled with one number. */
export function full(shape: Shape, value: number, options?: DTypeOptions): Tensor {
  return filled("full", shape, value, options);
}

export function zeros(shape: Shape, options?: DTypeOptions): Tensor {
  return filled("zeros", shape, 0, options);
}

export function ones(shape: Shape, options?: DTypeOptions): Tensor {
  return filled("ones", shape, 1, options);
}

function filled(op: string, shape: Shape, value: number, options: DTypeOptions = {}): Tensor {
  const { dtype = "f32" } = optionsOf(op, options, ["dtype"]);
  checkShape(op, shape);
  return constant(value, dtype, shape);
}

/** Zeros of the shape and dtype of `x`. */
export function zerosLike(x: Tensor): Tensor {
  return full(x.shape, 0, { dtype: x.dtype });
}

/** Ones of the shape and dtype of `x`. */
export function onesLike(x: Tensor): Tensor {
  return full(x.shape, 1, { dtype: x.dtype });
}

/** Row-major position of each element. */
const indexOp = defineOp({ name: "index", inputs: [], vjp: {}, lowering: { kind: "tile", emit: (tile) => tile.step("index") } });

/** start, start + step, … up to but without stop; `arange(n)` counts 0 … n − 1. */
export function arange(start: number, stop?: number, step = 1, options: DTypeOptions = {}): Tensor {
  const { dtype = "f32" } = optionsOf("arange", options, ["dtype"]);
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (!(step !== 0 && Number.isFinite((to - from) / step)))
    throw new ValueError(`arange(${from}, ${to}, ${step}): needs finite bounds and a step other than 0`, { op: "arange" });
  const count = Math.max(0, Math.ceil((to - from) / step));
  checkShape("arange", [count]);
  const exact: DType = dtype === "f32" && count < 2 ** 24 ? "f32" : "f64";
  const positions = node(indexOp, noInputs, [count], exact);
  const spaced = step === 1 ? positions : mul(positions, constant(step, exact));
  return cast(from === 0 ? spaced : add(spaced, constant(from, exact)), dtype);
}

/** The identity matrix of n rows. */
export function eye(n: number, options: DTypeOptions = {}): Tensor {
  const { dtype = "f32" } = optionsOf("eye", options, ["dtype"]);
  checkShape("eye", [n, n]);
  const ones = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  return fromArray("eye", ones, dtype, [n, n]);
}

/** Where the stream of random numbers is: its seed, and how many Philox blocks (four 32-bit words each) have been drawn. */
export interface RandomState {
  readonly seed: number;
  readonly counter: number;
}

class Generator implements RandomState {
  constructor(
    readonly seed: number,
    public counter = 0,
  ) {}

  /** The counter to start from for `count` elements. */
  take(count: number): number {
    const start = this.counter;
    // Two words an element (f64), rounded up to blocks: enough for every dtype, so that dtype does not shift the stream.
    this.counter += Math.ceil(count / 2);
    return start;
  }
}

let generator = new Generator(0);

/** Restarts the random numbers of `rand`, `randn`, dropout and initialisers. Any whole number ≥ 0; default at start: 0. */
export function setSeed(seed: number): void {
  generator = new Generator(checkWhole("setSeed", "the seed", seed));
}

/**
 * Where the process's stream of random numbers is. It is all the state that `rand`, `randn`, dropout and initialisers have: put back by
 * {@link setRandomState}, they draw the same numbers again. Numbers are drawn when a run is submitted, or, outside compiled functions,
 * when `rand` is called: a state taken between two steps belongs to that moment, whether or not the first has ended.
 */
export function getRandomState(): RandomState {
  const { seed, counter } = generator;
  return { seed, counter };
}

/** Goes on with the random numbers from where {@link getRandomState} was. */
export function setRandomState({ seed, counter }: RandomState): void {
  generator = new Generator(checkWhole("setRandomState", "seed", seed), checkWhole("setRandomState", "counter", counter));
}

function checkWhole(op: string, name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new ValueError(`${op}: ${name} must be a whole number ≥ 0 but is ${value}`, { op, inputs: [value] });
  return value;
}

function defineRandom(name: string, kind: number): (shape: Shape, options?: RandomOptions) => Tensor {
  const op = defineOp({
    name,
    inputs: ["seed", "counter"],
    vjp: { seed: null, counter: null },
    lowering: { kind: "kernel", kernel: "random", uniforms: true, attrs: () => [kind] },
  });
  return (shape, options = {}) => {
    const { seed, dtype = "f32" } = optionsOf(name, options, ["seed", "dtype"]);
    checkShape(name, shape);
    if (!isFloat(dtype)) throw new DTypeError(`${name}: draws f32 or f64, not ${dtype as string}`, { op: name });
    const own = seed === undefined ? null : new Generator(seed);
    const count = sizeOf(shape);
    if (currentTrace() !== null && own === null) {
      // A compiled function draws anew at every call.
      return node(op, [uniform(() => generator.seed, "f64"), uniform(() => generator.take(count), "f64")], shape, dtype);
    }
    const { seed: key } = own ?? generator;
    const counter = (own ?? generator).take(count);
    return node(op, [uniform(() => key, "f64"), uniform(() => counter, "f64")], shape, dtype);
  };
}

export interface RandomOptions {
  /** Draw from a stream of its own instead of the global one. */
  seed?: number;
  dtype?: FloatDType;
}

/** Uniform random numbers in [0, 1). Philox4x32-10 (Salmon et al. 2011). */
export const rand = defineRandom("rand", 0);
/** Normal random numbers, mean 0, variance 1 (Box–Muller). */
export const randn = defineRandom("randn", 1);
