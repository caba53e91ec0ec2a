/** Initial values have the mean, deviation and bounds that their sources give, and come from the seed in order of creation. */
import { eye, nn, randn, type Shape, setSeed, type Tensor } from "nabla";
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
    ["heNormal, of an activation", init.heNormal({ activation: "tanh" }), dense, Math.sqrt(25 / 9 / 200), "normal"],
    ["lecunUniform", init.lecunUniform(), dense, Math.sqrt(1 / 200), "uniform"],
    ["normal, truncated far out", init.truncatedNormal({ std: 0.1, low: -9, high: 9 }), dense, 0.1, "normal"],
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

  it("truncated normals are those that lie between the bounds", async () => {
    for (const dtype of ["f32", "f64"] as const) {
      const got = await statistics(init.truncatedNormal({ mean: 0, std: 0.5 })(dense, { dtype }));
      expect(got.largest).toBeLessThanOrEqual(1);
      expect(got.largest).toBeGreaterThan(0.999);
      expect(Math.abs(got.mean)).toBeLessThan(0.01);
      expect(got.std / 0.5).toBeCloseTo(0.87962566, 1.9); // √(1 − 2·2φ(2) / (2Φ(2) − 1))
      expect(got.median / 0.5).toBeCloseTo(0.63977, 1.9); // Φ⁻¹(½ + (2Φ(2) − 1) / 4)
    }
    // One side only: the mean is φ(0) / ½.
    const half = await statistics(init.truncatedNormal({ mean: 3, low: 0, high: 8 })(dense));
    expect(half.mean).toBeCloseTo(3 + Math.sqrt(2 / Math.PI), 1.9);
  });

  it.each<[Shape, number]>([
    [[40, 40], 1],
    [[7, 30], 2],
    [[3, 3, 5, 12], 1],
  ])("orthogonal ones of shape [%s] are, times %d", async (shape, gain) => {
    for (const [dtype, error] of [
      ["f32", 1e-5],
      ["f64", 1e-13],
    ] as const) {
      const w = init.orthogonal({ gain })(shape, { dtype });
      expect(w.shape).toEqual(shape);
      const matrix = w.reshape([-1, shape[shape.length - 1]]);
      const [rows, columns] = matrix.shape;
      const small = rows < columns ? matrix.matmul(matrix.transpose()) : matrix.transpose().matmul(matrix);
      const wrong = small
        .sub(eye(small.shape[0], { dtype }).mul(gain ** 2))
        .abs()
        .max();
      expect(await wrong.item()).toBeLessThan(error * gain ** 2);
    }
  });

  it("identities pass inputs on, through windows and groups", async () => {
    expect(await init.identity()([2, 3]).array()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
    const x = randn([2, 5, 4, 6]);
    for (const groups of [1, 2, 3, 6]) {
      const layer = nn.conv2d(6, 6, { kernel: [3, 5], padding: "same", groups, init: init.identity({ groups }) });
      expect(await layer.forward(x).array()).toEqual(await x.array());
    }
  });

  it("that fit an activation are He's, LeCun's and Xavier's", async () => {
    const draw = (make: nn.Initializer) => {
      setSeed(4);
      return make([3, 4]).array();
    };
    expect(await draw(init.forActivation("gelu"))).toEqual(await draw(init.heNormal()));
    expect(await draw(init.forActivation("selu"))).toEqual(await draw(init.lecunNormal()));
    expect(await draw(init.forActivation("tanh"))).toEqual(await draw(init.xavierUniform()));
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
    ["bounds without room", () => init.truncatedNormal({ low: 2, high: 2 }), "ERR_VALUE"],
    ["orthogonal vectors", () => init.orthogonal()([5]), "ERR_SHAPE"],
    ["groups that do not divide", () => init.identity({ groups: 2 })([2, 3]), "ERR_SHAPE"],
    ["activations without a gain", () => init.gain("toString" as never), "ERR_VALUE"],
    ["negative deviations", () => init.normal({ std: -1 }), "ERR_VALUE"],
  ])("%s", (_, run, code) => {
    expect(run).toThrow(expect.objectContaining({ code }));
  });
});
