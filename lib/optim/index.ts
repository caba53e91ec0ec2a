/** `nabla/optim`: what changes parameters so that a loss falls. */
export { type AdamOptions, adam, adamW, type MomentOptions, type NAdamOptions, nadam, radam } from "./adam.js";
export { type AdadeltaOptions, type AdagradOptions, adadelta, adagrad, type RmspropOptions, rmsprop } from "./adaptive.js";
export { Ema, type EmaOptions, type EmaState, ema } from "./ema.js";
export { combine, decayGroups, groupsByName } from "./groups.js";
export { type LionOptions, lion, type MuonOptions, muon, type SgdOptions, sgd } from "./momentum.js";
export { type MinimizeOptions, Optimizer, type OptimizerState, type Update } from "./optimizer.js";
export { type Algorithm, type CommonOptions, defineOptimizer, type Group, type OptimizerFunction, type UpdateContext } from "./rule.js";
export type { Schedule } from "./schedule.js";
export * as schedule from "./schedule.js";
