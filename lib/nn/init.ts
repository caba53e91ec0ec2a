/** Initial values of parameters. They are lazy: a whole model is initialised in one run, from the seed of `setSeed`. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, type Shape, sizeOf } from "../base/shape.js";
import { erf, eye, type FloatDType, full, rand, randn, scan, type Tensor, tensor, zeros as zerosOf } from "../tensor/index.js";

/** Makes the initial value of a parameter. Shapes of weights end in [in, out]: [in, out] or [r, s, in, out]. */
export type Initializer = (shape: Shape, options?: { dtype?: FloatDType }) => Tensor;

export const constant =
  (value: number): Initializer =>
  (shape, options) =>
    full(shape, value, options);
export const zeros = (): Initializer => constant(0);
export const ones = (): Initializer => constant(1);

/** Uniform in [low, high). */
export const uniform = (bounds: { low?: number; high?: number } = {}): Initializer => {
  const { low = 0, high = 1 } = optionsOf("uniform", bounds, ["low", "high"]);
  if (!(low <= high))
    throw new ValueError(`uniform: expected low ≤ high but received ${low} and ${high}`, { op: "uniform", inputs: [low, high] });
  return (shape, options) =>
    rand(shape, options)
      .mul(high - low)
      .add(low);
};

/** Normal with the given mean and standard deviation. */
export const normal = (moments: { mean?: number; std?: number } = {}): Initializer => {
  const { mean = 0, std = 1 } = optionsOf("normal", moments, ["mean", "std"]);
  if (!(std >= 0)) throw new ValueError(`normal: expected std ≥ 0 but received ${std}`, { op: "normal", inputs: [std] });
  return (shape, options) => randn(shape, options).mul(std).add(mean);
};

/** The x with erf(x) = u, |u| < 1: Winitzki's approximation (2008), then two steps of Halley's method, which leave rounding errors. */
function inverseErf(u: Tensor): Tensor {
  const a = 0.147;
  const logarithm = u.square().neg().add(1).log();
  const t = logarithm.div(2).add(2 / (Math.PI * a));
  let x = t.square().sub(logarithm.div(a)).sqrt().sub(t).sqrt().mul(u.sign());
  for (let i = 0; i < 2; i++) {
    const newton = erf(x)
      .sub(u)
      .mul(x.square().exp())
      .mul(Math.sqrt(Math.PI) / 2);
    x = x.sub(newton.div(x.mul(newton).add(1)));
  }
  return x;
}

/**
 * Normal with the given mean and standard deviation, of which only what lies from `low` to `high` standard deviations from the mean is
 * drawn; the default bounds −2 and 2 leave a deviation of 0.88 · std.
 */
export const truncatedNormal = (options: { mean?: number; std?: number; low?: number; high?: number } = {}): Initializer => {
  const { mean = 0, std = 1, low = -2, high = 2 } = optionsOf("truncatedNormal", options, ["mean", "std", "low", "high"]);
  if (!(std >= 0 && low < high)) {
    throw new ValueError(`truncatedNormal: expected std ≥ 0 and low < high but received ${std}, ${low} and ${high}`, {
      op: "truncatedNormal",
      inputs: [std, low, high],
    });
  }
  return (shape, { dtype = "f32" } = {}) => {
    // Inverse transform: uniform between the values of the distribution function at both bounds; 2Φ(x) − 1 = erf(x / √2).
    const [from, to] = [low, high].map((bound) => erf(full([], bound * Math.SQRT1_2, { dtype })));
    const u = rand(shape, { dtype }).mul(to.sub(from)).add(from);
    const largest = 1 - 2 ** -24; // of the numbers below 1 in f32
    const x = inverseErf(u.clip(-largest, largest)).mul(Math.SQRT2);
    return x.clip(low, high).mul(std).add(mean);
  };
};

/** Inputs that reach one output, and outputs that one input reaches: cells of the window times channels. */
interface Fans {
  readonly in: number;
  readonly out: number;
}

function fansOf(op: string, shape: Shape): Fans {
  if (shape.length < 2) throw new ShapeError(`${op}(${format(shape)}): expected a weight [..., in, out]`, { op, inputs: [shape] });
  const cells = shape.slice(0, -2).reduce((n, size) => n * size, 1);
  return { in: cells * shape[shape.length - 2], out: cells * shape[shape.length - 1] };
}

/** Normal or uniform numbers of mean 0 whose standard deviation follows from the fans. */
function scaled(op: string, kind: "normal" | "uniform", std: (fans: Fans) => number): Initializer {
  return (shape, options) => {
    const deviation = std(fansOf(op, shape));
    const bound = Math.sqrt(3) * deviation;
    return (kind === "normal" ? normal({ std: deviation }) : uniform({ low: -bound, high: bound }))(shape, options);
  };
}

export interface XavierOptions {
  /** Factor on the standard deviation. Default 1. */
  gain?: number;
}

function xavier(op: string, kind: "normal" | "uniform", options: XavierOptions): Initializer {
  const { gain: factor = 1 } = optionsOf(op, options, ["gain"]);
  return scaled(op, kind, (fans) => factor * Math.sqrt(2 / (fans.in + fans.out)));
}

/** Uniform, variance gain² · 2 / (in + out). Source: Glorot & Bengio 2010. */
export const xavierUniform = (options: XavierOptions = {}): Initializer => xavier("xavierUniform", "uniform", options);
/** Normal, variance gain² · 2 / (in + out). Source: Glorot & Bengio 2010. */
export const xavierNormal = (options: XavierOptions = {}): Initializer => xavier("xavierNormal", "normal", options);

