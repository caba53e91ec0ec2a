/**
 * The table of ops: how each is called on drawn inputs, what it computes, what it refuses, how often it can be differentiated.
 * `properties.ts` checks everything from these rows alone; an op without one does not compile.
 */
import { concat, ones, type Shape, scan, stack, type Tensor } from "nabla";
import { dtypes as allDTypes, type DType } from "../../lib/base/dtype.js";
import type * as ops from "../../lib/ops/index.js";
import { erf, pow } from "../../lib/runtime/reference/math.js";
import { below, between, type Domain, type Draw, distinct, type Input, nonzero, normal } from "./draw.js";

/** Every function from tensors to tensors that users can call. */
export type OpName = Exclude<keyof typeof ops, "setSeed"> | "scan";

/** The arguments of one call. */
export interface Sample {
  readonly inputs: readonly Input[];
  /** What follows the tensors: shapes, axes, options. */
  readonly rest?: readonly unknown[];
}

export interface Row {
  /** One call, drawn from all that the op can do. */
  readonly draw: (draw: Draw) => Sample;
  /** Element types of the inputs that have none of their own. Default f32 and f64. */
  readonly dtypes?: readonly DType[];
  /** How often it can be differentiated by its floating inputs. Default 2, which stands for any number. */
  readonly order?: 0 | 1 | 2;
  /** Rounding errors allowed, in epsilons of the largest result: between devices, and of f32 against f64. Default 16. */
  readonly tolerance?: number;
  /** An elementwise op on numbers, as NumPy has it: both must agree everywhere, at NaN, infinities and zeros too. */
  readonly numpy?: (...xs: number[]) => number;
  /** Calls on nested arrays whose results are known. */
  readonly known?: readonly (readonly [args: readonly unknown[], result: unknown])[];
  /** What errors call it, if not by its own name. */
  readonly knownAs?: string;
  /** Calls that throw the error of this code. */
  readonly refuses: readonly (readonly [code: `ERR_${string}`, ...args: unknown[]])[];
  /** How it is called where that is not `op(...tensors, ...rest)`. */
  readonly call?: (xs: Tensor[], ...rest: never[]) => Tensor;
}

// Tensors for refused calls.
const f32 = (...shape: number[]): Tensor => ones(shape);
const f64 = (...shape: number[]): Tensor => ones(shape, { dtype: "f64" });
const i32 = (...shape: number[]): Tensor => ones(shape, { dtype: "i32" });
const bool = (...shape: number[]): Tensor => ones(shape, { dtype: "bool" });

const nan = Number.NaN;
const inf = Number.POSITIVE_INFINITY;
const numeric: readonly DType[] = ["f32", "f64", "i32", "u8"];
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** An op of one input. `rest` draws the other arguments for its shape. */
const one = (domain: Domain, refuses: Row["refuses"], rest?: (draw: Draw, shape: Shape) => unknown[], row: Partial<Row> = {}): Row => ({
  draw: (draw) => {
    const shape = draw.shape();
    return { inputs: [{ shape, domain }], rest: rest?.(draw, shape) };
  },
  refuses,
  ...row,
});

/** Elementwise, of one floating input. */
const unary = (numpy: (x: number) => number, domain = normal, row: Partial<Row> & { rest?: unknown[] } = {}): Row =>
  one(
    domain,
    [
      ["ERR_DTYPE", i32(3)],
      ["ERR_DTYPE", bool(3)],
    ],
    () => row.rest ?? [],
    { numpy, ...row },
  );

/** Elementwise, of one input of any numeric type. */
const signed = (numpy: (x: number) => number, row: Partial<Row> = {}): Row =>
  one(nonzero, [["ERR_DTYPE", bool(3)]], undefined, { numpy, dtypes: numeric, ...row });

