/** Convolutions that look at each channel alone, and those that then mix channels pixel by pixel. */
import { optionsOf } from "../base/options.js";
import { type Conv2d, type Conv2dLayerOptions, conv2d } from "./conv.js";
import { checkSize, weightNames } from "./layer.js";
import { type Sequential, sequential } from "./sequential.js";

export interface DepthwiseConv2dOptions extends Omit<Conv2dLayerOptions, "groups"> {
  /** Filters for each channel. Default 1. */
  multiplier?: number;
}
const names = ["kernel", "multiplier", "stride", "padding", "dilation", "algorithm", "paddingMode", ...weightNames] as const;

/**
 * A convolution with filters of its own for each channel: `conv2d` with as many groups as channels. x: [n, h, w, c] → [n, h', w', c·multiplier];
 * weight: [r, s, 1, c·multiplier].
 * @throws ValueError unless sizes are whole numbers ≥ 1.
 */
export function depthwiseConv2d(channels: number, options: DepthwiseConv2dOptions): Conv2d {
  const { multiplier = 1, ...window } = optionsOf("depthwiseConv2d", options, names);
  checkSize("depthwiseConv2d", "the number of channels", channels);
  checkSize("depthwiseConv2d", "multiplier", multiplier);
  return conv2d(channels, channels * multiplier, { ...window, groups: channels });
}

/**
 * A depthwise convolution without bias, then a 1 × 1 convolution that mixes the channels. x: [n, h, w, in] → [n, h', w', out]. It multiplies
 * 1 / out + 1 / (r·s) times as often as a full convolution. Source: Howard et al. 2017 (MobileNet); layers as in Keras.
 */
export function separableConv2d(inChannels: number, outChannels: number, options: DepthwiseConv2dOptions): Sequential {
  const { bias, dtype, init, ...window } = optionsOf("separableConv2d", options, names);
  const depthwise = depthwiseConv2d(inChannels, { ...window, dtype, init, bias: false });
  return sequential(depthwise, conv2d(depthwise.outChannels, outChannels, { kernel: 1, bias, dtype, init }));
}
