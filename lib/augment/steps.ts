/** Steps of an augmentation, and how they are put together. */
import { ValueError } from "../base/errors.js";
import type { WordStream } from "../base/philox.js";
import { type Canvas, checkNumber } from "./canvas.js";

/**
 * Changes a picture: through `canvas.warp` where its pixels lie, through `canvas.pixels` what they are. What is random is drawn from `random`
 * alone, so that the same example in the same epoch is changed alike wherever it is computed.
 * @example const negative: Step = ({ pixels: { data } }) => data.forEach((v, i) => { data[i] = 1 - v; });
 */
export type Step = (canvas: Canvas, random: WordStream) => void;

/** All steps, one after the other. */
export const compose =
  (...steps: readonly Step[]): Step =>
  (canvas, random) => {
    for (const step of steps) step(canvas, random);
  };

/** The steps for a share `p` of the pictures. @example sometimes(0.3, blur(), grey()) */
export function sometimes(p: number, ...steps: readonly Step[]): Step {
  checkNumber("sometimes", "p", p, 0, 1);
  const all = compose(...steps);
  return (canvas, random) => {
    if (random.uniform() < p) all(canvas, random);
  };
}

/** One of the steps, each as likely as the others. */
export function oneOf(...steps: readonly Step[]): Step {
  if (steps.length === 0) throw new ValueError("oneOf: there is nothing to choose from", { op: "oneOf" });
  return (canvas, random) => steps[random.below(steps.length)](canvas, random);
}

/** From … to, each number between as likely as the others. */
export type Interval = readonly [low: number, high: number];

/** A range: given as such, or as how far it reaches either side of `middle`. @throws {ValueError} unless it lies within bounds. */
export function interval(
  op: string,
  name: string,
  given: number | Interval,
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
  middle = 0,
): Interval {
  const [low, high] = typeof given === "number" ? [Math.max(middle - given, least), Math.min(middle + given, most)] : given;
  if (low <= high && low >= least && high <= most && !(typeof given === "number" && given < 0)) return [low, high];
  throw new ValueError(`${op}: ${name} must be a range low ≤ high within [${least}, ${most}], or how far it reaches, but is ${given}`, {
    op,
    inputs: [given],
  });
}

export const between = ([low, high]: Interval, random: WordStream) => low + (high - low) * random.uniform();
