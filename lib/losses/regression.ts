/** Losses of predicted numbers. Prediction and target: one shape and dtype → scalar, or that shape with reduction "none". */
import { optionsOf } from "../base/options.js";
import type { TensorLike } from "../ops/convert.js";
import { type Tensor, where } from "../tensor/index.js";
import { operands, pairwise } from "./pairwise.js";
import { checkNumber, type LossOptions, lossNames, reduce } from "./reduction.js";

const names = ["prediction", "target"] as const;

/** (prediction − target)². */
export const mse = pairwise("mse", names, [], (x, t) => x.sub(t).square());
/** |prediction − target|; the derivative where they are equal is 0. */
export const mae = pairwise("mae", names, [], (x, t) => x.sub(t).abs());

export interface HuberOptions extends LossOptions {
  /** Errors beyond it count linearly. Default 1. */
  delta?: number;
}

/** ½e² where |e| ≤ δ, else δ·(|e| − ½δ), e = prediction − target. Source: Huber 1964. */
export const huber = pairwise("huber", names, ["delta"], (x, t, { delta = 1 }: HuberOptions) => {
  checkNumber("huber", "delta", delta, Number.MIN_VALUE);
  return rounded(x.sub(t), delta).mul(delta);
});

export interface SmoothL1Options extends LossOptions {
  /** Errors below it count by their squares. Default 1; 0 is {@link mae}. */
  beta?: number;
}

/** ½e² / β where |e| < β, else |e| − ½β, e = prediction − target: {@link huber} / β. Source: Girshick 2015. */
export const smoothL1 = pairwise("smoothL1", names, ["beta"], (x, t, { beta = 1 }: SmoothL1Options) => {
  checkNumber("smoothL1", "beta", beta, 0);
  return beta === 0 ? x.sub(t).abs() : rounded(x.sub(t), beta);
});

/** |e| whose kink is rounded within ±width. */
function rounded(e: Tensor, width: number): Tensor {
  const size = e.abs();
  return where(size.lt(width), e.square().mul(0.5 / width), size.sub(width / 2));
}

export interface PoissonNllOptions extends LossOptions {
  /** The prediction is the logarithm of the rate. Default true. */
  logInput?: boolean;
  /** Add Stirling's approximation of log(target!), where target > 1; the gradient is the same. Default false. */
  full?: boolean;
}

/** Negative log-likelihood of counts under Poisson's law: eˣ − t·x, or, of rates instead of their logarithms, x − t·log(x + 10⁻⁸). */
export const poissonNll = pairwise(
  "poissonNll",
  names,
  ["logInput", "full"],
  (x, t, { logInput = true, full = false }: PoissonNllOptions) => {
    const loss = logInput ? x.exp().sub(t.mul(x)) : x.sub(t.mul(x.add(1e-8).log()));
    if (!full) return loss;
    const count = where(t.gt(1), t, 1);
    const stirling = count
      .mul(count.log())
      .sub(count)
      .add(
        count
          .mul(2 * Math.PI)
          .log()
          .mul(0.5),
      );
    return loss.add(where(t.gt(1), stirling, 0));
  },
);

export interface GaussianNllOptions extends LossOptions {
  /** Variances below it count as it; their gradient stays. Default 10⁻⁶. */
  eps?: number;
  /** Add ½·log 2π; the gradient is the same. Default false. */
  full?: boolean;
}

/**
 * Negative log-likelihood of targets under normal laws: ½(log σ² + (t − μ)² / σ²). mean, target and variance: one shape and dtype.
 * Source: Nix & Weigend 1994.
 */
export function gaussianNll(
  meanLike: TensorLike,
  targetLike: TensorLike,
  varianceLike: TensorLike,
  options: GaussianNllOptions = {},
): Tensor {
  const { eps = 1e-6, full = false } = optionsOf("gaussianNll", options, [...lossNames, "eps", "full"]);
  checkNumber("gaussianNll", "eps", eps, Number.MIN_VALUE);
  const [mean, target, given] = operands("gaussianNll", { mean: meanLike, target: targetLike, variance: varianceLike }, options);
  const variance = given.add(given.maximum(eps).sub(given).stopGradient());
  const loss = target.sub(mean).square().div(variance).add(variance.log()).mul(0.5);
  return reduce("gaussianNll", full ? loss.add(0.5 * Math.log(2 * Math.PI)) : loss, options);
}
