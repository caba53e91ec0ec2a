/** `nabla/nn`: modules, layers and initial values. */
export { Conv2d, type Conv2dLayerOptions, conv2d } from "./conv.js";
export { alphaDropout, Dropout, dropout, dropout2d } from "./dropout.js";
export type { Initializer } from "./init.js";
export * as init from "./init.js";
export type { WeightOptions } from "./layer.js";
export { Linear, linear } from "./linear.js";
export { type AnyModule, Module } from "./module.js";
export { Sequential, sequential } from "./sequential.js";
export type { StateDict } from "./state.js";
export {
  avgPool2d,
  flatten,
  gelu,
  globalAvgPool2d,
  identity,
  leakyRelu,
  maxPool2d,
  relu,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from "./stateless.js";
