/** How well scores rank positives before negatives, whatever the threshold; and which threshold to take. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkPaired, countPositives } from "./arrays.js";

/** Points by falling threshold: an example counts as positive if its score is at least the threshold. */
export interface RocCurve {
  /** Share of negatives that are taken for positives. */
  readonly falsePositiveRate: number[];
  /** Share of positives that are found: recall. */
  readonly truePositiveRate: number[];
  /** The first is ∞: nothing is taken for positive. */
  readonly thresholds: number[];
  /** Area below: the probability that a positive scores higher than a negative (equal scores count half). */
  readonly area: number;
}

export interface PrecisionRecallCurve {
  readonly precision: number[];
  readonly recall: number[];
  readonly thresholds: number[];
  /** Σ (Rₙ − Rₙ₋₁) · Pₙ: average precision, which does not interpolate. */
  readonly averagePrecision: number;
}

interface Cut {
  readonly threshold: number;
  /** Positives and negatives that score at least the threshold. */
  readonly hits: number;
  readonly alarms: number;
}

/** What lies above each score that occurs, the highest first. */
function cuts(op: string, scores: ArrayLike<number>, labels: ArrayLike<number | boolean>): { cuts: Cut[]; positives: number } {
  checkPaired(op, ["scores", scores], ["labels", labels]);
  const positives = countPositives(op, labels, true);
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) throw new ValueError(`${op}: score ${i} is NaN, which has no rank`, { op, inputs: [i] });
  }
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const found: Cut[] = [];
  let [hits, alarms] = [0, 0];
  order.forEach((i, rank) => {
    if (labels[i]) hits++;
    else alarms++;
    if (rank + 1 === order.length || scores[order[rank + 1]] !== scores[i]) found.push({ threshold: scores[i], hits, alarms });
  });
  return { cuts: found, positives };
}

/**
 * Receiver operating characteristic. scores: higher means more likely positive; labels: 0 or 1, or booleans, of the same length.
 * @throws ValueError unless there are examples of both kinds. Source: Fawcett 2006, algorithm 1.
 */
export function rocCurve(scores: ArrayLike<number>, labels: ArrayLike<number | boolean>): RocCurve {
  const { cuts: points, positives } = cuts("rocCurve", scores, labels);
  const negatives = labels.length - positives;
  const all = [{ threshold: Number.POSITIVE_INFINITY, hits: 0, alarms: 0 }, ...points];
  let area = 0;
  for (let i = 1; i < all.length; i++) area += ((all[i].alarms - all[i - 1].alarms) * (all[i].hits + all[i - 1].hits)) / 2;
  return {
    falsePositiveRate: all.map(({ alarms }) => alarms / negatives),
    truePositiveRate: all.map(({ hits }) => hits / positives),
    thresholds: all.map(({ threshold }) => threshold),
    area: area / (positives * negatives),
  };
}

/** Precision and recall at every threshold, the highest first. scores and labels as for {@link rocCurve}. */
export function precisionRecallCurve(scores: ArrayLike<number>, labels: ArrayLike<number | boolean>): PrecisionRecallCurve {
  const { cuts: points, positives } = cuts("precisionRecallCurve", scores, labels);
  const precision = points.map(({ hits, alarms }) => hits / (hits + alarms));
  const recall = points.map(({ hits }) => hits / positives);
  return {
    precision,
    recall,
    thresholds: points.map(({ threshold }) => threshold),
    averagePrecision: precision.reduce((sum, p, i) => sum + p * (recall[i] - (recall[i - 1] ?? 0)), 0),
  };
}

/** Where a detector is set, and what it does there. */
export interface OperatingPoint {
  /** Positive is what scores at least this. */
  readonly threshold: number;
  /** Share of positives that are found. */
  readonly recall: number;
  readonly falseAlarmsPerHour: number;
}

/**
 * The lowest threshold of a detector that gives no more false alarms than allowed, which finds as much as can be found so.
 * scores and labels as for {@link rocCurve}; `hours` of recording that they stand for.
 * @example operatingPoint(scores, labels, { hours: 24, maxFalseAlarmsPerHour: 1 / 24 }) // at most one in a day
 */
export function operatingPoint(
  scores: ArrayLike<number>,
  labels: ArrayLike<number | boolean>,
  options: { hours: number; maxFalseAlarmsPerHour: number },
): OperatingPoint {
  const op = "operatingPoint";
  const { hours, maxFalseAlarmsPerHour } = optionsOf(op, options, ["hours", "maxFalseAlarmsPerHour"]);
  if (!(hours > 0)) throw new ValueError(`${op}: hours must be above 0 but is ${hours}`, { op, inputs: [hours] });
  if (!(maxFalseAlarmsPerHour >= 0)) {
    throw new ValueError(`${op}: maxFalseAlarmsPerHour must be at least 0 but is ${maxFalseAlarmsPerHour}`, {
      op,
      inputs: [maxFalseAlarmsPerHour],
    });
  }
  const { cuts: points, positives } = cuts(op, scores, labels);
  const fitting = points.filter(({ alarms }) => alarms / hours <= maxFalseAlarmsPerHour);
  const { threshold, hits, alarms } = fitting.at(-1) ?? { threshold: Number.POSITIVE_INFINITY, hits: 0, alarms: 0 };
  return { threshold, recall: hits / positives, falseAlarmsPerHour: alarms / hours };
}

/** Examples that were predicted with about the same confidence. */
export interface CalibrationBin {
  readonly count: number;
  /** Mean of the predicted probabilities. */
  readonly confidence: number;
  /** Share that was right. */
  readonly accuracy: number;
}

/**
 * Whether probabilities mean what they say: examples in bins of equal width by the probability of the predicted class, and the mean
 * distance between confidence and accuracy over all examples. confidences in [0, 1]; `correct[i]`: 0 or 1, or a boolean.
 * Source: Guo et al. 2017 (expected calibration error).
 */
export function calibration(
  confidences: ArrayLike<number>,
  correct: ArrayLike<number | boolean>,
  options: { bins?: number } = {},
): { error: number; bins: CalibrationBin[] } {
  const op = "calibration";
  const { bins = 10 } = optionsOf(op, options, ["bins"]);
  checkPaired(op, ["confidences", confidences], ["outcomes", correct]);
  countPositives(op, correct, false);
  if (!Number.isInteger(bins) || bins < 1) {
    throw new ValueError(`${op}: bins must be a whole number ≥ 1 but is ${bins}`, { op, inputs: [bins] });
  }
  const totals = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (let i = 0; i < confidences.length; i++) {
    const p = confidences[i];
    if (!(p >= 0 && p <= 1)) throw new ValueError(`${op}: confidence ${i} is ${p}, no probability`, { op, inputs: [p] });
    const bin = totals[Math.min(bins - 1, Math.floor(p * bins))];
    bin.count++;
    bin.confidence += p;
    bin.right += Number(correct[i]);
  }
  const error = totals.reduce((sum, { confidence, right }) => sum + Math.abs(confidence - right), 0) / confidences.length;
  const mean = (total: number, count: number) => (count === 0 ? Number.NaN : total / count);
  return {
    error,
    bins: totals.map(({ count, confidence, right }) => ({ count, confidence: mean(confidence, count), accuracy: mean(right, count) })),
  };
}
