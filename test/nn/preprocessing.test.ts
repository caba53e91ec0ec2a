/** Normalisation and missing values: learnt from the training set, kept in the model. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArrayDataset, type data as dataTypes, impute, type LabeledBatch, nn, normalize, randn, StreamDataset, split, tensor } from "nabla";
import { describe, expect, it } from "vitest";

/** n examples of the given shape whose elements are `value(i)` for the i-th of all. */
function filled(shape: number[], value: (i: number) => number, dtype: "f32" | "f64" = "f64"): ArrayDataset<LabeledBatch> {
  const size = shape.reduce((n, d) => n * d, 1);
  const values = Array.from({ length: size }, (_, i) => value(i));
  const data = dtype === "f64" ? Float64Array.from(values) : Float32Array.from(values);
  return new ArrayDataset({ x: { data, shape, dtype }, y: { data: new Int32Array(shape[0]), shape: [shape[0]], dtype: "i32" } });
}

const wild = (i: number) => Math.sin(3 * i) * 10 ** (i % 3) + (i % 3 === 1 ? 1e6 : 0);
const all = (data: ArrayDataset<LabeledBatch>) => {
  const { x } = data.get(Array.from({ length: data.length }, (_, i) => i));
  return tensor(x.data, { shape: x.shape, dtype: x.dtype });
};
const data = async (x: ReturnType<typeof tensor>) => Array.from(await x.data());

describe("normalize", () => {
  it("brings the training set to mean 0 and deviation 1, feature by feature, and others by the same numbers", async () => {
    const train = filled([700, 3], wild);
    const layer = await normalize.fit(train);
    const y = layer.forward(all(train));
    for (const mean of await data(y.mean({ axis: 0 }))) expect(Math.abs(mean)).toBeLessThan(1e-9);
    for (const variance of await data(y.square().mean({ axis: 0 }))) expect(variance).toBeCloseTo(1, 9);
    const other = tensor([[1, 2, 3]], { dtype: "f64" });
    const [mean, std] = [await data(layer.shift.value), await data(layer.scale.value)];
    expect(await data(layer.forward(other))).toEqual([1, 2, 3].map((v, k) => (v - mean[k]) / std[k]));
    // Two passes in the textbook's way: the oracle of the one-pass recurrence.
    const column = Array.from({ length: 700 }, (_, i) => wild(3 * i + 1));
    const mu = column.reduce((a, b) => a + b) / 700;
    expect(mean[1]).toBeCloseTo(mu, 6);
    expect(std[1]).toBeCloseTo(Math.sqrt(column.reduce((sum, v) => sum + (v - mu) ** 2, 0) / 700), 6);
  });

  it("knows nothing of the dev set", async () => {
    const whole = filled([100, 2], (i) => (i < 160 ? i : 1e9), "f32");
    const [train] = split(whole, [0.8, 0.2], { shuffle: false });
    const max = Math.max(...(await data((await normalize.fit(train, { method: "minMax" })).scale.value)));
    expect(max).toBe(158);
  });

  it.each([
    ["channel", [5]],
    ["element", [4, 3, 5]],
    ["all", []],
  ] as const)("takes a statistic per %s", async (per, shape) => {
    const train = filled([6, 4, 3, 5], wild, "f32");
    const layer = await normalize.fit(train, { per, method: "minMax" });
    expect([layer.shift.shape, layer.shift.dtype]).toEqual([shape, "f32"]);
    const y = await data(layer.forward(all(train)));
    expect([Math.min(...y), Math.max(...y)]).toEqual([0, 1]);
  });

  it("only shifts what does not vary, passes over missing values, and takes streams", async () => {
    const rows = [
      [1, 5],
      [Number.NaN, 5],
      [3, 5],
    ];
    const stream = new StreamDataset<dataTypes.Batch>(() =>
      rows.map((row) => ({ x: { data: Float32Array.from(row), shape: [1, 2], dtype: "f32" as const } })),
    );
    const layer = await normalize.fit(stream);
    expect([await data(layer.shift.value), await data(layer.scale.value)]).toEqual([
      [2, 5],
      [1, 1],
    ]);
    expect(await data(layer.forward(tensor(rows)))).toEqual([-1, 0, Number.NaN, 0, 1, 0]);
  });

  it("is saved with the weights, and no parameter", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nabla-"));
    try {
      const model = nn.sequential(await normalize.fit(filled([50, 3], wild, "f32")), nn.linear(3, 2));
      expect([...model.namedParameters().keys()]).toEqual(["1.weight", "1.bias"]);
      await model.save(join(folder, "model.safetensors"));
      const again = nn.sequential(normalize(3), nn.linear(3, 2));
      await again.load(join(folder, "model.safetensors"));
      const x = randn([4, 3], { seed: 1 });
      expect(await data(again.forward(x))).toEqual(await data(model.forward(x)));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("refuses other features, fields that are not there, features without values", async () => {
    const layer = await normalize.fit(filled([5, 3], wild, "f32"));
    expect(() => layer.forward(randn([2, 4]))).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
    await expect(normalize.fit(filled([5, 3], wild), { field: "z" })).rejects.toMatchObject({ code: "ERR_VALUE" });
    await expect(normalize.fit(filled([5], wild))).rejects.toMatchObject({ code: "ERR_SHAPE" });
    await expect(normalize.fit(filled([5, 2], (i) => (i % 2 ? Number.NaN : i)))).rejects.toMatchObject({ code: "ERR_VALUE", inputs: [1] });
  });
});

describe("impute", () => {
  const holes = filled([4, 2], (i) => [1, Number.NaN, 5, 10, Number.NaN, 30, 9, 50][i], "f32");

  it.each([
    ["mean", [5, 30]],
    ["median", [5, 30]],
    [7, [7, 7]],
  ] as const)("fills missing values with the %s of the training set", async (strategy, fill) => {
    const layer = await impute.fit(holes, { strategy });
    expect(await data(layer.forward(all(holes)))).toEqual([1, fill[1], 5, 10, fill[0], 30, 9, 50]);
  });

  it("takes the mean of the two middle values as the median", async () => {
    const layer = await impute.fit(
      filled([4, 1], (i) => [1, 100, 2, 3][i], "f64"),
      { strategy: "median" },
    );
    expect(await data(layer.fill.value)).toEqual([2.5]);
  });

  it("says where values were missing", async () => {
    const layer = await impute.fit(holes, { strategy: 0, indicator: true });
    expect(await data(layer.forward(all(holes)).slice([0], [2]))).toEqual([1, 0, 0, 1, 5, 10, 0, 0]);
  });

  it("refuses features without any value, unless it is told what to fill in", async () => {
    const empty = filled([3, 2], (i) => (i % 2 ? Number.NaN : i), "f32");
    await expect(impute.fit(empty)).rejects.toMatchObject({ code: "ERR_VALUE", inputs: [1] });
    expect(await data((await impute.fit(empty, { strategy: 4 })).forward(all(empty)))).toEqual([0, 4, 2, 4, 4, 4]);
    expect(() => impute(3).forward(randn([2, 2]))).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
  });
});
