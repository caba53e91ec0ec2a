/** Initial values have the mean, deviation and bounds that their sources give, and come from the seed in order of creation. */
import { nn, type Shape, setSeed, type Tensor } from "nabla";
import { beforeEach, describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

const { init } = nn;
const dense: Shape = [200, 300];
const filters: Shape = [3, 3, 40, 60]; // fans: 360 in, 540 out

async function statistics(x: Tensor) {
  const data = Array.from(await x.data());
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  const variance = data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length;
  const ordered = data.map(Math.abs).sort((a, b) => a - b);
  return { mean, std: Math.sqrt(variance), largest: ordered.at(-1) as number, median: ordered[data.length >> 1] };
}

eachDevice("initial values", () => {
  beforeEach(() => setSeed(11));

  it.each<[string, nn.Initializer, Shape, number, "normal" | "uniform"]>([
    ["xavierUniform", init.xavierUniform(), dense, Math.sqrt(2 / 500), "uniform"],
    ["xavierUniform of filters", init.xavierUniform({ gain: 2 }), filters, 2 * Math.sqrt(2 / 900), "uniform"],
    ["xavierNormal", init.xavierNormal(), dense, Math.sqrt(2 / 500), "normal"],
    ["heUniform", init.heUniform(), dense, Math.sqrt(2 / 200), "uniform"],
    ["heUniform, fan out", init.heUniform({ fan: "out" }), filters, Math.sqrt(2 / 540), "uniform"],
    ["heNormal", init.heNormal(), filters, Math.sqrt(2 / 360), "normal"],
    ["heNormal, leaky", init.heNormal({ slope: 1 }), dense, Math.sqrt(1 / 200), "normal"],
    ["lecunNormal", init.lecunNormal(), dense, Math.sqrt(1 / 200), "normal"],
    ["normal", init.normal({ mean: 0, std: 0.02 }), dense, 0.02, "normal"],
    ["uniform", init.uniform({ low: -3, high: 3 }), dense, Math.sqrt(3), "uniform"],
  ])("%s", async (_, make, shape, std, kind) => {
    const x = make(shape);
    expect(x.shape).toEqual(shape);
    const got = await statistics(x);
    const count = shape.reduce((a, b) => a * b, 1);
    expect(Math.abs(got.mean)).toBeLessThan((5 * std) / Math.sqrt(count));
    expect(got.std / std).toBeCloseTo(1, 1.7);
    // Half of |x| lies below √3/2 deviations of a uniform distribution, below 0.674 of a normal one.
    expect(got.median / std).toBeCloseTo(kind === "uniform" ? Math.sqrt(3) / 2 : 0.6745, 1);
    if (kind === "uniform") expect(got.largest).toBeLessThanOrEqual(Math.fround(Math.sqrt(3) * std));
    else expect(got.largest).toBeGreaterThan(3 * std);
  });

  it("constants", async () => {
    expect(await init.zeros()([2]).array()).toEqual([0, 0]);
    expect(await init.ones()([2]).array()).toEqual([1, 1]);
    expect(await init.constant(0.5)([2], { dtype: "f64" }).array()).toEqual([0.5, 0.5]);
  });

  it("of layers are PyTorch's: uniform in ±1 / √fan-in, bias too", async () => {
    for (const [layer, fanIn] of [
      [nn.linear(400, 100), 400],
      [nn.conv2d(8, 64, { kernel: [3, 5], groups: 2 }), 60],
    ] as const) {
      const bound = 1 / Math.sqrt(fanIn);
      const weight = await statistics(layer.weight.value);
      expect(weight.largest).toBeLessThanOrEqual(Math.fround(bound));
      expect(weight.std / (bound / Math.sqrt(3))).toBeCloseTo(1, 1.5);
      const bias = await statistics(layer.bias!.value);
      expect(bias.largest).toBeLessThanOrEqual(Math.fround(bound));
      expect(bias.std / (bound / Math.sqrt(3))).toBeGreaterThan(0.8);
    }
  });

  it("of a layer with an initialiser: that, and zeros", async () => {
    const layer = nn.linear(2, 2, { init: init.ones() });
    expect(await layer.weight.value.array()).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(await layer.bias?.value.array()).toEqual([0, 0]);
  });

  it("follow the seed and the order of creation, not that of use", async () => {
    const draw = async (backwards: boolean) => {
      setSeed(5);
      const layers = [nn.linear(3, 2), nn.conv2d(1, 2, { kernel: 2 })];
      const order = backwards ? [1, 0] : [0, 1];
      const values: unknown[] = [];
      for (const i of order) values[i] = [await layers[i].weight.value.data(), await layers[i].bias?.value.data()];
      return values;
    };
    const first = await draw(false);
    expect(await draw(true)).toEqual(first);
    setSeed(6);
    expect(await nn.linear(3, 2).weight.value.data()).not.toEqual((first[0] as unknown[])[0]);
  });
});

describe("initialisers refuse", () => {
  it.each<[string, () => unknown, string]>([
    ["vectors without fans", () => init.heNormal()([5]), "ERR_SHAPE"],
    ["low above high", () => init.uniform({ low: 1, high: 0 }), "ERR_VALUE"],
    ["negative deviations", () => init.normal({ std: -1 }), "ERR_VALUE"],
  ])("%s", (_, run, code) => {
    expect(run).toThrow(expect.objectContaining({ code }));
  });
});
