/** From a data set to the batches of an epoch: order, size, and assembling ahead of the consumer. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";
import { type Batch, rowCount } from "./batch.js";
import type { Dataset } from "./dataset.js";
import { random, type Sampler, sequential } from "./samplers.js";
import { Sampling } from "./sampling.js";
import { checkSeed } from "./shuffle.js";
import { rebatch, StreamDataset } from "./stream.js";
import { TransformWorkers } from "./workers.js";

export interface DataLoaderOptions {
  /** Examples a batch. Default 32. */
  batchSize?: number;
  /** Whether each epoch goes through the examples in a random order of its own; of a stream, nearly random: see `shuffleBuffer`. Default false. */
  shuffle?: boolean;
  /** Examples of a stream that wait for their turn when it is shuffled. Default 1024. */
  shuffleBuffer?: number;
  /** Which examples an epoch goes through, and in which order, instead of `shuffle`: one of `samplers`, or your own. Not for streams. */
  sampler?: Sampler;
  /** With the number of the epoch, decides the random order and what is random in examples. Default 0. */
  seed?: number;
  /** Whether a last batch that is smaller than the others is left out. Default false. */
  dropLast?: boolean;
  /** Batches assembled ahead, while the consumer waits for something else; 0 assembles each when it is asked for. Default 2, or two for each worker. */
  prefetch?: number;
  /**
   * A module (its file, or the URL of it) whose default export changes each batch, as the function given to `map` does:
   * `export default (batch, sampling) => …`. It is run by the workers, or without any in this thread, with the same results.
   */
  transform?: URL | string;
  /** Threads that run `transform`; `close()` ends them, and so does the end of the process. Default 0. */
  workers?: number;
}
const names = ["batchSize", "shuffle", "shuffleBuffer", "sampler", "seed", "dropLast", "prefetch", "transform", "workers"] as const;

/** Where a pass over the data stands. */
export interface LoaderState {
  readonly epoch: number;
  /** Batches of that epoch that have been handed out. */
  readonly batch: number;
}

/**
 * The batches of a data set or a stream. Each `for await` goes through one epoch and the next through the one after it; `epoch(k)`
 * goes through a particular one, which is the same batches in the same order every time.
 *
 * ```ts
 * const loader = new DataLoader(train, { batchSize: 128, shuffle: true, seed: 1 });
 * for await (const { x, y } of loader) console.log(x.shape, y.shape);
 * ```
 *
 * @throws {ValueError} if the data set is empty, an option is out of range, or `dropLast` would leave no batch.
 */
export class DataLoader<B extends Batch = Batch> implements AsyncIterable<B> {
  readonly batchSize: number;
  /** Batches an epoch; `Infinity` for a stream of unknown length. */
  readonly length: number;
  /** Examples an epoch; `Infinity` for a stream of unknown length. */
  readonly samples: number;
  /** The epoch that the next `for await` goes through. */
  nextEpoch = 0;
  private skipped = 0;
  private running: { epoch: number; batch: number } | null = null;
  private readonly seed: number;
  private readonly dropLast: boolean;
  private readonly prefetch: number;
  private readonly sampler: Sampler | null;
  private readonly shuffleBuffer: number;
  private readonly workers: TransformWorkers<B> | null;

