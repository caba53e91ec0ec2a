/** Ensembles and views say the mean of probabilities; calibrated models are as sure as they are right. */
import {
  ArrayDataset,
  calibrate,
  ensemble,
  evaluate,
  fiveCrop,
  type LabeledBatch,
  losses,
  metrics,
  mirrored,
  multiView,
  nn,
  predict,
  randn,
  setSeed,
  sigmoid,
  softmax,
  stack,
  type Tensor,
  tenCrop,
  tensor,
} from "nabla";
import { describe, expect, it } from "vitest";
import { WordStream } from "../../lib/base/philox.js";
import { firstSeed } from "../seeds.js";

const close = async (a: Tensor, b: Tensor, digits = 5) => {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [await a.data(), await b.data()];
  x.forEach((v, i) => {
    expect(v).toBeCloseTo(y[i], digits);
  });
};

/** Logits that stand in the data. */
class Given extends nn.Module {
  forward(x: Tensor) {
    return x;
  }
}

describe("an ensemble", () => {
  it("says the mean of its members' probabilities", async () => {
    setSeed(1);
    const members = [nn.linear(5, 4), nn.sequential(nn.linear(5, 8), nn.relu(), nn.dropout(0.5), nn.linear(8, 4)), nn.linear(5, 4)];
    const x = randn([6, 5], { seed: 2 }).mul(3);
    const each = await Promise.all(members.map(async (member) => softmax(await predict(member, x))));
    await close(softmax(await predict(ensemble(members), x)), stack(each).mean({ axis: 0 }));
    // Its outputs are logarithms of probabilities: losses take them as logits.
    const y = tensor(Int32Array.of(0, 1, 2, 3, 0, 1));
    await close(losses.crossEntropy(await predict(ensemble(members), x), y), losses.nll(stack(each).mean({ axis: 0 }).log(), y));
    const binary = [nn.linear(5, 1), nn.linear(5, 1)];
    const both = await Promise.all(binary.map(async (member) => sigmoid(await predict(member, x))));
    await close(sigmoid(await predict(ensemble(binary, { outputs: "binary" }), x)), stack(both).mean({ axis: 0 }));
    const values = await Promise.all(binary.map((member) => predict(member, x)));
    await close(await predict(ensemble(binary, { outputs: "values" }), x), stack(values).mean({ axis: 0 }));
    expect(ensemble(members).parameters()).toHaveLength(8);
  });

  it("stays sure where its members are, and refuses to be of none", async () => {
    const sure = tensor([
      [900, 0],
      [-900, 0],
    ]);
    const [a] = (await (await predict(ensemble([new Given(), new Given()]), sure)).array()) as number[][];
    expect(a).toEqual([0, -900]);
    expect(() => ensemble([])).toThrow(expect.objectContaining({ code: "ERR_VALUE", op: "ensemble" }));
    expect(() => multiView(new Given(), mirrored, { outputs: "logits" as never })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });

  it("of three that err apart is better than any of them", async () => {
    // Each member knows the truth with noise of its own; the mean of three has less of it.
    const n = 3000;
    const words = new WordStream(firstSeed);
    const y = Int32Array.from({ length: n }, () => words.below(4));
    const x = Float32Array.from({ length: n * 12 }, (_, k) => 1.5 * Number(k % 4 === y[Math.floor(k / 12)]) + words.normal());
    const data = new ArrayDataset<LabeledBatch>({
      x: { data: x, shape: [n, 3, 4], dtype: "f32" },
      y: { data: y, shape: [n], dtype: "i32" },
    });
    class Member extends nn.Module {
      constructor(private readonly k: number) {
        super();
      }
      forward(x: Tensor) {
        return x
          .slice([0, this.k], [x.shape[0], this.k + 1])
          .reshape([-1, 4])
          .mul(1.5);
      }
    }
    const members = [0, 1, 2].map((k) => new Member(k));
    const accuracy = async (model: nn.Module) => (await evaluate(model, data, { metrics: { accuracy: metrics.accuracy } })).accuracy;
    const single = await Promise.all(members.map(accuracy));
    expect(await accuracy(ensemble(members))).toBeGreaterThan(Math.max(...single) + 0.05);
  });
});

describe("views", () => {
  const x = tensor(
    Float32Array.from({ length: 2 * 4 * 5 }, (_, i) => i),
    { shape: [2, 4, 5, 1] },
  );
  const firsts = async (views: readonly Tensor[]) => Promise.all(views.map(async (view) => (await view.data())[0]));

  it("corners, the middle, and mirrored", async () => {
    const five = fiveCrop([2, 3])(x);
    expect(five.map(({ shape }) => shape)).toEqual(Array(5).fill([2, 2, 3, 1]));
    expect(await firsts(five)).toEqual([0, 2, 10, 12, 6]);
    expect(await firsts(tenCrop([2, 3])(x))).toEqual([0, 2, 2, 4, 10, 12, 12, 14, 6, 8]);
    expect(await firsts(mirrored(x))).toEqual([0, 4]);
    expect(() => fiveCrop(5)(x)).toThrow(expect.objectContaining({ code: "ERR_SHAPE", op: "fiveCrop" }));
  });

  it("a model says the mean of what it says about each", async () => {
    setSeed(3);
    const model = nn.sequential(nn.conv2d(1, 3, { kernel: 2 }), nn.batchNorm(3), nn.relu(), nn.flatten(), nn.linear(6, 4));
    const parts = await Promise.all(tenCrop([2, 3])(x).map(async (view) => softmax(await predict(model, view))));
    await close(softmax(await predict(multiView(model, tenCrop([2, 3])), x)), stack(parts).mean({ axis: 0 }));
  });
});

describe("calibration", () => {
  /** Labels drawn from softmax(logits), and the logits times a factor. */
  const drawn = (factor: number, n: number, classes: number): ArrayDataset<LabeledBatch> => {
    const words = new WordStream(firstSeed, classes);
    const z = Float64Array.from({ length: n * classes }, () => 2 * words.normal());
    const y = Int32Array.from({ length: n }, (_, i) => {
      const weights = classes === 1 ? [1, Math.exp(z[i])] : Array.from(z.subarray(i * classes, (i + 1) * classes), Math.exp);
      let u = words.uniform() * weights.reduce((a, b) => a + b);
      return weights.findIndex((w) => {
        u -= w;
        return u < 0;
      });
    });
    const x = Float32Array.from(z, (v) => factor * v);
    return new ArrayDataset({ x: { data: x, shape: [n, classes], dtype: "f32" }, y: { data: y, shape: [n], dtype: "i32" } });
  };

  it("finds by how much a model is too sure of itself, and changes no prediction", async () => {
    for (const factor of [0.4, 3]) {
      const dev = drawn(factor, 5000, 5);
      const calibrated = await calibrate(new Given(), dev);
      const temperature = await calibrated.temperature.value.item();
      expect(Math.abs(temperature / factor - 1)).toBeLessThan(0.08);
      const loss = (model: nn.Module) => evaluate(model, dev, { loss: losses.crossEntropy, metrics: { accuracy: metrics.accuracy } });
      const [before, after] = [await loss(new Given()), await loss(calibrated)];
      expect(after.accuracy).toBe(before.accuracy);
      expect(after.loss).toBeLessThan(before.loss - 0.01);
      for (const other of [0.98, 1.02]) {
        calibrated.temperature.assign(tensor(temperature * other));
        expect((await loss(calibrated)).loss).toBeGreaterThan(after.loss);
      }
      calibrated.temperature.assign(tensor(temperature));
      const error = async (model: nn.Module) => {
        const p = softmax(await predict(model, dev));
        const [labels, sure, chosen] = [dev.column("y"), await p.max({ axis: 1 }).data(), await p.argmax(1).data()];
        return metrics.calibration(
          sure,
          Array.from(chosen, (c, i) => c === labels[i]),
        ).error;
      };
      expect(await error(calibrated)).toBeLessThan(0.3 * (await error(new Given())));
      expect(calibrated.namedParameters().size + calibrated.namedBuffers().size).toBe(1); // saved with the weights
    }
  });

  it("of two classes, by one logit", async () => {
    const { temperature } = await calibrate(new Given(), drawn(2, 5000, 1));
    expect(Math.abs((await temperature.value.item()) / 2 - 1)).toBeLessThan(0.1);
  });

  it("refuses labels outside of the classes", async () => {
    const x = { data: new Float32Array(2), shape: [1, 2], dtype: "f32" } as const;
    const set = new ArrayDataset<LabeledBatch>({ x, y: { data: Int32Array.of(2), shape: [1], dtype: "i32" } });
    await expect(calibrate(new Given(), set)).rejects.toMatchObject({ code: "ERR_INDEX", op: "calibrate", inputs: [2] });
  });

  it("refuses where no temperature is best", async () => {
    const set = (x: number[], y: number[]) =>
      new ArrayDataset<LabeledBatch>({
        x: { data: Float32Array.from(x), shape: [y.length, 2], dtype: "f32" },
        y: { data: Int32Array.from(y), shape: [y.length], dtype: "i32" },
      });
    for (const y of [
      [0, 1],
      [1, 0],
    ])
      await expect(calibrate(new Given(), set([5, 0, 0, 5], y))).rejects.toMatchObject({ code: "ERR_VALUE", op: "calibrate" });
  });
});
