/** Optimizers that give each weight a rate of its own, from the squares of its gradients: Adagrad, RMSprop, Adadelta. */
import { type CommonOptions, defineOptimizer } from "./rule.js";

export interface AdagradOptions extends CommonOptions {
  /** The rate of update t is lr / (1 + (t − 1)·lrDecay). Default 0. */
  lrDecay?: number;
  /** What the sum of squares starts from. Default 0. */
  initialSum?: number;
  /** Added to the denominator. Default 1e-10. */
  eps?: number;
}

/** Adagrad:  s ← s + g²,  w ← w − lr·g / (√s + ε).  As in PyTorch. Default lr 0.01. Source: Duchi, Hazan & Singer 2011. */
export const adagrad = defineOptimizer<AdagradOptions, "sum">({
  name: "adagrad",
  defaults: { lr: 0.01, lrDecay: 0, initialSum: 0, eps: 1e-10, weightDecay: 0 },
  state: ({ initialSum }) => ({ sum: initialSum }),
  update({ w, g, state, lr, constant, perUpdate }, { lrDecay, eps }) {
    const sum = state.sum.add(g.square());
    const rate = lrDecay === 0 ? lr : lr.mul(perUpdate((t) => 1 / (1 + (t - 1) * lrDecay)));
    return { w: w.sub(g.mul(rate).div(sum.sqrt().add(constant(eps)))), sum };
  },
});

export interface RmspropOptions extends CommonOptions {
  /** Share of the running mean of squares that is kept. Default 0.99. */
  alpha?: number;
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
  /** Share of the last velocity that is kept. Default 0. */
  momentum?: number;
  /** Divide by the standard deviation: the running mean of gradients, squared, is subtracted from that of squares. Default false. */
  centered?: boolean;
}

/**
 * RMSprop:  s ← α·s + (1 − α)·g²,  w ← w − lr·g / (√s + ε);  with momentum  v ← μ·v + g / (√s + ε),  w ← w − lr·v.
 * As in PyTorch. Default lr 0.01. Source: Hinton's lecture 6e, 2012.
 */
export const rmsprop = defineOptimizer<RmspropOptions, "square" | "mean" | "velocity">({
  name: "rmsprop",
  defaults: { lr: 0.01, alpha: 0.99, eps: 1e-8, momentum: 0, centered: false, weightDecay: 0 },
  fractions: ["alpha"],
  state: ({ momentum, centered }) => ({ square: 0, ...(centered ? { mean: 0 } : {}), ...(momentum > 0 ? { velocity: 0 } : {}) }),
  update({ w, g, state, lr, constant }, { alpha, eps, momentum, centered }) {
    const square = state.square.mul(constant(alpha)).add(g.square().mul(constant(1 - alpha)));
    const mean = centered ? state.mean.mul(constant(alpha)).add(g.mul(constant(1 - alpha))) : null;
    const spread = mean === null ? square : square.sub(mean.square());
    const direction = g.div(spread.sqrt().add(constant(eps)));
    const kept = { square, ...(mean === null ? {} : { mean }) };
    if (momentum === 0) return { w: w.sub(direction.mul(lr)), ...kept };
    const velocity = state.velocity.mul(constant(momentum)).add(direction);
    return { w: w.sub(velocity.mul(lr)), velocity, ...kept };
  },
});

export interface AdadeltaOptions extends CommonOptions {
  /** Share of the running means that is kept. Default 0.9. */
  rho?: number;
  /** Added to both means under their roots. Default 1e-6. */
  eps?: number;
}

/**
 * Adadelta:  s ← ρ·s + (1 − ρ)·g²,  Δ = g·√(u + ε) / √(s + ε),  u ← ρ·u + (1 − ρ)·Δ²,  w ← w − lr·Δ.  As in PyTorch. Default lr 1.
 * Source: Zeiler 2012.
 */
export const adadelta = defineOptimizer<AdadeltaOptions, "square" | "step">({
  name: "adadelta",
  defaults: { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0 },
  fractions: ["rho"],
  state: () => ({ square: 0, step: 0 }),
  update({ w, g, state, lr, constant }, { rho, eps }) {
    const square = state.square.mul(constant(rho)).add(g.square().mul(constant(1 - rho)));
    const delta = g.mul(
      state.step
        .add(constant(eps))
        .sqrt()
        .div(square.add(constant(eps)).sqrt()),
    );
    return { w: w.sub(delta.mul(lr)), square, step: state.step.mul(constant(rho)).add(delta.square().mul(constant(1 - rho))) };
  },
});
