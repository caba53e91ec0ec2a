/** Layers of convolutional networks that few networks have: together, so that they are loaded when one of them is first used. */
export { channelShuffle, localResponseNorm, pad, pixelShuffle, pixelUnshuffle, upsample } from "./images.js";
export {
  LayerScale,
  type LayerScaleOptions,
  layerScale,
  SqueezeExcitation,
  type SqueezeExcitationOptions,
  squeezeExcitation,
} from "./scale.js";
export { type DepthwiseConv2dOptions, depthwiseConv2d, separableConv2d } from "./separable.js";
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool3d,
  avgPool1d,
  avgPool3d,
  Conv1d,
  Conv3d,
  ConvTranspose,
  type ConvTransposeLayerOptions,
  conv1d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  globalAvgPool1d,
  globalAvgPool3d,
  globalMaxPool1d,
  globalMaxPool3d,
  lpPool1d,
  lpPool2d,
  maxPool1d,
  maxPool3d,
} from "./volumes.js";
