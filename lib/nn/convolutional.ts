/** Layers of convolutional networks that few networks have: together, so that they are loaded when one of them is first used. */
export { channelShuffle, localResponseNorm, pixelShuffle, pixelUnshuffle } from "./images.js";
export {
  LayerScale,
  type LayerScaleOptions,
  layerScale,
  SqueezeExcitation,
  type SqueezeExcitationOptions,
  squeezeExcitation,
} from "./scale.js";
export { type DepthwiseConv2dOptions, depthwiseConv2d, separableConv2d } from "./separable.js";
