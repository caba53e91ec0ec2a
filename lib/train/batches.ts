/** Running a compiled function over batches: a few runs ahead of the results, which become means over examples. */
import type { HostArray } from "../data/index.js";
import type { Module } from "../nn/index.js";
import { cast, mean, reshape, stack, type Tensor, tensor } from "../tensor/index.js";

/** A score of predictions against targets: the mean over the batch, as a scalar. */
export type Metric = (prediction: Tensor, target: Tensor) => Tensor;

/** Runs submitted before the first is waited for: the next batch is prepared while the device works. */
const ahead = 2;

export function toTensor({ data, shape, dtype }: HostArray): Tensor {
  return tensor(data, { shape, dtype });
}

/** Several scalars as one vector, so that one read fetches all. */
export function pack(scalars: readonly Tensor[]): Tensor {
  return stack(scalars.map((x) => reshape(cast(x.shape.length === 0 ? x : mean(x), "f64"), [])));
}

/**
 * Runs bodies with all of a model in training or evaluation mode, and puts each module back into its own mode afterwards: what is
 * traced sees one mode, however trainings and predictions of the same model take turns.
 */
export function modeSwitch(model: Module, training: boolean): <T>(body: () => T) => T {
  const modules = [...model.namedModules().values()];
  return (body) => {
    const own = modules.map((module) => module.training);
    if (own.every((mode) => mode === training)) return body();
    model.train(training);
    try {
      return body();
    } finally {
      modules.forEach((module, i) => module.train(own[i])); // parents come first
    }
  };
}

/**
 * Starts a run for each batch and hands the results over in order, waiting for the oldest when `ahead` others follow it.
 * Stops between runs when the signal aborts. Nothing is left running when this returns or throws.
 */
export async function runAhead<B, R>(
  batches: AsyncIterable<B>,
  start: (batch: B) => Promise<R>,
  take: (result: R, batch: B) => void | Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const running: { result: Promise<R>; batch: B }[] = [];
  const takeOldest = async () => {
    const { result, batch } = running.shift()!;
    await take(await result, batch);
  };
  try {
    signal?.throwIfAborted();
    for await (const batch of batches) {
      signal?.throwIfAborted();
      const result = start(batch);
      result.catch(() => {}); // it may fail before its turn to be awaited
      running.push({ result, batch });
      if (running.length > ahead) await takeOldest();
    }
    while (running.length > 0) await takeOldest();
  } finally {
    await Promise.allSettled(running.map(({ result }) => result));
  }
}

/** Means over examples of what batches report, added up in double precision in the order of the batches. */
export class Means {
  seen = 0;
  private readonly sums: Float64Array;

  constructor(private readonly names: readonly string[]) {
    this.sums = new Float64Array(names.length);
  }

  async add(packed: Tensor, examples: number): Promise<void> {
    const values = await packed.data();
    for (let i = 0; i < values.length; i++) this.sums[i] += values[i] * examples;
    this.seen += examples;
  }

  scores(): Record<string, number> {
    return Object.fromEntries(this.names.map((name, i) => [name, this.sums[i] / this.seen]));
  }
}
