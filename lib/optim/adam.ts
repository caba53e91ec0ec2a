/** Adam. */
import { ValueError } from "../base/errors.js";
import type { Variable } from "../tensor/index.js";
import { checkNumber, type Optimizer, optimizer, type Schedule } from "./optimizer.js";

export interface AdamOptions {
  /** Learning rate, or one for each step. Default 0.001. */
  lr?: number | Schedule;
  /** Share of the running means of gradients and of their squares that is kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
  /** Factor of w added to its gradient. Default 0. */
  weightDecay?: number;
}

/**
 * Adam:  m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²,  w ← w − lr · m̂ / (√v̂ + ε)  with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).
 * As in PyTorch. Source: Kingma & Ba 2015, algorithm 1.
 * @example const adam = optim.adam(model.parameters(), { lr: 1e-3 });
 */
export function adam(parameters: Iterable<Variable>, options: AdamOptions = {}): Optimizer {
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
  if (!Array.isArray(betas) || betas.length !== 2) throw new ValueError(`adam: betas must be two numbers but are ${betas}`, { op: "adam" });
  const [beta1, beta2] = betas.map((beta, i) => checkNumber("adam", `betas[${i}]`, beta, 1));
  checkNumber("adam", "eps", eps);
  checkNumber("adam", "weightDecay", weightDecay);
  return optimizer("adam", parameters, lr, ["m", "v"], ({ w, g, state, lr, constant, perUpdate }) => {
    const d = weightDecay === 0 ? g : g.add(w.mul(constant(weightDecay)));
    const m = state.m.mul(constant(beta1)).add(d.mul(constant(1 - beta1)));
    const v = state.v.mul(constant(beta2)).add(d.square().mul(constant(1 - beta2)));
    const mHat = m.mul(perUpdate((t) => 1 / (1 - beta1 ** t)));
    const vHat = v.mul(perUpdate((t) => 1 / (1 - beta2 ** t)));
    return { w: w.sub(mHat.mul(lr).div(vHat.sqrt().add(constant(eps)))), m, v };
  });
}
