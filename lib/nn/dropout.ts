/** Layers that leave elements out at random while they are trained. */
import { ShapeError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format } from "../base/shape.js";
import { checkDepthMode, checkProbability } from "../ops/dropout.js";
import { alphaDropout as alphaDrop, channelDropout, dropout as drop, stochasticDepth as dropDepth, type Tensor } from "../tensor/index.js";
import { checkTensor, showCall } from "./layer.js";
import { Module } from "./module.js";

interface Kind {
  readonly name: string;
  readonly op: string;
  readonly apply: (x: Tensor, p: number) => Tensor;
  /** Axes of the input, if it is not free. */
  readonly rank?: number;
  /** What was asked for beside p. */
  readonly options?: object;
}

/**
 * A kind of dropout. In training every run draws another mask from the process's stream of random numbers (`setSeed`,
 * `getRandomState`), which the backward pass shares; the same seed gives the same masks, compiled or not, for any number of threads.
 * In evaluation the layer is the identity.
 */
export class Dropout extends Module {
  readonly #kind: Kind;

  /** @internal */
  constructor(
    kind: Kind,
    /** The probability that an element is dropped. */
    readonly p: number,
  ) {
    super();
    checkProbability(kind.op, p);
    this.#kind = kind;
  }

  forward(x: Tensor): Tensor {
    const { op, rank, apply } = this.#kind;
    checkTensor(op, this, x);
    if (rank !== undefined && x.shape.length !== rank) {
      throw new ShapeError(`${this} (x: ${format(x.shape)}): expected images [n, h, w, c]; for features use nn.dropout`, {
        op,
        inputs: [x.shape],
      });
    }
    return this.training ? apply(x, this.p) : x;
  }

  override describe(): string {
    return showCall(this.#kind.name, [this.p], this.#kind.options);
  }
}

const layerOf =
  (kind: Kind) =>
  (p = 0.5): Dropout =>
    new Dropout(kind, p);

/**
 * Inverted dropout: in training each element is 0 with probability p (default ½), else x / (1 − p). Any shape.
 * @throws ValueError unless 0 ≤ p ≤ 1. Source: Srivastava et al. 2014.
 */
export const dropout = layerOf({ name: "Dropout", op: "dropout", apply: drop });
/** Dropout of whole channels of each image. x: [n, h, w, c]; else as {@link dropout}. Source: Tompson et al. 2015. */
export const dropout2d = layerOf({ name: "Dropout2d", op: "dropout2d", apply: channelDropout, rank: 4 });
/** Dropout after selu, which keeps mean 0 and variance 1; else as {@link dropout}. Source: Klambauer et al. 2017. */
export const alphaDropout = layerOf({ name: "AlphaDropout", op: "alphaDropout", apply: alphaDrop });

/**
 * Leaves out what a residual block adds: in training the whole input is 0 with probability p, else x / (1 − p), for each example on its own
 * (`mode: "row"`, the default) or for all at once (`"batch"`). x: [n, …]; else as {@link dropout}. Source: Huang et al. 2016.
 */
export const stochasticDepth = (p: number, options: { mode?: "row" | "batch" } = {}): Dropout => {
  const { mode = "row" } = optionsOf("stochasticDepth", options, ["mode"]);
  checkDepthMode(mode);
  return new Dropout({ name: "StochasticDepth", op: "stochasticDepth", apply: (x, q) => dropDepth(x, q, options), options }, p);
};
