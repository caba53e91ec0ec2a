/** Parts of a data set for training and for testing. */
import { ValueError } from "../base/errors.js";
import type { Batch } from "./batch.js";
import type { Dataset } from "./dataset.js";
import { checkSeed, Permutation } from "./shuffle.js";

export interface SplitOptions {
  /** Which random assignment of examples to parts. Default 0; the same seed gives the same parts on every machine. */
  seed?: number;
  /** Whether examples are assigned at random; otherwise the parts are consecutive stretches. Default true. */
  shuffle?: boolean;
}

/**
 * Splits a data set at random into parts of the given fractions, which add up to 1. No example is in two parts.
 *
 * ```ts
 * const [train, dev, test] = split(dataset, [0.6, 0.2, 0.2], { seed: 1 });
 * ```
 *
 * @throws {ValueError} if the fractions do not add up to 1, or a part would be empty.
 */
export function split<B extends Batch, const F extends readonly number[]>(
  dataset: Dataset<B>,
  fractions: F,
  { seed = 0, shuffle = true }: SplitOptions = {},
): { -readonly [K in keyof F]: Dataset<B> } {
  checkSeed("split", seed);
  const total = fractions.reduce((sum, fraction) => sum + fraction, 0);
  if (!fractions.every((fraction) => fraction > 0) || Math.abs(total - 1) > 1e-9) {
    throw new ValueError(
      `split: expected fractions > 0 that add up to 1 but received [${fractions.join(", ")}], which add up to ${total}`,
      {
        op: "split",
        inputs: [fractions],
      },
    );
  }
  const order = shuffle ? new Permutation(dataset.length, seed).next(dataset.length) : null;
  const ordered = order === null ? dataset : dataset.select(order);

  // Boundaries are rounded, not sizes, so that sizes add up.
  let cumulative = 0;
  let start = 0;
  const parts = fractions.map((fraction, k) => {
    cumulative += fraction;
    const end = Math.round(cumulative * dataset.length);
    if (end === start) {
      throw new ValueError(`split: part ${k} (${fraction} of ${dataset.length} examples) would be empty`, {
        op: "split",
        inputs: [fractions, dataset.length],
      });
    }
    const part = ordered.slice(start, end);
    start = end;
    return part;
  });
  return parts as { -readonly [K in keyof F]: Dataset<B> };
}
