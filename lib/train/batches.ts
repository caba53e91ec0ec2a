/** Running a compiled function over batches: a few runs ahead of the results, which become means over examples. */
import type { HostArray, LabeledBatch } from "../data/index.js";
import type { Module } from "../nn/index.js";
import { cast, mean, reshape, stack, type Tensor, tensor } from "../tensor/index.js";

/** Which examples of a batch count, and how much: the fields of these names, where the data have them. */
export interface ExampleOptions {
  /** Weight of each example; means are Σ w·score / Σ w. */
  readonly weights?: Tensor;
  /** Whether it counts at all. */
  readonly mask?: Tensor;
}

/**
 * A score of predictions against targets: the mean over the batch, as a scalar. `options` is only given where the data have a field
 * `weights` or `mask`; losses and metrics of nabla understand it.
 */
export type Metric = (prediction: Tensor, target: Tensor, options?: ExampleOptions) => Tensor;

/** Runs submitted before the first is waited for: the next batch is prepared while the device works. */
const usualAhead = 2;

export function toTensor({ data, shape, dtype }: HostArray): Tensor {
  return tensor(data, { shape, dtype });
}

/** The tensors of a batch, as {@link Metric} takes them. */
export function unpack(batch: LabeledBatch): readonly [x: Tensor, y: Tensor, options?: ExampleOptions] {
  const { x, y, weights, mask } = batch as LabeledBatch & { readonly weights?: HostArray; readonly mask?: HostArray };
  if (weights === undefined && mask === undefined) return [toTensor(x), toTensor(y)];
  return [
    toTensor(x),
    toTensor(y),
    { ...(weights === undefined ? {} : { weights: toTensor(weights) }), ...(mask === undefined ? {} : { mask: toTensor(mask) }) },
  ];
}

/** What a batch counts in means over batches: Σ w over what the mask lets count, or the number of its examples. */
export function weightOf(batch: LabeledBatch): number {
  const { y, weights, mask } = batch as LabeledBatch & { readonly weights?: HostArray; readonly mask?: HostArray };
  const rows = y.shape[0];
  const entries = (weights ?? mask)?.data.length;
  if (entries === undefined) return rows;
  const count = Math.max(entries, mask?.data.length ?? 0);
  const at = (array: HostArray | undefined, i: number) =>
    array === undefined ? 1 : array.data[Math.floor((i * array.data.length) / count)];
  let sum = 0;
  for (let i = 0; i < count; i++) if (at(mask, i) !== 0) sum += at(weights, i);
  return sum;
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

/** Points at which nothing is under way. */
export interface Rests {
  /** Asked after each start: whether to wait for all that is under way now. */
  readonly isDue: () => boolean;
  readonly rest: () => Promise<void>;
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
  rests?: Rests,
  ahead = usualAhead,
): Promise<void> {
  const running: { result: Promise<R>; batch: B }[] = [];
  const takeUntil = async (left: number) => {
    while (running.length > left) {
      const { result, batch } = running.shift()!;
      await take(await result, batch);
    }
  };
  try {
    signal?.throwIfAborted();
    for await (const batch of batches) {
      signal?.throwIfAborted();
      const result = start(batch);
      result.catch(() => {}); // reported when its turn has come, perhaps after the next batch has been waited for
      running.push({ result, batch });
      if (rests?.isDue()) {
        await takeUntil(0);
        await rests.rest();
      } else {
        await takeUntil(ahead);
      }
    }
    await takeUntil(0);
  } finally {
    await Promise.allSettled(running.map(({ result }) => result));
  }
}

/** Sums from which means over examples are made. */
export interface MeansState {
  readonly seen: number;
  readonly weight: number;
  readonly sums: readonly number[];
}

/** Means over examples of what batches report, added up in double precision in the order of the batches. */
export class Means {
  seen = 0;
  private weight = 0;
  private readonly sums: Float64Array;

  constructor(private readonly names: readonly string[]) {
    this.sums = new Float64Array(names.length);
  }

  async add(packed: Tensor, batch: LabeledBatch): Promise<void> {
    const values = await packed.data();
    const weight = weightOf(batch);
    for (let i = 0; i < values.length; i++) this.sums[i] += values[i] * weight;
    this.seen += batch.y.shape[0];
    this.weight += weight;
  }

  scores(): Record<string, number> {
    return Object.fromEntries(this.names.map((name, i) => [name, this.sums[i] / this.weight]));
  }

  state(): MeansState {
    return { seen: this.seen, weight: this.weight, sums: [...this.sums] };
  }

  restore({ seen, weight, sums }: MeansState): void {
    this.seen = seen;
    this.weight = weight;
    this.sums.set(sums);
  }
}
