/** Random orders that depend on a seed alone: the same on every machine, and never more than the drawn part computed. */
import { ValueError } from "../base/errors.js";
import { WordStream } from "../base/philox.js";

/** Throws unless `seed` is a whole number from 0 to 2⁵³ − 1. */
export function checkSeed(op: string, seed: number): void {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ValueError(`${op}: expected a seed that is a whole number ≥ 0 but received ${seed}`, { op, inputs: [seed] });
  }
}

/**
 * A random order of 0 … n − 1, handed out a part at a time (Fisher & Yates, forwards: what has been handed out is final),
 * so that the first batch of a large set does not wait for the last.
 */
export class Permutation {
  private readonly order: Int32Array;
  private readonly words: WordStream;
  private done = 0;

  /** Equal `seed` and `stream` (an epoch, say) give equal orders. */
  constructor(n: number, seed: number, stream = 0) {
    this.order = Int32Array.from({ length: n }, (_, i) => i);
    this.words = new WordStream(seed, stream);
  }

  /** The next `count` numbers, or as many as are left. */
  next(count: number): Int32Array {
    const { order } = this;
    const start = this.done;
    this.done = Math.min(start + count, order.length);
    for (let i = start; i < this.done; i++) {
      const j = i + this.words.below(order.length - i);
      const chosen = order[j];
      order[j] = order[i];
      order[i] = chosen;
    }
    return order.slice(start, this.done);
  }
}

/**
 * An order of labelled examples in which every class is spread evenly: any stretch of it has of each class what the whole has, to about one
 * example. Within a class the order is random, and so is where its first example stands.
 */
export function spread(labels: ArrayLike<unknown>, words: WordStream): Int32Array {
  const n = labels.length;
  const place = new Float64Array(n);
  for (const members of classesOf(labels)) {
    const offset = words.uniform();
    for (let k = 0; k < members.length; k++) {
      const j = k + words.below(members.length - k);
      [members[k], members[j]] = [members[j], members[k]];
      place[members[k]] = (k + offset) / members.length;
    }
  }
  return Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => place[a] - place[b] || a - b);
}

/** The numbers of the examples of each class, classes in the order of their first example. */
export function classesOf(labels: ArrayLike<unknown>): number[][] {
  const classes = new Map<unknown, number[]>();
  for (let i = 0; i < labels.length; i++) {
    const members = classes.get(labels[i]);
    if (members === undefined) classes.set(labels[i], [i]);
    else members.push(i);
  }
  return [...classes.values()];
}
