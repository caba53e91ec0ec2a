/** Every op that users call as a function. */
export { type NestedArray, type TensorLike } from "./convert.js";
export * from "./conv.js";
export { arange, type DTypeOptions, eye, full, ones, onesLike, rand, type RandomOptions, randn, setSeed, tensor, zeros, zerosLike } from "./create.js";
export {
  abs, add, cast, ceil, clip, cos, div, eq, erf, exp, expm1, floor, ge, gelu, gt, le, leakyRelu, log, log1p, logicalAnd, logicalNot,
  logicalOr, lt, maximum, minimum, mod, mul, ne, neg, pow, reciprocal, relu, round, sigmoid, sign, silu, sin, softplus, sqrt, square,
  stopGradient, sub, tanh, trunc, where,
} from "./elementwise.js";
export { matmul } from "./linear.js";
export { argmax, argmin, expand, logSumExp, max, mean, min, type ReduceOptions, sum, variance } from "./reduce.js";
export { crossEntropyRows, gather, logSoftmax, oneHot, softmax } from "./rows.js";
export { at, concat, expandDims, flatten, flip, pad, permute, reshape, slice, squeeze, stack, transpose } from "./views.js";
