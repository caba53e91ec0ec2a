/** Adam and its family: a mean of gradients over the root of a mean of their squares. */
import type { Tensor } from "../tensor/index.js";
import { type CommonOptions, defineOptimizer, type UpdateContext } from "./rule.js";

export interface MomentOptions extends CommonOptions {
  /** Share of the running means of gradients and of their squares that is kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
}

export interface AdamOptions extends MomentOptions {
  /** Divide by the largest mean square so far. Default false. Source: Reddi et al. 2018. */
  amsgrad?: boolean;
}

type Moments = UpdateContext<"m" | "v">;

/** m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g². */
function moments({ g, state, constant }: Moments, [beta1, beta2]: readonly [number, number]): { m: Tensor; v: Tensor } {
  return {
    m: state.m.mul(constant(beta1)).add(g.mul(constant(1 - beta1))),
    v: state.v.mul(constant(beta2)).add(g.square().mul(constant(1 - beta2))),
  };
}

const usual = { lr: 1e-3, betas: [0.9, 0.999] as const, eps: 1e-8, weightDecay: 0 };
const fractions = ["betas"] as const;

const adamRule = {
  defaults: { ...usual, amsgrad: false },
  fractions,
  state: ({ amsgrad }: Required<AdamOptions>) => (amsgrad ? { m: 0, v: 0, top: 0 } : { m: 0, v: 0 }),
  update(context: UpdateContext<"m" | "v" | "top">, { betas, eps, amsgrad }: Required<AdamOptions>) {
    const { w, state, lr, constant, perUpdate } = context;
    const [beta1, beta2] = betas;
    const { m, v } = moments(context, betas);
    const top = amsgrad ? state.top.maximum(v) : v;
    const mHat = m.mul(perUpdate((t) => 1 / (1 - beta1 ** t)));
    const vHat = top.mul(perUpdate((t) => 1 / (1 - beta2 ** t)));
    return { w: w.sub(mHat.mul(lr).div(vHat.sqrt().add(constant(eps)))), m, v, ...(amsgrad ? { top } : {}) };
  },
};

/**
 * Adam:  m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²,  w ← w − lr · m̂ / (√v̂ + ε)  with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).
 * As in PyTorch. Default lr 0.001. Source: Kingma & Ba 2015, algorithm 1.
 * @example const adam = optim.adam(model.parameters(), { lr: 1e-3 });
 */
export const adam = defineOptimizer<AdamOptions, "m" | "v" | "top">({ name: "adam", ...adamRule });

/**
 * Adam whose weight decay does not pass through the means: w ← w·(1 − lr·λ) before Adam's step. Default lr 0.001, weightDecay 0.01.
 * As in PyTorch. Source: Loshchilov & Hutter 2019.
 * @example const adamW = optim.adamW(optim.decayGroups(model.parameters()), { lr: 1e-3, weightDecay: 0.05 });
 */
export const adamW = defineOptimizer<AdamOptions, "m" | "v" | "top">({
  name: "adamW",
  ...adamRule,
  defaults: { ...adamRule.defaults, weightDecay: 0.01 },
  decoupled: true,
});

export interface NAdamOptions extends MomentOptions {
  /** ψ of β₁'s warm-up μₜ = β₁·(1 − ½·0.96^(t·ψ)). Default 0.004. */
  momentumDecay?: number;
}

/**
 * Adam with Nesterov's momentum:  w ← w − lr · (μₜ₊₁·m / (1 − μ₁⋯μₜ₊₁) + (1 − μₜ)·g / (1 − μ₁⋯μₜ)) / (√v̂ + ε).
 * As in PyTorch. Default lr 0.002. Source: Dozat 2016.
 */
export const nadam = defineOptimizer<NAdamOptions, "m" | "v">({
  name: "nadam",
  defaults: { ...usual, lr: 2e-3, momentumDecay: 4e-3 },
  fractions,
  state: () => ({ m: 0, v: 0 }),
  update(context, { betas, eps, momentumDecay }) {
    const { w, g, lr, constant, perUpdate } = context;
    const { m, v } = moments(context, betas);
    const mu = (t: number) => betas[0] * (1 - 0.5 * 0.96 ** (t * momentumDecay));
    const product = productsOf(mu);
    const ahead = m.mul(perUpdate((t) => mu(t + 1) / (1 - product(t + 1)))).add(g.mul(perUpdate((t) => (1 - mu(t)) / (1 - product(t)))));
    const vHat = v.mul(perUpdate((t) => 1 / (1 - betas[1] ** t)));
    return { w: w.sub(ahead.mul(lr).div(vHat.sqrt().add(constant(eps)))), m, v };
  },
});

/** t ↦ factor(1) ⋯ factor(t), remembered; factors below 1 reach 0 some day. */
function productsOf(factor: (t: number) => number): (t: number) => number {
  const products = [1];
  return (t) => {
    while (products.length <= t && products[products.length - 1] > 0) {
      products.push(products[products.length - 1] * factor(products.length));
    }
    return products[Math.min(t, products.length - 1)];
  };
}

/**
 * Adam that goes without the denominator while its variance is unknown:  ρₜ = ρ − 2t·β₂ᵗ/(1 − β₂ᵗ),  ρ = 2/(1 − β₂) − 1;  where ρₜ > 5,
 * w ← w − lr·rₜ·m̂·√(1 − β₂ᵗ)/(√v + ε),  rₜ² = (ρₜ − 4)(ρₜ − 2)ρ / ((ρ − 4)(ρ − 2)ρₜ);  else w ← w − lr·m̂.
 * As in PyTorch. Default lr 0.001. Source: Liu et al. 2020.
 */
export const radam = defineOptimizer<MomentOptions, "m" | "v">({
  name: "radam",
  defaults: usual,
  fractions,
  state: () => ({ m: 0, v: 0 }),
  update(context, { betas, eps }) {
    const { w, lr, constant, perUpdate } = context;
    const [beta1, beta2] = betas;
    const { m, v } = moments(context, betas);
    const limit = 2 / (1 - beta2) - 1;
    const length = (t: number) => limit - (2 * t * beta2 ** t) / (1 - beta2 ** t);
    const rectified = (rho: number) => Math.sqrt(((rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho));
    const isKnown = (t: number) => length(t) > 5;
    // Of the two factors one is 0.
    const withRoot = perUpdate((t) => (isKnown(t) ? rectified(length(t)) * Math.sqrt(1 - beta2 ** t) : 0));
    const without = perUpdate((t) => (isKnown(t) ? 0 : 1));
    const factor = withRoot.div(v.sqrt().add(constant(eps))).add(without);
    return {
      w: w.sub(
        m
          .mul(perUpdate((t) => 1 / (1 - beta1 ** t)))
          .mul(lr)
          .mul(factor),
      ),
      m,
      v,
    };
  },
});
