/** What is random in an example: a function of seed, epoch and the example's number, whoever computes it and when. */
import { WordStream } from "../base/philox.js";

/** A pass over a data set. */
export interface Pass {
  readonly seed: number;
  readonly epoch: number;
}

/** What a transform may know of the examples in its hands. */
export class Sampling implements Pass {
  readonly seed: number;
  readonly epoch: number;

  constructor(
    /** Their numbers in the data set. */
    readonly indices: ArrayLike<number>,
    { seed, epoch }: Pass = { seed: 0, epoch: 0 },
    /** Transforms that the examples have gone through before: each draws numbers of its own. */
    readonly transforms = 0,
  ) {
    this.seed = seed;
    this.epoch = epoch;
  }

  /**
   * Random numbers for the i-th of these examples: the same for equal seed, epoch and example, whatever the batch size, the prefetching
   * and the number of workers. `use`, from 0 to 15: further numbers, for whatever must not go by the same.
   */
  random(i: number, use = 0): WordStream {
    // Streams below 2³² are those of the orders (shuffle.ts).
    return new WordStream(this.seed, (this.epoch + 1) * 0x100000000 + this.indices[i], (16 * this.transforms + use) * 0x1000000000);
  }
}
