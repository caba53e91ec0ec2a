/** What rows of the table are drawn from: a seeded generator of sizes, numbers and layouts. */
import { expand, flip, permute, type Shape, slice, type Tensor } from "nabla";
import { type DType, isFloat } from "../../lib/base/dtype.js";
import { sizeOf } from "../../lib/base/shape.js";
import { fromArray } from "../../lib/ops/convert.js";

/** Small deterministic generator of numbers in [0, 1): mulberry32. */
export function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Around the lanes of every instruction set (2 to 16), and primes. */
const laneSizes = [1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33];
const fewSizes = [1, 2, 3, 5];
/** Products of these are cut into several tasks. */
const largeSizes = [97, 128, 151];

/** One drawing: the same seed gives the same choices for every element type. */
export class Draw {
  readonly next: () => number;

  /** With `large`, sizes are such that threads share the work. */
  constructor(
    readonly seed: number,
    readonly dtype: DType = "f64",
    readonly large = false,
  ) {
    this.next = mulberry(seed);
    for (let i = 0; i < 3; i++) this.next();
  }

  /** A whole number, low ≤ n ≤ high. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.whole(0, list.length - 1)];
  }

  coin(): boolean {
    return this.next() < 0.5;
  }

  /** A dimension: lane boundaries, primes, and now and then 0 unless `least` forbids it. */
  size(least = 0): number {
    const empty = this.next() < 0.04;
    const n = this.pick(this.large ? largeSizes : laneSizes);
    return empty && least === 0 && !this.large ? 0 : Math.max(n, least);
  }

  /** A shape whose dimensions are small but for one, or two if `large`. */
  shape(rank = this.whole(this.large ? 2 : 0, 3), least = 0): number[] {
    const long = this.whole(0, rank - 1);
    return Array.from({ length: rank }, (_, i) => {
      if (this.large) return i < 2 ? this.size(least) : 1;
      return i === long ? this.size(least) : this.pick(fewSizes);
    });
  }

  /** Shapes that broadcast to `shape`: axes of size 1, leading axes left out. */
  broadcastable(count: number, shape = this.shape()): number[][] {
    return Array.from({ length: count }, () => {
      const own = shape.map((n) => (this.next() < 0.2 ? 1 : n));
      return this.next() < 0.25 ? own.slice(this.whole(0, own.length)) : own;
    });
  }

  /** An axis, counted from either end. */
  axis(rank: number): number {
    return this.whole(-rank, rank - 1);
  }

  /** The numbers below `count` in any order. */
  order(count: number): number[] {
    const left = Array.from({ length: count }, (_, i) => i);
    return Array.from({ length: count }, () => left.splice(this.whole(0, left.length - 1), 1)[0]);
  }

  /** Options of a reduction: all axes, one or several. */
  reduction(rank: number): { axis?: number | number[]; keepDims: boolean } {
    const keepDims = this.coin();
    if (rank === 0 || this.next() < 0.2) return { keepDims };
    if (this.coin()) return { axis: this.axis(rank), keepDims };
    return { axis: Array.from({ length: rank }, (_, i) => i).filter(() => this.coin()), keepDims };
  }
}

/** How the numbers of an input are distributed. */
export type Domain = (draw: Draw, count: number) => number[];

const each =
  (number: (draw: Draw) => number): Domain =>
  (draw, count) =>
    Array.from({ length: count }, () => number(draw));

