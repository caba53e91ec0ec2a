/** `evaluate` and `predict`: a model applied to data, in evaluation mode. */
import { allocate } from "../base/dtype.js";
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { sizeOf } from "../base/shape.js";
import { type Batch, DataLoader, type Dataset, type HostArray, type LabeledBatch } from "../data/index.js";
import type { Module } from "../nn/index.js";
import { compile, Tensor, tensor } from "../tensor/index.js";
import { type ExampleOptions, Means, type Metric, modeSwitch, pack, runAhead, toTensor, unpack } from "./batches.js";
import type { Scores } from "./history.js";

export interface EvaluateOptions {
  /** Reported as `loss`. */
  loss?: Metric;
  metrics?: Readonly<Record<string, Metric>>;
  /** Default 256. */
  batchSize?: number;
  /** Stops between batches: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Evaluation that is compiled once for many data sets and epochs. */
export function evaluator(model: Module, { loss, metrics = {}, batchSize = 256, signal }: EvaluateOptions) {
  const all = Object.entries({ ...(loss === undefined ? {} : { loss }), ...metrics });
  if (all.length === 0) throw new ValueError("evaluate: expected a loss or metrics, or there is nothing to report", { op: "evaluate" });
  const evaluating = modeSwitch(model, false);
  const measure = compile((x: Tensor, y: Tensor, examples?: ExampleOptions) => {
    const prediction = model.forward(x);
    return pack(all.map(([, metric]) => (examples === undefined ? metric(prediction, y) : metric(prediction, y, examples))));
  });
  return async (dataset: Dataset<LabeledBatch>): Promise<Scores> => {
    const means = new Means(all.map(([name]) => name));
    await runAhead(
      new DataLoader(dataset, { batchSize }),
      (batch) => evaluating(() => measure(...unpack(batch))),
      (scores, batch) => means.add(scores, batch),
      signal,
    );
    return means.scores();
  };
}

/**
 * Means of the loss and of each metric over a data set.
 * @example const { accuracy } = await evaluate(model, test, { metrics: { accuracy: metrics.accuracy } });
 * @throws {ValueError} if the data set is empty or there is nothing to report.
 */
export async function evaluate(model: Module, dataset: Dataset<LabeledBatch>, options: EvaluateOptions): Promise<Scores> {
  return evaluator(model, optionsOf("evaluate", options, ["loss", "metrics", "batchSize", "signal"]))(dataset);
}

export interface PredictOptions {
  /** Default 256. */
  batchSize?: number;
  signal?: AbortSignal;
}

/**
 * The model's outputs for all examples, on the first axis, as one tensor in JavaScript's memory.
 * `inputs`: a data set (its field `x`), or a tensor [n, …].
 */
export async function predict(
  model: Module,
  inputs: Dataset<Batch & { readonly x: HostArray }> | Tensor,
  options: PredictOptions = {},
): Promise<Tensor> {
  const { batchSize = 256, signal } = optionsOf("predict", options, ["batchSize", "signal"]);
  const evaluating = modeSwitch(model, false);
  const forward = compile((x: Tensor) => model.forward(x));
  const total = inputs instanceof Tensor ? inputs.shape[0] : inputs.length;
  if (!(total > 0)) throw new ShapeError("predict: expected examples on the first axis but there are none", { op: "predict" });
  let at = 0;
  let result: { data: ReturnType<typeof allocate>; shape: readonly number[]; dtype: Tensor["dtype"] } | null = null;
  await runAhead(
    inputs instanceof Tensor ? slices(inputs, batchSize) : inputsOf(new DataLoader(inputs, { batchSize })),
    (x) => evaluating(() => forward(x)),
    async (y) => {
      result ??= { data: allocate(y.dtype, total * sizeOf(y.shape.slice(1))), shape: [total, ...y.shape.slice(1)], dtype: y.dtype };
      const part = await y.data();
      result.data.set(part, at);
      at += part.length;
    },
    signal,
  );
  const { data, shape, dtype } = result!;
  return tensor(data, { shape, dtype });
}

async function* slices(x: Tensor, size: number): AsyncGenerator<Tensor> {
  for (let start = 0; start < x.shape[0]; start += size) yield x.slice([start], [Math.min(start + size, x.shape[0])]);
}

async function* inputsOf(loader: DataLoader<Batch & { readonly x: HostArray }>): AsyncGenerator<Tensor> {
  for await (const { x } of loader) yield toTensor(x);
}
