/** `nabla/losses`: what training minimises. Every loss takes per-example `weights`, a `mask`, and a `reduction`. */
export {
  type BceWithLogitsOptions,
  type BinaryFocalOptions,
  bce,
  bceWithLogits,
  binaryFocal,
  hinge,
  squaredHinge,
} from "./binary.js";
export {
  type CrossEntropyOptions,
  crossEntropy,
  type FocalOptions,
  focal,
  type KlDivergenceOptions,
  klDivergence,
  type NllOptions,
  nll,
} from "./classification.js";
export type { LossOptions } from "./reduction.js";
export {
  type GaussianNllOptions,
  gaussianNll,
  type HuberOptions,
  huber,
  mae,
  mse,
  type PoissonNllOptions,
  poissonNll,
  type SmoothL1Options,
  smoothL1,
} from "./regression.js";
export { cosineEmbedding, type MarginOptions, marginRanking, type TripletOptions, tripletMargin } from "./similarity.js";
