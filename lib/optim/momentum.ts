/** Optimizers of one memory, the velocity: SGD with momentum, Lion, Muon. */
import { eye, type Tensor } from "../tensor/index.js";
import { type CommonOptions, defineOptimizer } from "./rule.js";
import type { Schedule } from "./schedule.js";

export interface SgdOptions extends CommonOptions {
  lr: number | Schedule;
  /** Share of the last velocity that is kept. Default 0. */
  momentum?: number;
  /** Share of the gradient that does not enter the velocity; equal to momentum, the velocity is an average. Default 0. */
  dampening?: number;
  /** Look ahead along the velocity; needs momentum and no dampening. Default false. */
  nesterov?: boolean;
}

/**
 * Gradient descent with momentum:  v ← μ·v + (1 − dampening)·g,  w ← w − lr·v,  the first v being g; with Nesterov's
 * momentum w ← w − lr·(g + μ·v). As in PyTorch. Source: Sutskever et al. 2013.
 * @example const sgd = optim.sgd(model.parameters(), { lr: 0.1, momentum: 0.9 });
 */
export const sgd = defineOptimizer<SgdOptions, "velocity">({
  name: "sgd",
  defaults: { lr: null, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 },
  conflict: ({ momentum, dampening, nesterov }) =>
    nesterov && (momentum === 0 || dampening !== 0)
      ? `nesterov needs momentum > 0 and dampening 0 but they are ${momentum} and ${dampening}`
      : null,
  state: ({ momentum }) => (momentum === 0 ? {} : { velocity: 0 }),
  update({ w, g, state, lr, constant, perUpdate }, { momentum, dampening, nesterov }) {
    if (momentum === 0) return { w: w.sub(g.mul(lr)) };
    const share = dampening === 0 ? g : g.mul(perUpdate((t) => (t === 1 ? 1 : 1 - dampening)));
    const velocity = state.velocity.mul(constant(momentum)).add(share);
    return { w: w.sub((nesterov ? g.add(velocity.mul(constant(momentum))) : velocity).mul(lr)), velocity };
  },
});

export interface LionOptions extends CommonOptions {
  /** Shares that are kept of the momentum: for the direction, and in memory. Default [0.9, 0.99]. */
  betas?: readonly [number, number];
}

/**
 * Lion:  w ← w − lr·(sign(β₁·m + (1 − β₁)·g) + λ·w),  m ← β₂·m + (1 − β₂)·g.  Every weight moves by ±lr: rates a third to a tenth of
 * Adam's, decay as many times larger. Default lr 1e-4. Source: Chen et al. 2023, algorithm 2.
 */
export const lion = defineOptimizer<LionOptions, "m">({
  name: "lion",
  defaults: { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 },
  fractions: ["betas"],
  decoupled: true,
  state: () => ({ m: 0 }),
  update({ w, g, state, lr, constant }, { betas: [beta1, beta2] }) {
    const toGradient = g.sub(state.m);
    const blend = (beta: number) => state.m.add(toGradient.mul(constant(1 - beta)));
    return { w: w.sub(blend(beta1).sign().mul(lr)), m: blend(beta2) };
  },
});

export interface MuonOptions extends CommonOptions {
  /** Share of the last momentum that is kept. Default 0.95. */
  momentum?: number;
  /** Look ahead along the momentum. Default true. */
  nesterov?: boolean;
}

/** Coefficients of the Newton–Schulz iteration x ← a·x + (b·xxᵀ + c·(xxᵀ)²)·x, and how often it is done. */
const newtonSchulz = { a: 3.4445, b: -4.775, c: 2.0315, steps: 5 };

/**
 * Momentum, made orthogonal, for the matrices inside a network:  m ← μ·m + g,  w ← w·(1 − lr·λ) − lr·√max(1, out/in)·O(g + μ·m),  O(x) being
 * near the orthogonal matrix nearest to x. A filter [h, w, in, out] counts as a matrix [h·w·in, out]. Embeddings, the last layer, biases and
 * norms are better trained by AdamW: `optim.combine(optim.muon(matrices), optim.adamW(others))`. Default lr 0.02.
 * Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon.
 * @throws ValueError if a parameter has fewer than two axes.
 */
export const muon = defineOptimizer<MuonOptions, "m">({
  name: "muon",
  defaults: { lr: 0.02, momentum: 0.95, nesterov: true, weightDecay: 0 },
  fractions: ["momentum"],
  decoupled: true,
  matrices: true,
  state: () => ({ m: 0 }),
  update({ w, g, state, lr, constant }, { momentum, nesterov }) {
    const m = state.m.mul(constant(momentum)).add(g);
    const direction = nesterov ? g.add(m.mul(constant(momentum))) : m;
    const outputs = w.shape.at(-1)!;
    const matrix = direction.reshape([-1, outputs]);
    const scale = Math.sqrt(Math.max(1, outputs / matrix.shape[0]));
    return { w: w.sub(orthogonal(matrix, constant).reshape(w.shape).mul(constant(scale)).mul(lr)), m };
  },
});

/** A matrix with the singular vectors of x [m, n] and singular values near 1. */
function orthogonal(x: Tensor, constant: (value: number) => Tensor): Tensor {
  const [rows, columns] = x.shape;
  const { a, b, c, steps } = newtonSchulz;
  // The smaller Gram matrix; its polynomial has a on the diagonal, so that each step is one product with x.
  const isTall = rows > columns;
  const identity = eye(Math.min(rows, columns), { dtype: x.dtype }).mul(constant(a));
  let y = x.div(x.square().sum().sqrt().add(constant(1e-7)));
  for (let i = 0; i < steps; i++) {
    const gram = isTall ? y.transpose().matmul(y) : y.matmul(y.transpose());
    const polynomial = identity.add(gram.mul(constant(b))).add(gram.matmul(gram).mul(constant(c)));
    y = isTall ? y.matmul(polynomial) : polynomial.matmul(y);
  }
  return y;
}
