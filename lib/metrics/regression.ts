/** How far predicted numbers are from true ones. */
import { checkPaired } from "./arrays.js";

export interface RegressionScores {
  /** Mean of |error|, in the target's unit. */
  readonly meanAbsoluteError: number;
  /** Mean of error². */
  readonly meanSquaredError: number;
  /** Its root, in the target's unit. */
  readonly rootMeanSquaredError: number;
  /** Largest |error|. */
  readonly maxError: number;
  /** 1 − Σ error² / Σ (target − mean)²: 1 is perfect, 0 is no better than the mean; −∞ if all targets are equal and not all met. */
  readonly r2: number;
}

/** Scores of predicted numbers; both arrays of one length, at least 1. */
export function regressionScores(predicted: ArrayLike<number>, actual: ArrayLike<number>): RegressionScores {
  checkPaired("regressionScores", ["predictions", predicted], ["targets", actual]);
  const n = actual.length;
  let [total, absolute, squared, largest, spread] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) total += actual[i];
  for (let i = 0; i < n; i++) {
    const error = predicted[i] - actual[i];
    absolute += Math.abs(error);
    squared += error * error;
    largest = Math.max(largest, Math.abs(error));
    spread += (actual[i] - total / n) ** 2;
  }
  return {
    meanAbsoluteError: absolute / n,
    meanSquaredError: squared / n,
    rootMeanSquaredError: Math.sqrt(squared / n),
    maxError: largest,
    r2: squared === 0 ? 1 : 1 - squared / spread,
  };
}
