/** `nabla/train`: the training loop and what hangs on it. */
export type { Metric } from "./batches.js";
export { type CacheActivationsOptions, cacheActivations } from "./cache-activations.js";
export type { Callback, TrainingState } from "./callbacks.js";
export { type EvaluateOptions, evaluate, type PredictOptions, predict } from "./evaluate.js";
export { type FitOptions, fit } from "./fit.js";
export { type EpochRecord, History, type Scores } from "./history.js";
export { type ProgressOptions, progress } from "./progress.js";