/** N(0, 1), by Box and Muller. */
export const normal = each((draw) => Math.sqrt(-2 * Math.log(1 - draw.next())) * Math.cos(2 * Math.PI * draw.next()));
/** Uniform in [low, high): away from kinks and poles. */
export const between = (low: number, high: number): Domain => each((draw) => low + (high - low) * draw.next());
/** Magnitudes in [0.2, 1.2), either sign. */
export const nonzero = each((draw) => (0.2 + draw.next()) * (draw.coin() ? 1 : -1));
/** Whole numbers, 0 ≤ n < `count`. */
export const below = (count: number): Domain => each((draw) => draw.whole(0, count - 1));
/** No two numbers within 1/64 of each other, or of 0: which one is the largest does not change under small moves. */
export const distinct: Domain = (draw, count) => {
  const all = Array.from({ length: count }, (_, i) => (i - (count >> 1) + 0.5) / 64);
  for (let i = count - 1; i > 0; i--) {
    const j = draw.whole(0, i);
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
};

/** Numbers as elements of a dtype. Floats are those of f32, so that f32 and f64 start from the same. */
function fit(numbers: readonly number[], dtype: DType): number[] {
  if (isFloat(dtype)) return numbers.map(Math.fround);
  if (dtype === "bool") return numbers.map((x) => Number(x > 0));
  return numbers.map((x) => (dtype === "u8" ? Math.round(Math.abs(8 * x)) % 256 : Math.round(8 * x)));
}

/** A tensor argument of a sample. */
export interface Input {
  readonly shape: Shape;
  readonly domain: Domain;
  /** Its own element type; others have that of the drawing. */
  readonly dtype?: DType;
}

/** The same elements by way of other strides: a shape to store, and the view that shows it in the wanted shape. */
interface Layout {
  readonly name: string;
  readonly shape: Shape;
  readonly view: (x: Tensor) => Tensor;
}

const layouts: readonly ((draw: Draw, shape: Shape) => Layout)[] = [
  (draw, shape) => {
    const axes = draw.order(shape.length);
    return {
      name: `[${shape}] permuted from ${axes}`,
      shape: axes.map((k) => shape[k]),
      view: (x) =>
        permute(
          x,
          axes.map((_, i) => axes.indexOf(i)),
        ),
    };
  },
  (draw, shape) => {
    const steps = shape.map(() => draw.whole(1, 2));
    const begin = shape.map(() => draw.whole(0, 2));
    const end = shape.map((n, i) => begin[i] + n * steps[i]);
    return {
      name: `[${shape}] sliced from ${begin} by ${steps}`,
      shape: end.map((n) => n + 1),
      view: (x) =>
        slice(
          x,
          begin,
          end.map((n, i) => (shape[i] === 0 ? begin[i] : n)),
          steps,
        ),
    };
  },
  (draw, shape) => {
    const axis = draw.whole(0, shape.length - 1);
    return { name: `[${shape}] flipped along ${axis}`, shape, view: (x) => flip(x, axis) };
  },
  (draw, shape) => {
    const axis = draw.whole(0, shape.length - 1);
    return { name: `[${shape}] repeated along ${axis}`, shape: shape.map((n, i) => (i === axis ? 1 : n)), view: (x) => expand(x, shape) };
  },
];

/** An input made: the elements that are stored, and the view on them that the op is given. */
export class Argument {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Whether it has the element type of the drawing, and stands for any numbers therefore. */
  readonly isFree: boolean;
  private readonly layout: Layout;
  private readonly numbers: readonly number[];

  constructor(draw: Draw, { shape, domain, dtype }: Input) {
    this.dtype = dtype ?? draw.dtype;
    this.shape = shape;
    this.isFree = dtype === undefined;
    this.layout = shape.length > 0 && draw.coin() ? draw.pick(layouts)(draw, shape) : { name: `[${shape}]`, shape, view: (x) => x };
    const numbers = domain(draw, sizeOf(this.layout.shape));
    this.numbers = dtype === undefined ? fit(numbers, this.dtype) : numbers;
  }

  toString(): string {
    return `${this.dtype} ${this.layout.name}`;
  }

  /** A fresh tensor over the stored elements. */
  leaf(): Tensor {
    return fromArray("draw", [...this.numbers], this.dtype, this.layout.shape);
  }

  view(leaf: Tensor): Tensor {
    return this.layout.view(leaf);
  }
}
