/**
 * Asynchronous successive halving: which trials are worth going on with. Source: Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning", MLSys 2020; here in the form that stops trials instead of pausing them, so that none waits for another.
 */

import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { Trial } from "./store.js";

export interface HalvingOptions {
  /** What every trial may spend before it is judged, in the unit it reports (epochs). Default 1. */
  readonly least?: number;
  /** At each rung the best of so many go on; the next rung is at so many times the spending. Default 3. */
  readonly factor?: number;
}

/** Whether a trial that reports `value` after `spent` should go on, given all trials so far; `sign` is 1 where more is better, −1 where less is. */
export function goesOn(
  trials: readonly Trial[],
  { number, spent, value }: { number: number; spent: number; value: number },
  sign: 1 | -1,
  { least = 1, factor = 3 }: HalvingOptions,
): boolean {
  if (Number.isNaN(value)) return false;
  const rung = rungAt(spent, least, factor);
  if (rung === null) return true;
  const others = trials.flatMap((trial) => {
    const report = trial.number === number ? undefined : trial.reports.find((one) => one.spent >= rung && one.spent < rung * factor);
    return report === undefined ? [] : [report.value];
  });
  const better = others.filter((other) => sign * other > sign * value).length;
  return better < Math.max(1, Math.floor((others.length + 1) / factor));
}

/** The rung that is reached by just this spending: least, least·factor, least·factor² …; null between rungs. */
function rungAt(spent: number, least: number, factor: number): number | null {
  const power = Math.round(Math.log(spent / least) / Math.log(factor));
  const rung = least * factor ** power;
  return power >= 0 && Math.abs(rung - spent) < 1e-9 * rung ? rung : null;
}

export function checkHalving(op: string, options: HalvingOptions): void {
  const { least = 1, factor = 3 } = optionsOf(`${op}.halving`, options, ["least", "factor"]);
  if (!(least > 0)) throw new ValueError(`${op}: halving.least must be more than 0 but is ${least}`, { op, inputs: [least] });
  if (!(factor > 1)) throw new ValueError(`${op}: halving.factor must be more than 1 but is ${factor}`, { op, inputs: [factor] });
}
