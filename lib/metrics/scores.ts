/** Precision, recall and F: how good a classifier is at each class, and on the whole. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkPaired } from "./arrays.js";
import { confusionMatrix } from "./confusion.js";

/** Scores of one class. */
export interface ClassScores {
  /** Share of what was taken for this class that is of it; 0 if nothing was. */
  readonly precision: number;
  /** Share of this class that was found; 0 if there is nothing of it. */
  readonly recall: number;
  /** Their F-measure; 0 if both are 0. */
  readonly f: number;
  /** Examples of this class. */
  readonly support: number;
}

export interface ScoreOptions {
  /**
   * How classes count: `binary` is class 1 alone, `macro` the mean over classes, `weighted` the mean by their support, `micro` all
   * examples alike. Default: `binary` if all numbers are 0 or 1, else `macro`.
   */
  average?: "binary" | "macro" | "weighted" | "micro";
  /** Number of classes. Default: the largest number that occurs, and one. */
  classes?: number;
  /** How many times as much recall weighs as precision, in F. Default 1. */
  beta?: number;
}

/**
 * (1 + β²) · P · R / (β² · P + R): the harmonic mean of precision and recall, recall weighing β times as much. 0 if both are 0.
 * @example fMeasure(0.95, 0.9) // 0.924
 */
export function fMeasure(precision: number, recall: number, beta = 1): number {
  if (!(beta > 0)) throw new ValueError(`fMeasure: beta must be above 0 but is ${beta}`, { op: "fMeasure", inputs: [beta] });
  const weight = beta * beta;
  const below = weight * precision + recall;
  return below === 0 ? 0 : ((1 + weight) * precision * recall) / below;
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Scores of each class. Class numbers, predicted and true, of equal length; as scikit-learn's `precision_recall_fscore_support`. */
export function classScores(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  options: Pick<ScoreOptions, "classes" | "beta"> = {},
): ClassScores[] {
  const { classes = classesOf(predicted, actual), beta = 1 } = optionsOf("classScores", options, ["classes", "beta"]);
  checkPaired("classScores", ["predictions", predicted], ["labels", actual]);
  return scoresOf(confusionMatrix(predicted, actual, classes), beta);
}

/** Scores of each class by a confusion matrix. */
export function scoresOf(matrix: readonly (readonly number[])[], beta = 1): ClassScores[] {
  return matrix.map((row, k) => {
    const support = sum(row);
    const precision = ratio(row[k], sum(matrix.map((other) => other[k])));
    const recall = ratio(row[k], support);
    return { precision, recall, f: fMeasure(precision, recall, beta), support };
  });
}

function classesOf(...numbers: ArrayLike<number>[]): number {
  return 1 + numbers.reduce((most, array) => Array.from(array).reduce((a, b) => Math.max(a, b), most), 0);
}

function averaged(
  op: string,
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  options: ScoreOptions,
  score: (scores: ClassScores) => number,
): number {
  const { average, classes = classesOf(predicted, actual), beta } = optionsOf(op, options, ["average", "classes", "beta"]);
  checkPaired(op, ["predictions", predicted], ["labels", actual]);
  const way = average ?? (classes <= 2 ? "binary" : "macro");
  if (way === "binary" && classes > 2) {
    throw new ValueError(`${op}: "binary" has classes 0 and 1, but there are ${classes}; use "macro", "weighted" or "micro"`, {
      op,
      inputs: [classes],
    });
  }
  if (!ways.includes(way)) {
    throw new ValueError(`${op}: average must be ${ways.join(", ")} but is "${way as string}"`, { op, inputs: [way] });
  }
  return averageOf(classScores(predicted, actual, { classes: way === "binary" ? Math.max(2, classes) : classes, beta }), way, score);
}

const ways = ["binary", "macro", "weighted", "micro"] as const;

/** One number for all classes. */
export function averageOf(
  scores: readonly ClassScores[],
  way: NonNullable<ScoreOptions["average"]>,
  score: (scores: ClassScores) => number,
): number {
  const total = sum(scores.map(({ support }) => support));
  switch (way) {
    case "binary":
      return score(scores[1]);
    case "macro":
      return sum(scores.map(score)) / scores.length;
    case "weighted":
      return sum(scores.map((one) => score(one) * one.support)) / total;
    case "micro": // of all decisions, as many are false alarms as misses: precision, recall and F are the accuracy
      return sum(scores.map(({ recall, support }) => recall * support)) / total;
  }
}

/** Share of what was taken for a class that is of it. Class numbers, predicted and true, of equal length → a number in [0, 1]. */
export function precision(predicted: ArrayLike<number>, actual: ArrayLike<number>, options: ScoreOptions = {}): number {
  return averaged("precision", predicted, actual, options, (scores) => scores.precision);
}

/** Share of a class that was found. Class numbers, predicted and true, of equal length → a number in [0, 1]. */
export function recall(predicted: ArrayLike<number>, actual: ArrayLike<number>, options: ScoreOptions = {}): number {
  return averaged("recall", predicted, actual, options, (scores) => scores.recall);
}

/** {@link fMeasure} of precision and recall. Class numbers, predicted and true, of equal length → a number in [0, 1]. */
export function fScore(predicted: ArrayLike<number>, actual: ArrayLike<number>, options: ScoreOptions = {}): number {
  return averaged("fScore", predicted, actual, options, (scores) => scores.f);
}

/** Value of a measure for each group of examples, and the mean of those values: each group counts alike, whatever its size. */
export interface GroupTable {
  readonly groups: readonly { readonly group: string; readonly count: number; readonly value: number }[];
  readonly average: number;
}

/**
 * A measure group by group: by country, by camera. `groups[i]` is the group of example i; `measure` is given the numbers of a group's examples.
 * @example byGroup(countries, (rows) => rows.filter((i) => predicted[i] !== actual[i]).length / rows.length)
 */
export function byGroup(groups: ArrayLike<string | number>, measure: (rows: readonly number[]) => number): GroupTable {
  const rows = new Map<string, number[]>();
  for (let i = 0; i < groups.length; i++) {
    const name = String(groups[i]);
    const members = rows.get(name);
    if (members === undefined) rows.set(name, [i]);
    else members.push(i);
  }
  if (rows.size === 0) throw new ValueError("byGroup: there are no examples", { op: "byGroup" });
  const table = [...rows].map(([group, members]) => ({ group, count: members.length, value: measure(members) }));
  return { groups: table, average: sum(table.map(({ value }) => value)) / table.length };
}
