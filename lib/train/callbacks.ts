/** What can be hung into a training: called as it goes, in the order given. */
import { FormatError } from "../base/errors.js";
import type { Module } from "../nn/index.js";
import type { Optimizer } from "../optim/index.js";
import type { Tensor } from "../tensor/index.js";
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
  /** Batches of all epochs that have been started, those before a resumption included. */
  readonly step: number;
  /** Examples of this epoch that have been trained on, of `samples`. */
  readonly seen: number;
  readonly samples: number;
  /** Means over this epoch so far. */
  readonly scores: Scores;
  /** Whether the training has ended in order: after its last epoch or by `stop`, not by a failure or an abort. */
  readonly isDone: boolean;
  /** Ends the training after this step, as if it had reached its last epoch. */
  stop(): void;
}

/** The training at rest: no step is under way, so that all of its state can be saved. */
export interface RestingTraining extends TrainingState {
  /** Writes everything that {@link FitOptions.resume} needs to one file, which appears whole or not at all. */
  save(path: string): Promise<void>;
}

/** What a callback knows, as a checkpoint keeps it. */
export interface CallbackState {
  /** Anything that JSON can hold. */
  readonly data: unknown;
  readonly tensors?: Readonly<Record<string, Tensor>>;
}

/** Promises are awaited: a callback that saves a file holds the training up until it is saved. */
export interface Callback {
  onTrainBegin?(state: TrainingState): void | Promise<void>;
  onEpochBegin?(state: TrainingState): void | Promise<void>;
  onBatchEnd?(state: TrainingState): void | Promise<void>;
  onEpochEnd?(state: TrainingState, record: EpochRecord): void | Promise<void>;
  /** Also when the training was aborted or has failed. */
  onTrainEnd?(state: TrainingState): void | Promise<void>;
  /** After each start of a step: whether the training should come to rest before the next, for the sake of {@link onRest}. */
  wantsRest?(state: TrainingState): boolean;
  /** When the training is at rest: after each epoch (behind every `onEpochEnd`), and when a callback has wanted it. */
  onRest?(training: RestingTraining): void | Promise<void>;
  /** What must survive the process for the training to go on as if nothing had happened. */
  save?(): CallbackState;
  /**
   * Looks at what {@link save} gave, behind `onTrainBegin`, and throws if it does not fit; the function that it returns takes it back. All
   * callbacks look before anything changes.
   */
  restore?(saved: CallbackState, training: Pick<TrainingState, "model">): () => void;
}

/** What a callback's `save` gave as data, if each field is what it should be: a file is foreign. @throws FormatError */
export function savedData<T extends object>(
  op: string,
  data: unknown,
  fields: { readonly [Name in keyof T]: (value: unknown) => boolean },
): T {
  const wrong = Object.entries<(value: unknown) => boolean>(fields).find(
    ([name, fits]) => !fits((data as Record<string, unknown> | null)?.[name]),
  );
  if (wrong === undefined) return data as T;
  throw new FormatError(
    `${op}: the checkpoint holds ${JSON.stringify(data)}, whose ${wrong[0]} is none; was it written by another version?`,
    {
      op,
      inputs: [wrong[0]],
    },
  );
}

export const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
export const isScore = (value: unknown) => value === null || typeof value === "number";
