/** `nabla/train`: the training loop and what hangs on it. */
export type { ExampleOptions, Metric } from "./batches.js";
export { type CacheActivationsOptions, cacheActivations } from "./cache-activations.js";
export { type Calibrated, calibrate } from "./calibrate.js";
export type { Callback, CallbackState, RestingTraining, TrainingState } from "./callbacks.js";
export { type CheckpointOptions, checkpoint } from "./checkpoint.js";
export { type EarlyStoppingOptions, earlyStopping, type ReduceOnPlateauOptions, reduceOnPlateau } from "./early-stopping.js";
export { type AverageOptions, ensemble, fiveCrop, mirrored, multiView, tenCrop, type Views } from "./ensemble.js";
export { type EvaluateOptions, evaluate, type PredictOptions, predict } from "./evaluate.js";
export { type FitOptions, fit } from "./fit.js";
export { type EpochRecord, History, type Scores } from "./history.js";
export { csvLogger, jsonLogger, plotter } from "./loggers.js";
export type { MonitorOptions } from "./monitor.js";
export { type ProgressOptions, progress } from "./progress.js";
export { type LrFinderOptions, type LrFinding, lrFinder, type OverfitOptions, type OverfitResult, overfitOneBatch } from "./trials.js";
