/** `nabla/optim`: what changes parameters so that a loss falls. */
export { type AdamOptions, adam } from "./adam.js";
export { Optimizer, type OptimizerState, type Schedule } from "./optimizer.js";
export { type SgdOptions, sgd } from "./sgd.js";
