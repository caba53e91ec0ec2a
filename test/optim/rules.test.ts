/** Rules that PyTorch 1.13 lacks, by the formulas of their papers, and what is put around every rule: groups, decay, limits, averages. */
import { compile, matmul, nn, optim, randn, setSeed, type Tensor, tensor, type Variable, variable } from "nabla";
import { expect, it } from "vitest";
import { eachDevice } from "../devices.js";

const f64 = (values: number | number[] | number[][], name?: string) => variable(values, { dtype: "f64", name });
const read = async (w: Variable) => (await w.value.array()) as number[];

/** Minimises Σ cᵢ·wᵢ, whose gradient is c, by `steps` steps. */
async function descend(optimizer: optim.Optimizer, w: Variable, gradients: number[][], options?: optim.MinimizeOptions) {
  const step = compile((c: Tensor) => optimizer.minimize(w.value.mul(c).sum(), options).gradNorm);
  const norms: number[] = [];
  for (const c of gradients) norms.push(await (await step(tensor(c, { dtype: "f64" }))).item());
  return norms;
}

const gradients = [
  [0.5, -1, 2],
  [0.1, 0.2, -3],
  [-0.4, 0.3, 1],
];

eachDevice("rules", () => {
  it("momentum with dampening is the average V = βV + (1 − β)dW, from the first gradient on", async () => {
    const w = f64([1, 2, 3]);
    await descend(optim.sgd([w], { lr: 0.1, momentum: 0.9, dampening: 0.9 }), w, gradients);
    const expected = [1, 2, 3].map((start, i) => {
      let [at, average] = [start, gradients[0][i]];
      gradients.forEach((g, t) => {
        if (t > 0) average = 0.9 * average + 0.1 * g[i];
        at -= 0.1 * average;
      });
      return at;
    });
    (await read(w)).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 14));
  });

  it("Lion moves by the sign of a blend and remembers another", async () => {
    const w = f64([1, 2, 3]);
    await descend(optim.lion([w], { lr: 0.01, betas: [0.9, 0.8], weightDecay: 0.5 }), w, gradients);
    const expected = [1, 2, 3].map((start, i) => {
      let [at, m] = [start, 0];
      for (const g of gradients) {
        at -= 0.01 * (Math.sign(0.9 * m + 0.1 * g[i]) + 0.5 * at);
        m = 0.8 * m + 0.2 * g[i];
      }
      return at;
    });
    (await read(w)).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 14));
  });

  it.each([
    ["wide", [2, 3]],
    ["tall", [4, 2]],
    ["a filter", [1, 2, 2, 2]],
  ])("Muon steps along a near-orthogonal matrix with the gradient's singular vectors: %s", async (_, shape) => {
    const [rows, columns] = [shape.slice(0, -1).reduce((a, b) => a * b), shape.at(-1)!];
    const w = variable(randn(shape, { seed: 3, dtype: "f64" }));
    const before = (await w.value.reshape([rows, columns]).data()) as Float64Array;
    const c = randn(shape, { seed: 5, dtype: "f64" });
    const muon = optim.muon([w], { lr: 0.1, momentum: 0.5, weightDecay: 0.2 });
    await compile((g: Tensor) => void muon.minimize(w.value.mul(g).sum()))(c);
    const after = (await w.value.reshape([rows, columns]).data()) as Float64Array;
    // w' = w(1 − lr·λ) − lr·√max(1, out/in)·o
    const scale = 0.1 * Math.sqrt(Math.max(1, columns / rows));
    const o = tensor(
      before.map((value, i) => (value * (1 - 0.1 * 0.2) - after[i]) / scale),
      { shape: [rows, columns] },
    );
    const g = c.reshape([rows, columns]);
    // o = U·diag(s)·Vᵀ: the Gram matrices of o and g commute, singular values lie in about [0.7, 1.2], and ⟨o, g⟩ is near the nuclear norm.
    const gram = (x: Tensor) => (rows > columns ? matmul(x.transpose(), x) : matmul(x, x.transpose()));
    const commutator = matmul(gram(o), gram(g)).sub(matmul(gram(g), gram(o)));
    expect(await commutator.abs().max().item()).toBeLessThan(1e-9 * (await gram(g).abs().max().item()));
    const [[a, b], [, d]] = (await gram(o).array()) as number[][];
    const spread = Math.hypot((a - d) / 2, b);
    for (const square of [(a + d) / 2 + spread, (a + d) / 2 - spread]) {
      expect(Math.sqrt(square)).toBeGreaterThan(0.65);
      expect(Math.sqrt(square)).toBeLessThan(1.25);
    }
    expect(await o.mul(g).sum().item()).toBeGreaterThan(0);
  });

  it("one of one's own is a few lines", async () => {
    const signSgd = optim.defineOptimizer<optim.CommonOptions>({
      name: "signSgd",
      defaults: { lr: 0.5, weightDecay: 0 },
      state: () => ({}),
      update: ({ w, g, lr }) => ({ w: w.sub(g.sign().mul(lr)) }),
    });
    const w = f64([1, 2, 3]);
    await descend(signSgd([w]), w, [[3, -4, 0]]);
    expect(await read(w)).toEqual([0.5, 2.5, 3]);
  });
});

