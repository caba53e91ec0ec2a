/** Layers that rearrange or normalise the channels of images; the formulas stand with the functions of the same names. */
import { checkCount } from "../ops/spatial.js";
import type { LocalResponseNormOptions, Tensor } from "../tensor/index.js";
import * as ops from "../tensor/index.js";
import { showCall } from "./layer.js";
import type { Module } from "./module.js";
import { Stateless } from "./stateless.js";

/** A layer of one whole number, which is checked now, not at the first image. */
const counted =
  (name: string, op: string, what: string, apply: (x: Tensor, count: number) => Tensor) =>
  (count: number): Module => {
    checkCount(op, what, count);
    return new Stateless(showCall(name, [count]), (x) => apply(x, count));
  };

/** x / (k + α / size · Σ x²)^β over the `size` channels around each. [n, …, c] → the same. Source: Krizhevsky et al. 2012. */
export const localResponseNorm = (size: number, options: LocalResponseNormOptions = {}): Module => {
  checkCount("localResponseNorm", "size", size);
  return new Stateless(showCall("LocalResponseNorm", [size], options), (x) => ops.localResponseNorm(x, size, options));
};
/** Channels of the given number of groups interleaved. [n, …, c] → the same. Source: Zhang et al. 2018. */
export const channelShuffle = counted("ChannelShuffle", "channelShuffle", "groups", ops.channelShuffle);
/** Channels as pixels. [n, h, w, c·r²] → [n, h·r, w·r, c] for a factor r. Source: Shi et al. 2016. */
export const pixelShuffle = counted("PixelShuffle", "pixelShuffle", "the factor", ops.pixelShuffle);
/** Pixels as channels, the inverse of {@link pixelShuffle}. [n, h·r, w·r, c] → [n, h, w, c·r²] for a factor r. */
export const pixelUnshuffle = counted("PixelUnshuffle", "pixelUnshuffle", "the factor", ops.pixelUnshuffle);