/** Elementwise, of two inputs that broadcast. */
const binary = (
  numpy: (a: number, b: number) => number,
  domains: readonly [Domain, Domain] = [normal, normal],
  row: Partial<Row> = {},
): Row => ({
  draw: (draw) => {
    const [a, b] = draw.broadcastable(2);
    return {
      inputs: [
        { shape: a, domain: domains[0] },
        { shape: b, domain: domains[1] },
      ],
    };
  },
  numpy,
  dtypes: numeric,
  refuses: [
    ["ERR_SHAPE", f32(2, 3), f32(4, 3)],
    ["ERR_DTYPE", f32(3), f64(3)],
    ["ERR_DTYPE", i32(3), 0.5],
    ["ERR_DTYPE", bool(3), bool(3)],
  ],
  ...row,
});

const comparison = (numpy: (a: number, b: number) => boolean): Row =>
  binary((a, b) => Number(numpy(a, b)), undefined, {
    dtypes: allDTypes,
    order: 0,
    refuses: [
      ["ERR_SHAPE", f32(2, 3), f32(4, 3)],
      ["ERR_DTYPE", f32(3), i32(3)],
    ],
  });

const logical = (numpy: (a: boolean, b: boolean) => boolean): Row =>
  binary((a, b) => Number(numpy(a !== 0, b !== 0)), undefined, {
    dtypes: ["bool"],
    order: 0,
    refuses: [
      ["ERR_SHAPE", bool(2, 3), bool(4, 3)],
      ["ERR_DTYPE", f32(3), f32(3)],
    ],
  });

const badAxes: Row["refuses"] = [
  ["ERR_SHAPE", f32(2, 3), { axis: 2 }],
  ["ERR_SHAPE", f32(2, 3), { axis: [0, -2] }],
];

/** A reduction over any axes; `least` is the smallest dimension it takes. */
const reduction = (domain: Domain, least: number, row: Partial<Row> = {}): Row => ({
  draw: (draw) => {
    const shape = draw.shape(undefined, least);
    return { inputs: [{ shape, domain }], rest: [draw.reduction(shape.length)] };
  },
  tolerance: 64,
  refuses: badAxes,
  ...row,
});

/** The position of an extreme along an axis, or of all. */
const position = (known: Row["known"]): Row => ({
  draw: (draw) => {
    const shape = draw.shape(draw.whole(1, 3), 1);
    return { inputs: [{ shape, domain: distinct }], rest: draw.coin() ? [draw.axis(shape.length)] : [] };
  },
  order: 0,
  known,
  refuses: [
    ["ERR_SHAPE", f32(2, 3), 2],
    ["ERR_SHAPE", f32(2, 0), 1],
    ["ERR_DTYPE", i32(3)],
  ],
});

/** Softmax and its kin, along any axis. */
const alongAxis = (known: Row["known"]): Row => ({
  draw: (draw) => {
    const shape = draw.shape(draw.whole(1, 3), 1);
    return { inputs: [{ shape, domain: normal }], rest: draw.coin() ? [draw.axis(shape.length)] : [] };
  },
  known,
  refuses: [
    ["ERR_SHAPE", f32(2, 3), 2],
    ["ERR_SHAPE", f32()],
    ["ERR_DTYPE", i32(3)],
  ],
});

/** A tensor from a shape alone. */
const filled = (rest: (draw: Draw) => unknown[] = () => []): Row => ({
  draw: (draw) => ({ inputs: [], rest: [draw.shape(), ...rest(draw), { dtype: draw.dtype }] }),
  dtypes: allDTypes,
  order: 0,
  refuses: [
    ["ERR_SHAPE", [-1]],
    ["ERR_SHAPE", [1.5]],
    ["ERR_SHAPE", [2 ** 30, 2 ** 30]],
  ],
});

const random: Row = {
  ...filled(),
  draw: (draw) => ({ inputs: [], rest: [draw.shape(), { dtype: draw.dtype, seed: draw.whole(0, 2 ** 40) }] }),
  dtypes: ["f32", "f64"],
  tolerance: inf, // f32 and f64 draw different numbers
  refuses: [
    ["ERR_SHAPE", [-1]],
    ["ERR_DTYPE", [3], { dtype: "i32" }],
  ],
};

/** A copy of one input's shape. */
const like: Row = one(normal, [], undefined, { dtypes: allDTypes, order: 0 });