eachDevice("penalties and limits", () => {
  it("L2 shrinks w by 1 − αλ/m a step", async () => {
    const [alpha, lambda, m] = [0.1, 0.7, 50];
    for (const make of [optim.sgd, optim.lion] as const) {
      const w = f64([1, -2, 3]);
      await descend(make([w], { lr: alpha, weightDecay: lambda / m }), w, [[0, 0, 0]]);
      (await read(w)).forEach((value, i) => expect(value).toBeCloseTo([1, -2, 3][i] * (1 - (alpha * lambda) / m), 14));
    }
  });

  it("L1 pulls by its sign", async () => {
    const w = f64([1, -2, 0]);
    await descend(optim.sgd([w], { lr: 0.1, l1: 0.5 }), w, [[1, 1, 1]]);
    (await read(w)).forEach((value, i) => expect(value).toBeCloseTo([1 - 0.15, -2 - 0.05, -0.1][i], 14));
  });

  it("maxNorm scales the columns of matrices and the filters of convolutions back, and leaves vectors and zeros alone", async () => {
    const matrix = f64([
      [3, 0.3, 0],
      [4, 0.4, 0],
    ]);
    const filter = f64([2, 2, 0, 0]);
    const filters = variable(filter.value.reshape([2, 1, 1, 2]));
    const bias = f64([30, 40]);
    const sgd = optim.sgd([matrix, filters, bias], { lr: 0, maxNorm: 2 });
    await compile(() => void sgd.minimize(matrix.value.sum().add(filters.value.sum()).add(bias.value.sum())))();
    expect((await matrix.value.data()).map((x) => Number(x.toFixed(12)))).toEqual(Float64Array.of(1.2, 0.3, 0, 1.6, 0.4, 0));
    expect(await filters.value.data()).toEqual(Float64Array.of(2, 2, 0, 0));
    expect(await bias.value.data()).toEqual(Float64Array.of(30, 40));
  });

  it("clipNorm scales all gradients by one factor, as PyTorch does, and gradNorm tells the norm before", async () => {
    const [w, v] = [f64([0, 0]), f64(0)];
    const sgd = optim.sgd([w, v], { lr: 1 });
    const step = compile((clipNorm: number) => {
      const loss = w.value.mul([2, 3]).sum().add(v.value.mul(6));
      return sgd.minimize(loss, { clipNorm }).gradNorm;
    });
    expect(await (await step(70)).item()).toBeCloseTo(7, 14);
    expect(await read(w)).toEqual([-2, -3]);
    await step(3.5);
    const factor = 3.5 / (7 + 1e-6);
    expect((await read(w))[1]).toBeCloseTo(-3 - 3 * factor, 14);
    expect(await v.value.item()).toBeCloseTo(-6 - 6 * factor, 14);
  });

  it("clipValue limits each element, before clipNorm", async () => {
    const w = f64([0, 0, 0]);
    const [norm] = await descend(optim.sgd([w], { lr: 1 }), w, [[10, -20, 2]], { clipValue: 3, clipNorm: 2 });
    expect(norm).toBeCloseTo(Math.hypot(10, 20, 2), 12);
    const factor = 2 / (Math.hypot(3, 3, 2) + 1e-6);
    (await read(w)).forEach((value, i) => expect(value).toBeCloseTo([-3, 3, -2][i] * factor, 14));
  });

  it("gradNorm can be read outside of compiled functions", async () => {
    const w = f64([3, 4]);
    const { gradNorm } = optim.sgd([w], { lr: 1 }).minimize(w.value.square().sum().div(2));
    expect(await gradNorm.item()).toBe(5);
  });

  it("of norms mix dtypes", async () => {
    const [w, v] = [variable(0), f64(0)];
    const sgd = optim.sgd([w, v], { lr: 1 });
    const loss = v.value.mul(8).add(w.value.mul(6).cast("f64"));
    expect(await sgd.minimize(loss, { clipNorm: 1 }).gradNorm.item()).toBe(10);
    expect(await w.value.item()).toBeCloseTo(-0.6, 6);
    expect(await v.value.item()).toBeCloseTo(-0.8, 6);
  });
});

