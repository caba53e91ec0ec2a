/** Samplers: which examples an epoch goes through, and in which order. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";
import { checkSeed, Permutation, spread } from "./shuffle.js";

/** The order of an epoch. The same epoch gives the same order every time, so that a training can be resumed in its midst. */
export interface Sampler {
  /** Examples an epoch. */
  readonly length: number;
  /** Numbers of the examples of an epoch, `length` of them. */
  epoch(epoch: number): Iterable<number>;
}

export interface SamplerOptions {
  /** With the number of the epoch, decides what is drawn. Default 0. */
  seed?: number;
}

/** All n examples in their own order. */
export function sequential(n: number): Sampler {
  return {
    length: n,
    *epoch() {
      for (let i = 0; i < n; i++) yield i;
    },
  };
}

/** All n examples in a random order, another one in each epoch. */
export function random(n: number, options: SamplerOptions = {}): Sampler {
  const { seed = 0 } = optionsOf("random", options, ["seed"]);
  checkSeed("random", seed);
  return {
    length: n,
    *epoch(epoch) {
      const order = new Permutation(n, seed, epoch);
      for (let part = order.next(256); part.length > 0; part = order.next(256)) yield* part;
    },
  };
}

export interface WeightedOptions extends SamplerOptions {
  /** Examples an epoch. Default: as many as there are weights. */
  count?: number;
  /** Whether an example may be drawn more than once in an epoch. Default true. */
  replacement?: boolean;
}

/**
 * Draws examples with probabilities proportional to their weights. Without replacement: by the keys log(u)/w, of which the largest
 * `count` win. Source: Efraimidis & Spirakis, "Weighted random sampling with a reservoir", IPL 2006.
 * @example weighted(balancedWeights(labels)) // all classes equally often
 * @throws {ValueError} if weights are negative or all zero, or fewer than `count` are above zero without replacement.
 */
export function weighted(weights: ArrayLike<number>, options: WeightedOptions = {}): Sampler {
  const { seed = 0, count = weights.length, replacement = true } = optionsOf("weighted", options, ["seed", "count", "replacement"]);
  checkSeed("weighted", seed);
  const refuse = (problem: string, ...inputs: unknown[]): never => {
    throw new ValueError(`weighted: ${problem}`, { op: "weighted", inputs });
  };
  if (!Number.isInteger(count) || count < 1) refuse(`expected a count that is a whole number ≥ 1 but received ${count}`, count);
  const cumulative = new Float64Array(weights.length);
  let total = 0;
  let positive = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i];
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      refuse(`expected weights that are finite and ≥ 0 but weight ${i} is ${weight}`, weight);
    if (weight > 0) positive++;
    cumulative[i] = total += weight;
  }
  if (!(total > 0)) refuse("all weights are zero: nothing can be drawn");
  if (!replacement && count > positive)
    refuse(`${count} examples cannot be drawn without replacement: only ${positive} have a weight above zero`, count, positive);
  return {
    length: count,
    *epoch(epoch) {
      const words = new WordStream(seed, epoch);
      if (replacement) for (let k = 0; k < count; k++) yield firstAbove(cumulative, words.uniform() * total);
      else {
        const keys = Float64Array.from(weights, (weight) => Math.log(1 - words.uniform()) / weight);
        const order = Int32Array.from(keys.keys()).filter((i) => weights[i] > 0);
        yield* order.sort((a, b) => keys[b] - keys[a] || a - b).subarray(0, count);
      }
    },
  };
}

/** The first place whose value is above `x`; the values do not fall. */
function firstAbove(values: Float64Array, x: number): number {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A weight for each example with which all classes are drawn equally often: 1 / (number of examples of its class). */
export function balancedWeights(labels: ArrayLike<number | string>): Float64Array {
  const counts = new Map<number | string, number>();
  for (let i = 0; i < labels.length; i++) counts.set(labels[i], (counts.get(labels[i]) ?? 0) + 1);
  return Float64Array.from({ length: labels.length }, (_, i) => 1 / counts.get(labels[i])!);
}

/** All examples, in a random order in which every batch has about as many of each class as its share of the whole. */
export function stratified(labels: ArrayLike<number | string>, options: SamplerOptions = {}): Sampler {
  const { seed = 0 } = optionsOf("stratified", options, ["seed"]);
  checkSeed("stratified", seed);
  return { length: labels.length, epoch: (epoch) => spread(labels, new WordStream(seed, epoch)) };
}
