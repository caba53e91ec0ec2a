/** Ops on the channels of images that are made of others: normalisation among neighbours, shuffles. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { Shape } from "../base/shape.js";
import type { Tensor } from "../graph/tensor.js";
import { asTensor, constant, floating, show, type TensorLike } from "./convert.js";
import { add, mul, pow, square } from "./elementwise.js";
import { pad, permute, reshape, slice } from "./views.js";

/** Throws unless `value` is a whole number ≥ 1. */
export function checkCount(op: string, name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new ValueError(`${op}: ${name} must be a whole number ≥ 1 but is ${JSON.stringify(value)}`, { op, inputs: [value] });
}

export interface LocalResponseNormOptions {
  /** Default 1e-4. It is divided by the size, as in PyTorch; in AlexNet's paper it is not: its 1e-4 for 5 channels is 5e-4 here. */
  alpha?: number;
  /** Default ¾. */
  beta?: number;
  /** Default 1; AlexNet has 2. */
  k?: number;
}

/**
 * x / (k + α / size · Σ x²)^β, the sum being over the `size` channels around each one, those beyond the first and the last counting as 0.
 * x: [n, …, c] → the same. Source: Krizhevsky et al. 2012, section 3.3.
 */
export function localResponseNorm(value: TensorLike, size: number, options: LocalResponseNormOptions = {}): Tensor {
  const op = "localResponseNorm";
  const { alpha = 1e-4, beta = 0.75, k = 1 } = optionsOf(op, options, ["alpha", "beta", "k"]);
  const x = floating(op, value);
  checkCount(op, "size", size);
  if (x.shape.length < 2)
    throw new ShapeError(`${op}(${show("x", x)}): expected channels on the last axis, [n, …, c]`, { op, inputs: [x.shape] });
  const lead = x.shape.slice(0, -1);
  const channels = x.shape[lead.length];
  const before = Math.floor(size / 2);
  const squares = pad(square(x), [...lead.map(() => [0, 0] as const), [before, size - 1 - before]]);
  const neighbour = (i: number) => slice(squares, [...lead.map(() => 0), i], [...lead, i + channels]);
  let total = neighbour(0);
  for (let i = 1; i < size; i++) total = add(total, neighbour(i));
  const scale = add(mul(total, constant(alpha / size, x.dtype)), constant(k, x.dtype));
  return mul(x, pow(scale, constant(-beta, x.dtype)));
}

/**
 * Channels of `groups` groups interleaved, so that a grouped convolution behind another sees all of them: channel i · c / groups + j becomes
 * channel j · groups + i. x: [n, …, c] → the same. Source: Zhang et al. 2018 (ShuffleNet).
 */
export function channelShuffle(value: TensorLike, groups: number): Tensor {
  const op = "channelShuffle";
  const x = asTensor(op, value);
  checkCount(op, "groups", groups);
  const lead = x.shape.slice(0, -1);
  const channels = x.shape.at(-1) ?? 0;
  if (lead.length === 0 || channels % groups !== 0) {
    throw new ShapeError(`${op}(${show("x", x)}, ${groups}): the last axis must divide into ${groups} groups`, {
      op,
      inputs: [x.shape, groups],
    });
  }
  const apart = reshape(x, [...lead, groups, channels / groups]);
  return reshape(permute(apart, [...lead.map((_, i) => i), lead.length + 1, lead.length]), x.shape);
}

/** Images of any dtype. */
function anyImages(op: string, value: TensorLike, factor: number, rule: string, fits: (shape: Shape) => boolean): Tensor {
  const x = asTensor(op, value);
  checkCount(op, "the factor", factor);
  if (x.shape.length === 4 && fits(x.shape)) return x;
  throw new ShapeError(`${op}(${show("x", x)}, ${factor}): expected images [n, h, w, c] whose ${rule}`, { op, inputs: [x.shape, factor] });
}

/**
 * Channels as pixels: each r² of them become r × r pixels of one. x: [n, h, w, c·r²] → [n, h·r, w·r, c]; channel (c·r + i)·r + j is what lies
 * i rows and j columns from the corner, as in PyTorch. Source: Shi et al. 2016.
 */
export function pixelShuffle(value: TensorLike, factor: number): Tensor {
  const x = anyImages("pixelShuffle", value, factor, `channels divide by ${factor ** 2}`, (shape) => shape[3] % factor ** 2 === 0);
  const [n, h, w, c] = x.shape;
  const depth = c / factor ** 2;
  return reshape(permute(reshape(x, [n, h, w, depth, factor, factor]), [0, 1, 4, 2, 5, 3]), [n, h * factor, w * factor, depth]);
}

/** The inverse of {@link pixelShuffle}. x: [n, h·r, w·r, c] → [n, h, w, c·r²]. */
export function pixelUnshuffle(value: TensorLike, factor: number): Tensor {
  const fits = (shape: Shape) => shape[1] % factor === 0 && shape[2] % factor === 0;
  const x = anyImages("pixelUnshuffle", value, factor, `rows and columns divide by ${factor}`, fits);
  const [n, h, w, c] = x.shape;
  const apart = reshape(x, [n, h / factor, factor, w / factor, factor, c]);
  return reshape(permute(apart, [0, 1, 3, 5, 2, 4]), [n, h / factor, w / factor, c * factor ** 2]);
}
