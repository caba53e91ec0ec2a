/** Gradients beyond single ops: at kinks, through casts and stops, of one tensor used twice, through chains of views and loops. */
import { grad, matmul, maxPool2d, randn, scan, type Tensor, tensor } from "nabla";
import { expect, it } from "vitest";
import { eachDevice } from "../devices.js";
import { differenceError } from "./properties.js";

const gradientAt = (f: (x: Tensor) => Tensor, x: number[] | number[][]) => grad((v) => f(v).sum())(x).arraySync();

eachDevice("gradients", () => {
  it("at kinks are what the docs of the ops say", () => {
    expect(gradientAt((x) => x.relu(), [0])).toEqual([0]);
    expect(gradientAt((x) => x.abs(), [0])).toEqual([0]);
    expect(gradientAt((x) => x.maximum(1), [1])).toEqual([0.5]);
    expect(gradientAt((x) => x.minimum(1), [1])).toEqual([0.5]);
    expect(gradientAt((x) => x.max(), [3, 1, 3])).toEqual([0.5, 0, 0.5]);
    expect(gradientAt((x) => maxPool2d(x.reshape([1, 2, 2, 1]), 2), [3, 3, 1, 3])).toEqual([1, 0, 0, 0]);
    expect(grad((b) => tensor([0]).pow(b).sum())([2]).arraySync()).toEqual([0]);
  });

  it("flow through casts between floats and stop where they should", () => {
    const u = [1.5, -2, 3];
    expect(
      gradientAt(
        (x) =>
          x
            .cast("f64")
            .mul(tensor(u, { dtype: "f64" }))
            .cast("f32"),
        [1, 2, 3],
      ),
    ).toEqual(u);
    expect(gradientAt((x) => x.cast("i32").cast("f32").mul(x), [1.5, 2.5, 3.5])).toEqual([1, 2, 3]);
    expect(gradientAt((x) => x.stopGradient().mul(x), [1, 2, 3])).toEqual([1, 2, 3]);
    expect(gradientAt((x) => x.floor().add(x.round()), [1.5])).toEqual([0]);
  });

  const chains: Record<string, [(...xs: Tensor[]) => Tensor, ...number[][]]> = {
    "one tensor on both sides": [(a) => a.mul(a).matmul(a.transpose()), [4, 3]],
    "views of views": [(x) => x.permute([2, 0, 1]).slice([1], [4], [2]).flip(1).reshape([-1, 2]).transpose().exp(), [2, 3, 4]],
    "overlapping windows": [(x) => maxPool2d(x.square(), 3, { stride: 2, padding: 1 }), [1, 5, 5, 2]],
    "batches that broadcast": [(a, b) => matmul(a, b).square(), [2, 1, 2, 3], [3, 3, 2]],
    "a loop inside a loop": [
      (w, x) =>
        scan(
          ([c], [row]) => {
            const inner = scan(([d], [v]) => ({ carry: [d.mul(w).add(v).tanh()] }), [c], [row]);
            return { carry: inner.carry, y: [inner.carry[0].square()] };
          },
          [tensor(0.5, { dtype: "f64" })],
          [x],
        ).y[0],
      [],
      [3, 4],
    ],
  };
  for (const [name, [f, ...shapes]] of Object.entries(chains)) {
    it(`of ${name} agree with differences`, () => {
      const xs = shapes.map((shape, seed) => randn(shape, { seed, dtype: "f64" }));
      expect(
        differenceError(
          (args) => f(...args),
          xs,
          xs.map((_, k) => k),
          5,
        ),
      ).toBeLessThan(1e-7);
    });
  }
});
