/** Tensors, variables, gradients, compiled functions: what the layers above build upon. */
import "./methods.js";

export { type ScanOptions, scan } from "../autodiff/scan.js";
export type { DType, FloatDType, TypedArray } from "../base/dtype.js";
export type { Shape } from "../base/shape.js";
export { setDebug } from "../graph/op.js";
export { Tensor } from "../graph/tensor.js";
export { currentTrace, dependsOn, uniform } from "../graph/trace.js";
export type { VariableOptions } from "../graph/variable.js";
export * from "../ops/index.js";
export { type CompiledFunction, compile } from "./compile.js";
export { tensor } from "./create.js";
export { type DeviceName, getDevice, getThreads, setDevice, setThreads } from "./devices.js";
export { type GradOptions, grad, gradients, noGrad, type ValueAndGradients, valueAndGrad } from "./gradients.js";
export type { Nested } from "./methods.js";
export { assignAll, Variable, variable } from "./variable.js";
