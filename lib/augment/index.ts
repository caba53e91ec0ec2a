/** `nabla/augment`: pictures changed at random while a network learns from them, boxes and masks with them. */
export { type Augmentation, type AugmentOptions, augment } from "./augment.js";
export type { Box, Canvas, CanvasOptions, Fill, Mask, Pixels } from "./canvas.js";
export { blur, type ColorAxes, type ColorJitterOptions, colorAxes, colorJitter, cutout, grey, pcaColor } from "./colors.js";
export { type Bend, type Matrix, SplineBend, type Warp } from "./geometry.js";
export { cutmix, type Mixing, type MixOptions, mixup } from "./mix.js";
export {
  centerCrop,
  type LocalWarpOptions,
  localWarp,
  mirror,
  perspective,
  quarterTurns,
  type ResizedCropOptions,
  randomCrop,
  resize,
  resizedCrop,
  rotation,
  type Size,
  shear,
  shift,
  zoom,
} from "./places.js";
export { randAugment } from "./rand-augment.js";
export { compose, type Interval, oneOf, type Step, sometimes } from "./steps.js";
