/** Activations as layers; the formulas and their sources stand with the functions of the same names. Any shape → the same. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import * as ops from "../tensor/index.js";
import { type FloatDType, full, type Tensor, type Variable, variable } from "../tensor/index.js";
import { checkInput, checkSize, showCall } from "./layer.js";
import { Module } from "./module.js";
import { Stateless } from "./stateless.js";

/** A layer without options. */
const plain = (name: string, apply: (x: Tensor) => Tensor) => (): Module => new Stateless(`${name}()`, apply);

/** A layer of one axis, by default the last. */
const alongAxis =
  (name: string, op: string, apply: (x: Tensor, axis: number) => Tensor) =>
  (options: { axis?: number } = {}): Module => {
    const { axis = -1 } = optionsOf(op, options, ["axis"]);
    return new Stateless(showCall(name, [], { axis }), (x) => apply(x, axis));
  };

/** Throws unless `value` is a finite number that is `allowed`. */
function checkOption(op: string, name: string, value: number, allowed = true): void {
  if (!Number.isFinite(value) || !allowed) throw new ValueError(`${op}: ${name} must not be ${value}`, { op, inputs: [value] });
}

/** max(x, 0). */
export const relu = plain("ReLU", ops.relu);
/** min(max(x, 0), 6). */
export const relu6 = plain("ReLU6", ops.relu6);
/** x where x > 0, else slope · x; the default slope is 0.01. */
export const leakyRelu = (options: { slope?: number } = {}): Module => {
  const { slope = 0.01 } = optionsOf("leakyRelu", options, ["slope"]);
  checkOption("leakyRelu", "slope", slope);
  return new Stateless(showCall("LeakyReLU", [], { slope }), (x) => ops.leakyRelu(x, slope));
};
/** x where x > 0, else α · (eˣ − 1); the default α is 1. */
export const elu = (options: { alpha?: number } = {}): Module => {
  const { alpha = 1 } = optionsOf("elu", options, ["alpha"]);
  checkOption("elu", "alpha", alpha);
  return new Stateless(showCall("ELU", [], { alpha }), (x) => ops.elu(x, alpha));
};
/** x where x > 0, else α · (e^(x / α) − 1); the default α is 1. */
export const celu = (options: { alpha?: number } = {}): Module => {
  const { alpha = 1 } = optionsOf("celu", options, ["alpha"]);
  checkOption("celu", "alpha", alpha, alpha !== 0);
  return new Stateless(showCall("CELU", [], { alpha }), (x) => ops.celu(x, alpha));
};
/** λ · elu(x, α) that keeps mean 0 and variance 1; goes with `init.lecunNormal` and `alphaDropout`. */
export const selu = plain("SELU", ops.selu);
/** 1 / (1 + e⁻ˣ). */
export const sigmoid = plain("Sigmoid", ops.sigmoid);
/** log σ(x). */
export const logSigmoid = plain("LogSigmoid", ops.logSigmoid);
/** Hyperbolic tangent. */
export const tanh = plain("Tanh", ops.tanh);
/** x · Φ(x), Φ the normal distribution function, or its approximation by `"tanh"`. */
export const gelu = (options: { approximate?: "none" | "tanh" } = {}): Module => {
  optionsOf("gelu", options, ["approximate"]);
  return new Stateless(showCall("GELU", [], options), (x) => ops.gelu(x, options));
};
/** x · σ(x), also called swish. */
export const silu = plain("SiLU", ops.silu);
/** x · tanh(log(1 + eˣ)). */
export const mish = plain("Mish", ops.mish);
/** log(1 + e^(βx)) / β; the default β is 1. */
export const softplus = (options: { beta?: number } = {}): Module => {
  const { beta = 1 } = optionsOf("softplus", options, ["beta"]);
  checkOption("softplus", "beta", beta, beta > 0);
  return new Stateless(showCall("Softplus", [], { beta }), (x) => ops.softplus(x, beta));
};
/** x / (1 + |x|). */
export const softsign = plain("Softsign", ops.softsign);
/** x clipped to [low, high], by default [−1, 1]. */
export const hardTanh = (options: { low?: number; high?: number } = {}): Module => {
  const { low = -1, high = 1 } = optionsOf("hardTanh", options, ["low", "high"]);
  checkOption("hardTanh", "low", low, low <= high);
  return new Stateless(showCall("HardTanh", [], { low, high }), (x) => ops.hardTanh(x, low, high));
};
/** x / 6 + ½ clipped to [0, 1]. */
export const hardSigmoid = plain("HardSigmoid", ops.hardSigmoid);
/** x · hardSigmoid(x). */
export const hardSwish = plain("HardSwish", ops.hardSwish);
/** Softmax along `axis`, by default the last. */
export const softmax = alongAxis("Softmax", "softmax", ops.softmax);
/** log softmax along `axis`, by default the last. */
export const logSoftmax = alongAxis("LogSoftmax", "logSoftmax", ops.logSoftmax);
/** softmax(−x) along `axis`, by default the last. */
export const softmin = alongAxis("Softmin", "softmin", ops.softmin);
/** a · σ(b), a and b the halves of x along `axis`, by default the last, which is halved. */
export const glu = alongAxis("GLU", "glu", ops.glu);

export interface PReLUOptions {
  /** Initial slope. Default ¼. */
  slope?: number;
  /** Default f32. */
  dtype?: FloatDType;
}

/** x where x > 0, else weight · x, the weight being learnt. x: [..., c] → the same; weight: [1] or [c]. Source: He et al. 2015. */
export class PReLU extends Module {
  readonly weight: Variable;

  constructor(
    readonly channels: number,
    options: PReLUOptions = {},
  ) {
    super();
    const { slope = 0.25, dtype = "f32" } = optionsOf("prelu", options, ["slope", "dtype"]);
    checkSize("prelu", "the number of channels", channels);
    checkOption("prelu", "slope", slope);
    this.weight = variable(full([channels], slope, { dtype }));
  }

  forward(x: Tensor): Tensor {
    checkInput("prelu", this, x, this.weight.dtype, (shape) =>
      this.channels === 1 || shape.at(-1) === this.channels ? null : `expected ${this.channels} channels on the last axis`,
    );
    return ops.prelu(x, this.weight);
  }

  override describe(): string {
    return showCall("PReLU", [this.channels]);
  }
}

/** {@link PReLU} with one slope, or one for each of `channels`. @throws ValueError unless `channels` is a whole number ≥ 1. */
export function prelu(channels = 1, options?: PReLUOptions): PReLU {
  return new PReLU(channels, options);
}