/** Padding, stride and dilation of a window of `size` cells that fits into `cells`. */
const windowOptions = (draw: Draw, size: readonly number[], dilate: boolean) => {
  const pair = (low: number, high: number) => [draw.whole(low, high), draw.whole(low, high)];
  return {
    stride: draw.coin() ? draw.whole(1, 3) : pair(1, 3),
    padding: draw.pick(["same", "valid", 0, size.map((n) => draw.whole(0, n - 1))]),
    ...(dilate ? { dilation: draw.coin() ? 1 : pair(1, 2) } : {}),
  };
};

/** Pooling of images that are a little larger than the window. */
const pooling = (domain: Domain, more: (draw: Draw) => object, row: Partial<Row> = {}): Row => ({
  draw: (draw) => {
    const size = [draw.whole(1, 3), draw.whole(1, 3)];
    const [h, w] = size.map((n) => draw.whole(n, n + (draw.large ? 15 : 5)));
    const window = draw.coin() ? size : Math.min(...size);
    return {
      inputs: [{ shape: [draw.whole(1, 2), h, w, draw.size(1)], domain }],
      rest: [window, { ...windowOptions(draw, [1, 1], false), ...more(draw) }],
    };
  },
  refuses: [
    ["ERR_SHAPE", f32(4, 4, 2), 2],
    ["ERR_SHAPE", f32(1, 2, 2, 1), 3],
    ["ERR_VALUE", f32(1, 4, 4, 1), 0],
    ["ERR_VALUE", f32(1, 4, 4, 1), 2, { padding: "full" }],
  ],
  ...row,
});

/** Images and filters for a convolution of any geometry. */
function convolution(draw: Draw): Sample {
  const groups = draw.pick([1, 1, 2, 3]);
  const size = [draw.whole(1, 3), draw.whole(1, 3)];
  const [h, w] = size.map((n) => draw.whole(2 * n, 2 * n + (draw.large ? 9 : 3)));
  const isDepthwise = groups > 1 && draw.coin();
  const channels = isDepthwise ? 1 : draw.pick([1, 2, 3, 8, 17]);
  const filters = groups * draw.pick(isDepthwise ? [1, 2] : [1, 3, 4, 8, 17]);
  return {
    inputs: [
      { shape: [draw.whole(1, 2), h, w, groups * channels], domain: normal },
      { shape: [...size, channels, filters], domain: normal },
    ],
    rest: [{ ...windowOptions(draw, size, true), groups }],
  };
}

/** Factors of a product: matrices, vectors, batches that broadcast. */
function factors(draw: Draw): Sample {
  const [m, k, n] = [draw.size(), draw.size(), draw.size()];
  const [a, b] = draw.pick([
    [
      [m, k],
      [k, n],
    ],
    [[k], [k, n]],
    [[m, k], [k]],
    [[k], [k]],
    [
      [2, 3, m, k],
      [k, n],
    ],
    [
      [3, m, k],
      [3, k, n],
    ],
    [
      [2, 1, m, k],
      [3, k, n],
    ],
  ]);
  return {
    inputs: [
      { shape: a, domain: normal },
      { shape: b, domain: normal },
    ],
  };
}

/** Tensors that are joined along an axis. */
function joined(draw: Draw, varies: boolean): Sample {
  const shape = draw.shape(draw.whole(1, 3));
  const axis = draw.axis(shape.length);
  const k = axis < 0 ? axis + shape.length : axis;
  const shapes = Array.from({ length: draw.whole(1, 4) }, () => shape.map((n, i) => (i === k && varies && !draw.large ? draw.size() : n)));
  return { inputs: shapes.map((own) => ({ shape: own, domain: normal })), rest: [{ axis }] };
}

const shuffled = (draw: Draw, n: number): number[] => {
  const left = Array.from({ length: n }, (_, i) => i);
  return Array.from({ length: n }, () => left.splice(draw.whole(0, left.length - 1), 1)[0]);
};

