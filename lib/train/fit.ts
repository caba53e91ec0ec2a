/** `fit`: the training loop, written once. */
import { ValueError } from "../base/errors.js";
import { DataLoader, type Dataset, type LabeledBatch } from "../data/index.js";
import type { Module } from "../nn/index.js";
import type { Optimizer } from "../optim/index.js";
import { compile, type Tensor } from "../tensor/index.js";
import { Means, type Metric, modeSwitch, pack, runAhead, toTensor } from "./batches.js";
import type { Callback, TrainingState } from "./callbacks.js";
import { evaluator } from "./evaluate.js";
import { History } from "./history.js";

export interface FitOptions {
  /** Of a prediction and its target; `fit` minimises its mean over each batch. */
  loss: Metric;
  optimizer: Optimizer;
  /** Passes over the data. Default 1. */
  epochs?: number;
  /** Examples a step. Default 32. */
  batchSize?: number;
  /** Go through the examples in another random order in each epoch. Default true. */
  shuffle?: boolean;
  /** Decides those orders. Default 0. */
  seed?: number;
  /** Measured after each epoch: one set, reported as `validation.loss` …, or several under names of your own. */
  validation?: Dataset<LabeledBatch> | Readonly<Record<string, Dataset<LabeledBatch>>>;
  metrics?: Readonly<Record<string, Metric>>;
  callbacks?: readonly Callback[];
  /** Stops between steps: the promise rejects with the signal's reason, the model keeps what it has learnt. */
  signal?: AbortSignal;
}

/**
 * Trains a model on examples (x, y), and reports the means of loss and metrics for each epoch. The event loop stays free; while the
 * device works on a step, the next batches are prepared.
 *
 * `data`: a data set, or a loader, whose own batch size and order then count.
 * @example
 * const history = await fit(model, train, { loss: losses.crossEntropy, optimizer: optim.adam(model.parameters()), epochs: 5 });
 * @throws {ValueError} if the data set is empty or an option is out of range.
 */
export async function fit(model: Module, data: Dataset<LabeledBatch> | DataLoader<LabeledBatch>, options: FitOptions): Promise<History> {
  const { loss, optimizer, epochs = 1, batchSize = 32, shuffle = true, seed = 0, metrics = {}, callbacks = [], signal } = options;
  if (!Number.isInteger(epochs) || epochs < 0)
    throw new ValueError(`fit: expected epochs to be a whole number ≥ 0 but received ${epochs}`, { op: "fit", inputs: [epochs] });
  if ("loss" in metrics)
    throw new ValueError(`fit: the name "loss" is taken by the loss itself; call the metric something else`, { op: "fit" });
  const loader = data instanceof DataLoader ? data : new DataLoader(data, { batchSize, shuffle, seed });
  const validation = validationSets(options);
  const validate = evaluator(model, { loss, metrics, signal });

  const training = modeSwitch(model, true);
  const step = compile((x: Tensor, y: Tensor) => {
    const prediction = model.forward(x);
    const cost = loss(prediction, y);
    optimizer.minimize(cost);
    return pack([cost, ...Object.values(metrics).map((metric) => metric(prediction, y))]);
  });

  const history = new History();
  let isStopped = false;
  let means = new Means([]);
  const state = {
    model,
    optimizer,
    history,
    epochs,
    epoch: 0,
    batch: 0,
    batches: loader.length,
    get seen() {
      return means.seen;
    },
    samples: loader.samples,
    get scores() {
      return means.scores();
    },
    stop() {
      isStopped = true;
    },
  } satisfies TrainingState;
  const tell = async (call: (callback: Callback) => void | Promise<void>) => {
    for (const callback of callbacks) await call(callback);
  };

  await tell((callback) => callback.onTrainBegin?.(state));
  try {
    for (let epoch = 1; epoch <= epochs && !isStopped; epoch++) {
      const began = performance.now();
      means = new Means(["loss", ...Object.keys(metrics)]);
      state.epoch = epoch;
      state.batch = 0;
      await tell((callback) => callback.onEpochBegin?.(state));
      await runAhead(
        until(() => isStopped, loader.epoch(epoch - 1)),
        ({ x, y }) => training(() => step(toTensor(x), toTensor(y))),
        async (scores, { y }) => {
          await means.add(scores, y.shape[0]);
          state.batch++;
          await tell((callback) => callback.onBatchEnd?.(state));
        },
        signal,
      );
      const samplesPerSecond = (1000 * means.seen) / (performance.now() - began);
      const scores = means.scores();
      for (const [name, set] of validation) {
        for (const [score, value] of Object.entries(await validate(set))) scores[`${name}.${score}`] = value;
      }
      const record = { epoch, seconds: (performance.now() - began) / 1000, samplesPerSecond, scores };
      history.epochs.push(record);
      await tell((callback) => callback.onEpochEnd?.(state, record));
    }
  } finally {
    await tell((callback) => callback.onTrainEnd?.(state));
  }
  return history;
}

function validationSets({ validation }: FitOptions): [string, Dataset<LabeledBatch>][] {
  if (validation === undefined) return [];
  const sets = isDataset(validation) ? { validation } : validation;
  const empty = Object.entries(sets).find(([, { length }]) => length === 0);
  if (empty !== undefined) throw new ValueError(`fit: the validation set "${empty[0]}" is empty`, { op: "fit" });
  return Object.entries(sets);
}

function isDataset(value: NonNullable<FitOptions["validation"]>): value is Dataset<LabeledBatch> {
  return typeof value.get === "function";
}

async function* until<B>(isOver: () => boolean, batches: AsyncIterable<B>): AsyncGenerator<B> {
  for await (const batch of batches) {
    if (isOver()) return;
    yield batch;
  }
}