  constructor(
    readonly dataset: Dataset<B> | StreamDataset<B>,
    options: DataLoaderOptions = {},
  ) {
    const { batchSize = 32, shuffle = false, shuffleBuffer = 1024, sampler, seed = 0 } = optionsOf("DataLoader", options, names);
    const { dropLast = false, transform, workers = 0, prefetch = Math.max(2, 2 * workers) } = options;
    const refuse = (problem: string, ...inputs: unknown[]): never => {
      throw new ValueError(`DataLoader: ${problem}`, { op: "DataLoader", inputs });
    };
    const whole = { batchSize, shuffleBuffer, prefetch, workers };
    const smallest = { batchSize: 1, shuffleBuffer: 1, prefetch: 0, workers: 0 };
    for (const [name, value] of Object.entries(whole)) {
      const least = smallest[name as keyof typeof smallest];
      if (!Number.isInteger(value) || value < least)
        refuse(`expected ${name} to be a whole number ≥ ${least} but received ${value}`, value);
    }
    checkSeed("DataLoader", seed);
    const isStream = dataset instanceof StreamDataset;
    if (sampler !== undefined && (shuffle || isStream))
      refuse(isStream ? "a stream comes in its own order; a sampler cannot choose from it" : "expected shuffle or a sampler, not both");
    if (workers > 0 && transform === undefined)
      refuse("workers run a transform module but none is given; set transform to its file", workers);
    if (dataset.length === 0) refuse("the data set is empty: there is nothing to make batches of");
    this.sampler = isStream ? null : (sampler ?? (shuffle ? random(dataset.length, { seed }) : sequential(dataset.length)));
    const examples = this.sampler?.length ?? dataset.length;
    this.batchSize = batchSize;
    this.length = dropLast ? Math.floor(examples / batchSize) : Math.ceil(examples / batchSize);
    if (this.length === 0) refuse(`dropLast leaves no batch: ${examples} examples do not fill one of ${batchSize}`, examples, batchSize);
    this.samples = dropLast ? this.length * batchSize : examples;
    this.seed = seed;
    this.dropLast = dropLast;
    this.prefetch = prefetch;
    this.shuffleBuffer = isStream && shuffle ? shuffleBuffer : 0;
    this.workers = transform === undefined ? null : new TransformWorkers(transform, workers);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<B> {
    const position = { epoch: this.nextEpoch++, batch: this.skipped };
    this.skipped = 0;
    this.running = position;
    return this.follow(position);
  }

  private async *follow(position: { epoch: number; batch: number }): AsyncIterableIterator<B> {
    for await (const batch of this.epoch(position.epoch, position.batch)) {
      position.batch++;
      yield batch;
    }
    if (this.running === position) this.running = null;
  }

  /** How far `for await` has come, counting what it has handed out: {@link restore} goes on there. */
  state(): LoaderState {
    return this.running === null ? { epoch: this.nextEpoch, batch: this.skipped } : { ...this.running };
  }

  /** Lets the next `for await` begin where {@link state} was taken: the remaining batches of that epoch, the same as they would have been. */
  restore({ epoch, batch }: LoaderState): void {
    checkSeed("restore", epoch);
    checkSeed("restore", batch);
    this.nextEpoch = epoch;
    this.skipped = batch;
    this.running = null;
  }

  /** The batches of epoch `epoch` from number `from` on; which they are depends on the seed and the number of the epoch alone. */
  async *epoch(epoch: number, from = 0): AsyncIterableIterator<B> {
    checkSeed("epoch", epoch);
    const { fetch, close } =
      this.dataset instanceof StreamDataset ? this.streamed(this.dataset, epoch, from) : this.chosen(this.dataset, epoch, from);
    const ahead: Promise<B | null>[] = [];
    try {
      while (true) {
        const batch = await (ahead.shift() ?? fetch());
        if (batch === null) return;
        while (ahead.length < this.prefetch) ahead.push(later(fetch));
        yield batch;
      }
    } finally {
      await close?.();
    }
  }

  /** Ends the threads of `workers`; the loader can go on being used, and starts new ones then. */
  async close(): Promise<void> {
    await this.workers?.close();
  }

  /** Fetches the next batch each time it is called; null after the last. */
  private chosen(dataset: Dataset<B>, epoch: number, from: number): Fetching<B> {
    const { batchSize, seed, samples } = this;
    const order = this.sampler!.epoch(epoch)[Symbol.iterator]();
    let left = samples;
    const nextIndices = (): Int32Array | null => {
      const indices = new Int32Array(Math.min(batchSize, left));
      left -= indices.length;
      for (let i = 0; i < indices.length; i++) indices[i] = order.next().value!;
      return indices.length === 0 ? null : indices;
    };
    for (let k = 0; k < from; k++) nextIndices();
    return {
      fetch: async () => {
        const indices = nextIndices();
        return indices === null
          ? null
          : this.transformed(await dataset.get(indices, { seed, epoch }), new Sampling(indices, { seed, epoch }, dataset.transforms));
      },
    };
  }

  private streamed(stream: StreamDataset<B>, epoch: number, from: number): Fetching<B> {
    const { batchSize, seed, shuffleBuffer: capacity, dropLast } = this;
    const batches = rebatch(stream.chunks(epoch), batchSize, capacity === 0 ? null : { capacity, words: new WordStream(seed, epoch) });
    let toSkip = from;
    let seen = 0;
    return {
      fetch: async () => {
        const skip = toSkip;
        toSkip = 0;
        seen += skip * batchSize;
        for (let k = 0; k < skip; k++) await batches.next();
        const first = seen;
        seen += batchSize;
        const { value: batch } = await batches.next();
        if (batch === undefined || (dropLast && rowCount(batch) < batchSize)) return null;
        const indices = Float64Array.from({ length: rowCount(batch) }, (_, i) => first + i);
        return this.transformed(batch, new Sampling(indices, { seed, epoch }));
      },
      close: async () => {
        await batches.return(undefined);
      },
    };
  }

  private transformed(batch: B, sampling: Sampling): B | Promise<B> {
    return this.workers === null ? batch : this.workers.run(batch, sampling);
  }
}

interface Fetching<B> {
  readonly fetch: () => Promise<B | null>;
  readonly close?: () => Promise<void>;
}

/** Fetches once the consumer has had its turn: it has started work and waits for it. */
function later<B>(fetch: () => Promise<B>): Promise<B> {
  const batch = new Promise<B>((resolve) => {
    setImmediate(() => resolve(fetch()));
  });
  batch.catch(() => {}); // reported when the batch is asked for; a consumer that stops before never asks
  return batch;
}
