/** What can be hung into a training: called as it goes, in the order given. */
import type { Module } from "../nn/index.js";
import type { Optimizer } from "../optim/index.js";
import type { EpochRecord, History, Scores } from "./history.js";

/** The training as callbacks see it. */
export interface TrainingState {
  readonly model: Module;
  readonly optimizer: Optimizer;
  readonly history: History;
  /** Epochs that will be run at most. */
  readonly epochs: number;
  /** From 1. */
  readonly epoch: number;
  /** Batches of this epoch that have ended, of `batches`. */
  readonly batch: number;
  readonly batches: number;
  /** Examples of this epoch that have been trained on, of `samples`. */
  readonly seen: number;
  readonly samples: number;
  /** Means over this epoch so far. */
  readonly scores: Scores;
  /** Ends the training after this step, as if it had reached its last epoch. */
  stop(): void;
}

/** Promises are awaited: a callback that saves a file holds the training up until it is saved. */
export interface Callback {
  onTrainBegin?(state: TrainingState): void | Promise<void>;
  onEpochBegin?(state: TrainingState): void | Promise<void>;
  onBatchEnd?(state: TrainingState): void | Promise<void>;
  onEpochEnd?(state: TrainingState, record: EpochRecord): void | Promise<void>;
  /** Also when the training was aborted or has failed. */
  onTrainEnd?(state: TrainingState): void | Promise<void>;
}
