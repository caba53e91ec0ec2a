/**
 * The table of ops: how each is called on drawn inputs, what it computes, what it refuses, how often it can be differentiated.
 * `properties.ts` checks everything from these rows alone; an op without one does not compile.
 */
import { concat, layerNorm, moments, rmsNorm, scan, stack, standardize } from "nabla";
import { dtypes as allDTypes } from "../../lib/base/dtype.js";
import type * as ops from "../../lib/ops/index.js";
import { erf, pow } from "../../lib/runtime/reference/math.js";
import { below, between, distinct, nonzero, normal } from "./draw.js";
import {
  badAxes,
  badConvolutions,
  badDType,
  badIndex,
  badShape,
  badValue,
  binary,
  bool,
  comparison,
  convolution,
  dropping,
  f32,
  f64,
  factors,
  filled,
  gives,
  i32,
  indices,
  inf,
  joined,
  logical,
  moved,
  nan,
  normalized,
  normals,
  numeric,
  one,
  pooling,
  position,
  type Row,
  random,
  reduction,
  regrouped,
  signed,
  trailingAxes,
  unary,
} from "./rows.js";

/** Every function from tensors to tensors that users can call. */
export type OpName = Exclude<keyof typeof ops, "setSeed" | "getRandomState" | "setRandomState"> | "scan" | "tensor";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const ones9 = [
  [[[1]], [[1]], [[1]]],
  [[[1]], [[1]], [[1]]],
  [[[1]], [[1]], [[1]]],
]; // [3, 3, 1, 1]

