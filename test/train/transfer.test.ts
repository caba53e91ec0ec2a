/** Transfer and multi-task learning: frozen parts stay what they are, their activations are kept on disk, unknown labels do not count. */
import { mkdtemp, open, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ArrayDataset,
  cacheActivations,
  evaluate,
  fit,
  type LabeledBatch,
  losses,
  metrics,
  nn,
  optim,
  predict,
  randn,
  setSeed,
  type Tensor,
  tensor,
  valueAndGrad,
} from "nabla";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nabla-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Points in the plane, labelled by the quadrant they lie in. */
async function quadrants(n: number, seed = 1): Promise<ArrayDataset<LabeledBatch>> {
  const x = (await randn([n, 2], { seed }).data()) as Float32Array;
  const y = Int32Array.from({ length: n }, (_, i) => (x[2 * i] > 0 ? 1 : 0) + (x[2 * i + 1] > 0 ? 2 : 0));
  return new ArrayDataset<LabeledBatch>({ x: { data: x, shape: [n, 2], dtype: "f32" }, y: { data: y, shape: [n], dtype: "i32" } });
}

const values = async (x: Tensor) => Array.from(await x.data());

/** Counts how often it is traced, which is how often it is used. */
class Body extends nn.Module {
  readonly fc = nn.linear(2, 16);
  used = 0;
  forward(x: Tensor): Tensor {
    this.used++;
    return this.fc.forward(x).tanh();
  }
}

describe("a frozen part", () => {
  it("is bit-identical after training, buffers too, and the head is not", async () => {
    setSeed(3);
    const model = nn.sequential(nn.linear(2, 16), nn.tanh(), nn.linear(16, 8), nn.tanh(), nn.linear(8, 4)).freeze("0.*").freeze("2.*");
    const before = model.stateDict();
    await fit(model, await quadrants(300), {
      loss: losses.crossEntropy,
      optimizer: optim.adamW(model.parameters(), { lr: 0.02, weightDecay: 0.1 }),
      epochs: 5,
    });
    const after = model.stateDict();
    for (const name of Object.keys(before)) {
      const [a, b] = [await before[name].data(), await after[name].data()];
      const isSame = Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
      expect(isSame, name).toBe(!name.startsWith("4."));
    }
  });
});

