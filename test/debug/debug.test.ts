/** Tools that look into a model say what is right and name what is wrong. */
import { compile, debug, losses, metrics, nn, optim, randn, scan, setSeed, type Tensor, tensor, variable } from "nabla";
import { expect, it } from "vitest";
import { defineOp, node } from "../../lib/graph/op.js";
import { eachDevice } from "../devices.js";

const { checkGradients, checkNumerics, layerStatistics, lossLine, lossPlane, numericalGradient } = debug;

/** x², with a gradient that is one and a half times too large for elements above 1. */
const wrongSquare = defineOp({
  name: "wrongSquare",
  inputs: ["x"],
  vjp: { x: (gy, { x }) => gy.mul(x.gt(1).where(x.mul(3), x.mul(2))) },
  lowering: { kind: "tile", emit: (tile, [x]) => tile.step("mul", x, x) },
});

eachDevice("gradient checking", () => {
  const batch = () => ({ x: randn([4, 6, 6, 1], { seed: 1 }), y: tensor(Int32Array.of(0, 2, 1, 2)) });
  const classifier = () => {
    setSeed(2);
    return nn.sequential(nn.conv2d(1, 2, { kernel: 3 }), nn.batchNorm(2), nn.tanh(), nn.avgPool2d(2), nn.flatten(), nn.linear(8, 3));
  };

  it("differences of θ³ at 1, ε = 0.01, give 3.0001", async () => {
    const slope = await numericalGradient((theta) => theta.pow(3), 1, { epsilon: 0.01 });
    expect(await slope.item()).toBeCloseTo(3.0001, 12);
    const gradient = await numericalGradient(
      (x) => x.square().sum(),
      [
        [1, 2],
        [3, 4],
      ],
    );
    expect((await gradient.data()).map(Math.round)).toEqual(Float64Array.of(2, 4, 6, 8));
  });

  it("finds a sound model great, in training and evaluation mode, and changes nothing", async () => {
    const model = classifier();
    const before = await Promise.all(Object.values(model.stateDict()).map((x) => x.data()));
    for (const mode of [true, false]) {
      model.train(mode);
      const { x, y } = batch();
      const check = await checkGradients(model, { x, y }, { loss: (b) => losses.crossEntropy(model.forward(b.x), b.y), sample: 12 });
      expect(check.verdict).toBe("great");
      expect(check.relativeError).toBeLessThan(1e-7);
      expect(Object.keys(check.parameters)).toEqual([...model.namedParameters().keys()]);
      expect(check.worst).toMatch(/^\d\.\w+\[\d+\]$/);
    }
    expect(await Promise.all(Object.values(model.stateDict()).map((x) => x.data()))).toEqual(before);
  });

  it("goes through loops", async () => {
    const cell = nn.linear(2, 2);
    const loss = (x: Tensor) => {
      const body = ([h]: Tensor[], [xt]: Tensor[]) => ({ carry: [cell.forward(h.add(xt)).tanh()] });
      const [carry] = scan(body, [tensor([[0.3, -0.2]])], [x]).carry;
      return carry.square().sum();
    };
    expect((await checkGradients(cell, randn([3, 1, 2], { seed: 4 }), { loss })).verdict).toBe("great");
  });

  it("names parameter and index of a gradient that is wrong", async () => {
    const model = nn.sequential(nn.linear(1, 2), nn.linear(2, 1));
    const [, , weight] = model.parameters();
    model.loadStateDict({
      "0.weight": tensor([[1, 1]]),
      "0.bias": tensor([0, 0]),
      "1.weight": tensor([[0.5], [2]]),
      "1.bias": tensor([0]),
    });
    const loss = () => node(wrongSquare, [weight.value], weight.shape, weight.dtype).sum();
    const check = await checkGradients(model, null, { loss });
    expect([check.verdict, check.worst]).toEqual(["wrong", "1.weight[1]"]);
    expect(check.relativeError).toBeCloseTo(2 / (Math.hypot(1, 6) + Math.hypot(1, 4)), 6);
  });

  it("says look where the differences are coarse", async () => {
    const model = nn.linear(1, 1);
    model.loadStateDict({ weight: tensor([[1]]), bias: tensor([0]) });
    const loss = (x: Tensor) => model.forward(x).pow(3).sum();
    expect((await checkGradients(model, tensor([[1]]), { loss, epsilon: 0.01 })).verdict).toBe("look");
  });

  it("refuses dropout in training mode, and nonsense", async () => {
    const model = nn.sequential(nn.linear(2, 2), nn.dropout(0.5));
    const loss = (x: Tensor) => model.forward(x).square().sum();
    await expect(checkGradients(model, tensor([[1, 2]]), { loss })).rejects.toMatchObject({ code: "ERR_VALUE", op: "checkGradients" });
    model.eval();
    expect((await checkGradients(model, tensor([[1, 2]]), { loss })).verdict).toBe("great");
    await expect(checkGradients(model, tensor([[1, 2]]), { loss, epsilon: 0 })).rejects.toMatchObject({ code: "ERR_VALUE" });
    await expect(checkGradients(nn.relu(), 0, { loss: () => tensor(1) })).rejects.toMatchObject({ code: "ERR_VALUE" });
  });
});

