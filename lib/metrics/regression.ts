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
  const sums = new RegressionSums();
  sums.add(predicted, actual);
  return sums.scores();
}

/** What the scores are made of. Source of the running mean and spread: Welford 1962. */
export class RegressionSums {
  count = 0;
  private absolute = 0;
  private squared = 0;
  private largest = 0;
  private mean = 0;
  /** Σ (target − mean)². */
  private spread = 0;

  add(predicted: ArrayLike<number>, actual: ArrayLike<number>): void {
    for (let i = 0; i < actual.length; i++) {
      const error = predicted[i] - actual[i];
      this.absolute += Math.abs(error);
      this.squared += error * error;
      this.largest = Math.max(this.largest, Math.abs(error));
      this.count++;
      const distance = actual[i] - this.mean;
      this.mean += distance / this.count;
      this.spread += distance * (actual[i] - this.mean);
    }
  }

  scores(): RegressionScores {
    const { count, absolute, squared, largest, spread } = this;
    return {
      meanAbsoluteError: absolute / count,
      meanSquaredError: squared / count,
      rootMeanSquaredError: Math.sqrt(squared / count),
      maxError: largest,
      r2: squared === 0 ? 1 : 1 - squared / spread,
    };
  }
}
