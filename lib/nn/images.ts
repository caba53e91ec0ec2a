/** Layers that pad, resize, rearrange or normalise images; the formulas stand with the functions of the same names. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format } from "../base/shape.js";
import { checkCount, checkUpsample } from "../ops/spatial.js";
import { padNames } from "../ops/views.js";
import type { LocalResponseNormOptions, PadOptions, Tensor, UpsampleOptions } from "../tensor/index.js";
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
  optionsOf("localResponseNorm", options, ["alpha", "beta", "k"]);
  checkCount("localResponseNorm", "size", size);
  return new Stateless(showCall("LocalResponseNorm", [size], options), (x) => ops.localResponseNorm(x, size, options));
};
/** Channels of the given number of groups interleaved. [n, …, c] → the same. Source: Zhang et al. 2018. */
export const channelShuffle = counted("ChannelShuffle", "channelShuffle", "groups", ops.channelShuffle);
/** Channels as pixels. [n, h, w, c·r²] → [n, h·r, w·r, c] for a factor r. Source: Shi et al. 2016. */
export const pixelShuffle = counted("PixelShuffle", "pixelShuffle", "the factor", ops.pixelShuffle);
/** Pixels as channels, the inverse of {@link pixelShuffle}. [n, h·r, w·r, c] → [n, h, w, c·r²] for a factor r. */
export const pixelUnshuffle = counted("PixelUnshuffle", "pixelUnshuffle", "the factor", ops.pixelUnshuffle);
/** Signals, images or volumes in another size, by `scale` or `size`; nearest, or interpolated. [n, …, c] → [n, …', c]; as PyTorch's. */
export const upsample = (options: UpsampleOptions): Module => {
  checkUpsample(options);
  return new Stateless(showCall("Upsample", [], options), (x) => ops.upsample(x, options));
};
/**
 * Signals, images or volumes with cells around them: as many on every side, or `[before, after]` for each axis between the first and the last.
 * [n, …, c] → [n, …', c]; modes as those of the function `pad`.
 * @throws ValueError unless all are whole numbers ≥ 0.
 */
export const pad = (padding: number | readonly (readonly [number, number])[], options: PadOptions = {}): Module => {
  optionsOf("pad", options, padNames);
  const sides = typeof padding === "number" ? [padding] : padding.flat();
  if (sides.some((n) => !Number.isInteger(n) || n < 0) || (typeof padding !== "number" && padding.some((two) => two.length !== 2))) {
    throw new ValueError(`pad: padding must be a whole number ≥ 0 or pairs of them but is ${JSON.stringify(padding)}`, {
      op: "pad",
      inputs: [padding],
    });
  }
  return new Stateless(showCall("Pad", [padding], options), (x) => {
    const axes = x.shape.slice(1, -1);
    const pairs = typeof padding === "number" ? axes.map(() => [padding, padding] as const) : padding;
    if (pairs.length !== axes.length) {
      throw new ShapeError(`pad(x: ${format(x.shape)}): ${pairs.length} pairs for ${axes.length} axes between examples and channels`, {
        op: "pad",
        inputs: [x.shape, padding],
      });
    }
    return ops.pad(x, [[0, 0], ...pairs], options);
  });
};