eachDevice("loss surfaces", () => {
  it("w₁² − w₂² shows its saddle", async () => {
    const [w1, w2] = [variable(0), variable(0)];
    const loss = () => w1.value.square().sub(w2.value.square());
    const {
      at,
      losses: plane,
      svg,
    } = await lossPlane(loss, [w1, w2], {
      directions: [
        [1, 0],
        [0, 1],
      ],
      points: 5,
    });
    expect(at).toEqual([-1, -0.5, 0, 0.5, 1]);
    plane.forEach((row, i) => row.forEach((value, j) => expect(value).toBeCloseTo(at[j] ** 2 - at[i] ** 2, 6)));
    // At the origin: least along the first direction, greatest along the second.
    expect(Math.min(...plane[2])).toBe(plane[2][2]);
    expect(Math.max(...plane.map((row) => row[2]))).toBe(plane[2][2]);
    expect(svg).toContain("<image");
    expect([await w1.value.item(), await w2.value.item()]).toEqual([0, 0]);
  });

  it("of a model along a random direction, whose filters are as long as the weights", async () => {
    setSeed(5);
    const model = nn.sequential(nn.linear(3, 4), nn.batchNorm(4), nn.linear(4, 2));
    const [x, y] = [randn([8, 3], { seed: 2 }), tensor(Int32Array.from({ length: 8 }, (_, i) => i % 2))];
    const loss = () => losses.crossEntropy(model.forward(x), y);
    const here = await loss().item();
    const before = await Promise.all(Object.values(model.stateDict()).map((v) => v.data()));
    const line = await lossLine(loss, model.parameters(), { points: 3 });
    expect(line.losses[1]).toBeCloseTo(here, 5);
    expect(line.losses[0]).not.toBe(line.losses[1]);
    const [d, bias] = debug.randomDirection(model.parameters());
    const length = (v: Tensor) => v.square().sum({ axis: 0 }).sqrt().data();
    const [got, expected] = [await length(d), await length(model.parameters()[0].value)];
    got.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
    expect(await bias.abs().max().item()).toBe(0);
    const [weight] = model.parameters();
    weight.assign(weight.value.mul(2));
    expect(await length(d)).toEqual(got); // made by the weights before
    weight.assign(weight.value.div(2));
    expect(await Promise.all(Object.values(model.stateDict()).map((v) => v.data()))).toEqual(before);
    await expect(lossLine(loss, model.parameters(), { direction: [] })).rejects.toMatchObject({ code: "ERR_VALUE" });
    await expect(lossLine(loss, model.parameters(), { points: 1 })).rejects.toMatchObject({ code: "ERR_VALUE" });
  });
});

eachDevice("layer statistics", () => {
  it.each([
    [1.5, "exploding"],
    [0.5, "vanishing"],
    [1, "fine"],
  ] as const)("of a deep linear net of %d·I: it grows as its power, and its gradients are %s", async (factor, verdict) => {
    const depth = 20;
    const layers = Array.from({ length: depth }, () => nn.linear(2, 2, { bias: false }));
    for (const { weight } of layers)
      weight.assign([
        [factor, 0],
        [0, factor],
      ]);
    const model = nn.sequential(...layers);
    const report = await layerStatistics(model, () => model.forward(tensor([[1, 1]])).sum());
    report.layers.forEach(({ layer, activation, gradient }, i) => {
      expect(layer).toBe(String(i));
      expect(activation.mean / factor ** (i + 1)).toBeCloseTo(1, 5);
      expect(gradient.mean / factor ** (depth - 1 - i)).toBeCloseTo(1, 5);
    });
    expect(report.verdict).toBe(verdict);
    expect(report.parameters["0.weight"].mean / factor ** (depth - 1)).toBeCloseTo(1, 5);
    expect(String(report).split("\n")).toHaveLength(depth + 1);
    expect(report.svg.includes(`gradients are ${verdict}`)).toBe(verdict !== "fine");
    // A point a layer for activations and one for gradients, from left to right as they grow.
    const xs = [...report.svg.matchAll(/<circle cx="([\d.]+)"/g)].map(([, x]) => Number(x));
    expect(xs).toHaveLength(2 * depth);
    expect(Math.sign(xs[depth - 1] - xs[0])).toBe(Math.sign(factor - 1));
    expect(Math.sign(xs[2 * depth - 1] - xs[depth])).toBe(Math.sign(1 - factor));
  });

  it("counts dead units, what is not finite, and how values lie", async () => {
    const model = nn.sequential(nn.relu());
    const w = variable([1]);
    const x = tensor([-1, -2, 0, 1, 3, Number.POSITIVE_INFINITY]);
    const { layers } = await layerStatistics(model, () => model.forward(x.mul(w)).sum());
    const { zeros, nonFinite, max, histogram } = layers[0].activation;
    expect([zeros, nonFinite, max]).toEqual([0.6, 1, 3]);
    expect([histogram[0], histogram[6], histogram[19]]).toEqual([3, 1, 1]);
    expect(Object.keys(model)).not.toContain("forward");
    expect(model.forward(tensor([2])).shape).toEqual([1]);
  });
});