describe("cached activations", () => {
  it("are what the frozen part makes of the data; the file serves the next time", async () => {
    const body = new Body().freeze();
    const data = await quadrants(300);
    const first = await cacheActivations(body, data, { folder });
    expect(body.used).toBeGreaterThan(0);
    const expected = await values(await predict(body, data));
    body.used = 0;
    const second = await cacheActivations(body, data, { folder, batchSize: 7 });
    expect([body.used, (await readdir(folder)).length]).toEqual([0, 1]);
    for (const features of [first, second]) {
      const { x, y } = await features.get(Array.from({ length: 300 }, (_, i) => i));
      expect([x.shape, x.dtype, Array.from(x.data)]).toEqual([[300, 16], "f32", expected]);
      expect(Array.from(y.data)).toEqual(Array.from(data.column("y")));
    }
  });

  it("stay on disk: rows in any order are read when they are asked for, labels without them", async () => {
    const body = new Body().freeze();
    const data = await quadrants(40);
    const features = await cacheActivations(body, data, { folder });
    const expected = await values(await predict(body, data));
    const order = [7, 8, 9, 3, 39, 0, 0, 1];
    const path = join(folder, (await readdir(folder))[0]);
    const file = await open(path, "r+");
    // Written behind its back: whoever had read the file before would not notice.
    await file.write(Float32Array.of(42), 0, 4, (await file.stat()).size - 4 * 40 - 4 * 16);
    await file.close();
    const { x, y } = await features.get(order);
    const rows = order.flatMap((i) => expected.slice(16 * i, 16 * (i + 1)));
    expect(Array.from(x.data)).toEqual(rows.map((v, k) => (k === 4 * 16 ? 42 : v)));
    expect(Array.from(y.data)).toEqual(order.map((i) => data.column("y")[i]));
    expect(Array.from(await features.column("y"))).toEqual(Array.from(data.column("y")));
    await expect(features.column("x")).rejects.toMatchObject({ code: "ERR_VALUE" });
    await expect(features.get([40])).rejects.toMatchObject({ code: "ERR_INDEX" });
    await truncate(path, 200);
    await expect(features.get([39])).rejects.toMatchObject({ code: "ERR_FORMAT" });
  });

  it("are computed anew when data or weights have changed, and take the place of those of the weights before", async () => {
    const body = new Body().freeze();
    const data = await quadrants(50);
    const one = await cacheActivations(body, data, { folder });
    await cacheActivations(body, await quadrants(50, 2), { folder });
    expect(await readdir(folder)).toHaveLength(2);
    const bias = await body.fc.bias!.value.data();
    bias[3] = Math.fround(bias[3] + 1e-6);
    body.fc.bias!.assign(tensor(bias));
    const two = await cacheActivations(body, data, { folder });
    expect(await readdir(folder)).toHaveLength(2);
    expect((await two.get([0])).x.data[3]).not.toBe((await one.get([0])).x.data[3]);
    // Whoever names the data is believed.
    await cacheActivations(body, data, { folder, dataKey: "v1" });
    body.used = 0;
    await cacheActivations(body, await quadrants(50, 9), { folder, dataKey: "v1" });
    expect(body.used).toBe(0);
    await cacheActivations(body, data, { folder, dataKey: "v2" });
    expect([body.used > 0, (await readdir(folder)).length]).toEqual([true, 4]);
  });

  it("leave nothing behind when they are interrupted", async () => {
    const controller = new AbortController();
    const data = (await quadrants(50)).map((batch) => {
      controller.abort(new Error("interrupted"));
      return batch;
    });
    const options = { folder, dataKey: "v1", batchSize: 10, signal: controller.signal };
    await expect(cacheActivations(new Body().freeze(), data, options)).rejects.toThrow("interrupted");
    expect(await readdir(folder)).toEqual([]);
  });

  it("train the head as the whole model would", async () => {
    const [train, test] = [await quadrants(400), await quadrants(200, 5)];
    setSeed(7);
    const [body, head] = [new Body().freeze(), nn.linear(16, 4)];
    const features = await cacheActivations(body, train, { folder });
    await fit(head, features, { loss: losses.crossEntropy, optimizer: optim.adam(head.parameters(), { lr: 0.05 }), epochs: 8, seed: 2 });
    const { accuracy } = await evaluate(nn.sequential(body, head), test, { metrics: { accuracy: metrics.accuracy } });
    expect(accuracy).toBeGreaterThan(0.9);
    setSeed(7);
    const whole = nn.sequential(new Body().freeze(), nn.linear(16, 4));
    await fit(whole, train, { loss: losses.crossEntropy, optimizer: optim.adam(whole.parameters(), { lr: 0.05 }), epochs: 8, seed: 2 });
    const [a, b] = [await values(head.weight.value), await values((whole[1] as nn.Linear).weight.value)];
    a.forEach((v, i) => {
      expect(v).toBeCloseTo(b[i], 4);
    });
  });

  it("refuses a part that may be trained, and a file that is broken", async () => {
    await expect(cacheActivations(new Body(), await quadrants(5), { folder })).rejects.toMatchObject({
      code: "ERR_VALUE",
      inputs: ["fc.weight"],
    });
    const body = new Body().freeze();
    await cacheActivations(body, await quadrants(5), { folder });
    await writeFile(join(folder, (await readdir(folder))[0]), "half a fi");
    await expect(cacheActivations(body, await quadrants(5), { folder })).rejects.toMatchObject({ code: "ERR_FORMAT" });
  });
});

describe("several labels an example", () => {
  it("unknown ones contribute exactly zero gradient", async () => {
    setSeed(1);
    const model = nn.linear(5, 3);
    const x = randn([8, 5], { seed: 4 });
    const mask = tensor(
      Uint8Array.from({ length: 24 }, (_, i) => Number(i % 3 !== 1 && i % 5 !== 0)),
      { shape: [8, 3] },
    );
    const gradients = async (unknown: number) => {
      // What stands where a label is unknown must not matter, be it nonsense.
      const targets = tensor(
        Float32Array.from({ length: 24 }, (_, i) => (i % 3 !== 1 && i % 5 !== 0 ? Number(i % 2) : unknown)),
        { shape: [8, 3] },
      );
      const loss = losses.bceWithLogits(model.forward(x), targets, { mask });
      const { value, gradients } = valueAndGrad(loss, [model.weight, model.bias!]);
      return [await value.item(), ...(await Promise.all(gradients.map(values)))] as [number, number[], number[]];
    };
    const [loss, weight, bias] = await gradients(0);
    expect(await gradients(1)).toEqual([loss, weight, bias]);
    expect(await gradients(Number.NaN)).toEqual([loss, weight, bias]);
    // Of the second label nothing is known: nothing flows into its column.
    expect([bias[1], ...weight.filter((_, i) => i % 3 === 1)]).toEqual(new Array(6).fill(0));
    expect(bias[0] * bias[2]).not.toBe(0);
  });
});
