/** Every differentiable op passes the two-sided gradient check, to second order where it has one. */
import * as nabla from "nabla";
import { rand, randn, softplus, type Tensor, tensor } from "nabla";
import { expect, it } from "vitest";
import { opTable } from "../../lib/graph/op.js";
import { eachDevice } from "../devices.js";
import { checkGradients } from "./check-gradients.js";

type Fn = (...xs: Tensor[]) => Tensor;
interface Sample {
  f: Fn;
  /** Shapes drawn from N(0, 1), or tensors. */
  xs: (number[] | (() => Tensor))[];
  smooth?: number[];
  order?: 1 | 2;
}

let seed = 0;
const f64 = (shape: number[]) => randn(shape, { seed: ++seed, dtype: "f64" });
/** Uniform in [low, high): domains away from kinks and poles. */
const between = (low: number, high: number, shape: number[]) => () =>
  rand(shape, { seed: ++seed, dtype: "f64" })
    .mul(high - low)
    .add(low);
/** Magnitudes in [0.2, 1.2) with random signs. */
const awayFromZero = (shape: number[]) => () => {
  const x = rand(shape, { seed: ++seed, dtype: "f64" });
  return rand(shape, { seed: ++seed, dtype: "f64" }).gt(0.5).where(x.add(0.2), x.neg().sub(0.2));
};
const labels = () => tensor([2, 0, 1, 2], { dtype: "i32" });

