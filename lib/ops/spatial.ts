/** Ops of signals, images and volumes that few networks have: together, so that they are loaded when one of them is first used. */
export {
  channelShuffle,
  checkCount,
  type LocalResponseNormOptions,
  localResponseNorm,
  pixelShuffle,
  pixelUnshuffle,
} from "./images.js";
export { checkUpsample, type UpsampleOptions, upsample } from "./upsample.js";
export {
  avgPool1d,
  avgPool3d,
  type ConvTransposeOptions,
  checkTranspose,
  conv1d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  maxPool1d,
  maxPool3d,
} from "./volumes.js";
