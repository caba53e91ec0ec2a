/** `nabla/nn`: modules, layers and initial values. */
export {
  celu,
  elu,
  gelu,
  glu,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  logSigmoid,
  logSoftmax,
  mish,
  PReLU,
  type PReLUOptions,
  prelu,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softmax,
  softmin,
  softplus,
  softsign,
  tanh,
} from "./activations.js";
export { type AttendOptions, MultiHeadAttention, type MultiHeadAttentionOptions, multiHeadAttention } from "./attention.js";
export { Bilinear, bilinear } from "./bilinear.js";
export { Conv2d, type Conv2dLayerOptions, type ConvLayerOptions, conv2d } from "./conv.js";
export * from "./convolutional.js";
export { alphaDropout, Dropout, dropout, dropout2d, stochasticDepth } from "./dropout.js";
export { Embedding, type EmbeddingOptions, embedding } from "./embedding.js";
export type { Initializer } from "./init.js";
export * as init from "./init.js";
export type { WeightOptions } from "./layer.js";
export { Linear, linear } from "./linear.js";
export { type AnyModule, Module } from "./module.js";
export {
  BatchNorm,
  type BatchNormOptions,
  batchNorm,
  GroupNorm,
  groupNorm,
  InstanceNorm,
  instanceNorm,
  LayerNorm,
  type LayerNormOptions,
  layerNorm,
  type NormLayerOptions,
  RmsNorm,
  rmsNorm,
} from "./norm.js";
export { adaptiveAvgPool2d, adaptiveMaxPool2d, avgPool2d, globalAvgPool2d, globalMaxPool2d, maxPool2d } from "./pooling.js";
export {
  type FitData,
  Impute,
  type ImputeOptions,
  impute,
  Normalize,
  type NormalizeOptions,
  normalize,
} from "./preprocessing.js";
export { Sequential, sequential } from "./sequential.js";
export type { StateDict } from "./state.js";
export { flatten, identity, unflatten } from "./stateless.js";
export { type LayerCost, type LayerSummary, Summary, type SummaryOptions } from "./summary.js";
