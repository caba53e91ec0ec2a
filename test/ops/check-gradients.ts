/**
 * Two-sided gradient check in f64: for random cotangents u and directions v, ⟨u, J·v⟩ by differences must equal ⟨Jᵀ·u, v⟩ by
 * automatic differentiation; with `order` 2 the gradient itself is checked the same way.
 */
import { grad, randn, type Tensor } from "nabla";
import { expect } from "vitest";

type Fn = (...xs: Tensor[]) => Tensor;

const step = 1e-5;

function relativeError(a: number, b: number): number {
  return Math.abs(a - b) / Math.max(Math.abs(a) + Math.abs(b), 1e-3);
}

/** Returns the worst relative error over the arguments named by `smooth`. */
function worstError(f: Fn, xs: readonly Tensor[], smooth: readonly number[], seed: number): number {
  const y = f(...xs);
  const u = randn(y.shape, { seed: seed + 1, dtype: "f64" });
  const scalar: Fn = (...args) =>
    f(...args)
      .mul(u)
      .sum();
  const gradients = grad(scalar, { argnums: smooth })(...xs);
  let worst = 0;
  smooth.forEach((k, i) => {
    const v = randn(xs[k].shape, { seed: seed + 10 + k, dtype: "f64" });
    const moved = (by: number) => scalar(...xs.map((x, j) => (j === k ? x.add(v.mul(by)) : x))).itemSync();
    // Richardson extrapolation of two-sided differences: error O(step⁴).
    const wide = (moved(2 * step) - moved(-2 * step)) / (4 * step);
    const narrow = (moved(step) - moved(-step)) / (2 * step);
    const numeric = (4 * narrow - wide) / 3;
    worst = Math.max(worst, relativeError(numeric, gradients[i].mul(v).sum().itemSync()));
  });
  return worst;
}

export function checkGradients(f: Fn, xs: readonly Tensor[], { smooth = xs.map((_, i) => i), order = 2, seed = 1 } = {}): void {
  expect(worstError(f, xs, smooth, seed), `first order, seed ${seed}`).toBeLessThan(1e-7);
  if (order < 2) return;
  for (const k of smooth) {
    const u = randn(f(...xs).shape, { seed: seed + 50, dtype: "f64" });
    const gradient: Fn = (...args) =>
      grad(
        (...inner: Tensor[]) =>
          f(...inner)
            .mul(u)
            .sum(),
        { argnums: k },
      )(...args);
    expect(worstError(gradient, xs, smooth, seed + 60), `second order by argument ${k}, seed ${seed}`).toBeLessThan(1e-6);
  }
}
