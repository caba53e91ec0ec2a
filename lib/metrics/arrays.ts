/** Checks of arrays of predictions beside arrays of truths. */
import { ShapeError, ValueError } from "../base/errors.js";

/** Throws unless both are of one length that is not 0. */
export function checkPaired(op: string, [nameA, a]: [string, ArrayLike<unknown>], [nameB, b]: [string, ArrayLike<unknown>]): void {
  if (a.length === b.length && a.length > 0) return;
  const problem = a.length === b.length ? "there are no examples" : `${a.length} ${nameA} for ${b.length} ${nameB}`;
  throw new ShapeError(`${op}: ${problem}`, { op, inputs: [a.length, b.length] });
}

/** How many of the labels are 1; throws unless each is 0 or 1 and, if `both`, there are some of each. */
export function countPositives(op: string, labels: ArrayLike<number | boolean>, both: boolean): number {
  let positives = 0;
  for (let i = 0; i < labels.length; i++) {
    const label = Number(labels[i]);
    if (label !== 0 && label !== 1) {
      throw new ValueError(`${op}: labels are 0 or 1 (or booleans) but label ${i} is ${labels[i]}`, { op, inputs: [labels[i]] });
    }
    positives += label;
  }
  if (both && (positives === 0 || positives === labels.length)) {
    const one = positives === 0 ? "negative" : "positive";
    throw new ValueError(`${op}: needs examples of both kinds, but all ${labels.length} are ${one}`, { op, inputs: [positives] });
  }
  return positives;
}
