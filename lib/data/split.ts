/** Parts of a data set for training, for choosing and for testing; no example is in two of them. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";
import { type Batch, upTo } from "./batch.js";
import type { Dataset } from "./dataset.js";
import { checkSeed, classesOf, Permutation, spread } from "./shuffle.js";

/** A name or number for each example: those of a field of the data set, by its name, or given. */
export type Labels = string | ArrayLike<number | string>;

export interface SplitOptions {
  /** Which random assignment of examples to parts. Default 0; the same seed gives the same parts on every machine. */
  seed?: number;
  /** Whether examples are assigned at random; otherwise the parts are consecutive stretches. Default true. */
  shuffle?: boolean;
  /** Classes of which every part gets its share, to about one example: `stratify: "y"`. */
  stratify?: Labels;
  /** What must not be torn apart: examples of one patient, one speaker, one photo. Sizes are then met as nearly as groups allow. */
  groups?: Labels;
}

type Parts<F extends readonly unknown[], B extends Batch> = { -readonly [K in keyof F]: Dataset<B> };

/**
 * Splits a data set at random into parts of the given fractions, which add up to 1. No example is in two parts.
 *
 * ```ts
 * const [train, dev, test] = split(dataset, [0.98, 0.01, 0.01], { stratify: "y", seed: 1 });
 * ```
 *
 * @throws {ValueError} if the fractions do not add up to 1, or a part would be empty.
 */
export function split<B extends Batch, const F extends readonly number[]>(
  dataset: Dataset<B>,
  fractions: F,
  options: SplitOptions = {},
): Parts<F, B> {
  const total = fractions.reduce((sum, fraction) => sum + fraction, 0);
  if (!fractions.every((fraction) => fraction > 0) || Math.abs(total - 1) > 1e-9) {
    throw new ValueError(
      `split: expected fractions > 0 that add up to 1 but received [${fractions.join(", ")}], which add up to ${total}`,
      { op: "split", inputs: [fractions] },
    );
  }
  return partition("split", dataset, fractions, options).map((indices) => dataset.select(indices)) as Parts<F, B>;
}

export interface Fold<B extends Batch> {
  readonly train: Dataset<B>;
  readonly dev: Dataset<B>;
}

/**
 * k-fold cross-validation: k ways to hold out a k-th of the examples, each example once.
 * @example for (const { train, dev } of kFold(dataset, 5, { stratify: "y", seed: 1 })) …
 * @throws {ValueError} unless k is a whole number from 2 to the number of examples (or groups).
 */
export function kFold<B extends Batch>(dataset: Dataset<B>, k: number, options: SplitOptions = {}): Fold<B>[] {
  if (!Number.isInteger(k) || k < 2)
    throw new ValueError(`kFold: expected k to be a whole number ≥ 2 but received ${k}`, { op: "kFold", inputs: [k] });
  const parts = partition("kFold", dataset, new Array<number>(k).fill(1 / k), options);
  return parts.map((held, i) => {
    const rest = parts.flatMap((part, j) => (j === i ? [] : [...part]));
    return { train: dataset.select(rest), dev: dataset.select(held) };
  });
}

/** For each part the share of each source that goes into it. */
export type SourceShares<S extends string> = Readonly<Record<string, Readonly<Partial<Record<S, number>>>>>;

/**
 * Splits data of several sources such that each part is made of stated shares of each: dev and test of the source that matters, train of
 * all there is. What a source's shares leave of 1 is not used.
 *
 * ```ts
 * const { train, dev, test } = splitSources({ web, app }, {
 *   train: { web: 1, app: 0.5 },
 *   dev: { app: 0.25 },
 *   test: { app: 0.25 },
 * }, { seed: 1 });
 * const [learn, trainDev] = split(train, [0.98, 0.02]); // held out of the same mixture: variance told from mismatch
 * ```
 *
 * @throws {ValueError} if the shares of a source are not above 0, or add up to more than 1, or a part would get nothing of it.
 */