eachDevice("accumulated gradients", () => {
  const rows = [
    [1, 2],
    [3, -1],
    [0.5, 4],
    [-2, 1],
    [1, 1],
    [2, 0.3],
  ];
  const train = async (accumulate: number, mode: "compiled" | "eager", steps = 12) => {
    const w = f64([[0.3], [-0.2]], "w");
    const adam = optim.adam([w], { lr: (step) => 0.1 / (1 + step), weightDecay: 0.1 });
    const body = (x: Tensor) => {
      const loss = x.matmul(w).sub(1).square().mean();
      adam.minimize(loss, { accumulate, clipNorm: 0.7 });
      return loss;
    };
    const step = mode === "compiled" ? compile(body) : async (x: Tensor) => body(x);
    for (let i = 0; i < steps; i++) {
      const size = 6 / accumulate;
      const at = i % accumulate;
      await step(tensor(rows.slice(at * size, at * size + size), { dtype: "f64" }));
    }
    return { w: await read(w), adam };
  };

  it.each(["compiled", "eager"] as const)("%s: k small batches are one large one", async (mode) => {
    const whole = await train(1, mode, 4);
    for (const k of [2, 3, 6]) {
      const parts = await train(k, mode, 4 * k);
      expect(parts.adam.stepCount).toBe(4);
      parts.w.flat().forEach((value, i) => expect(value).toBeCloseTo(whole.w.flat()[i], 13));
    }
  });

  it("are saved between two updates", async () => {
    const { adam } = await train(3, "compiled", 7);
    const state = adam.stateDict();
    expect([state.step, state.microStep, state.steps.w]).toEqual([2, 7, 2]);
    expect((await state.tensors["w.accumulated"].data()).some((g) => g !== 0)).toBe(true);
    const other = optim.adam([f64([[0], [0]], "w")]);
    other.loadStateDict(state);
    const again = other.stateDict();
    expect([again.step, again.microStep, again.steps.w]).toEqual([2, 7, 2]);
    expect(await again.tensors["w.accumulated"].data()).toEqual(await state.tensors["w.accumulated"].data());
    other.loadStateDict(optim.adam([f64([[0], [0]], "w")]).stateDict());
    expect(await other.stateDict().tensors["w.accumulated"].data()).toEqual(Float64Array.of(0, 0));
  });
});