eachDevice("checkNumerics", () => {
  it("names the op that made the first NaN, and the line, and the step changes nothing", async () => {
    const w = variable([1, 2], { name: "w" });
    const sgd = optim.sgd([w], { lr: 0.1, momentum: 0.9 });
    const step = checkNumerics((x: Tensor) => {
      const inside = w.value.mul(x);
      const loss = inside.log().square().sum();
      sgd.minimize(loss);
      return loss;
    });
    await step(tensor([1, 2]));
    const before = await w.value.data();
    const failure = await step(tensor([1, -2])).catch((error) => error);
    expect(failure).toMatchObject({ code: "ERR_NUMERICS", op: "checkNumerics" });
    expect(failure.message).toContain("log([2]) → [2]");
    expect(failure.message).toContain("debug.test.ts");
    expect(failure.message).toContain("NaN");
    expect(await w.value.data()).toEqual(before);
    expect(sgd.stepCount).toBe(1);
    await step(tensor([1, 2]));
    expect(sgd.stepCount).toBe(2);
  });

  it("keeps the forms of a function apart, and tells when NaN came in", async () => {
    const w = variable(1);
    const sgd = optim.sgd([w], { lr: 0.1 });
    const step = checkNumerics((x: Tensor) => {
      const y = x.mul(w);
      sgd.minimize((x.shape[0] === 1 ? y.log() : y.add(1).square().sqrt()).sum());
    });
    await step(tensor([1]));
    await step(tensor([1, 2]));
    await expect(step(tensor([-1]))).rejects.toThrow(/log\(\[1\]\)/);
    await expect(step(tensor([1, Number.NaN]))).rejects.toThrow(/an argument or a variable/);
    expect(sgd.stepCount).toBe(2);
    expect(Number.isFinite(await w.value.item())).toBe(true);
  });

  it("tells infinities, and lets those be that were given", async () => {
    const masked = checkNumerics((x: Tensor) => x.gt(0).where(x, Number.NEGATIVE_INFINITY).max());
    expect(await (await masked(tensor([-1, 2]))).item()).toBe(2);
    const overflow = checkNumerics((x: Tensor) => x.mul(10).exp().sum());
    await expect(overflow(tensor([100]))).rejects.toThrow(/exp.*an infinity/s);
  });

  it("does what compile does", async () => {
    const make = (wrap: typeof compile | typeof checkNumerics) => {
      setSeed(1);
      const model = nn.sequential(nn.linear(2, 3), nn.batchNorm(3), nn.linear(3, 2));
      const adam = optim.adam(model.parameters());
      const step = wrap((x: Tensor, y: Tensor) => {
        const logits = model.forward(x);
        const loss = losses.crossEntropy(logits, y);
        adam.minimize(loss);
        return { loss, accuracy: metrics.accuracy(logits, y) };
      });
      return { model, step };
    };
    const [a, b] = [make(compile), make(checkNumerics)];
    for (let i = 0; i < 3; i++) {
      const [x, y] = [randn([5, 2], { seed: i }), tensor(Int32Array.of(0, 1, 1, 0, 1))];
      const [p, q] = [await a.step(x, y), await b.step(x, y)];
      expect(await q.loss.item()).toBeCloseTo(await p.loss.item(), 5);
    }
    const [u, v] = await Promise.all([a, b].map(({ model }) => model.stateDict()["0.weight"].data()));
    u.forEach((value, i) => expect(v[i]).toBeCloseTo(value, 5));
  });
});
