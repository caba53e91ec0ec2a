/** Losses of classifiers, from logits: the scores before softmax or sigmoid, from which they can be computed without overflow. */
import { sizeOf } from "../base/shape.js";
import { asTensor, floating, type TensorLike } from "../ops/convert.js";
import { labelsOf } from "../ops/rows.js";
import { crossEntropyRows, softplus, type Tensor } from "../tensor/index.js";
import { checkAlike, type LossOptions, reduce } from "./reduction.js";

/**
 * −log softmax(logits)[label]. logits: [..., classes], labels: [...] i32 or u8, class numbers → scalar, or [...] with reduction "none".
 * A label outside 0 … classes − 1 makes the run fail with an IndexError.
 * @example losses.crossEntropy(model.forward(x), y)
 */
export function crossEntropy(logitsLike: TensorLike, labelsLike: TensorLike, options: LossOptions = {}): Tensor {
  const logits = floating("crossEntropy", logitsLike);
  const labels = labelsOf("crossEntropy", logits, labelsLike);
  const rows = sizeOf(labels.shape);
  const perRow = crossEntropyRows(logits.reshape([rows, logits.shape[labels.shape.length]]), labels.reshape([rows]));
  return reduce("crossEntropy", perRow.reshape(labels.shape), options);
}

/**
 * Binary cross-entropy of σ(logits), element by element: −t·log σ(x) − (1 − t)·log σ(−x). targets: in [0, 1], of the shape and dtype of
 * logits → scalar, or that shape with reduction "none".
 */
export function bceWithLogits(logitsLike: TensorLike, targetsLike: TensorLike, options: LossOptions = {}): Tensor {
  const x = floating("bceWithLogits", logitsLike);
  const t = asTensor("bceWithLogits", targetsLike, x.dtype);
  checkAlike("bceWithLogits", ["logits", x], ["targets", t]);
  // −log σ(x) = softplus(−x). Both terms stay exact where they are small.
  const perElement = t.mul(softplus(x.neg())).add(t.neg().add(1).mul(softplus(x)));
  return reduce("bceWithLogits", perElement, options);
}
