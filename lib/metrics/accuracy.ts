/** How often a classifier is right. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sameShape, sizeOf } from "../base/shape.js";
import { asTensor, floating, show, type TensorLike } from "../ops/convert.js";
import { labelsOf } from "../ops/rows.js";
import { arange, type Tensor, where } from "../tensor/index.js";

export interface WeightOptions {
  /** How much each example counts, [...] as the labels: Σ w·[right] / Σ w. Default 1. */
  weights?: TensorLike;
  /** Whether it counts at all, [...] as the labels. Default: all do. */
  mask?: TensorLike;
}

/** Mean of what is right, weighted; 0 if nothing counts, which leaves means over several batches finite. */
function fraction(op: string, isRight: Tensor, options: WeightOptions): Tensor {
  const { weights, mask } = optionsOf(op, options, ["weights", "mask"]);
  const given = [weights, mask].filter((x) => x !== undefined).map((x) => asTensor(op, x).cast("f32"));
  if (given.length === 0) return isRight.mean();
  const w = given.reduce((a, b) => a.mul(b));
  if (!sameShape(w.shape, isRight.shape)) {
    throw new ShapeError(`${op}: weights ${format(w.shape)} do not fit labels ${format(isRight.shape)}; give one for each`, {
      op,
      inputs: [w.shape, isRight.shape],
    });
  }
  const total = w.sum();
  return w
    .mul(isRight.cast("f32"))
    .sum()
    .div(where(total.eq(0), 1, total));
}

/** Logits of several classes and a label for each row, or an error that names the metric. */
function rowsOf(op: string, logitsLike: TensorLike, labelsLike: TensorLike): [logits: Tensor, labels: Tensor] {
  const logits = floating(op, logitsLike);
  const labels = asTensor(op, labelsLike, "i32");
  if (logits.shape.at(-1) === 1 || (logits.shape.length === 1 && sameShape(logits.shape, labels.shape))) {
    throw new ShapeError(
      `${op}(${show("logits", logits)}, ${show("labels", labels)}): one number a label has no largest entry; use metrics.binaryAccuracy`,
      { op, inputs: [logits.shape, labels.shape] },
    );
  }
  return [logits, labelsOf(op, logits, labels)];
}

/**
 * Fraction of rows whose largest entry is at the label. logits or probabilities: [..., classes] with at least two classes,
 * labels: [...] i32 or u8 → scalar f32. For one logit a row: {@link binaryAccuracy}.
 */
export function accuracy(logitsLike: TensorLike, labelsLike: TensorLike, options: WeightOptions = {}): Tensor {
  const [logits, labels] = rowsOf("accuracy", logitsLike, labelsLike);
  return fraction("accuracy", logits.argmax(-1).eq(labels), options);
}

/**
 * Weighted error Σ w·[ŷ ≠ y] / Σ w: 1 − {@link accuracy}. An example that must not be got wrong weighs more than others.
 * @example metrics.errorRate(logits, labels, { weights: isForbidden.where(100, 1) })
 */
export function errorRate(logitsLike: TensorLike, labelsLike: TensorLike, options: WeightOptions = {}): Tensor {
  const [logits, labels] = rowsOf("errorRate", logitsLike, labelsLike);
  return fraction("errorRate", logits.argmax(-1).ne(labels), options);
}

/**
 * Fraction of rows with the label among the k largest entries; of equal entries the first come first, so that k = 1 is {@link accuracy}.
 * Shapes as there; 1 ≤ k ≤ classes.
 */
export function topKAccuracy(logitsLike: TensorLike, labelsLike: TensorLike, k: number, options: WeightOptions = {}): Tensor {
  const [logits, labels] = rowsOf("topKAccuracy", logitsLike, labelsLike);
  const classes = logits.shape[logits.shape.length - 1];
  if (!Number.isInteger(k) || k < 1 || k > classes) {
    throw new ValueError(`topKAccuracy: k must be a whole number from 1 to ${classes} but is ${k}`, { op: "topKAccuracy", inputs: [k] });
  }
  const label = labels.expandDims(-1);
  const position = arange(classes, undefined, 1, { dtype: "i32" });
  const own = where(position.eq(label), logits, 0).sum({ axis: -1, keepDims: true });
  // A label that is NaN is beaten by all, itself too.
  const isAhead = where(position.lt(label), logits.lt(own), logits.le(own)).logicalNot();
  return fraction("topKAccuracy", isAhead.sum({ axis: -1 }).lt(k), options);
}

/**
 * Fraction of elements on the right side of `threshold`: logits above it count as class 1. The default 0 is right for logits, ½ for
 * probabilities. targets: 0 or 1, of any dtype and the shape of logits → scalar f32.
 */
export function binaryAccuracy(
  logitsLike: TensorLike,
  targetsLike: TensorLike,
  options: { threshold?: number } & WeightOptions = {},
): Tensor {
  const { threshold = 0, ...counting } = optionsOf("binaryAccuracy", options, ["threshold", "weights", "mask"]);
  const logits = floating("binaryAccuracy", logitsLike);
  const targets = asTensor("binaryAccuracy", targetsLike, logits.dtype);
  if (!sameShape(logits.shape, targets.shape)) {
    const mend = sizeOf(logits.shape) === sizeOf(targets.shape) ? `; targets.reshape(${format(logits.shape)})` : "";
    throw new ShapeError(`binaryAccuracy(${show("logits", logits)}, ${show("targets", targets)}): expected one target per logit${mend}`, {
      op: "binaryAccuracy",
      inputs: [logits.shape, targets.shape],
    });
  }
  return fraction("binaryAccuracy", logits.gt(threshold).eq(targets.cast("f32").gt(0.5)), counting);
}
