/** `nabla/tune`: looking for hyperparameters. */
export type { HalvingOptions } from "./halving.js";
export { type Panda, type PandaOptions, panda } from "./panda.js";
export { readSearch } from "./read.js";
export { SearchResult } from "./result.js";
export { type SearchOptions, search } from "./search.js";
export {
  type Choice,
  choice,
  draw,
  integer,
  logUniform,
  narrow,
  oneMinusLogUniform,
  type Parameter,
  type Params,
  type Range,
  type Space,
  uniform,
} from "./space.js";
export type { Trial, TrialState } from "./store.js";
export { serveTrial, type TrialContext, type TrialFunction, TrialStopped } from "./trial.js";