eachDevice("groups", () => {
  it("have options of their own; rates follow the optimizer's unless they are their own", async () => {
    const [a, b, c] = [f64(0), f64(0), f64(0)];
    const sgd = optim.sgd([{ parameters: [a] }, { parameters: [b], lrScale: 0.1 }, { parameters: [c], lr: 7, momentum: 0.5 }], { lr: 1 });
    const step = compile(() => void sgd.minimize(a.value.add(b.value).add(c.value)));
    const values = async () => Promise.all([a, b, c].map((w) => w.value.item()));
    await step();
    expect(await values()).toEqual([-1, -0.1, -7]);
    sgd.lr = (n) => 2 * n;
    expect(sgd.lr).toBe(2);
    await step();
    const [, second] = await values();
    expect(await values()).toEqual([-3, second, -7 - 1.5 * 7]);
    expect(second).toBeCloseTo(-0.3, 14);
    sgd.lrScale = 0;
    await step();
    expect((await values())[0]).toBe(-3);
    expect(step.programs()).toHaveLength(1);
  });

  it("keep biases and norms from decaying", async () => {
    const model = nn.sequential(nn.linear(2, 3), nn.linear(3, 1));
    const [decayed, others] = optim.decayGroups(model.parameters());
    expect(decayed.parameters.map(({ name }) => name)).toEqual(["0.weight", "1.weight"]);
    expect(others).toMatchObject({ weightDecay: 0, parameters: [model.parameters()[1], model.parameters()[3]] });
    const before = await Promise.all(model.parameters().map((p) => p.value.data()));
    const adamW = optim.adamW(optim.decayGroups(model.parameters()), { lr: 0.5, weightDecay: 0.5 });
    await compile((x: Tensor) => void adamW.minimize(model.forward(x).sum().mul(0)))(tensor([[1, 2]]));
    const after = await Promise.all(model.parameters().map((p) => p.value.data()));
    after.forEach((values, i) => expect(values).toEqual(before[i].map((w) => (i % 2 === 0 ? w * 0.75 : w))));
  });

  it("by patterns of names, the first that matches", () => {
    const model = nn.sequential(nn.linear(2, 3), nn.linear(3, 1));
    const groups = optim.groupsByName(model, { "0.*": { lrScale: 0.1 }, "*.bias": { weightDecay: 0 } });
    expect(groups.map(({ parameters, ...options }) => [parameters.map(({ name }) => name), options])).toEqual([
      [["0.weight", "0.bias"], { lrScale: 0.1 }],
      [["1.bias"], { weightDecay: 0 }],
      [["1.weight"], {}],
    ]);
    expect(() => optim.groupsByName(model, { "0.*": {}, "0.bias": {} })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });

  it("of several optimizers are one", async () => {
    const [w, b] = [f64([[1, 2]]), f64([1])];
    const [v, c] = [f64([[1, 2]]), f64([1])];
    const loss = (w: Variable, b: Variable) =>
      w.value
        .mul([[3, 1]])
        .sum()
        .mul(b.value.sum());
    const [muon, adam] = [optim.muon([w]), optim.adam([b])];
    const both = optim.combine(muon, adam);
    adam.lr = 0.3;
    await compile(() => void both.minimize(loss(w, b)))();
    expect([both.name, both.stepCount]).toEqual(["muon+adam", 1]);
    await compile(() => {
      const cost = loss(v, c);
      optim.muon([v]).minimize(cost);
      optim.adam([c], { lr: 0.3 }).minimize(cost);
    })();
    expect([await read(w), await read(b)]).toEqual([await read(v), await read(c)]);
    expect(Object.keys(both.stateDict().tensors)).toEqual(["0.m", "1.m", "1.v"]);
  });
});

eachDevice("averages of weights", () => {
  it("correct their bias", async () => {
    const theta = f64(0);
    const average = optim.ema([theta], { decay: 0.98 });
    expect(() => average.average(theta)).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
    theta.assign(40);
    average.update();
    expect(await average.average(theta).item()).toBeCloseTo(40, 12);
    theta.assign(49);
    average.update();
    expect(await average.average(theta).item()).toBeCloseTo((0.0196 * 40 + 0.02 * 49) / 0.0396, 12);
  });

  it("follow a training, stand in for the weights and are saved", async () => {
    setSeed(1);
    const w = f64([0, 0, 0], "w");
    const average = optim.ema([w], { decay: 0.5 });
    const sgd = optim.sgd([w], { lr: 1 });
    const step = compile((c: Tensor) => {
      sgd.minimize(w.value.mul(c).sum());
      average.update();
    });
    let [at, v] = [0, 0];
    for (const [c] of gradients) {
      await step(tensor([c, 0, 0], { dtype: "f64" }));
      at -= c;
      v = 0.5 * v + 0.5 * at;
    }
    const inside = await average.use(() => read(w));
    expect(inside[0]).toBeCloseTo(v / (1 - 0.5 ** 3), 14);
    expect((await read(w))[0]).toBeCloseTo(at, 14);
    const other = optim.ema([f64([0, 0, 0], "w")], { decay: 0.5 });
    other.loadStateDict(average.stateDict());
    expect([other.count, await other.stateDict().tensors.w.data()]).toEqual([3, await average.stateDict().tensors.w.data()]);
    average.apply();
    expect(await read(w)).toEqual(inside);
  });
});

it.each([
  ["sgd", { momentum: 0.9, nesterov: true }],
  ["adagrad", { lrDecay: 0.1 }],
  ["rmsprop", { momentum: 0.9, centered: true }],
  ["adadelta", {}],
  ["adam", { amsgrad: true }],
  ["adamW", {}],
  ["nadam", {}],
  ["radam", {}],
  ["lion", {}],
] as const)("%s with decay, L1, clipping and an average is one pass over each parameter", async (name, options) => {
  const w = variable([1, 2, 3]);
  const optimizer = (optim[name] as typeof optim.sgd)([w], { lr: 0.1, weightDecay: 0.1, l1: 0.1, ...options });
  const average = optim.ema([w]);
  const step = compile((c: Tensor) => {
    optimizer.minimize(w.value.mul(c).sum(), { clipNorm: 1 });
    average.update();
  });
  await step(tensor([1, 2, 3]));
  const passes = step
    .programs()[0]
    .split("\n")
    .filter((line) => /= tile\(.*%\d+\[3\]/.test(line));
  expect(passes).toHaveLength(1);
});
