/** Losses of one class among several. */
import { isFloat } from "../base/dtype.js";
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sameShape, sizeOf } from "../base/shape.js";
import { asTensor, floating, show, type TensorLike } from "../ops/convert.js";
import { labelsOf } from "../ops/rows.js";
import { arange, crossEntropyRows, gather, logSoftmax, logSumExp, type Tensor, where } from "../tensor/index.js";
import { modulated } from "./binary.js";
import { operands } from "./pairwise.js";
import { checkNumber, guarded, type LossOptions, lossNames, reduce } from "./reduction.js";

export interface NllOptions extends LossOptions {
  /** Weight of each class, [classes]. The mean is Σ w·loss / Σ w, w being the weights of the labels. Default 1. */
  classWeights?: TensorLike;
  /** Examples with this label do not count, as if they were masked. Default: none. */
  ignoreIndex?: number;
}
const nllNames = [...lossNames, "classWeights", "ignoreIndex"] as const;

export interface CrossEntropyOptions extends NllOptions {
  /** This part of the probability is spread evenly over all classes. Default 0. Source: Szegedy et al. 2016. */
  labelSmoothing?: number;
}

/** Scores and labels of rows, both made harmless where they do not count, and options whose mask says where that is. */
function labelled(op: string, scores: Tensor, labelsLike: TensorLike, options: NllOptions) {
  const given = labelsOf(op, scores, labelsLike);
  const { ignoreIndex, mask } = options;
  const harmless = (all: NllOptions) => ({ scores: guarded(op, all, scores), labels: guarded(op, all, given), options: all });
  if (ignoreIndex === undefined) return harmless(options);
  const counts = given.ne(ignoreIndex);
  return harmless({ ...options, mask: mask === undefined ? counts : guarded(op, options, counts.cast("u8")) });
}

/** The weight of each class, of the dtype of scores [..., classes], or null. */
function weightsOf(op: string, scores: Tensor, { classWeights }: NllOptions): Tensor | null {
  if (classWeights === undefined) return null;
  const weights = asTensor(op, classWeights, scores.dtype).cast(scores.dtype);
  if (!sameShape(weights.shape, scores.shape.slice(-1))) {
    throw new ShapeError(
      `${op}: classWeights must be ${format(scores.shape.slice(-1))}, one for each class, but are ${format(weights.shape)}`,
      {
        op,
        inputs: [weights.shape, scores.shape],
      },
    );
  }
  return weights;
}

/** −log softmax(logits)[label] of each row. */
function entropies(logits: Tensor, labels: Tensor): Tensor {
  const rows = sizeOf(labels.shape);
  return crossEntropyRows(logits.reshape([rows, logits.shape[labels.shape.length]]), labels.reshape([rows])).reshape(labels.shape);
}

/**
 * Cross-entropy of softmax(logits). Targets are class numbers, −log softmax(logits)[label], or probabilities,
 * −Σ p·log softmax(logits). logits: [..., classes], targets: [...] i32 or u8, or [..., classes] floating → scalar, or [...] with
 * reduction "none". A label outside 0 … classes − 1 that counts makes the run fail with an IndexError.
 * @example losses.crossEntropy(model.forward(x), y, { labelSmoothing: 0.1 })
 */
export function crossEntropy(logitsLike: TensorLike, targetsLike: TensorLike, options: CrossEntropyOptions = {}): Tensor {
  const op = "crossEntropy";
  const logits = floating(op, logitsLike);
  const { labelSmoothing = 0 } = optionsOf(op, options, [...nllNames, "labelSmoothing"]);
  checkNumber(op, "labelSmoothing", labelSmoothing, 0, 1);
  const weights = weightsOf(op, logits, options);
  const classes = logits.shape[logits.shape.length - 1];
  const probabilities = probabilitiesOf(logits, targetsLike);
  if (probabilities !== null) {
    if (options.ignoreIndex !== undefined) {
      throw new ValueError(`${op}: ignoreIndex needs class numbers as targets; of probabilities use mask`, {
        op,
        inputs: [options.ignoreIndex],
      });
    }
    const target = guarded(op, options, probabilities.mul(1 - labelSmoothing).add(labelSmoothing / classes));
    const safe = logSoftmax(guarded(op, options, logits));
    const logs = weights === null ? safe : safe.mul(weights);
    return reduce(op, where(target.eq(0), 0, target.mul(logs)).sum({ axis: -1 }).neg(), options);
  }
  const { scores, labels, options: counting } = labelled(op, logits, targetsLike, options);
  const shares = weights === null ? undefined : gather(weights, labels);
  const entropy = entropies(scores, labels);
  let losses = shares === undefined ? entropy : entropy.mul(shares);
  if (labelSmoothing > 0) {
    // Σ w·(log Σ eˣ − x) over classes
    const each = logSumExp(scores, { axis: -1, keepDims: true }).sub(scores);
    const even = (weights === null ? each : each.mul(weights)).sum({ axis: -1 });
    losses = losses.mul(1 - labelSmoothing).add(even.mul(labelSmoothing / classes));
  }
  return reduce(op, losses, counting, shares);
}