/** `shape` with its elements in other axes. */
function regrouped(draw: Draw, shape: Shape): number[] {
  const size = shape.reduce((n, m) => n * m, 1);
  const divisors = Array.from({ length: Math.min(size, 40) }, (_, i) => i + 1).filter((n) => size % n === 0);
  if (size === 0) return [3, 0];
  const first = draw.pick(divisors);
  const rest = size / first;
  return draw.pick([[size], [first, rest], [first, 1, rest], [1, -1, first]]);
}

// biome-ignore format: a table
export const table = {
  // Elementwise, of one input.
  abs: signed(Math.abs),
  ceil: unary(Math.ceil, normal, { order: 0 }),
  clip: unary((x) => Math.min(Math.max(x, -0.1), 0.1), nonzero, { rest: [-0.1, 0.1], refuses: [["ERR_DTYPE", bool(3), 0, 1], ["ERR_DTYPE", i32(3), 0, 0.5]] }),
  cos: unary(Math.cos),
  erf: unary(erf),
  exp: unary(Math.exp),
  expm1: unary(Math.expm1),
  floor: unary(Math.floor, normal, { order: 0 }),
  gelu: unary((x) => x * 0.5 * (erf(x * Math.SQRT1_2) + 1), normal, { tolerance: 128 }),
  leakyRelu: unary((x) => (x > 0 ? x : 0.2 * x), nonzero, { rest: [0.2] }),
  log: unary(Math.log, between(0.5, 3)),
  log1p: unary(Math.log1p, between(-0.5, 3)),
  logicalNot: one(normal, [["ERR_DTYPE", f32(3)]], undefined, { dtypes: ["bool"], order: 0, numpy: (x) => Number(x === 0) }),
  neg: signed((x) => -x),
  reciprocal: unary((x) => 1 / x, nonzero),
  relu: unary((x) => Math.max(x, 0), nonzero),
  round: unary((x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)), normal, { order: 0 }),
  sigmoid: unary(sigmoid),
  sign: signed(Math.sign, { order: 0 }),
  silu: unary((x) => x * sigmoid(x)),
  sin: unary(Math.sin),
  softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  sqrt: unary(Math.sqrt, between(0.5, 3)),
  square: signed((x) => x * x),
  stopGradient: one(normal, [], undefined, { dtypes: allDTypes, order: 0, numpy: (x) => x }),
  tanh: unary(Math.tanh),
  trunc: unary(Math.trunc, normal, { order: 0 }),

  // Elementwise, of several inputs.
  add: binary((a, b) => a + b),
  div: binary((a, b) => a / b, [normal, nonzero]),
  maximum: binary(Math.max),
  minimum: binary(Math.min),
  mod: binary((a, b) => (a % b !== 0 && a % b < 0 !== b < 0 ? (a % b) + b : a % b), [between(2.2, 2.8), between(0.9, 1.1)]),
  mul: binary((a, b) => a * b),
  pow: binary(pow, [between(0.5, 2), normal], { dtypes: ["f32", "f64"] }),
  sub: binary((a, b) => a - b),
  eq: comparison((a, b) => a === b),
  ge: comparison((a, b) => a >= b),
  gt: comparison((a, b) => a > b),
  le: comparison((a, b) => a <= b),
  lt: comparison((a, b) => a < b),
  ne: comparison((a, b) => a !== b),
  logicalAnd: logical((a, b) => a && b),
  logicalOr: logical((a, b) => a || b),
  where: {
    draw: (draw) => {
      const [condition, a, b] = draw.broadcastable(3);
      return { inputs: [{ shape: condition, domain: below(2), dtype: "bool" }, { shape: a, domain: normal }, { shape: b, domain: normal }] };
    },
    dtypes: allDTypes,
    numpy: (condition, a, b) => (condition !== 0 ? a : b),
    refuses: [["ERR_DTYPE", f32(3), f32(3), f32(3)], ["ERR_SHAPE", bool(2), f32(3), f32(3)], ["ERR_SHAPE", bool(3), f32(2), f32(3)], ["ERR_DTYPE", bool(3), f32(3), f64(3)]],
  },
  cast: one(normal, [], (draw) => [draw.pick(allDTypes)], {
    dtypes: allDTypes, order: 0,
    known: [
      [[[1.9, -1.9, nan, 3e9, -inf], "i32"], [1, -1, 0, 2147483647, -2147483648]],
      [[[1.9, -1.9, nan, 300, inf], "u8"], [1, 0, 0, 255, 255]],
      [[[0.5, 0, nan, -0, -inf], "bool"], [true, false, true, false, true]],
    ],
  }),

  // Reductions.
  argmax: position([[[[[1, 3, 3], [nan, 5, nan]], 1], [1, 0]], [[[2, inf, inf]], 1]]),
  argmin: position([[[[[1, 0, 0], [-inf, 5, nan]], 1], [1, 2]], [[[2, -inf, -inf]], 1]]),
  logSumExp: reduction(normal, 1, { known: [[[[1000, 1000]], 1000 + Math.LN2], [[[-inf, -inf]], -inf], [[[0, inf]], inf], [[[-inf, 3]], 3], [[[0, nan]], nan]] }),
  max: reduction(distinct, 1, { known: [[[[1, nan, 3]], nan], [[[-inf, -inf]], -inf]], refuses: [...badAxes, ["ERR_SHAPE", f32(0)], ["ERR_DTYPE", i32(3)]] }),
  mean: reduction(normal, 1, { dtypes: allDTypes, known: [[[[1, 2, 6]], 3], [[[[], []], { axis: 1 }], [nan, nan]], [[[inf, -inf]], nan]] }),
  min: reduction(distinct, 1, { known: [[[[1, nan, 3]], nan], [[[inf, inf]], inf]], refuses: [...badAxes, ["ERR_SHAPE", f32(0)], ["ERR_DTYPE", i32(3)]] }),
  sum: reduction(normal, 0, { dtypes: allDTypes, known: [[[[[], []], { axis: 1 }], [0, 0]], [[[inf, -inf]], nan]] }),
  variance: reduction(normal, 2, { known: [[[[1, 3]], 1], [[[1, 3], { correction: 1 }], 2]] }),

  // Rows and products.
  crossEntropyRows: {
    draw: (draw) => {
      const [rows, classes] = [draw.size(), draw.size(1)];
      return { inputs: [{ shape: [rows, classes], domain: normal }, { shape: [rows], domain: below(classes), dtype: "i32" }] };
    },
    knownAs: "crossEntropy",
    known: [[[[[1000, 0]], [1]], [1000]], [[[[-inf, 0]], [1]], [0]]],
    refuses: [["ERR_SHAPE", f32(2, 3), i32(3)], ["ERR_DTYPE", f32(2, 3), f32(2)], ["ERR_INDEX", f32(2, 3), [0, 3]], ["ERR_INDEX", f32(2, 3), [-1, 0]]],
  },
  gather: {
    draw: (draw) => {
      const [n, ...others] = draw.shape(draw.whole(1, 3), 1);
      return { inputs: [{ shape: [n, ...others], domain: normal }, { shape: draw.shape(draw.whole(0, draw.large ? 1 : 2)), domain: below(n), dtype: "i32" }] };
    },
    dtypes: allDTypes,
    refuses: [["ERR_INDEX", f32(2, 3), [2]], ["ERR_INDEX", f32(2, 3), [-1]], ["ERR_DTYPE", f32(3), f32(1)], ["ERR_SHAPE", f32(), i32(1)]],
  },
  logSoftmax: alongAxis([[[[1000, 1000]], [-Math.LN2, -Math.LN2]], [[[-inf, 0]], [-inf, 0]], [[[nan, 0]], [nan, nan]]]),
  matmul: {
    draw: factors,
    tolerance: 64,
    known: [[[[[1, nan]], [[1], [0]]], [[nan]]], [[[[inf]], [[-2]]], [[-inf]]]],
    refuses: [["ERR_SHAPE", f32(2, 3), f32(2, 3)], ["ERR_SHAPE", f32(), f32(2)], ["ERR_SHAPE", f32(2, 2, 3), f32(3, 3, 2)], ["ERR_DTYPE", f32(2, 3), f64(3, 2)], ["ERR_DTYPE", i32(2, 2), i32(2, 2)]],
  },
  oneHot: {
    draw: (draw) => {
      const classes = draw.size(1);
      return { inputs: [{ shape: draw.shape(draw.whole(0, 2)), domain: below(classes), dtype: "i32" }], rest: [classes, { dtype: draw.dtype }] };
    },
    dtypes: allDTypes,
    order: 0,
    known: [[[[0, 2, -1, 3], 3], [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]]],
    refuses: [["ERR_VALUE", i32(3), 0], ["ERR_DTYPE", f32(3), 2]],
  },
  scan: {
    draw: (draw) => {
      const [t, m, n] = [draw.whole(0, 5), draw.pick([1, 3]), draw.pick([1, 2, 5])];
      return { inputs: [{ shape: [n, n], domain: normal }, { shape: [m, n], domain: normal }, { shape: [t, m, n], domain: normal }], rest: [{ reverse: draw.coin() }] };
    },
    call: ([w, h, xs], options) => {
      const { carry, y } = scan(([c], [v]) => {
        const next = c.matmul(w).add(v).tanh();
        return { carry: [next], y: [next.mul(v)] };
      }, [h], [xs], options);
      return concat([...carry, ...y.map((each) => each.sum({ axis: 0 }))]);
    },
    tolerance: 1024, // iterations amplify
    refuses: [],
  },
  softmax: alongAxis([[[[1000, 1000]], [0.5, 0.5]], [[[-inf, 0]], [0, 1]], [[[nan, 0]], [nan, nan]]]),

  // Images.
  avgPool2d: pooling(normal, (draw) => ({ countPad: draw.coin() })),
  conv2d: {
    draw: convolution,
    tolerance: 64,
    refuses: [
      ["ERR_SHAPE", f32(4, 4, 2), f32(3, 3, 2, 1)], ["ERR_SHAPE", f32(1, 4, 4, 2), f32(3, 3, 3, 1)], ["ERR_SHAPE", f32(1, 2, 2, 2), f32(3, 3, 2, 1)],
      ["ERR_SHAPE", f32(1, 4, 4, 2), f32(3, 3, 1, 3), { groups: 2 }], ["ERR_VALUE", f32(1, 4, 4, 2), f32(3, 3, 2, 1), { stride: 0 }],
      ["ERR_DTYPE", f32(1, 4, 4, 2), f64(3, 3, 2, 1)],
    ],
  },
  maxPool2d: pooling(distinct, () => ({}), { known: [[[[[[[1], [nan]], [[3], [2]]]], 2], [[[[nan]]]]]] }),

  // Other views and arrangements of the same elements.
  at: {
    draw: (draw) => {
      const shape = draw.shape(draw.whole(1, 3), 1);
      return { inputs: [{ shape, domain: normal }], rest: [draw.axis(shape[0])] };
    },
    dtypes: allDTypes,
    refuses: [["ERR_SHAPE", f32(), 0], ["ERR_SHAPE", f32(2), 2], ["ERR_SHAPE", f32(2), -3], ["ERR_SHAPE", f32(2), 0.5]],
  },
  concat: {
    draw: (draw) => joined(draw, true),
    call: (xs, options) => concat(xs, options),
    dtypes: allDTypes,
    refuses: [["ERR_VALUE", []], ["ERR_SHAPE", [f32(2, 3), f32(2, 4)]], ["ERR_SHAPE", [f32(2), f64(2)]], ["ERR_SHAPE", [f32(2)], { axis: 1 }]],
  },
  expand: one(normal, [["ERR_SHAPE", f32(2), [3]], ["ERR_SHAPE", f32(2, 1), [2]]], (draw, shape) => [[...(draw.coin() ? [draw.whole(0, 3)] : []), ...shape.map((n) => (n === 1 ? draw.whole(0, 3) : n))]], { dtypes: allDTypes }),
  expandDims: one(normal, [["ERR_SHAPE", f32(2), 2]], (draw, shape) => [draw.axis(shape.length + 1)], { dtypes: allDTypes }),
  flatten: one(normal, [["ERR_SHAPE", f32(2), 2]], (draw, shape) => (shape.length > 0 ? [draw.whole(0, shape.length)] : [0]), { dtypes: allDTypes }),
  flip: one(normal, [["ERR_SHAPE", f32(2, 3), 2], ["ERR_SHAPE", f32(2, 3), [0, -2]]], (draw, shape) => [shape.map((_, k) => k).filter(() => draw.coin())], { dtypes: allDTypes }),
  pad: one(normal, [["ERR_VALUE", f32(2), [[1, -1]]], ["ERR_VALUE", f32(2), [[1, 1], [1, 1]]]], (draw, shape) => [shape.map(() => [draw.whole(0, 3), draw.whole(0, 3)]), { value: draw.whole(0, 1) }], { dtypes: allDTypes }),
  permute: one(normal, [["ERR_SHAPE", f32(2, 3), [0, 0]], ["ERR_SHAPE", f32(2, 3), [0]]], (draw, shape) => [shuffled(draw, shape.length)], { dtypes: allDTypes }),
  reshape: one(normal, [["ERR_SHAPE", f32(2, 3), [5]], ["ERR_SHAPE", f32(2, 3), [-1, 4]]], (draw, shape) => [regrouped(draw, shape)], { dtypes: allDTypes }),
  slice: one(normal, [["ERR_SHAPE", f32(2), [0, 0]], ["ERR_VALUE", f32(2), [0], [2], [0]], ["ERR_VALUE", f32(2), [0.5]]], (draw, shape) => [
    shape.map((n) => draw.whole(-n, n)),
    shape.map((n) => draw.whole(-n, n + 2)),
    shape.map(() => draw.whole(1, 3)),
  ], { dtypes: allDTypes }),
  squeeze: one(normal, [["ERR_SHAPE", f32(2), 0]], (draw, shape) => (draw.coin() ? [] : [shape.map((_, k) => k).filter((k) => shape[k] === 1)]), { dtypes: allDTypes }),
  stack: {
    draw: (draw) => joined(draw, false),
    call: (xs, options: object) => stack(xs, options),
    dtypes: allDTypes,
    refuses: [["ERR_VALUE", []], ["ERR_SHAPE", [f32(2), f32(3)]], ["ERR_SHAPE", [f32(2)], { axis: 2 }]],
  },
  transpose: {
    draw: (draw) => ({ inputs: [{ shape: draw.shape(draw.whole(2, 3)), domain: normal }] }),
    dtypes: allDTypes,
    refuses: [["ERR_SHAPE", f32(3)]],
  },

  // From nothing.
  arange: {
    draw: (draw) => ({ inputs: [], rest: draw.pick([[draw.size(), undefined, 1], [-3, draw.size(), 2], [5, -draw.size(), -3], [0, 7.5, 0.5]]).concat({ dtype: draw.dtype } as never) }),
    dtypes: numeric,
    order: 0,
    known: [[[4], [0, 1, 2, 3]], [[5, 0, -2], [5, 3, 1]], [[0, 1, 0.25], [0, 0.25, 0.5, 0.75]]],
    refuses: [["ERR_VALUE", 0, 3, 0], ["ERR_VALUE", inf]],
  },
  eye: {
    draw: (draw) => ({ inputs: [], rest: [draw.size(), { dtype: draw.dtype }] }),
    dtypes: allDTypes,
    order: 0,
    known: [[[2], [[1, 0], [0, 1]]]],
    refuses: [["ERR_SHAPE", -1], ["ERR_SHAPE", 1.5]],
  },
  full: filled((draw) => [draw.whole(0, 200)]),
  ones: filled(),
  onesLike: like,
  rand: random,
  randn: random,
  tensor: one(normal, [["ERR_SHAPE", [1, 2, 3], { shape: [2] }], ["ERR_SHAPE", [[1, 2], [3]]], ["ERR_VALUE", null], ["ERR_VALUE", ["1"]]], (draw) => [{ dtype: draw.dtype }], {
    dtypes: allDTypes,
    known: [[[[[1, 2], [3, 4]]], [[1, 2], [3, 4]]], [[7], 7], [[[true, false]], [true, false]]],
  }),
  zeros: filled(),
  zerosLike: like,
} satisfies Record<OpName, Row>;
