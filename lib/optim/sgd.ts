/** Stochastic gradient descent. */
import { ValueError } from "../base/errors.js";
import type { Variable } from "../tensor/index.js";
import { checkNumber, type Optimizer, optimizer, type Schedule } from "./optimizer.js";

export interface SgdOptions {
  /** Learning rate, or one for each step. */
  lr: number | Schedule;
  /** Share of the last velocity that is kept. Default 0. */
  momentum?: number;
  /** Share of the gradient that does not enter the velocity. Default 0. */
  dampening?: number;
  /** Look ahead along the velocity; needs momentum and no dampening. Default false. */
  nesterov?: boolean;
  /** Factor of w added to its gradient. Default 0. */
  weightDecay?: number;
}

/**
 * Gradient descent with momentum:  v ← μ·v + (1 − dampening)·g,  w ← w − lr·v,  the first v being g; with Nesterov's
 * momentum w ← w − lr·(g + μ·v). As in PyTorch. Source: Sutskever et al. 2013.
 * @example const sgd = optim.sgd(model.parameters(), { lr: 0.1, momentum: 0.9 });
 */
export function sgd(parameters: Iterable<Variable>, options: SgdOptions): Optimizer {
  const { lr, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } = options ?? {};
  checkNumber("sgd", "momentum", momentum);
  checkNumber("sgd", "dampening", dampening);
  checkNumber("sgd", "weightDecay", weightDecay);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new ValueError(`sgd: nesterov needs momentum > 0 and dampening 0 but they are ${momentum} and ${dampening}`, {
      op: "sgd",
      inputs: [momentum, dampening],
    });
  }
  if (momentum === 0) {
    return optimizer("sgd", parameters, lr, [], ({ w, g, lr, constant }) => {
      const d = weightDecay === 0 ? g : g.add(w.mul(constant(weightDecay)));
      return { w: w.sub(d.mul(lr)) };
    });
  }
  return optimizer("sgd", parameters, lr, ["velocity"], ({ w, g, state, lr, constant, perUpdate }) => {
    const d = weightDecay === 0 ? g : g.add(w.mul(constant(weightDecay)));
    const share = dampening === 0 ? d : d.mul(perUpdate((t) => (t === 1 ? 1 : 1 - dampening)));
    const velocity = state.velocity.mul(constant(momentum)).add(share);
    return { w: w.sub((nesterov ? d.add(velocity.mul(constant(momentum))) : velocity).mul(lr)), velocity };
  });
}
