/** Dropout: elements left out at random, drawn from the process's stream of random numbers, anew in every run. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, type Shape } from "../base/shape.js";
import type { Tensor } from "../graph/tensor.js";
import { constant, floating, type TensorLike } from "./convert.js";
import { type RandomOptions, rand } from "./create.js";
import { add, ge, mul, where } from "./elementwise.js";

type DropoutOptions = Pick<RandomOptions, "seed">;

/** Throws unless `p` is a probability. */
export function checkProbability(op: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ValueError(`${op}: p must be a probability from 0 to 1 but is ${p}`, { op, inputs: [p] });
}

/** x where a mask of `shape`, true with probability 1 − p, is true, else `dropped`; then times `scale`. */
function drop(x: Tensor, p: number, shape: Shape, dropped: number, scale: number, { seed }: DropoutOptions): Tensor {
  const k = (value: number) => constant(value, x.dtype);
  const keeps = ge(rand(shape, { seed, dtype: x.dtype as "f32" | "f64" }), k(p));
  return where(keeps, mul(x, k(scale)), k(dropped * scale));
}

/**
 * Each element 0 with probability p, else x / (1 − p), so that expectations stay (inverted dropout). Always drops: `nn.dropout` does so in
 * training only. `seed`: the mask of that seed instead of the next one of the process's stream. Any shape → the same.
 * Source: Srivastava et al. 2014.
 */
export function dropout(value: TensorLike, p = 0.5, options: DropoutOptions = {}): Tensor {
  const x = floating("dropout", value);
  checkProbability("dropout", p);
  optionsOf("dropout", options, ["seed"]);
  return p === 0 ? x : drop(x, p, x.shape, 0, p === 1 ? 0 : 1 / (1 - p), options);
}

/**
 * {@link dropout} of whole channels of each example: neighbouring pixels resemble each other, and dropping one of them alone hides
 * nothing. x: [n, …, c] → the same. Source: Tompson et al. 2015.
 */
export function channelDropout(value: TensorLike, p = 0.5, options: DropoutOptions = {}): Tensor {
  const x = floating("channelDropout", value);
  checkProbability("channelDropout", p);
  optionsOf("channelDropout", options, ["seed"]);
  const rank = x.shape.length;
  if (rank < 2) {
    throw new ShapeError(`channelDropout(x: ${format(x.shape)}): expected examples and channels, [n, …, c]`, {
      op: "channelDropout",
      inputs: [x.shape],
    });
  }
  const shape = x.shape.map((n, i) => (i === 0 || i === rank - 1 ? n : 1));
  return p === 0 ? x : drop(x, p, shape, 0, p === 1 ? 0 : 1 / (1 - p), options);
}

/**
 * {@link dropout} of what a residual block adds, for whole examples at once: `"row"`, the default, draws for each example (entry of the first axis),
 * `"batch"` once for all. x: [n, …] → the same. Source: Huang et al. 2016.
 */
export function stochasticDepth(value: TensorLike, p: number, options: DropoutOptions & { mode?: "row" | "batch" } = {}): Tensor {
  const { mode = "row" } = optionsOf("stochasticDepth", options, ["mode", "seed"]);
  const x = floating("stochasticDepth", value);
  checkProbability("stochasticDepth", p);
  checkDepthMode(mode);
  if (x.shape.length === 0) {
    throw new ShapeError("stochasticDepth(x: []): expected examples, [n, …]", { op: "stochasticDepth", inputs: [x.shape] });
  }
  const shape = x.shape.map((n, i) => (mode === "row" && i === 0 ? n : 1));
  return p === 0 ? x : drop(x, p, shape, 0, p === 1 ? 0 : 1 / (1 - p), options);
}

/** Throws unless `mode` is one of {@link stochasticDepth}. */
export function checkDepthMode(mode: string): void {
  if (mode === "row" || mode === "batch") return;
  throw new ValueError(`stochasticDepth: mode must be "row" or "batch" but is ${JSON.stringify(mode)}`, {
    op: "stochasticDepth",
    inputs: [mode],
  });
}

/** What selu tends to for x → −∞: −λα. */
const seluFloor = -1.7580993408473766;

/**
 * Dropout that keeps mean 0 and variance 1, for networks of {@link selu}: elements are set to −λα, and all are scaled and shifted.
 * Any shape → the same. Source: Klambauer et al. 2017, section 3.
 */
export function alphaDropout(value: TensorLike, p = 0.5, options: DropoutOptions = {}): Tensor {
  const x = floating("alphaDropout", value);
  checkProbability("alphaDropout", p);
  optionsOf("alphaDropout", options, ["seed"]);
  if (p === 0) return x;
  const scale = p === 1 ? 0 : 1 / Math.sqrt((1 - p) * (1 + p * seluFloor ** 2));
  return add(drop(x, p, x.shape, seluFloor, scale, options), constant(-scale * p * seluFloor, x.dtype));
}