export function splitSources<S extends string, B extends Batch, const P extends SourceShares<S>>(
  sources: Readonly<Record<S, Dataset<B>>>,
  parts: P,
  options: Pick<SplitOptions, "seed" | "shuffle"> = {},
): { -readonly [K in keyof P]: Dataset<B> } {
  const { seed = 0, shuffle = true } = optionsOf("splitSources", options, ["seed", "shuffle"]);
  const refuse = (problem: string, ...inputs: unknown[]): never => {
    throw new ValueError(`splitSources: ${problem}`, { op: "splitSources", inputs });
  };
  const pieces = new Map<string, Dataset<B>[]>(Object.keys(parts).map((part) => [part, []]));
  for (const [part, shares] of Object.entries(parts)) {
    for (const source of Object.keys(shares))
      if (!Object.hasOwn(sources, source))
        refuse(`${part} takes of ${source}, but the sources are ${Object.keys(sources).join(", ")}`, source);
    if (Object.keys(shares).length === 0) refuse(`${part} takes of no source`, part);
  }
  for (const [source, dataset] of Object.entries<Dataset<B>>(sources)) {
    const takers = Object.entries(parts).filter(([, shares]) => shares[source as S] !== undefined);
    const shares = takers.map(([, { [source as S]: share }]) => share!);
    const total = shares.reduce((sum, share) => sum + share, 0);
    if (!shares.every((share) => share > 0) || total > 1 + 1e-9)
      refuse(`the shares of ${source} must be above 0 and add up to at most 1 but are [${shares.join(", ")}]`, shares);
    const used = partition("splitSources", dataset, total < 1 - 1e-9 ? [...shares, 1 - total] : shares, { seed, shuffle });
    takers.forEach(([part], i) => pieces.get(part)!.push(dataset.select(used[i])));
  }
  return Object.fromEntries(
    [...pieces].map(([part, [first, ...others]]) => [part, others.length === 0 ? first : first.concat(...others)]),
  ) as {
    -readonly [K in keyof P]: Dataset<B>;
  };
}

/** The numbers of the examples of each part. */
function partition<B extends Batch>(op: string, dataset: Dataset<B>, fractions: readonly number[], options: SplitOptions): Int32Array[] {
  const { seed = 0, shuffle = true, stratify, groups } = optionsOf(op, options, ["seed", "shuffle", "stratify", "groups"]);
  checkSeed(op, seed);
  const n = dataset.length;
  if ([stratify !== undefined, groups !== undefined, !shuffle].filter(Boolean).length > 1)
    throw new ValueError(`${op}: expected one of stratify, groups and shuffle: false`, { op });
  const parts =
    groups !== undefined
      ? byGroups(labelsOf(op, "groups", dataset, groups), fractions, seed)
      : cut(order(op, dataset, seed, shuffle, stratify), fractions);
  const empty = parts.findIndex((part) => part.length === 0);
  if (empty >= 0)
    throw new ValueError(`${op}: part ${empty} (${fractions[empty]} of ${n} examples) would be empty`, { op, inputs: [fractions, n] });
  return parts;
}

function order<B extends Batch>(op: string, dataset: Dataset<B>, seed: number, shuffle: boolean, stratify: Labels | undefined): Int32Array {
  if (stratify !== undefined) return spread(labelsOf(op, "stratify", dataset, stratify), new WordStream(seed));
  return shuffle ? new Permutation(dataset.length, seed).next(dataset.length) : Int32Array.from(upTo(dataset.length));
}

/** Consecutive stretches; boundaries are rounded, not sizes, so that sizes add up. */
function cut(order: Int32Array, fractions: readonly number[]): Int32Array[] {
  let cumulative = 0;
  let start = 0;
  return fractions.map((fraction) => {
    cumulative += fraction;
    const from = start;
    start = Math.round(cumulative * order.length);
    return order.subarray(from, start);
  });
}

/** Whole groups in random order, the next always to the part that lacks most of its size. */
function byGroups(labels: ArrayLike<number | string>, fractions: readonly number[], seed: number): Int32Array[] {
  const groups = classesOf(labels);
  const parts = fractions.map((): number[] => []);
  for (const g of new Permutation(groups.length, seed).next(groups.length)) {
    const lacks = parts.map((part, k) => fractions[k] * labels.length - part.length);
    parts[lacks.indexOf(Math.max(...lacks))].push(...groups[g]);
  }
  return parts.map((part) => Int32Array.from(part));
}

function labelsOf<B extends Batch>(op: string, option: string, dataset: Dataset<B>, given: Labels): ArrayLike<number | string> {
  const labels = typeof given === "string" ? dataset.column(given) : given;
  if (labels instanceof Promise) {
    labels.catch(() => {});
    throw new ValueError(
      `${op}: the field ${given} is fetched asynchronously; fetch it first: ${option}: await dataset.column("${given}")`,
      {
        op,
        inputs: [given],
      },
    );
  }
  if (labels.length !== dataset.length) {
    throw new ValueError(`${op}: ${option} has ${labels.length} entries for ${dataset.length} examples; each needs one`, {
      op,
      inputs: [labels.length, dataset.length],
    });
  }
  return labels;
}
