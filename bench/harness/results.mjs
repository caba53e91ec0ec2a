/** Result files: lines of comparisons, read again, averaged, set side by side. */
import { readFileSync } from "node:fs";

/** @import { Line } from "./compare.mjs" */

/**
 * The comparisons of some files; of one that was measured several times the last one counts.
 * @param {readonly string[]} files
 * @returns {Line[]}
 */
export function readResults(files) {
  /** @type {Map<string, Line>} */
  const lines = new Map();
  for (const file of files) {
    const texts = readFileSync(file, "utf8").split("\n");
    texts.forEach((text, i) => {
      if (text.trim() === "") return;
      try {
        const line = /** @type {Line} */ (JSON.parse(text));
        lines.set(keyOf(line), line);
      } catch (error) {
        throw new Error(`${file}, line ${i + 1}: ${/** @type {Error} */ (error).message}`);
      }
    });
  }
  return [...lines.values()];
}

/** @param {Line} line */
const keyOf = (line) => [line.suite, line.case, line.threads, line.metric, line.peer].join(" ");

/** Whether more of a unit is better: rates. */
export const moreIsBetter = (/** @type {string} */ unit) => unit.endsWith("/s");

/**
 * @typedef {object} Change of nabla's own figure from one file to another
 * @property {string} suite
 * @property {string} case
 * @property {number} threads
 * @property {string} metric
 * @property {string} unit
 * @property {number} before
 * @property {number} after
 * @property {number} ratio how many times better the second file is
 * @property {boolean} isBeyondNoise
 */

/**
 * nabla's figures that two files share. A change counts where it is larger than the noise of both together, and 3 %.
 * @param {readonly Line[]} before
 * @param {readonly Line[]} after
 * @returns {Change[]}
 */
export function changes(before, after) {
  const own = (/** @type {Line} */ line) => keyOf({ ...line, peer: null });
  const old = new Map(before.map((line) => [own(line), line]));
  const seen = new Set();
  return after.flatMap((line) => {
    const was = old.get(own(line));
    if (was === undefined || was.value === null || line.value === null || seen.has(own(line))) return [];
    seen.add(own(line));
    const ratio = moreIsBetter(line.unit) ? line.value / was.value : was.value / line.value;
    const isBeyondNoise = Math.abs(Math.log(ratio)) > Math.max(0.03, (was.noise ?? 0) + (line.noise ?? 0));
    const { suite, threads, metric, unit } = line;
    return [{ suite, case: line.case, threads, metric, unit, before: was.value, after: line.value, ratio, isBeyondNoise }];
  });
}

/** @param {readonly number[]} values above 0 */
export const geometricMean = (values) => Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);

/**
 * Things by what they have in common, in the order in which each group first appears.
 * @template T
 * @param {readonly T[]} things
 * @param {(thing: T) => string} of
 * @returns {Map<string, T[]>}
 */
export function groupBy(things, of) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const thing of things) groups.set(of(thing), [...(groups.get(of(thing)) ?? []), thing]);
  return groups;
}
