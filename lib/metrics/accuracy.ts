/** How often a classifier is right. */
import { ShapeError } from "../base/errors.js";
import { format, sameShape, sizeOf } from "../base/shape.js";
import { asTensor, floating, show, type TensorLike } from "../ops/convert.js";
import { labelsOf } from "../ops/rows.js";
import type { Tensor } from "../tensor/index.js";

/**
 * Fraction of rows whose largest entry is at the label. logits or probabilities: [..., classes] with at least two classes,
 * labels: [...] i32 or u8 → scalar f32. For one logit a row: {@link binaryAccuracy}.
 */
export function accuracy(logitsLike: TensorLike, labelsLike: TensorLike): Tensor {
  const logits = floating("accuracy", logitsLike);
  const labels = asTensor("accuracy", labelsLike, "i32");
  if (logits.shape.at(-1) === 1 || (logits.shape.length === 1 && sameShape(logits.shape, labels.shape))) {
    throw new ShapeError(
      `accuracy(${show("logits", logits)}, ${show("labels", labels)}): one number a label has no largest entry; use metrics.binaryAccuracy`,
      {
        op: "accuracy",
        inputs: [logits.shape, labels.shape],
      },
    );
  }
  return logits
    .argmax(-1)
    .eq(labelsOf("accuracy", logits, labels))
    .mean();
}

/**
 * Fraction of elements on the right side of `threshold`: logits above it count as class 1. The default 0 is right for logits, ½ for
 * probabilities. targets: 0 or 1, of any dtype and the shape of logits → scalar f32.
 */
export function binaryAccuracy(logitsLike: TensorLike, targetsLike: TensorLike, { threshold = 0 } = {}): Tensor {
  const logits = floating("binaryAccuracy", logitsLike);
  const targets = asTensor("binaryAccuracy", targetsLike, logits.dtype);
  if (!sameShape(logits.shape, targets.shape)) {
    const mend = sizeOf(logits.shape) === sizeOf(targets.shape) ? `; targets.reshape(${format(logits.shape)})` : "";
    throw new ShapeError(`binaryAccuracy(${show("logits", logits)}, ${show("targets", targets)}): expected one target per logit${mend}`, {
      op: "binaryAccuracy",
      inputs: [logits.shape, targets.shape],
    });
  }
  return logits.gt(threshold).eq(targets.cast("f32").gt(0.5)).mean();
}
