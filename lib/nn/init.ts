/** Initial values of parameters. They are lazy: a whole model is initialised in one run, from the seed of `setSeed`. */
import { ShapeError, ValueError } from "../base/errors.js";
import { format, type Shape } from "../base/shape.js";
import { type FloatDType, full, rand, randn, type Tensor } from "../tensor/index.js";

/** Makes the initial value of a parameter. Shapes of weights end in [in, out]: [in, out] or [r, s, in, out]. */
export type Initializer = (shape: Shape, options?: { dtype?: FloatDType }) => Tensor;

export const constant =
  (value: number): Initializer =>
  (shape, options) =>
    full(shape, value, options);
export const zeros = (): Initializer => constant(0);
export const ones = (): Initializer => constant(1);

/** Uniform in [low, high). */
export const uniform = ({ low = 0, high = 1 } = {}): Initializer => {
  if (!(low <= high))
    throw new ValueError(`uniform: expected low ≤ high but received ${low} and ${high}`, { op: "uniform", inputs: [low, high] });
  return (shape, options) =>
    rand(shape, options)
      .mul(high - low)
      .add(low);
};

/** Normal with the given mean and standard deviation. */
export const normal = ({ mean = 0, std = 1 } = {}): Initializer => {
  if (!(std >= 0)) throw new ValueError(`normal: expected std ≥ 0 but received ${std}`, { op: "normal", inputs: [std] });
  return (shape, options) => randn(shape, options).mul(std).add(mean);
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

const xavier =
  ({ gain = 1 }: XavierOptions) =>
  (fans: Fans) =>
    gain * Math.sqrt(2 / (fans.in + fans.out));

/** Uniform, variance gain² · 2 / (in + out). Source: Glorot & Bengio 2010. */
export const xavierUniform = (options: XavierOptions = {}): Initializer => scaled("xavierUniform", "uniform", xavier(options));
/** Normal, variance gain² · 2 / (in + out). Source: Glorot & Bengio 2010. */
export const xavierNormal = (options: XavierOptions = {}): Initializer => scaled("xavierNormal", "normal", xavier(options));

export interface HeOptions {
  /** Slope of the (leaky) rectifier that follows. Default 0. */
  slope?: number;
  /** Keep the variance of the forward (`in`) or of the backward pass (`out`). Default `in`. */
  fan?: "in" | "out";
}

const he =
  ({ slope = 0, fan = "in" }: HeOptions) =>
  (fans: Fans) =>
    Math.sqrt(2 / (1 + slope * slope) / fans[fan]);

/** Uniform, variance 2 / ((1 + slope²) · fan); also called Kaiming. Source: He et al. 2015. */
export const heUniform = (options: HeOptions = {}): Initializer => scaled("heUniform", "uniform", he(options));
/** Normal, variance 2 / ((1 + slope²) · fan); also called Kaiming. Source: He et al. 2015. */
export const heNormal = (options: HeOptions = {}): Initializer => scaled("heNormal", "normal", he(options));
/** Normal, variance 1 / in; keeps selu normalised. Source: LeCun et al. 1998; Klambauer et al. 2017. */
export const lecunNormal = (): Initializer => scaled("lecunNormal", "normal", (fans) => Math.sqrt(1 / fans.in));