// biome-ignore format: a table
export const table = {
  // Elementwise, of one input.
  abs: signed(Math.abs),
  ceil: unary(Math.ceil, normal, { order: 0 }),
  clip: unary((x) => Math.min(Math.max(x, -0.1), 0.1), nonzero, {
    rest: [-0.1, 0.1],
    refuses: [badDType(bool(3), 0, 1), badDType(i32(3), 0, 0.5)],
  }),
  cos: unary(Math.cos),
  erf: unary(erf),
  exp: unary(Math.exp),
  expm1: unary(Math.expm1),
  floor: unary(Math.floor, normal, { order: 0 }),
  log: unary(Math.log, between(0.5, 3)),
  log1p: unary(Math.log1p, between(-0.5, 3)),
  logicalNot: one(normal, { numpy: (x) => Number(x === 0), dtypes: ["bool"], order: 0, refuses: [badDType(f32(3))] }),
  neg: signed((x) => -x),
  reciprocal: unary((x) => 1 / x, nonzero),
  round: unary((x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)), normal, { order: 0 }),
  sigmoid: unary(sigmoid),
  sign: signed(Math.sign, { order: 0 }),
  sin: unary(Math.sin),
  sqrt: unary(Math.sqrt, between(0.5, 3)),
  square: signed((x) => x * x),
  stopGradient: one(normal, { numpy: (x) => x, dtypes: allDTypes, order: 0 }),
  tanh: unary(Math.tanh),
  trunc: unary(Math.trunc, normal, { order: 0 }),
  cast: one(normal, {
    rest: (draw) => [draw.pick(allDTypes)],
    dtypes: allDTypes,
    order: 0,
    known: [
      gives([1, -1, 0, 2147483647, -2147483648], [1.9, -1.9, nan, 3e9, -inf], "i32"),
      gives([1, 0, 0, 255, 255], [1.9, -1.9, nan, 300, inf], "u8"),
      gives([true, false, true, false, true], [0.5, 0, nan, -0, -inf], "bool"),
    ],
  }),

  // Activations.
  celu: unary((x) => (x > 0 ? x : 0.7 * Math.expm1(x / 0.7)), nonzero, { rest: [0.7], refuses: [badDType(i32(3)), badValue(f32(3), 0)] }),
  elu: unary((x) => (x > 0 ? x : 0.7 * Math.expm1(x)), nonzero, { rest: [0.7] }),
  gelu: unary((x) => x * 0.5 * (erf(x * Math.SQRT1_2) + 1), normal, { tolerance: 128 }), // the sum cancels where x < 0
  glu: {
    draw: (draw) => {
      const [axis, shape] = [draw.whole(0, 1), draw.shape(2, 1)];
      return { inputs: normals(shape.map((n, i) => (i === axis ? 2 * n : n))), rest: [draw.pick([axis, axis - 2])] };
    },
    known: [gives([[0.5]], [[1, 0]]), gives([[1, 0]], [[1, 0], [inf, -inf]], 0)],
    refuses: [badShape(f32(2, 3)), badShape(f32(2, 2), 2), badShape(f32()), badDType(i32(2))],
  },
  hardMax: {
    draw: (draw) => ({ inputs: [{ shape: draw.shape(draw.whole(1, 3), 1), domain: distinct }] }),
    order: 0,
    known: [gives([[0, 1, 0], [1, 0, 0]], [[1, 3, 3], [nan, 5, nan]]), gives([[1, 1], [0, 0]], [[1, 3], [-1, 2]], 0)],
    refuses: [badShape(f32(2, 3), 2), badShape(f32()), badDType(i32(3))],
  },
  hardSigmoid: unary((x) => Math.min(Math.max(x / 6 + 0.5, 0), 1)),
  hardSwish: unary((x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1)),
  hardTanh: unary((x) => Math.min(Math.max(x, -0.1), 0.15), nonzero, { rest: [-0.1, 0.15], refuses: [badDType(i32(3)), badValue(f32(3), 2, 1)] }),
  leakyRelu: unary((x) => (x > 0 ? x : 0.2 * x), nonzero, { rest: [0.2] }),
  logSigmoid: unary((x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))),
  mish: unary((x) => x * Math.tanh(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))))),
  prelu: {
    draw: (draw) => {
      const shape = draw.shape(draw.whole(1, 3), 1);
      return { inputs: [{ shape, domain: nonzero }, { shape: draw.coin() ? [] : shape.slice(-1), domain: normal }] };
    },
    known: [gives([[-0.5, 2], [3, -8]], [[-1, 2], [3, -4]], [0.5, 2]), gives([-0.25, 4], [-1, 4], 0.25)],
    refuses: [badShape(f32(2, 3), f32(2)), badShape(f32(2, 3), f32(2, 3)), badDType(i32(3), i32()), badDType(f32(3), f64(3))],
  },
  relu: unary((x) => Math.max(x, 0), nonzero),
  relu6: unary((x) => Math.min(Math.max(x, 0), 6), nonzero),
  selu: unary((x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)), nonzero),
  silu: unary((x) => x * sigmoid(x)),
  softmin: normalized(gives([0.5, 0.5], [1000, 1000]), gives([1, 0], [-1000, 0]), gives([nan, nan], [nan, 0])),
  softplus: unary((x) => (Math.max(2 * x, 0) + Math.log1p(Math.exp(-Math.abs(2 * x)))) / 2, normal, { rest: [2], refuses: [badDType(i32(3)), badValue(f32(3), 0)] }),
  softsign: unary((x) => x / (1 + Math.abs(x)), nonzero),

  // Where they are random, f32 and f64 draw different numbers.
  alphaDropout: dropping(),
  channelDropout: dropping({ refuses: [badShape(f32(3), 0.5)] }),
  dropout: dropping(),
  stochasticDepth: dropping({ refuses: [badShape(f32(), 0.5), badValue(f32(3), 0.5, { mode: "column" })] }),

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
      const [condition, ...others] = draw.broadcastable(3);
      return { inputs: [{ shape: condition, domain: below(2), dtype: "bool" }, ...normals(...others)] };
    },
    dtypes: allDTypes,
    numpy: (condition, a, b) => (condition !== 0 ? a : b),
    refuses: [
      badDType(f32(3), f32(3), f32(3)), badDType(bool(3), f32(3), f64(3)),
      badShape(bool(2), f32(3), f32(3)), badShape(bool(3), f32(2), f32(3)),
    ],
  },

  // Normalisation.
  layerNorm: {
    draw: (draw) => {
      const [shape, last] = trailingAxes(draw);
      return { inputs: normals(shape, last, last), rest: [last, { eps: draw.pick([0.1, 1]) }] };
    },
    call: ([x, weight, bias], shape, options: object) => layerNorm(x, shape, { weight, bias, ...options }),
    tolerance: 64,
    known: [gives([[-1, 1], [1, -1]], [[1, 3], [1e4, -1e4]], [2], { eps: 0 })],
    refuses: [
      badShape(f32(2, 3), [2]), badShape(f32(2, 3), [4, 2, 3]), badShape(f32(2, 3), []), badShape(f32(2, 3), [3], { weight: f32(2) }),
      badShape(f32(2, 3), [3], { bias: f32(1) }), badDType(i32(2, 3), [3]), badDType(f32(2, 3), [3], { weight: f64(3) }),
      badValue(f32(2, 3), [3], { eps: -1 }),
    ],
  },
  moments: {
    draw: (draw) => {
      const shape = draw.shape(undefined, 1);
      return { inputs: normals(shape), rest: [draw.reduction(shape.length)] };
    },
    call: ([x], options: object) => {
      const { mean, variance } = moments(x, options);
      return stack([mean, variance]);
    },
    tolerance: 64,
    refuses: [...badAxes, badDType(i32(3))],
  },
  rmsNorm: {
    draw: (draw) => {
      const [shape, last] = trailingAxes(draw);
      return { inputs: normals(shape, last), rest: [last, { eps: draw.pick([0.1, 1]) }] };
    },
    call: ([x, weight], shape, options: object) => rmsNorm(x, shape, { weight, ...options }),
    tolerance: 64,
    known: [gives([[Math.SQRT2, 0]], [[3, 0]], [2], { eps: 0 })],
    refuses: [badShape(f32(2, 3), [2]), badShape(f32(2, 3), [3], { weight: f32(2) }), badValue(f32(2, 3), [3], { eps: Number.NaN })],
  },
  standardize: {
    draw: (draw) => {
      const [x, center, spread, weight, bias] = [draw.shape(draw.whole(1, 3), 1), ...Array.from({ length: 4 }, () => [] as number[])];
      for (const shape of [center, spread, weight, bias]) shape.push(...x.slice(draw.whole(0, x.length)).map((n) => (draw.coin() ? n : 1)));
      const inputs = normals(x, center, spread, weight, bias);
      inputs[2] = { shape: spread, domain: between(0.5, 3) };
      return { inputs, rest: [{ eps: draw.pick([0, 0.1]) }] };
    },
    call: ([x, center, spread, weight, bias], options: object) => standardize(x, center, spread, { weight, bias, ...options }),
    tolerance: 64,
    known: [gives([[-1, 2]], [[1, 8]], [3, 4], [4, 4], { eps: 0 })],
    refuses: [
      badShape(f32(2, 3), f32(2), f32(2)), badShape(f32(3), f32(2, 3), f32(3)), badDType(i32(3), f32(3), f32(3)),
      badDType(f32(3), f64(3), f32(3)), badValue(f32(3), f32(3), f32(3), { eps: -1 }), badShape(f32(3), f32(3), f32(3), { weight: f32(2) }),
    ],
  },

  // Reductions.
  argmax: position(gives([1, 0], [[1, 3, 3], [nan, 5, nan]], 1), gives(1, [2, inf, inf])),
  argmin: position(gives([1, 2], [[1, 0, 0], [-inf, 5, nan]], 1), gives(1, [2, -inf, -inf])),
  logSumExp: reduction(normal, 1, {
    known: [
      gives(1000 + Math.LN2, [1000, 1000]), gives(3, [-inf, 3]), gives(-inf, [-inf, -inf]), gives(inf, [0, inf]), gives(nan, [0, nan]),
    ],
  }),
  max: reduction(distinct, 1, {
    known: [gives(nan, [1, nan, 3]), gives(-inf, [-inf, -inf])],
    refuses: [...badAxes, badShape(f32(0)), badDType(i32(3))],
  }),
  mean: reduction(normal, 1, {
    dtypes: allDTypes,
    known: [gives(3, [1, 2, 6]), gives([nan, nan], [[], []], { axis: 1 }), gives(nan, [inf, -inf])],
  }),
  min: reduction(distinct, 1, {
    known: [gives(nan, [1, nan, 3]), gives(inf, [inf, inf])],
    refuses: [...badAxes, badShape(f32(0)), badDType(i32(3))],
  }),
  sum: reduction(normal, 0, { dtypes: allDTypes, known: [gives([0, 0], [[], []], { axis: 1 }), gives(nan, [inf, -inf])] }),
  variance: reduction(normal, 2, { known: [gives(1, [1, 3]), gives(2, [1, 3], { correction: 1 })] }),

  // Rows and products.
  crossEntropyRows: {
    draw: (draw) => {
      const [rows, classes] = [draw.size(), draw.size(1)];
      return { inputs: [...normals([rows, classes]), indices([rows], classes)] };
    },
    known: [gives([1000], [[1000, 0]], [1]), gives([0], [[-inf, 0]], [1])],
    knownAs: "crossEntropy",
    refuses: [
      badShape(f32(2, 3), i32(3)), badDType(f32(2, 3), f32(2)), badIndex(f32(2, 3), [0, 3]), badIndex(f32(2, 3), [-1, 0]),
    ],
  },
  gather: {
    draw: (draw) => {
      const [n, ...others] = draw.shape(draw.whole(1, 3), 1);
      return { inputs: [...normals([n, ...others]), indices(draw.shape(draw.whole(0, draw.large ? 1 : 2)), n)] };
    },
    dtypes: allDTypes,
    refuses: [badIndex(f32(2, 3), [2]), badIndex(f32(2, 3), [-1]), badDType(f32(3), f32(1)), badShape(f32(), i32(1))],
  },
  logSoftmax: normalized(gives([-Math.LN2, -Math.LN2], [1000, 1000]), gives([-inf, 0], [-inf, 0]), gives([nan, nan], [nan, 0])),
  matmul: {
    draw: factors,
    tolerance: 64,
    known: [gives([[nan]], [[1, nan]], [[1], [0]]), gives([[-inf]], [[inf]], [[-2]])],
    refuses: [
      badShape(f32(2, 3), f32(2, 3)), badShape(f32(), f32(2)), badShape(f32(2, 2, 3), f32(3, 3, 2)),
      badDType(f32(2, 3), f64(3, 2)), badDType(i32(2, 2), i32(2, 2)),
    ],
  },
  oneHot: {
    draw: (draw) => {
      const classes = draw.size(1);
      return { inputs: [indices(draw.shape(draw.whole(0, 2)), classes)], rest: [classes, { dtype: draw.dtype }] };
    },
    dtypes: allDTypes,
    order: 0,
    known: [gives([[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]], [0, 2, -1, 3], 3)],
    refuses: [badValue(i32(3), 0), badDType(f32(3), 2)],
  },
  scan: {
    draw: (draw) => {
      const [t, m, n] = [draw.whole(0, 5), draw.pick([1, 3]), draw.pick([1, 2, 5])];
      return { inputs: normals([n, n], [m, n], [t, m, n]), rest: [{ reverse: draw.coin() }] };
    },
    call: ([w, h, xs], options) => {
      const body = ([c]: typeof xs[], [x]: typeof xs[]) => {
        const next = c.matmul(w).add(x).tanh();
        return { carry: [next], y: [next.mul(x)] };
      };
      const { carry, y } = scan(body, [h], [xs], options);
      return concat([...carry, ...y.map((stacked) => stacked.sum({ axis: 0 }))]);
    },
    tolerance: 1024, // iterations amplify
    refuses: [],
  },
  softmax: normalized(gives([0.5, 0.5], [1000, 1000]), gives([0, 1], [-inf, 0]), gives([nan, nan], [nan, 0])),

  // Images.
  avgPool1d: pooling(normal, (draw) => ({ countPad: draw.coin(), ceilMode: draw.coin() }), { rank: 1 }),
  avgPool3d: pooling(normal, (draw) => ({ countPad: draw.coin(), ceilMode: draw.coin() }), { rank: 3 }),
  avgPool2d: pooling(normal, (draw) => ({ countPad: draw.coin(), ceilMode: draw.coin() }), {
    known: [
      gives([[[[3], [4.5]], [[7.5], [9]]]], [[[[1], [2], [3]], [[4], [5], [6]], [[7], [8], [9]]]], 2, { ceilMode: true }),
    ],
  }),
  channelShuffle: {
    draw: (draw) => {
      const groups = draw.whole(1, 3);
      return { inputs: normals([draw.whole(0, 3), draw.whole(1, 5), groups * draw.size(1)]), rest: [groups] };
    },
    dtypes: allDTypes,
    known: [gives([[0, 3, 1, 4, 2, 5]], [[0, 1, 2, 3, 4, 5]], 2)],
    refuses: [badShape(f32(2, 5), 2), badShape(f32(4), 2), badValue(f32(2, 4), 0)],
  },
  conv1d: { draw: convolution(1), tolerance: 64, refuses: badConvolutions(1) },
  conv2d: { draw: convolution(2), tolerance: 64, refuses: badConvolutions(2) },
  conv3d: { draw: convolution(3), tolerance: 64, refuses: badConvolutions(3) },
  convTranspose1d: { draw: convolution(1, true), tolerance: 64, refuses: badConvolutions(1, true) },
  convTranspose2d: {
    draw: convolution(2, true),
    tolerance: 64,
    // A filter of ones puts every cell where it reaches: of 3 × 3 cells, stride 2, all but the border of 1.
    known: [
      gives([[[[1], [3], [2], [2]], [[4], [10], [6], [6]], [[3], [7], [4], [4]], [[3], [7], [4], [4]]]],
        [[[[1], [2]], [[3], [4]]]], ones9, { stride: 2, padding: 1, outputPadding: 1 }),
      gives([[[[1], [3], [2]], [[4], [10], [6]], [[3], [7], [4]]]], [[[[1], [2]], [[3], [4]]]], ones9, { stride: 2, padding: 1 }),
    ],
    refuses: badConvolutions(2, true),
  },
  convTranspose3d: { draw: convolution(3, true), tolerance: 64, refuses: badConvolutions(3, true) },
  localResponseNorm: {
    draw: (draw) => {
      const rest = [draw.whole(1, 6), { alpha: draw.next(), beta: draw.pick([0.5, 0.75]), k: draw.whole(1, 2) }];
      return { inputs: normals([draw.whole(0, 3), draw.whole(1, 5), draw.size(1)]), rest };
    },
    known: [gives([[1 / 3, 2 / 7, 0]], [[1, 2, 0]], 2, { alpha: 2, beta: 1, k: 2 }), gives([[3 / 4]], [[3]], 1, { alpha: 1 / 3, beta: 1 })],
    refuses: [badShape(f32(4), 3), badValue(f32(2, 4), 0), badDType(i32(2, 4), 3)],
  },
  maxPool1d: pooling(distinct, (draw) => ({ ceilMode: draw.coin() }), { rank: 1 }),
  maxPool3d: pooling(distinct, (draw) => ({ ceilMode: draw.coin() }), { rank: 3 }),
  maxPool2d: pooling(distinct, (draw) => ({ ceilMode: draw.coin() }), { known: [gives([[[[nan]]]], [[[[1], [nan]], [[3], [2]]]], 2)] }),

  pixelShuffle: {
    draw: (draw) => {
      const r = draw.whole(1, 3);
      return { inputs: normals([draw.whole(0, 2), draw.whole(1, 3), draw.whole(1, 3), r * r * draw.size(1)]), rest: [r] };
    },
    dtypes: allDTypes,
    known: [gives([[[[0], [1]], [[2], [3]]]], [[[[0, 1, 2, 3]]]], 2)],
    refuses: [badShape(f32(1, 2, 2, 6), 2), badShape(f32(2, 2, 4), 2), badValue(f32(1, 2, 2, 4), 0.5)],
  },
  pixelUnshuffle: {
    draw: (draw) => {
      const r = draw.whole(1, 3);
      return { inputs: normals([draw.whole(0, 2), r * draw.whole(1, 3), r * draw.whole(1, 3), draw.size(1)]), rest: [r] };
    },
    dtypes: allDTypes,
    known: [gives([[[[0, 1, 2, 3]]]], [[[[0], [1]], [[2], [3]]]], 2)],
    refuses: [badShape(f32(1, 2, 3, 1), 2), badShape(f32(2, 2, 4), 2), badValue(f32(1, 2, 2, 4), 0)],
  },

  upsample: {
    draw: (draw) => {
      const rank = draw.whole(1, 3);
      const axes = <T>(one: () => T) => Array.from({ length: rank }, one);
      const mode = draw.pick(["nearest", ["linear", "bilinear", "trilinear"][rank - 1]]);
      const size = draw.coin() ? { scale: draw.pick([1, 2, 3, 1.5]) } : { size: axes(() => draw.whole(1, 7)) };
      const options = { ...size, mode, ...(mode === "nearest" ? {} : { alignCorners: draw.coin() }) };
      return { inputs: normals([draw.whole(1, 2), ...axes(() => draw.whole(1, 4)), draw.size(1)]), rest: [options] };
    },
    known: [
      gives([[[1], [1], [2], [2], [3], [3]]], [[[1], [2], [3]]], { scale: 2 }),
      gives([[[0], [1], [3], [4]]], [[[0], [4]]], { scale: 2, mode: "linear" }),
      gives([[[0], [1], [2], [3]]], [[[0], [3]]], { size: 4, mode: "linear", alignCorners: true }),
    ],
    refuses: [
      badShape(f32(2, 3), { scale: 2 }), badShape(f32(1, 2, 2, 1), { scale: 2, mode: "linear" }), badShape(f32(1, 2, 2, 1), { size: [3] }),
      badShape(f32(1, 2, 1), { scale: 0.4 }), badValue(f32(1, 2, 1), {}), badValue(f32(1, 2, 1), { scale: -1 }),
      badValue(f32(1, 2, 1), { scale: 2, alignCorners: true }), badValue(f32(1, 2, 1), { scale: 2, mode: "cubic" }), badDType(i32(1, 2, 1), { scale: 2, mode: "linear" }),
    ],
  },

  // The same elements in other places.
  at: {
    draw: (draw) => {
      const shape = draw.shape(draw.whole(1, 3), 1);
      return { inputs: normals(shape), rest: [draw.axis(shape[0])] };
    },
    dtypes: allDTypes,
    refuses: [badShape(f32(), 0), badShape(f32(2), 2), badShape(f32(2), -3), badShape(f32(2), 0.5)],
  },
  concat: {
    draw: (draw) => joined(draw, true),
    call: (xs, options) => concat(xs, options),
    dtypes: allDTypes,
    refuses: [badValue([]), badShape([f32(2, 3), f32(2, 4)]), badShape([f32(2), f64(2)]), badShape([f32(2)], { axis: 1 })],
  },
  expand: moved(
    (draw, shape) => [[...(draw.coin() ? [draw.whole(0, 3)] : []), ...shape.map((n) => (n === 1 ? draw.whole(0, 3) : n))]],
    badShape(f32(2), [3]), badShape(f32(2, 1), [2]),
  ),
  expandDims: moved((draw, shape) => [draw.axis(shape.length + 1)], badShape(f32(2), 2)),
  flatten: moved((draw, shape) => [draw.whole(0, shape.length)], badShape(f32(2), 2)),
  flip: moved((draw, shape) => [shape.map((_, k) => k).filter(() => draw.coin())], badShape(f32(2, 3), 2), badShape(f32(2, 3), [0, -2])),
  pad: moved(
    (draw, shape) => {
      const mode = draw.pick(["constant", "constant", "reflect", "replicate", "circular"]);
      const most = (n: number) => Math.max(0, Math.min(3, { constant: 3, reflect: n - 1, replicate: 3 * n, circular: n }[mode]!));
      return [shape.map((n) => [draw.whole(0, most(n)), draw.whole(0, most(n))]), { mode, value: draw.whole(0, 1) }];
    },
    badValue(f32(2), [[1, -1]]), badValue(f32(2), [[1, 1], [1, 1]]), badValue(f32(2), [[1, 1]], { mode: "edge" }),
    badShape(f32(2), [[0, 2]], { mode: "reflect" }), badShape(f32(2), [[3, 0]], { mode: "circular" }), badShape(f32(0), [[1, 0]], { mode: "replicate" }),
  ),
  permute: moved((draw, shape) => [draw.order(shape.length)], badShape(f32(2, 3), [0, 0]), badShape(f32(2, 3), [0])),
  reshape: moved((draw, shape) => [regrouped(draw, shape)], badShape(f32(2, 3), [5]), badShape(f32(2, 3), [-1, 4])),
  slice: moved(
    (draw, shape) => [shape.map((n) => draw.whole(-n, n)), shape.map((n) => draw.whole(-n, n + 2)), shape.map(() => draw.whole(1, 3))],
    badShape(f32(2), [0, 0]), badValue(f32(2), [0], [2], [0]), badValue(f32(2), [0.5]),
  ),
  squeeze: moved((draw, shape) => (draw.coin() ? [] : [shape.map((_, k) => k).filter((k) => shape[k] === 1)]), badShape(f32(2), 0)),
  stack: {
    draw: (draw) => joined(draw, false),
    call: (xs, options) => stack(xs, options),
    dtypes: allDTypes,
    refuses: [badValue([]), badShape([f32(2), f32(3)]), badShape([f32(2)], { axis: 2 })],
  },
  transpose: {
    draw: (draw) => ({ inputs: normals(draw.shape(draw.whole(2, 3))) }),
    dtypes: allDTypes,
    refuses: [badShape(f32(3))],
  },

  // From nothing.
  arange: {
    draw: (draw) => {
      const bounds = draw.pick([[draw.size(), undefined, 1], [-3, draw.size(), 2], [5, -draw.size(), -3], [0, 7.5, 0.5]]);
      return { inputs: [], rest: [...bounds, { dtype: draw.dtype }] };
    },
    dtypes: numeric,
    order: 0,
    known: [gives([0, 1, 2, 3], 4), gives([5, 3, 1], 5, 0, -2), gives([0, 0.25, 0.5, 0.75], 0, 1, 0.25)],
    refuses: [badValue(0, 3, 0), badValue(inf)],
  },
  eye: {
    draw: (draw) => ({ inputs: [], rest: [draw.size(), { dtype: draw.dtype }] }),
    dtypes: allDTypes,
    order: 0,
    known: [gives([[1, 0], [0, 1]], 2)],
    refuses: [badShape(-1), badShape(1.5)],
  },
  full: filled((draw) => [draw.whole(0, 200)]),
  ones: filled(),
  onesLike: one(normal, { dtypes: allDTypes, order: 0 }),
  rand: random,
  randn: random,
  tensor: one(normal, {
    rest: (draw) => [{ dtype: draw.dtype }],
    dtypes: allDTypes,
    known: [gives([[1, 2], [3, 4]], [[1, 2], [3, 4]]), gives(7, 7), gives([true, false], [true, false])],
    refuses: [badShape([1, 2, 3], { shape: [2] }), badShape([[1, 2], [3]]), badValue(null), badValue(["1"])],
  }),
  zeros: filled(),
  zerosLike: one(normal, { dtypes: allDTypes, order: 0 }),
} satisfies Record<OpName, Row>;
