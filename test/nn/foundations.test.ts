/** What the first lessons on networks work out by hand: logistic regression, a small graph, broadcasting, derivatives, initial values. */
import {
  add,
  compile,
  concat,
  grad,
  gradients,
  hardMax,
  leakyRelu,
  losses,
  metrics,
  mul,
  nn,
  oneHot,
  optim,
  rand,
  randn,
  relu,
  setSeed,
  sigmoid,
  type Tensor,
  tanh,
  tensor,
  variable,
} from "nabla";
import { expect, it } from "vitest";
import { eachDevice } from "../devices.js";

/** The largest difference of two tensors, element by element. */
const distance = (a: Tensor, b: Tensor): Promise<number> => a.sub(b).abs().max().item();

eachDevice("foundations", (device) => {
  it("logistic regression: dw = Xᵀ·(a − y) / m, db = Σ (a − y) / m", async () => {
    const [m, n] = [40, 7];
    const x = randn([m, n], { seed: 1, dtype: "f64" });
    const y = randn([m], { seed: 2, dtype: "f64" }).gt(0).cast("f64");
    const w = variable(randn([n], { seed: 3, dtype: "f64" }));
    const b = variable(0.3, { dtype: "f64" });
    const z = x.matmul(w).add(b);
    const dz = z.sigmoid().sub(y);
    const [dw, db] = gradients(losses.bceWithLogits(z, y), [w, b]);
    expect(await distance(dw, x.transpose().matmul(dz).div(m))).toBeLessThan(1e-12);
    expect(await distance(db, dz.sum().div(m))).toBeLessThan(1e-12);
    const [ofProbabilities] = gradients(losses.bce(z.sigmoid(), y), [w]);
    expect(await distance(ofProbabilities, dw)).toBeLessThan(1e-12);
  });

  it("a graph of three operations: J = 3(a + bc)", async () => {
    const f = (a: Tensor, b: Tensor, c: Tensor) => mul(add(a, mul(b, c)), 3);
    const at = [5, 3, 2].map((value) => tensor(value, { dtype: "f64" }));
    const all = { argnums: [0, 1, 2] };
    expect(await f(at[0], at[1], at[2]).item()).toBe(33);
    const [da, db, dc] = grad(f, all)(...at);
    expect([await da.item(), await db.item(), await dc.item()]).toEqual([3, 6, 9]);
    const ofDb = grad((...args) => grad(f, { argnums: 1 })(...args), all)(...at); // ∂(3c)
    expect(await Promise.all(ofDb.map((x) => x.item()))).toEqual([0, 0, 3]);
  });

  it("calories: columns summed and divided by", async () => {
    const table = tensor([
      [56, 0, 4.4, 68],
      [1.2, 104, 52, 8],
      [1.8, 135, 99, 0.9],
    ]);
    const total = table.sum({ axis: 0, keepDims: true });
    expect(total.shape).toEqual([1, 4]);
    const close = async (x: Tensor, expected: number[], digits: number) =>
      (await x.data()).forEach((value, i) => expect(value).toBeCloseTo(expected[i], digits));
    await close(total, [59, 239, 155.4, 76.9], 4);
    await close(table.div(total).mul(100).at(0), [94.9, 0, 2.83, 88.4], 1);
    const [row, column] = [tensor([[1, 2, 3, 4]]), tensor([[10], [20], [30]])];
    expect((await table.add(row).add(column).add(100).data())[11]).toBeCloseTo(0.9 + 4 + 30 + 100, 4);
  });

  it("derivatives: σ' = a(1 − a), tanh' = 1 − a², relu'(0) = 0, leaky relu has slope 0.01", async () => {
    const z = randn([50], { seed: 4, dtype: "f64" }).mul(3);
    const derivative = (f: (x: Tensor) => Tensor, x = z) => grad((v) => f(v).sum())(x);
    const a = z.sigmoid();
    expect(await distance(derivative(sigmoid), a.mul(a.neg().add(1)))).toBeLessThan(1e-15);
    const t = z.tanh();
    expect(await distance(derivative(tanh), t.square().neg().add(1))).toBeLessThan(1e-15);
    const kink = tensor([-2, 0, 2]);
    expect(await derivative(relu, kink).array()).toEqual([0, 0, 1]);
    expect(await derivative(leakyRelu, kink).mul(100).array()).toEqual([1, 1, 100]);
  });

  it("softmax regression: probabilities, their cross-entropy, its gradient ŷ − y", async () => {
    const z = tensor([[5, 2, -1, 3]], { dtype: "f64" });
    const y = z.softmax();
    expect(await z.exp().sum().item()).toBeCloseTo(176.3, 1);
    (await y.data()).forEach((value, k) => expect(value).toBeCloseTo([0.842, 0.042, 0.002, 0.114][k], 3));
    expect(await hardMax(z).array()).toEqual([[1, 0, 0, 0]]);
    const label = tensor([1], { dtype: "i32" });
    const loss = (logits: Tensor) => losses.crossEntropy(logits, label);
    expect(await loss(tensor([[0.1, 0.2, 0.3, 0.4]], { dtype: "f64" }).log()).item()).toBeCloseTo(-Math.log(0.2), 12);
    const [g] = gradients(loss(z), [z]);
    expect(await distance(g, y.sub(oneHot(label, 4, { dtype: "f64" })))).toBeLessThan(1e-15);
  });

  it("softmax of two classes is logistic regression of the difference of their scores", async () => {
    const z = randn([9, 2], { seed: 5, dtype: "f64" });
    const difference = z
      .slice([0, 1])
      .sub(z.slice([0, 0], [9, 1]))
      .squeeze(1);
    const labels = tensor([0, 1, 1, 0, 1, 0, 0, 1, 1], { dtype: "i32" });
    expect(await distance(z.softmax().slice([0, 1]).squeeze(1), difference.sigmoid())).toBeLessThan(1e-15);
    const [ofClasses, ofDifference] = [losses.crossEntropy(z, labels), losses.bceWithLogits(difference, labels.cast("f64"))];
    expect(await distance(ofClasses, ofDifference)).toBeLessThan(1e-15);
  });

  it.each(["zeros", "heNormal"] as const)("hidden units that start from %s", async (name) => {
    setSeed(1);
    const init = nn.init[name]();
    const first = nn.linear(3, 4, { init });
    const model = nn.sequential(first, nn.sigmoid(), nn.linear(4, 1, { init }));
    const sgd = optim.sgd(model.parameters(), { lr: 0.5 });
    const x = randn([30, 3], { seed: 6 });
    const y = x.sum({ axis: 1, keepDims: true }).gt(0.5).cast("f32");
    const step = compile((input: Tensor, target: Tensor) => {
      const loss = losses.bceWithLogits(model.forward(input), target);
      sgd.minimize(loss);
      return loss;
    });
    for (let i = 0; i < 100; i++) await step(x, y);
    const weight = (await first.weight.value.array()) as number[][];
    const isAlike = weight.every((row) => row.every((entry) => entry === row[0]));
    expect(weight.flat().every((entry) => entry !== 0)).toBe(true); // W₁ has moved
    expect(isAlike).toBe(name === "zeros");
  });

  it.each([1.5, 0.5])("activations of a deep linear network of weights %d·I grow or vanish as its power, gradients too", async (scale) => {
    const depth = 30;
    const layers = Array.from({ length: depth }, () => nn.linear(3, 3, { dtype: "f64", bias: false, init: nn.init.identity() }));
    for (const { weight } of layers) weight.assign(weight.value.mul(scale));
    const x = tensor([[1, -2, 3]], { dtype: "f64" });
    const y = nn.sequential(...layers).forward(x);
    const [gx] = gradients(y.sum(), [x]);
    (await y.data()).forEach((value, k) => expect(value / ([1, -2, 3][k] * scale ** depth)).toBeCloseTo(1, 12));
    for (const value of await gx.data()) expect(value / scale ** depth).toBeCloseTo(1, 12);
  });

  it.runIf(device === "cpu")("a trunk with a head a task learns from the labels that are known", async () => {
    setSeed(2);
    const trunk = nn.sequential(nn.linear(2, 16, { init: nn.init.heNormal() }), nn.relu());
    const heads = [nn.linear(16, 1), nn.linear(16, 1), nn.linear(16, 1)];
    const forward = (input: Tensor) => {
      const features = trunk.forward(input);
      return concat(
        heads.map((head) => head.forward(features)),
        { axis: 1 },
      );
    };
    const x = randn([300, 2], { seed: 7 });
    const truth = concat([x, x.slice([0, 0], [300, 1]).mul(x.slice([0, 1]))], { axis: 1 })
      .gt(0)
      .cast("f32");
    const isKnown = rand([300, 3], { seed: 8 }).gt(0.5);
    const labels = isKnown.where(truth, Number.NaN);
    const adam = optim.adam([...trunk.parameters(), ...heads.flatMap((head) => head.parameters())], { lr: 0.03 });
    const step = compile((known: Tensor) => {
      const logits = forward(x);
      adam.minimize(losses.bceWithLogits(logits, labels, { mask: known }));
      return metrics.binaryAccuracy(logits, truth);
    });
    for (let i = 0; i < 150; i++) await step(isKnown);
    expect(await (await step(isKnown)).item()).toBeGreaterThan(0.93);

    const none = isKnown.logicalAnd(tensor([[true, false, true]]));
    const [g] = gradients(losses.bceWithLogits(forward(x), labels, { mask: none }), [heads[1].weight]);
    expect((await g.data()).every((value) => value === 0)).toBe(true);
  });
});
