/** From a data set to the batches of an epoch: order, size, and assembling ahead of the consumer. */
import { ValueError } from "../base/errors.js";
import type { Batch, Dataset } from "./dataset.js";
import { checkSeed, Permutation } from "./shuffle.js";

export interface DataLoaderOptions {
  /** Examples a batch. Default 32. */
  batchSize?: number;
  /** Whether each epoch goes through the examples in a random order of its own. Default false. */
  shuffle?: boolean;
  /** With the number of the epoch, decides the random order. Default 0. */
  seed?: number;
  /** Whether a last batch that is smaller than the others is left out. Default false. */
  dropLast?: boolean;
  /** Batches assembled ahead, while the consumer waits for something else; 0 assembles each when it is asked for. Default 2. */
  prefetch?: number;
}

/**
 * The batches of a data set. Each `for await` goes through one epoch and the next through the one after it; `epoch(k)`
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
  /** Batches an epoch. */
  readonly length: number;
  /** Examples an epoch. */
  readonly samples: number;
  /** The epoch that the next `for await` goes through. */
  nextEpoch = 0;
  private readonly shuffle: boolean;
  private readonly seed: number;
  private readonly prefetch: number;

  constructor(
    readonly dataset: Dataset<B>,
    { batchSize = 32, shuffle = false, seed = 0, dropLast = false, prefetch = 2 }: DataLoaderOptions = {},
  ) {
    const refuse = (problem: string, ...inputs: unknown[]): never => {
      throw new ValueError(`DataLoader: ${problem}`, { op: "DataLoader", inputs });
    };
    if (!Number.isInteger(batchSize) || batchSize < 1)
      refuse(`expected a batchSize that is a whole number ≥ 1 but received ${batchSize}`, batchSize);
    if (!Number.isInteger(prefetch) || prefetch < 0)
      refuse(`expected a prefetch that is a whole number ≥ 0 but received ${prefetch}`, prefetch);
    checkSeed("DataLoader", seed);
    if (dataset.length === 0) refuse("the data set is empty: there is nothing to make batches of");
    this.batchSize = batchSize;
    this.length = dropLast ? Math.floor(dataset.length / batchSize) : Math.ceil(dataset.length / batchSize);
    if (this.length === 0)
      refuse(`dropLast leaves no batch: ${dataset.length} examples do not fill one of ${batchSize}`, dataset.length, batchSize);
    this.samples = dropLast ? this.length * batchSize : dataset.length;
    this.shuffle = shuffle;
    this.seed = seed;
    this.prefetch = prefetch;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<B> {
    return this.epoch(this.nextEpoch++);
  }

  /** The batches of epoch `epoch`; which they are depends on the seed and this number alone. */
  async *epoch(epoch: number): AsyncIterableIterator<B> {
    checkSeed("epoch", epoch);
    const indices = this.indices(epoch);
    const ahead: Promise<B>[] = [];
    for (let k = 0; k < this.length; k++) {
      const batch = await (ahead.shift() ?? this.dataset.get(indices.next().value!));
      while (ahead.length < this.prefetch) {
        const next = indices.next();
        if (next.done) break;
        ahead.push(this.later(next.value));
      }
      yield batch;
    }
  }

  /** The examples of each batch in turn. */
  private *indices(epoch: number): Generator<Int32Array, undefined> {
    const { batchSize, dataset } = this;
    const order = this.shuffle ? new Permutation(dataset.length, this.seed, epoch) : null;
    for (let k = 0; k < this.length; k++) {
      const start = k * batchSize;
      const size = Math.min(batchSize, dataset.length - start);
      yield order === null ? Int32Array.from({ length: size }, (_, i) => start + i) : order.next(size);
    }
    return undefined;
  }

  /** Fetches once the consumer has had its turn: it has started work and waits for it. */
  private later(indices: Int32Array): Promise<B> {
    const batch = new Promise<B>((resolve, reject) => {
      setImmediate(() => {
        try {
          resolve(this.dataset.get(indices));
        } catch (error) {
          reject(error);
        }
      });
    });
    batch.catch(() => {}); // reported when the batch is asked for; a consumer that stops before never asks
    return batch;
  }
}
