/** Losses of yes and no, of one label or many. Scores and targets: one shape and dtype → scalar, or that shape with reduction "none". */
import { ShapeError } from "../base/errors.js";
import { format } from "../base/shape.js";
import { asTensor, type TensorLike } from "../ops/convert.js";
import { relu, softplus, type Tensor, where } from "../tensor/index.js";
import { pairwise } from "./pairwise.js";
import { checkNumber, type LossOptions } from "./reduction.js";

const names = ["logits", "targets"] as const;
const not = (t: Tensor): Tensor => t.neg().add(1);

export interface BceWithLogitsOptions extends LossOptions {
  /** Factor on the loss of positive targets, one or one for each label [labels], to make up for their rarity. Default 1. */
  posWeight?: TensorLike;
}

/**
 * Binary cross-entropy of σ(logits), element by element: −t·log σ(x) − (1 − t)·log σ(−x), exact and without overflow. targets: in [0, 1].
 * @example losses.bceWithLogits(model.forward(x), labels, { mask: isKnown }) // several labels an example, some of them unknown
 */
export const bceWithLogits = pairwise("bceWithLogits", names, ["posWeight"], (x, t, { posWeight }: BceWithLogitsOptions) => {
  // −log σ(x) = softplus(−x). Both terms stay exact where they are small.
  const positive = t.mul(softplus(x.neg()));
  const negative = not(t).mul(softplus(x));
  if (posWeight === undefined) return positive.add(negative);
  const factor = asTensor("bceWithLogits", posWeight, x.dtype).cast(x.dtype);
  if (factor.shape.length > 1 || (factor.shape.length === 1 && factor.shape[0] !== x.shape.at(-1))) {
    throw new ShapeError(
      `bceWithLogits: posWeight ${format(factor.shape)} does not go with logits ${format(x.shape)}; give one, or one for each label`,
      { op: "bceWithLogits", inputs: [factor.shape, x.shape] },
    );
  }
  return positive.mul(factor).add(negative);
});

/** log p from −100 on, as in PyTorch, so that a wrong certainty is dear but finite. */
function boundedLog(p: Tensor): Tensor {
  const isPossible = p.gt(0);
  return where(isPossible, where(isPossible, p, 1).log().maximum(-100), -100);
}

/**
 * Binary cross-entropy of probabilities in [0, 1]: −t·log p − (1 − t)·log(1 − p), logarithms being at least −100. A wrong certainty, p
 * exactly 0 or 1, has no gradient: prefer {@link bceWithLogits}, which cannot get there.
 */
export const bce = pairwise(
  "bce",
  ["probabilities", "targets"],
  [],
  (p, t) =>
    t
      .mul(boundedLog(p))
      .add(not(t).mul(boundedLog(not(p))))
      .neg(),
  0.5,
);

export interface BinaryFocalOptions extends LossOptions {
  /** How much less what is right already counts. Default 2; 0 is cross-entropy. */
  gamma?: number;
  /** Weight of positive targets, that of negative ones being 1 − α; null: no weights. Default ¼. */
  alpha?: number | null;
}

/** α·(1 − p)^γ · binary cross-entropy, p being the probability of what is true. targets: in [0, 1]. Source: Lin et al. 2017. */
export const binaryFocal = pairwise("binaryFocal", names, ["gamma", "alpha"], (x, t, { gamma = 2, alpha = 0.25 }: BinaryFocalOptions) => {
  checkNumber("binaryFocal", "gamma", gamma, 0);
  if (alpha !== null) checkNumber("binaryFocal", "alpha", alpha, 0, 1);
  const entropy = t.mul(softplus(x.neg())).add(not(t).mul(softplus(x)));
  const wrong = t.mul(x.neg().sigmoid()).add(not(t).mul(x.sigmoid()));
  const loss = modulated(entropy, wrong, gamma);
  return alpha === null ? loss : loss.mul(t.mul(2 * alpha - 1).add(1 - alpha));
});

/** wrong^γ · loss, differentiable where nothing is wrong too. */
export function modulated(loss: Tensor, wrong: Tensor, gamma: number): Tensor {
  return gamma === 0 ? loss : loss.mul(wrong.maximum(1e-30).pow(gamma));
}

/** max(0, 1 − t·x); targets are −1 or 1. The derivative at the kink is 0. */
export const hinge = pairwise("hinge", ["scores", "targets"], [], (x, t) => relu(not(x.mul(t))));
/** max(0, 1 − t·x)²; targets are −1 or 1. */
export const squaredHinge = pairwise("squaredHinge", ["scores", "targets"], [], (x, t) => relu(not(x.mul(t))).square());
