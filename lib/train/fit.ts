/** `fit`: the training loop, written once. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { DataLoader, type Dataset, type LabeledBatch } from "../data/index.js";
import { checkNumerics } from "../debug/index.js";
import type { Module } from "../nn/index.js";
import type { Ema, MinimizeOptions, Optimizer } from "../optim/index.js";
import { minimizeNames } from "../optim/optimizer.js";
import { compile, type Tensor } from "../tensor/index.js";
import { type ExampleOptions, Means, type Metric, modeSwitch, pack, runAhead, unpack } from "./batches.js";
import type { Callback, RestingTraining } from "./callbacks.js";
import { type Position, readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { evaluator } from "./evaluate.js";
import { History } from "./history.js";

export interface FitOptions extends MinimizeOptions {
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
  /** Also report the norm of all gradients, before clipping, as `gradNorm`. Default false. */
  gradNorm?: boolean;
  /**
   * Look at every value that a step computes: the first NaN or infinity ends the training with a `NumericsError` that names the op that made it and
   * the line that wrote it, and the model stays as it was before that step. Takes several times as long. Default false.
   */
  debug?: boolean;
  /** Averages that take in every update; validation then measures the model with the averages in the place of its weights. */
  ema?: Ema;
  callbacks?: readonly Callback[];
  /** Stops between steps: the promise rejects with the signal's reason, the model keeps what it has learnt. */
  signal?: AbortSignal;
  /**
   * Goes on from the checkpoint that the callback `checkpoint` has written to this folder, or begins if there is none yet: with the same
   * model, data and options, the weights become the same, to the bit, as if the training had never been interrupted.
   */
  resume?: string;
}
const optionNames = [
  ...(["loss", "optimizer", "epochs", "batchSize", "shuffle", "seed", "validation", "metrics"] as const),
  ...(["gradNorm", "debug", "ema", "callbacks", "signal", "resume", ...minimizeNames] as const),
] as const;

/**
 * Trains a model on examples (x, y), and reports the means of loss and metrics for each epoch. The event loop stays free; while the
 * device works on a step, the next batches are prepared. Fields `weights` and `mask` of the data are handed to loss and metrics.
 *
 * `data`: a data set, or a loader, whose own batch size and order then count.
 * @example
 * const history = await fit(model, train, { loss: losses.crossEntropy, optimizer: optim.adam(model.parameters()), epochs: 5 });
 * @throws {ValueError} if the data set is empty, an option is out of range, or a checkpoint is of another training.
 * @throws {NumericsError} with `debug`, where a step computes NaN or an infinity.
 */
export async function fit(model: Module, data: Dataset<LabeledBatch> | DataLoader<LabeledBatch>, options: FitOptions): Promise<History> {
  optionsOf("fit", options, optionNames);
  const { loss, optimizer, epochs = 1, batchSize = 32, shuffle = true, seed = 0, metrics = {}, callbacks = [], signal } = options;
  const { clipNorm, clipValue, accumulate, gradNorm = false, debug = false, ema, resume } = options;
  if (!Number.isInteger(epochs) || epochs < 0)
    throw new ValueError(`fit: expected epochs to be a whole number ≥ 0 but received ${epochs}`, { op: "fit", inputs: [epochs] });
  const taken = ["loss", "gradNorm"].find((name) => name in metrics);
  if (taken !== undefined) throw new ValueError(`fit: the name "${taken}" is taken; call the metric something else`, { op: "fit" });
  const loader = data instanceof DataLoader ? data : new DataLoader(data, { batchSize, shuffle, seed });
  const validation = validationSets(options);
  const validate = evaluator(model, { loss, metrics, signal });

  const training = modeSwitch(model, true);
  const step = (debug ? checkNumerics : compile)((x: Tensor, y: Tensor, examples?: ExampleOptions) => {
    const prediction = model.forward(x);
    const measure = (metric: Metric) => (examples === undefined ? metric(prediction, y) : metric(prediction, y, examples));
    const cost = measure(loss);
    const update = optimizer.minimize(cost, { clipNorm, clipValue, accumulate });
    if (update.isUpdate) ema?.update();
    return pack([cost, ...Object.values(metrics).map(measure), ...(gradNorm ? [update.gradNorm] : [])]);
  });

  const names = ["loss", ...Object.keys(metrics), ...(gradNorm ? ["gradNorm"] : [])];
  const history = new History();
  let isStopped = false;
  let means = new Means(names);
  const state = {
    model,
    optimizer,
    history,
    epochs,
    epoch: 0,
    batch: 0,
    batches: loader.length,
    step: 0,
    get seen() {
      return means.seen;
    },
    samples: loader.samples,
    get scores() {
      return means.scores();
    },
    isDone: false as boolean,
    stop() {
      isStopped = true;
    },
    save: (path: string) => writeCheckpoint(path, saved, position()),
  } satisfies RestingTraining;
  const config = { batches: loader.length, samples: loader.samples, batchSize: loader.batchSize, scores: names, optimizer: optimizer.name };
  const saved = {
    config: data instanceof DataLoader ? config : { ...config, shuffle, seed },
    model,
    optimizer,
    ema,
    history,
    callbacks,
  };
  let isEpochOver = false;
  const position = (): Position => ({
    epoch: state.epoch + (isEpochOver ? 1 : 0),
    batch: isEpochOver ? 0 : state.batch,
    step: state.step,
    means: (isEpochOver ? new Means(names) : means).state(),
    isStopped,
  });
  const tell = async (call: (callback: Callback) => void | Promise<void>) => {
    for (const callback of callbacks) await call(callback);
  };
  const rests = {
    isDue: () => callbacks.reduce((due, callback) => callback.wantsRest?.(state) === true || due, false),
    rest: () => tell((callback) => callback.onRest?.(state)),
  };

  await tell((callback) => callback.onTrainBegin?.(state));
  try {
    const start = resume === undefined ? null : await readCheckpoint(resume, saved);
    isStopped ||= start?.isStopped ?? false;
    state.step = start?.step ?? 0;
    const first = start?.epoch ?? 1;
    for (let epoch = first; epoch <= epochs && !isStopped; epoch++) {
      const began = performance.now();
      const isResumed = epoch === first && start !== null;
      means = new Means(names);
      if (isResumed) means.restore(start.means);
      const seenBefore = means.seen;
      state.epoch = epoch;
      state.batch = isResumed ? start.batch : 0;
      isEpochOver = false;
      await tell((callback) => callback.onEpochBegin?.(state));
      await runAhead(
        until(() => isStopped, loader.epoch(epoch - 1, state.batch)),
        (batch) => {
          state.step++;
          return training(() => step(...unpack(batch)));
        },
        async (scores, batch) => {
          await means.add(scores, batch);
          state.batch++;
          await tell((callback) => callback.onBatchEnd?.(state));
        },
        signal,
        rests,
        debug ? 0 : undefined, // a step that follows one that failed would train on
      );
      const samplesPerSecond = (1000 * (means.seen - seenBefore)) / (performance.now() - began);
      const scores = means.scores();
      const measureAll = async () => {
        for (const [name, set] of validation) {
          for (const [score, value] of Object.entries(await validate(set))) scores[`${name}.${score}`] = value;
        }
      };
      await (ema === undefined || ema.count === 0 ? measureAll() : ema.use(measureAll));
      const record = { epoch, seconds: (performance.now() - began) / 1000, samplesPerSecond, scores };
      history.epochs.push(record);
      await tell((callback) => callback.onEpochEnd?.(state, record));
      isEpochOver = true;
      await rests.rest();
    }
    state.isDone = true;
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