/** By op name in the table of ops: what exercises it. */
const samples: Record<string, Sample[]> = {
  neg: [{ f: (x) => x.neg(), xs: [[2, 3]] }],
  abs: [{ f: (x) => x.abs(), xs: [awayFromZero([2, 3])] }],
  exp: [{ f: (x) => x.exp(), xs: [[2, 3]] }],
  expm1: [{ f: (x) => x.expm1(), xs: [[2, 3]] }],
  log: [{ f: (x) => x.log(), xs: [between(0.5, 3, [2, 3])] }],
  log1p: [{ f: (x) => x.log1p(), xs: [between(-0.5, 3, [2, 3])] }],
  sqrt: [{ f: (x) => x.sqrt(), xs: [between(0.5, 3, [2, 3])] }],
  sin: [{ f: (x) => x.sin(), xs: [[7]] }],
  cos: [{ f: (x) => x.cos(), xs: [[7]] }],
  tanh: [{ f: (x) => x.tanh(), xs: [[7]] }],
  sigmoid: [{ f: (x) => x.sigmoid(), xs: [[7]] }],
  softplus: [{ f: (x) => softplus(x), xs: [[7]] }],
  erf: [{ f: (x) => x.erf(), xs: [[7]] }],
  relu: [{ f: (x) => x.relu(), xs: [awayFromZero([9])], order: 1 }],
  square: [{ f: (x) => x.square(), xs: [[7]] }],
  reciprocal: [{ f: (x) => x.reciprocal(), xs: [awayFromZero([7])] }],
  add: [
    { f: (a, b) => a.add(b), xs: [[2, 3], [3]] },
    {
      f: (a, b) => a.add(b),
      xs: [
        [2, 1],
        [1, 3],
      ],
    },
  ],
  sub: [
    {
      f: (a, b) => a.sub(b),
      xs: [
        [2, 3],
        [2, 1],
      ],
    },
  ],
  mul: [
    { f: (a, b) => a.mul(b), xs: [[2, 3], [3]] },
    { f: (a) => a.mul(a), xs: [[4]] },
  ],
  div: [{ f: (a, b) => a.div(b), xs: [[2, 3], awayFromZero([3])] }],
  pow: [{ f: (a, b) => a.pow(b), xs: [between(0.5, 2, [2, 3]), [3]] }],
  mod: [{ f: (a, b) => a.mod(b), xs: [between(2.2, 2.8, [5]), between(0.9, 1.1, [5])], order: 1 }],
  maximum: [
    {
      f: (a, b) => a.maximum(b),
      xs: [
        [2, 3],
        [2, 3],
      ],
      order: 1,
    },
  ],
  minimum: [{ f: (a, b) => a.minimum(b), xs: [[2, 3], [3]], order: 1 }],
  where: [{ f: (a, b) => a.gt(0).where(a.square(), b.exp()), xs: [awayFromZero([6]), [6]] }],
  cast: [{ f: (x) => x.cast("f64").square(), xs: [[3]] }],
  identity: [{ f: (x) => x, xs: [[3]] }],
  reshape: [{ f: (x) => x.square().reshape([3, 2]).transpose().reshape([6]), xs: [[2, 3]] }],
  permute: [{ f: (x) => x.permute([2, 0, 1]).square(), xs: [[2, 3, 4]] }],
  expand: [{ f: (x) => x.expand([4, 2, 3]).square(), xs: [[2, 1]] }],
  slice: [
    { f: (x) => x.slice([1, 0], [4, 3], [2, 1]).square(), xs: [[5, 3]] },
    { f: (x) => x.flip([0, 1]).square().mul(x), xs: [[3, 2]] },
  ],
  place: [
    {
      f: (x) =>
        x
          .pad([
            [1, 2],
            [0, 1],
          ])
          .square(),
      xs: [[2, 3]],
    },
  ],
  concat: [
    {
      f: (a, b) => nabla.concat([a, b, a.square()], { axis: 1 }).square(),
      xs: [
        [2, 3],
        [2, 1],
      ],
    },
  ],
  sum: [
    { f: (x) => x.sum({ axis: [0, 2] }).square(), xs: [[2, 3, 4]] },
    { f: (x) => x.sum().square(), xs: [[5]] },
  ],
  max: [{ f: (x) => x.max({ axis: 1 }), xs: [[3, 4]], order: 1 }],
  min: [{ f: (x) => x.min({ axis: [0, 1] }), xs: [[3, 4]], order: 1 }],
  matmul: [
    {
      f: (a, b) => a.matmul(b),
      xs: [
        [2, 3],
        [3, 4],
      ],
    },
    {
      f: (a, b) => a.transpose().matmul(b),
      xs: [
        [3, 2],
        [3, 4],
      ],
    },
    {
      f: (a, b) => nabla.matmul(a, b),
      xs: [
        [2, 1, 2, 3],
        [3, 3, 2],
      ],
    },
    { f: (a, b) => a.matmul(b), xs: [[3], [2, 3, 2]] },
  ],
  softmax: [
    { f: (x) => x.softmax(), xs: [[3, 5]] },
    { f: (x) => x.softmax(0), xs: [[3, 5]] },
  ],
  logSoftmax: [{ f: (x) => x.logSoftmax(), xs: [[3, 5]] }],
  crossEntropy: [{ f: (x, y) => nabla.crossEntropyRows(x, y), xs: [[4, 3], labels], smooth: [0] }],
  gatherRows: [{ f: (x, y) => x.gather(y).square(), xs: [[3, 2], labels], smooth: [0] }],
  conv2d: [
    {
      f: (x, w) => nabla.conv2d(x, w, { padding: "same" }),
      xs: [
        [2, 5, 4, 3],
        [3, 3, 3, 2],
      ],
    },
    {
      f: (x, w) => nabla.conv2d(x, w, { stride: 2, padding: 1, dilation: [2, 1] }),
      xs: [
        [1, 7, 6, 2],
        [2, 3, 2, 3],
      ],
    },
    {
      f: (x, w) => nabla.conv2d(x, w, { groups: 2 }),
      xs: [
        [1, 4, 4, 4],
        [3, 2, 2, 6],
      ],
    },
  ],
  maxPool2d: [
    { f: (x) => nabla.maxPool2d(x, 2), xs: [[1, 4, 6, 3]], order: 1 },
    { f: (x) => nabla.maxPool2d(x.square(), 3, { stride: 2, padding: 1 }), xs: [[1, 5, 5, 2]] },
  ],
  avgPool2d: [{ f: (x) => nabla.avgPool2d(x, 2).square(), xs: [[1, 4, 6, 3]] }],
  avgPool2dInside: [{ f: (x) => nabla.avgPool2d(x, 3, { stride: 2, padding: 1, countPad: false }).square(), xs: [[1, 5, 5, 2]] }],
  scan: [
    {
      f: (w, h, x) =>
        nabla.scan(
          ([c], [v]) => {
            const n = c.matmul(w).add(v).tanh();
            return { carry: [n], y: [n.square()] };
          },
          [h],
          [x],
        ).y[0],
      xs: [
        [2, 2],
        [1, 2],
        [3, 1, 2],
      ],
    },
  ],
};

/** Exercised by the rows above as gradients of others, or without any gradient. */
const covered = [
  "maxPool2dScatter",
  "maxPool2dGather",
  "avgPool2dGrad",
  "avgPool2dGradInside",
  "conv2dInputGrad",
  "conv2dFilterGrad",
  "scatterAddRows",
  "pick",
];
const withoutGradient = [
  "source",
  "constant",
  "index",
  "rand",
  "randn",
  "sign",
  "floor",
  "ceil",
  "round",
  "trunc",
  "eq",
  "ne",
  "lt",
  "le",
  "gt",
  "ge",
  "logicalAnd",
  "logicalOr",
  "logicalNot",
  "stopGradient",
  "argmax",
  "argmin",
];

it("every op has a row", () => {
  const known = [...Object.keys(samples), ...covered, ...withoutGradient].sort();
  expect([...opTable.keys()].sort()).toEqual(known);
});

eachDevice("gradient check", () => {
  for (const [name, rows] of Object.entries(samples)) {
    it(name, () => {
      for (const { f, xs, smooth, order } of rows) {
        const inputs = xs.map((x) => (typeof x === "function" ? x() : f64(x)));
        checkGradients(f, inputs, { smooth, order, seed: ++seed });
      }
    });
  }
});
