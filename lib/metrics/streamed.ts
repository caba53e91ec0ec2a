/** Metrics of data that come in pieces: each is given batch after batch, and says at any time what the same metric over all of them is. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkPaired } from "./arrays.js";
import { addToMatrix, emptyMatrix } from "./confusion.js";
import { type PrecisionRecallCurve, precisionRecallCurve, type RocCurve, rocCurve } from "./ranking.js";
import { type RegressionScores, RegressionSums } from "./regression.js";
import { averageOf, type ClassScores, type ScoreOptions, scoresOf } from "./scores.js";

/** Takes pieces in and gives the metric over all of them. */
export interface Streamed<Piece extends readonly unknown[], Result> {
  /** Takes a piece in. What is refused changes nothing. */
  update(...piece: Piece): void;
  /** Of all pieces since the start or the last reset. @throws {ShapeError} if there were none. */
  result(): Result;
  reset(): void;
}

export interface StreamedClassScores {
  readonly accuracy: number;
  /** By true class (row) and predicted class (column). */
  readonly matrix: readonly (readonly number[])[];
  readonly each: readonly ClassScores[];
  readonly precision: number;
  readonly recall: number;
  readonly f: number;
}

type Pairs = readonly [predicted: ArrayLike<number>, actual: ArrayLike<number>];

/**
 * Accuracy, confusion matrix, precision, recall and F of class numbers 0 … classes − 1. `average`: of precision, recall and F; default binary
 * for two classes, else macro.
 * @example const scores = metrics.streamedClasses(10); for await (const batch of loader) scores.update(predicted, batch.y.data);
 */
export function streamedClasses(
  classes: number,
  options: Pick<ScoreOptions, "average" | "beta"> = {},
): Streamed<Pairs, StreamedClassScores> {
  const { average = classes === 2 ? "binary" : "macro", beta = 1 } = optionsOf("streamedClasses", options, ["average", "beta"]);
  if (average === "binary" && classes !== 2) {
    throw new ValueError(`streamedClasses: "binary" has two classes, but there are ${classes}`, {
      op: "streamedClasses",
      inputs: [classes],
    });
  }
  let matrix = emptyMatrix(classes);
  return {
    update: (predicted, actual) => void addToMatrix(matrix, predicted, actual),
    result() {
      const each = scoresOf(matrix, beta);
      const count = each.reduce((sum, { support }) => sum + support, 0);
      checkCount("streamedClasses", count);
      return {
        accuracy: matrix.reduce((sum, row, k) => sum + row[k], 0) / count,
        matrix: matrix.map((row) => [...row]),
        each,
        precision: averageOf(each, average, (one) => one.precision),
        recall: averageOf(each, average, (one) => one.recall),
        f: averageOf(each, average, (one) => one.f),
      };
    },
    reset() {
      matrix = emptyMatrix(classes);
    },
  };
}

/** What {@link regressionScores} gives, of predicted and true numbers. */
export function streamedRegression(): Streamed<Pairs, RegressionScores> {
  let sums = new RegressionSums();
  return {
    update(predicted, actual) {
      if (predicted.length + actual.length > 0) checkPaired("streamedRegression", ["predictions", predicted], ["targets", actual]);
      sums.add(predicted, actual);
    },
    result() {
      checkCount("streamedRegression", sums.count);
      return sums.scores();
    },
    reset() {
      sums = new RegressionSums();
    },
  };
}

/** Both curves over scores and labels of 0 or 1. Exact, so all scores are kept: 16 bytes an example. */
export function streamedRanking(): Streamed<
  readonly [scores: ArrayLike<number>, labels: ArrayLike<number | boolean>],
  { readonly roc: RocCurve; readonly precisionRecall: PrecisionRecallCurve }
> {
  let [scores, labels]: [number[], number[]] = [[], []];
  return {
    update(more, kinds) {
      if (more.length + kinds.length > 0) checkPaired("streamedRanking", ["scores", more], ["labels", kinds]);
      for (let i = 0; i < more.length; i++) {
        scores.push(more[i]);
        labels.push(Number(kinds[i]));
      }
    },
    result: () => ({ roc: rocCurve(scores, labels), precisionRecall: precisionRecallCurve(scores, labels) }),
    reset() {
      [scores, labels] = [[], []];
    },
  };
}

/** Σ w·value / Σ w; weights default to 1. */
export function streamedMean(): Streamed<readonly [values: ArrayLike<number>, weights?: ArrayLike<number>], number> {
  let [sum, total, count] = [0, 0, 0];
  return {
    update(values, weights) {
      if (weights !== undefined && values.length > 0) checkPaired("streamedMean", ["values", values], ["weights", weights]);
      for (let i = 0; i < values.length; i++) {
        const weight = weights?.[i] ?? 1;
        sum += weight * values[i];
        total += weight;
      }
      count += values.length;
    },
    result() {
      checkCount("streamedMean", count);
      return sum / total;
    },
    reset() {
      [sum, total, count] = [0, 0, 0];
    },
  };
}

function checkCount(op: string, count: number): void {
  checkPaired(op, ["predictions", { length: count }], ["labels", { length: count }]);
}