/** Targets that are probabilities of all classes, or null if they are class numbers. Arrays are told apart by their shape. */
function probabilitiesOf(logits: Tensor, targetsLike: TensorLike): Tensor | null {
  const given = asTensor("crossEntropy", targetsLike, Array.isArray(targetsLike) ? logits.dtype : "i32");
  const isEach = sameShape(given.shape, logits.shape) && logits.shape.length > 0;
  return isEach && isFloat(given.dtype) ? given.cast(logits.dtype) : null;
}

/**
 * −logProbabilities[label]: cross-entropy of what log-softmax has given. logProbabilities: [..., classes], labels: [...] i32 or u8 → scalar,
 * or [...] with reduction "none". A label outside 0 … classes − 1 that counts makes the run fail with an IndexError.
 */
export function nll(logProbabilitiesLike: TensorLike, labelsLike: TensorLike, options: NllOptions = {}): Tensor {
  optionsOf("nll", options, nllNames);
  const { scores, labels, options: counting } = labelled("nll", floating("nll", logProbabilitiesLike), labelsLike, options);
  const weights = weightsOf("nll", scores, options);
  const classes = scores.shape[scores.shape.length - 1];
  const rows = sizeOf(labels.shape);
  const label = labels.reshape([rows]);
  const position = arange(rows, undefined, 1, { dtype: "i32" }).mul(classes).add(label);
  const picked = gather(scores.reshape([rows * classes]), where(label.ge(0).logicalAnd(label.lt(classes)), position, -1));
  const shares = weights === null ? undefined : gather(weights, labels);
  const losses = picked.reshape(labels.shape).neg();
  return reduce("nll", shares === undefined ? losses : losses.mul(shares), counting, shares);
}

export interface FocalOptions extends NllOptions {
  /** How much less what is right already counts. Default 2; 0 is cross-entropy. */
  gamma?: number;
}

/**
 * (1 − p)^γ · cross-entropy, p being the probability of the label. Shapes as of {@link crossEntropy} with class numbers. Source: Lin et
 * al. 2017, whose α are `classWeights`.
 */
export function focal(logitsLike: TensorLike, labelsLike: TensorLike, options: FocalOptions = {}): Tensor {
  const { gamma = 2 } = optionsOf("focal", options, [...nllNames, "gamma"]);
  checkNumber("focal", "gamma", gamma, 0);
  const { scores, labels, options: counting } = labelled("focal", floating("focal", logitsLike), labelsLike, options);
  const weights = weightsOf("focal", scores, options);
  const shares = weights === null ? undefined : gather(weights, labels);
  const entropy = entropies(scores, labels);
  const losses = modulated(entropy, entropy.neg().expm1().neg(), gamma);
  return reduce("focal", shares === undefined ? losses : losses.mul(shares), counting, shares);
}

export interface KlDivergenceOptions extends LossOptions {
  /** The target is given by logarithms too. Default false. */
  logTarget?: boolean;
}

/**
 * Kullback–Leibler divergence Σ p·(log p − log q) over the last axis, from log q = logProbabilities to p = target; terms with p = 0 are 0.
 * Both [..., classes], of one dtype → scalar, or [...] with reduction "none". The mean is over distributions: PyTorch's "batchmean".
 */
export function klDivergence(logProbabilitiesLike: TensorLike, targetLike: TensorLike, options: KlDivergenceOptions = {}): Tensor {
  const op = "klDivergence";
  const { logTarget = false } = optionsOf(op, options, [...lossNames, "logTarget"]);
  const [logQ, target] = operands(op, { logProbabilities: logProbabilitiesLike, target: targetLike }, options);
  if (logQ.shape.length === 0)
    throw new ShapeError(`${op}(${show("logProbabilities", logQ)}): expected distributions [..., classes]`, { op, inputs: [logQ.shape] });
  const p = logTarget ? target.exp() : target;
  const isPossible = p.gt(0);
  const logP = logTarget ? target : where(isPossible, target, 1).log();
  return reduce(op, where(isPossible, p.mul(logP.sub(logQ)), 0).sum({ axis: -1 }), options);
}
