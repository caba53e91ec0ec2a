/** Data that come one after the other and need not fit into memory: files read line by line, what a server sends. */
import { ValueError } from "../base/errors.js";
import type { WordStream } from "../base/philox.js";
import { type Batch, joinBatches, keptRows, RowBuffer, rowCount, selectRows, upTo } from "./batch.js";
import { ArrayDataset } from "./dataset.js";

type Chunks<B> = AsyncIterable<B> | Iterable<B>;

/**
 * Examples that can only be gone through from the start, in chunks of any number of rows. `open` starts from the beginning for each
 * epoch; an iterable that can be iterated over once serves one epoch.
 *
 * ```ts
 * const numbers = new StreamDataset(async function* () {
 *   for await (const row of rowsOf(source)) yield { x: { data: Float32Array.from(row), shape: [1, row.length], dtype: "f32" } };
 * });
 * for await (const batch of new DataLoader(numbers, { batchSize: 64, shuffle: true })) …
 * ```
 */
export class StreamDataset<B extends Batch = Batch> implements AsyncIterable<B> {
  constructor(
    private readonly open: (epoch: number) => Chunks<B>,
    /** Number of examples, if it is known; it is only reported. */
    readonly length: number = Number.POSITIVE_INFINITY,
  ) {}

  /** The chunks of an epoch, in the order of the source. */
  async *chunks(epoch = 0): AsyncGenerator<B> {
    for await (const chunk of this.open(epoch)) if (rowCount(chunk) > 0) yield chunk;
  }

  [Symbol.asyncIterator](): AsyncGenerator<B> {
    return this.chunks();
  }

  /** The same examples, changed a chunk at a time as they come. */
  map<C extends Batch>(transform: (batch: B) => C | Promise<C>): StreamDataset<C> {
    const source = this;
    return new StreamDataset(async function* (epoch) {
      for await (const chunk of source.chunks(epoch)) yield await transform(chunk);
    }, this.length);
  }

  /** The examples for which `keep` gives true (or 1), a chunk at a time. */
  filter(keep: (batch: B) => ArrayLike<boolean | number>): StreamDataset<B> {
    const source = this;
    return new StreamDataset(async function* (epoch) {
      for await (const chunk of source.chunks(epoch)) {
        yield selectRows(chunk, keptRows(keep(chunk), chunk));
      }
    });
  }

  /** The first `count` examples, or all if there are fewer. */
  take(count: number): StreamDataset<B> {
    const source = this;
    return new StreamDataset(
      async function* (epoch) {
        let left = count;
        if (left <= 0) return;
        for await (const chunk of source.chunks(epoch)) {
          const rows = Math.min(rowCount(chunk), left);
          yield selectRows(chunk, upTo(rows));
          left -= rows;
          if (left === 0) return;
        }
      },
      Math.min(this.length, count),
    );
  }

  /** Reads all of it into memory. Throws {@link ValueError} if there is no example. */
  async read(): Promise<ArrayDataset<B>> {
    const chunks: B[] = [];
    for await (const chunk of this) chunks.push(chunk);
    if (chunks.length === 0) throw new ValueError("read: the stream has no examples", { op: "read" });
    return new ArrayDataset(joinBatches(chunks));
  }
}

/** Where shuffling keeps what is still to come: each example that leaves makes room for the next, in a place drawn at random. */
export interface ShuffleBuffer {
  readonly capacity: number;
  readonly words: WordStream;
}

/** Batches of `size` examples from chunks of any size, the last one perhaps smaller; in the order of the source or nearly at random. */
export async function* rebatch<B extends Batch>(chunks: AsyncIterable<B>, size: number, shuffle: ShuffleBuffer | null): AsyncGenerator<B> {
  let waiting: RowBuffer<B> | null = null;
  let waitingRows = 0;
  let out: RowBuffer<B> | null = null;
  let outRows = 0;
  const take = (batch: B, row: number): B | null => {
    out ??= new RowBuffer(batch, size);
    out.put(outRows++, batch, row);
    if (outRows < size) return null;
    const full = out.batch();
    out = null;
    outRows = 0;
    return full;
  };
  for await (const chunk of chunks) {
    for (let row = 0; row < rowCount(chunk); row++) {
      let full: B | null;
      if (shuffle === null) full = take(chunk, row);
      else {
        waiting ??= new RowBuffer(chunk, shuffle.capacity);
        if (waitingRows < shuffle.capacity) {
          waiting.put(waitingRows++, chunk, row);
          continue;
        }
        const place = shuffle.words.below(shuffle.capacity);
        full = take(waiting.batch(), place);
        waiting.put(place, chunk, row);
      }
      if (full !== null) yield full;
    }
  }
  for (let left = waitingRows; left > 0; left--) {
    const place = shuffle!.words.below(left);
    const full = take(waiting!.batch(), place);
    waiting!.put(place, waiting!.batch(), left - 1);
    if (full !== null) yield full;
  }
  if (outRows > 0) yield out!.batch(upTo(outRows));
}