/** Factors on the standard deviation that make up for what an activation does to it. Source: PyTorch's calculate_gain. */
const gains = {
  linear: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.SQRT2,
  leakyRelu: (slope: number) => Math.sqrt(2 / (1 + slope * slope)),
  selu: () => 3 / 4,
} as const;

/** The factor on the standard deviation that goes with an activation; `slope`: of leakyRelu, default 0.01. */
export function gain(activation: keyof typeof gains, slope = 0.01): number {
  if (!Object.hasOwn(gains, activation)) {
    throw new ValueError(`gain: expected ${Object.keys(gains).join(", ")} but received "${activation}"`, {
      op: "gain",
      inputs: [activation],
    });
  }
  return gains[activation](slope);
}

export interface HeOptions {
  /** What follows. Default: a rectifier with `slope`. */
  activation?: keyof typeof gains;
  /** Slope of the (leaky) rectifier that follows. Default 0. */
  slope?: number;
  /** Keep the variance of the forward (`in`) or of the backward pass (`out`). Default `in`. */
  fan?: "in" | "out";
}

function he(op: string, kind: "normal" | "uniform", options: HeOptions): Initializer {
  const { activation = "leakyRelu", slope = 0, fan = "in" } = optionsOf(op, options, ["activation", "slope", "fan"]);
  return scaled(op, kind, (fans) => gain(activation, slope) / Math.sqrt(fans[fan]));
}

/** Uniform, variance gain² / fan, that is 2 / ((1 + slope²) · fan); also called Kaiming. Source: He et al. 2015. */
export const heUniform = (options: HeOptions = {}): Initializer => he("heUniform", "uniform", options);
/** Normal, variance gain² / fan, that is 2 / ((1 + slope²) · fan); also called Kaiming. Source: He et al. 2015. */
export const heNormal = (options: HeOptions = {}): Initializer => he("heNormal", "normal", options);

const lecun = (fans: Fans): number => Math.sqrt(1 / fans.in);

/** Uniform, variance 1 / in. Source: LeCun et al. 1998. */
export const lecunUniform = (): Initializer => scaled("lecunUniform", "uniform", lecun);
/** Normal, variance 1 / in; keeps selu normalised. Source: LeCun et al. 1998; Klambauer et al. 2017. */
export const lecunNormal = (): Initializer => scaled("lecunNormal", "normal", lecun);

/**
 * The initialiser that fits the activation which follows: He's for rectifiers and their smooth kin, LeCun's for selu, Xavier's for all
 * that saturates or is linear.
 * @example nn.linear(784, 128, { init: nn.init.forActivation("relu") })
 */
export function forActivation(
  activation: "relu" | "leakyRelu" | "elu" | "gelu" | "silu" | "mish" | "selu" | "tanh" | "sigmoid" | "softmax" | "linear",
): Initializer {
  if (activation === "selu") return lecunNormal();
  return ["tanh", "sigmoid", "softmax", "linear"].includes(activation) ? xavierUniform() : heNormal();
}

/**
 * Orthonormal rows or columns, whichever are fewer, of the weight as a matrix [..., in] × [out]; times `gain`. Uniformly distributed among
 * all such matrices: normal rows, made orthonormal one after the other by Gram and Schmidt, each twice, which rounding errors need.
 * Source: Saxe et al. 2013.
 */
export const orthogonal = (options: { gain?: number } = {}): Initializer => {
  const { gain: factor = 1 } = optionsOf("orthogonal", options, ["gain"]);
  return (shape, { dtype = "f32" } = {}) => {
    if (shape.length < 2)
      throw new ShapeError(`orthogonal(${format(shape)}): expected a weight [..., in, out]`, { op: "orthogonal", inputs: [shape] });
    const [inputs, outputs] = [sizeOf(shape.slice(0, -1)), shape[shape.length - 1]];
    const [count, size] = [Math.min(inputs, outputs), Math.max(inputs, outputs)];
    const found = zerosOf([count, size], { dtype }); // rows that are not yet found are 0
    const { y } = scan(
      ([rows], [given, place]) => {
        let row = given.expandDims(0);
        for (let i = 0; i < 2; i++) row = row.sub(row.matmul(rows.transpose()).matmul(rows));
        row = row.div(row.square().sum().sqrt());
        return { carry: [rows.add(place.expandDims(1).mul(row))], y: [row.squeeze(0)] };
      },
      [found],
      [randn([count, size], { dtype }), eye(count, { dtype })],
    );
    return (inputs < outputs ? y[0] : y[0].transpose()).mul(factor).reshape(shape);
  };
};

/**
 * Passes inputs on: input i goes to output i, at the centre of the window where there is one; also called Dirac's. With `groups`, as the
 * layer has them, each group passes on its own inputs. Shapes: [in, out], [..., in / groups, out].
 */
export const identity = (options: { groups?: number } = {}): Initializer => {
  const { groups = 1 } = optionsOf("identity", options, ["groups"]);
  return (shape, { dtype = "f32" } = {}) => {
    const [inputs, outputs] = shape.slice(-2);
    if (shape.length < 2 || outputs % groups !== 0) {
      throw new ShapeError(`identity(${format(shape)}): expected a weight [..., in, out] whose outputs ${groups} groups share evenly`, {
        op: "identity",
        inputs: [shape, groups],
      });
    }
    const data = new Float64Array(sizeOf(shape));
    const centre = shape.slice(0, -2).reduce((at, size) => at * size + (size >> 1), 0);
    const perGroup = outputs / groups;
    for (let group = 0; group < groups; group++) {
      for (let i = 0; i < Math.min(inputs, perGroup); i++) data[(centre * inputs + i) * outputs + group * perGroup + i] = 1;
    }
    return tensor(data, { shape, dtype });
  };
};
