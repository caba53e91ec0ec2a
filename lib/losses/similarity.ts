/** Losses of vectors that should be near each other or far apart, and of scores that should be in order. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sameShape } from "../base/shape.js";
import { asTensor, show, type TensorLike } from "../ops/convert.js";
import { relu, type Tensor, where } from "../tensor/index.js";
import { operands } from "./pairwise.js";
import { checkNumber, guarded, type LossOptions, lossNames, reduce } from "./reduction.js";

export interface MarginOptions extends LossOptions {
  /** What lies further apart adds nothing to the loss. */
  margin?: number;
}

/**
 * 1 − cos(a, b) of pairs that are alike (y = 1), max(0, cos(a, b) − margin) of others (y = −1); the default margin is 0.
 * a, b: [..., d], y: [...] of any dtype → scalar, or [...] with reduction "none".
 */
export function cosineEmbedding(aLike: TensorLike, bLike: TensorLike, yLike: TensorLike, options: MarginOptions = {}): Tensor {
  const op = "cosineEmbedding";
  const { margin = 0 } = optionsOf(op, options, [...lossNames, "margin"]);
  checkNumber(op, "margin", margin, -1, 1);
  const [a, b] = operands(op, { a: aLike, b: bLike }, options, 1);
  const y = asTensor(op, yLike, a.dtype);
  if (a.shape.length === 0 || !sameShape(y.shape, a.shape.slice(0, -1))) {
    throw new ShapeError(`${op}(${show("a", a)}, ${show("y", y)}): expected vectors [..., d] and one y for each pair, [...]`, {
      op,
      inputs: [a.shape, y.shape],
    });
  }
  const dot = (u: Tensor, v: Tensor) => u.mul(v).sum({ axis: -1 });
  const cosine = dot(a, b).div(dot(a, a).add(1e-12).mul(dot(b, b).add(1e-12)).sqrt());
  const loss = where(guarded(op, options, y, 1).gt(0), cosine.neg().add(1), relu(cosine.sub(margin)));
  return reduce(op, loss, options);
}

export interface TripletOptions extends MarginOptions {
  /** Distances are (Σ |aᵢ − bᵢ|ᵖ)^(1/p). Default 2. */
  p?: number;
  /** Take the negative's distance from the positive if that is smaller. Default false. Source: Balntas et al. 2016. */
  swap?: boolean;
}

/**
 * max(0, d(anchor, positive) − d(anchor, negative) + margin); the default margin is 1. All [..., d] → scalar, or [...] with reduction
 * "none". Distances are of differences + 10⁻⁶, whose derivatives exist where vectors are equal. Source: Schroff et al. 2015.
 */
export function tripletMargin(
  anchorLike: TensorLike,
  positiveLike: TensorLike,
  negativeLike: TensorLike,
  options: TripletOptions = {},
): Tensor {
  const op = "tripletMargin";
  const { margin = 1, p = 2, swap = false } = optionsOf(op, options, [...lossNames, "margin", "p", "swap"]);
  checkNumber(op, "margin", margin, 0);
  checkNumber(op, "p", p, 1);
  const [anchor, positive, negative] = operands(op, { anchor: anchorLike, positive: positiveLike, negative: negativeLike }, options);
  if (anchor.shape.length === 0)
    throw new ShapeError(`${op}: expected vectors [..., d] but received scalars`, { op, inputs: [format([])] });
  const distance = (a: Tensor, b: Tensor) => {
    const gap = a.sub(b).add(1e-6);
    if (p === 1) return gap.abs().sum({ axis: -1 });
    if (p === 2) return gap.square().sum({ axis: -1 }).sqrt();
    return gap
      .abs()
      .pow(p)
      .sum({ axis: -1 })
      .pow(1 / p);
  };
  const far = distance(anchor, negative);
  const nearest = swap ? far.minimum(distance(positive, negative)) : far;
  return reduce(op, relu(distance(anchor, positive).sub(nearest).add(margin)), options);
}

/**
 * max(0, −y·(a − b) + margin): a should be the larger where y = 1, the smaller where y = −1; the default margin is 0.
 * a, b, y: one shape and dtype → scalar, or that shape with reduction "none".
 */
export function marginRanking(aLike: TensorLike, bLike: TensorLike, yLike: TensorLike, options: MarginOptions = {}): Tensor {
  const { margin = 0 } = optionsOf("marginRanking", options, [...lossNames, "margin"]);
  if (!Number.isFinite(margin)) throw new ValueError(`marginRanking: margin must be a number but is ${margin}`, { op: "marginRanking" });
  const [a, b, y] = operands("marginRanking", { a: aLike, b: bLike, y: yLike }, options);
  return reduce("marginRanking", relu(y.mul(b.sub(a)).add(margin)), options);
}
