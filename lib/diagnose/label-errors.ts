/** Labels that are probably wrong, by what a model believes that has not learnt from them. Source: Northcutt, Jiang, Chuang, "Confident learning", 2021. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { ArrayDataset, type Dataset, type HostArray, kFold, type LabeledBatch } from "../data/index.js";
import type { Module } from "../nn/index.js";
import { softmax } from "../tensor/index.js";
import { predict } from "../train/index.js";

/** An example whose label is doubted. */
export interface Suspect {
  readonly index: number;
  readonly label: number;
  /** What the model takes it for. */
  readonly suggested: number;
  /** Probability of the suggested class less that of the label: the larger, the surer. */
  readonly margin: number;
}

/**
 * Examples whose label is probably wrong, the surest first. `probabilities`: [n, classes] of a model that has not learnt from these examples
 * ({@link outOfSample}), `labels`: class numbers. A class counts as confident in an example if its probability reaches the mean probability of that class among
 * examples that are labelled so; a label is doubted where another class is confident, and the likeliest of all.
 */
export function findLabelErrors(
  probabilities: HostArray,
  labels: ArrayLike<number>,
  options: {
    /** Of those mean probabilities, the share that is enough: less finds more, with more false alarms. Default 1. */ confidence?: number;
  } = {},
): Suspect[] {
  const op = "findLabelErrors";
  const { confidence = 1 } = optionsOf(op, options, ["confidence"]);
  if (!(confidence >= 0)) throw new ValueError(`${op}: confidence must be at least 0 but is ${confidence}`, { op, inputs: [confidence] });
  const { data, shape } = probabilities;
  const [n, classes] = shape;
  if (shape.length !== 2 || n !== labels.length) {
    throw new ShapeError(`${op}: expected probabilities [${labels.length}, classes] but they are [${shape.join(", ")}]`, {
      op,
      inputs: [shape, labels.length],
    });
  }
  const sums = new Float64Array(classes);
  const counts = new Int32Array(classes);
  for (let i = 0; i < n; i++) {
    const k = labels[i];
    if (!(Number.isInteger(k) && k >= 0 && k < classes))
      throw new ValueError(`${op}: label ${i} is ${k}; classes are 0 to ${classes - 1}`, { op, inputs: [k] });
    sums[k] += data[i * classes + k];
    counts[k]++;
  }
  const suspects: Suspect[] = [];
  for (let i = 0; i < n; i++) {
    const p = (k: number) => data[i * classes + k];
    let suggested = 0;
    for (let k = 1; k < classes; k++) if (p(k) > p(suggested)) suggested = k;
    const label = labels[i];
    if (suggested === label || p(suggested) < (confidence * sums[suggested]) / counts[suggested]) continue;
    suspects.push({ index: i, label, suggested, margin: p(suggested) - p(label) });
  }
  return suspects.sort((a, b) => b.margin - a.margin || a.index - b.index);
}

/**
 * Probabilities [n, classes] for every example, by models that have not learnt from it: the data are parted into folds, and `train` is given all
 * folds but one, again and again, and gives back a classifier whose outputs are logits.
 * @example const p = await outOfSample(train, async (part) => { const model = make(); await fit(model, part, …); return model; });
 */
export async function outOfSample(
  data: Dataset<LabeledBatch>,
  train: (part: Dataset<LabeledBatch>, fold: number) => Promise<Module>,
  options: { folds?: number; seed?: number } = {},
): Promise<HostArray> {
  const { folds = 3, seed = 0 } = optionsOf("outOfSample", options, ["folds", "seed"]);
  const numbers = new ArrayDataset({
    number: { data: Int32Array.from({ length: data.length }, (_, i) => i), shape: [data.length], dtype: "i32" },
  });
  let result: { data: Float32Array; classes: number } | null = null;
  for (const [fold, { train: rest, dev: held }] of kFold(numbers, folds, { seed }).entries()) {
    const model = await train(data.select(await rest.column("number")), fold);
    const places = await held.column("number");
    const logits = await predict(model, data.select(places));
    const classes = logits.shape[1];
    const probabilities = await softmax(logits.cast("f32")).data();
    result ??= { data: new Float32Array(data.length * classes), classes };
    for (let i = 0; i < places.length; i++) {
      result.data.set(probabilities.subarray(i * classes, (i + 1) * classes) as Float32Array, places[i] * classes);
    }
  }
  const { data: all, classes } = result!;
  return { data: all, shape: [data.length, classes], dtype: "f32" };
}
