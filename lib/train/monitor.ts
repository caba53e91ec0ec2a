/** Watching one score from epoch to epoch: what counts as better, and the best so far. */
import { ValueError } from "../base/errors.js";
import type { EpochRecord } from "./history.js";

export interface MonitorOptions {
  /** The score that is watched, as history has it. Default `validation.loss`. */
  monitor?: string;
  /** Whether less or more of it is better. Default: less of what is called loss, error, mse or mae, more of anything else. */
  mode?: "min" | "max";
  /** By how much it must improve to count. Default 0. */
  minDelta?: number;
}
export const monitorNames = ["monitor", "mode", "minDelta"] as const;

/** The best value of a score so far, null before the first. */
export interface Monitored {
  best: number | null;
  restart(): void;
  /** Takes a record in; whether it is better than all before. NaN never is. @throws ValueError if the record lacks the score. */
  improves(record: EpochRecord): boolean;
}

export function monitored(op: string, { monitor = "validation.loss", mode, minDelta = 0 }: MonitorOptions): Monitored {
  if (mode !== undefined && mode !== "min" && mode !== "max")
    throw new ValueError(`${op}: mode must be "min" or "max" but is ${mode}`, { op, inputs: [mode] });
  if (!(minDelta >= 0)) throw new ValueError(`${op}: minDelta must be at least 0 but is ${minDelta}`, { op, inputs: [minDelta] });
  const isLessBetter = mode === undefined ? /(loss|error|mse|mae)$/i.test(monitor) : mode === "min";
  return {
    best: null,
    restart() {
      this.best = null;
    },
    improves({ scores }) {
      const score = scores[monitor];
      if (score === undefined) {
        const names = Object.keys(scores).join(", ");
        throw new ValueError(`${op}: there is no score ${monitor}; there are ${names}`, { op, inputs: [monitor] });
      }
      if (Number.isNaN(score)) return false;
      const gain = this.best === null ? Number.POSITIVE_INFINITY : isLessBetter ? this.best - score : score - this.best;
      if (!(gain > minDelta)) return false;
      this.best = score;
      return true;
    },
  };
}

/** Throws unless `value` is a whole number ≥ 0. */
export function checkPatience(op: string, value: number): void {
  if (!Number.isInteger(value) || value < 0)
    throw new ValueError(`${op}: patience must be a whole number ≥ 0 but is ${value}`, { op, inputs: [value] });
}
