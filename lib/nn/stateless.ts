/** Layers without parameters: activations, pooling, and what only rearranges. */
import { ShapeError, ValueError } from "../base/errors.js";
import { format } from "../base/shape.js";
import { checkWindow, wholePair } from "../ops/conv.js";
import type { Pair, Pool2dOptions, Tensor } from "../tensor/index.js";
import * as ops from "../tensor/index.js";
import { showCall } from "./layer.js";
import { Module } from "./module.js";

/** One function of its input, under a name. */
class Stateless extends Module {
  readonly #text: string;
  readonly #apply: (x: Tensor) => Tensor;

  constructor(text: string, apply: (x: Tensor) => Tensor) {
    super();
    this.#text = text;
    this.#apply = apply;
  }

  forward(x: Tensor): Tensor {
    return this.#apply(x);
  }

  override describe(): string {
    return this.#text;
  }
}

/** max(x, 0). */
export const relu = (): Module => new Stateless("ReLU()", ops.relu);
/** x where x > 0, else slope · x; the default slope is 0.01. */
export const leakyRelu = ({ slope = 0.01 } = {}): Module => {
  if (!Number.isFinite(slope))
    throw new ValueError(`leakyRelu: slope must be a number but is ${slope}`, { op: "leakyRelu", inputs: [slope] });
  return new Stateless(showCall("LeakyReLU", [], { slope }), (x) => ops.leakyRelu(x, slope));
};
/** 1 / (1 + e⁻ˣ). */
export const sigmoid = (): Module => new Stateless("Sigmoid()", ops.sigmoid);
/** Hyperbolic tangent. */
export const tanh = (): Module => new Stateless("Tanh()", ops.tanh);
/** x · Φ(x), Φ the normal distribution function. */
export const gelu = (): Module => new Stateless("GELU()", ops.gelu);
/** x · σ(x). */
export const silu = (): Module => new Stateless("SiLU()", ops.silu);
/** log(1 + eˣ). */
export const softplus = (): Module => new Stateless("Softplus()", ops.softplus);
/** Softmax along `axis`, by default the last. */
export const softmax = ({ axis = -1 } = {}): Module => new Stateless(showCall("Softmax", [], { axis }), (x) => ops.softmax(x, axis));

/** x itself. */
export const identity = (): Module => new Stateless("Identity()", (x) => x);
/** All axes after the first joined: [n, h, w, c] → [n, h·w·c]. */
export const flatten = (): Module => new Stateless("Flatten()", (x) => ops.flatten(x));

/** A pooling layer; its options are checked now, not at the first image. */
function pool<Options extends Pool2dOptions>(
  name: string,
  op: string,
  apply: (x: Tensor, window: Pair, options?: Options) => Tensor,
): (window: Pair, options?: Options) => Module {
  return (window, options) => {
    const { stride = window, padding = "valid" } = options ?? {};
    wholePair(op, "window", window, 1);
    checkWindow(op, { stride, padding, dilation: 1 });
    return new Stateless(showCall(name, [window], options), (x) => apply(x, window, options));
  };
}

/** Largest value in each window; windows do not overlap unless `stride` says so. [n, h, w, c] → [n, h', w', c]. */
export const maxPool2d = pool("MaxPool2d", "maxPool2d", ops.maxPool2d);
/** Mean of each window; windows do not overlap unless `stride` says so. [n, h, w, c] → [n, h', w', c]. */
export const avgPool2d = pool("AvgPool2d", "avgPool2d", ops.avgPool2d);

/** Mean over all rows and columns. [n, h, w, c] → [n, c]. */
export const globalAvgPool2d = (): Module =>
  new Stateless("GlobalAvgPool2d()", (x) => {
    if (x.shape.length !== 4) {
      throw new ShapeError(`globalAvgPool2d(x: ${format(x.shape)}): expected images [n, h, w, c]; does it stand before nn.flatten()?`, {
        op: "globalAvgPool2d",
        inputs: [x.shape],
      });
    }
    return x.mean({ axis: [1, 2] });
  });
