/** Probabilities that mean what they say: one temperature for all logits. */
import { IndexError, ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format } from "../base/shape.js";
import type { Dataset, LabeledBatch } from "../data/index.js";
import { Module } from "../nn/index.js";
import { type Tensor, tensor, type Variable, variable } from "../tensor/index.js";
import { type PredictOptions, predict } from "./evaluate.js";

/** A model whose logits are divided by a temperature, which is saved with its weights. */
export interface Calibrated extends Module {
  readonly model: Module;
  /** f32 []: above 1 where the model was too sure of itself. */
  readonly temperature: Variable;
}

class Tempered extends Module implements Calibrated {
  readonly temperature: Variable;

  constructor(
    readonly model: Module,
    temperature: number,
  ) {
    super();
    this.temperature = variable(tensor(temperature), { trainable: false });
  }

  forward(x: Tensor): Tensor {
    return this.model.forward(x).div(this.temperature.value);
  }
}

/**
 * The model with its logits divided by the temperature at which the labels of a held-out set are most likely; what it predicts stays, how sure it is
 * changes. logits [n, classes] with y [n] class numbers, or [n] or [n, 1] with y 0 or 1. `metrics.calibration` tells how far off probabilities are.
 * Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
 * @throws {IndexError} for a label outside of the classes. @throws {ValueError} if no temperature is best: the logits tell nothing about the labels, or never err.
 * @example const sure = await calibrate(model, dev); await predict(sure, test)
 */
export async function calibrate(model: Module, heldOut: Dataset<LabeledBatch>, options: PredictOptions = {}): Promise<Calibrated> {
  const op = "calibrate";
  optionsOf(op, options, ["batchSize", "signal"]);
  const [logits, labels] = [await predict(model, heldOut, options), await heldOut.column("y")];
  const [n, classes = 1, ...more] = logits.shape;
  if (more.length > 0)
    throw new ShapeError(`${op}: the model must give logits [n, classes] or [n] but gives ${format(logits.shape)}`, {
      op,
      inputs: [logits.shape],
    });
  const wrong = Array.from(labels).findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < Math.max(classes, 2)));
  if (wrong >= 0)
    throw new IndexError(`${op}: label ${wrong} is ${labels[wrong]}, but classes are 0 to ${Math.max(classes, 2) - 1}`, {
      op,
      inputs: [labels[wrong]],
    });
  const z = await logits.data();
  const slope = (beta: number) => {
    let sum = 0;
    for (let i = 0; i < n; i++)
      sum += classes === 1 ? binarySlope(z[i], labels[i], beta) : rowSlope(z.subarray(i * classes, (i + 1) * classes), labels[i], beta);
    return sum;
  };
  const beta = rootOf(slope);
  if (beta === null) {
    const why = slope(least) > 0 ? "the logits tell nothing about the labels" : "the logits never err; hold out more examples";
    throw new ValueError(`${op}: no temperature is best: ${why}`, { op });
  }
  return new Tempered(model, 1 / beta);
}

/** Derivative by β of −log softmax(β z)[label]: Σ p z − z[label]. It grows with β: the likelihood has one maximum. */
function rowSlope(z: ArrayLike<number> & Iterable<number>, label: number, beta: number): number {
  const top = Math.max(...z);
  let [sum, weighted] = [0, 0];
  for (const value of z) {
    const p = Math.exp(beta * (value - top));
    sum += p;
    weighted += p * value;
  }
  return weighted / sum - z[label];
}

/** The same of two classes with the logits 0 and z. */
const binarySlope = (z: number, label: number, beta: number) => z * (1 / (1 + Math.exp(-beta * z)) - label);

const [least, most] = [1e-3, 1e3];

/** Where a function that grows is 0, to ten digits; null if nowhere within bounds. */
function rootOf(f: (beta: number) => number): number | null {
  if (!(f(least) < 0 && f(most) > 0)) return null;
  let [low, high] = [Math.log(least), Math.log(most)];
  while (high - low > 1e-10) {
    const middle = (low + high) / 2;
    if (f(Math.exp(middle)) < 0) low = middle;
    else high = middle;
  }
  return Math.exp(low);
}
