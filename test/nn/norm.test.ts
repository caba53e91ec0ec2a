/** Normalising layers give PyTorch's numbers in training and evaluation, and keep what they promise about mean and deviation. */
import { compile, gradients, losses, nn, optim, randn, type Tensor, type Variable, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";
import { expectGolden, type GoldenArray, golden, toTensor } from "../golden/read.js";

interface NormCase {
  readonly call: [string, ...unknown[]];
  readonly x: GoldenArray;
  readonly parameters: GoldenArray[];
  readonly before: GoldenArray[];
  readonly y: GoldenArray;
  readonly gy: GoldenArray;
  readonly gx: GoldenArray;
  readonly gradients: GoldenArray[];
  readonly buffers: GoldenArray[];
  readonly evaluated: GoldenArray;
}

/** The layer of a case, in f64, with the parameters and buffers given. */
function made({ call: [name, ...args], parameters, before }: NormCase): nn.Module {
  const options = args.find((arg) => typeof arg === "object" && !Array.isArray(arg)) ?? {};
  const factory = (nn as unknown as Record<string, (...args: unknown[]) => nn.Module>)[name];
  const layer = factory(...args.filter((arg) => arg !== options), { ...options, dtype: "f64" });
  const given = [...parameters, ...before].map((array) => toTensor(array));
  const own = [...layer.parameters(), ...layer.namedBuffers().values()];
  expect(own).toHaveLength(given.length);
  own.forEach((variable, i) => {
    variable.assign(given[i]);
  });
  return layer;
}

async function expectAllGolden(got: readonly (Tensor | Variable)[], want: readonly GoldenArray[]): Promise<void> {
  expect(got).toHaveLength(want.length);
  for (const [i, x] of got.entries()) await expectGolden("value" in x ? x.value : x, want[i]);
}

const cases = golden<NormCase>("norms").map((sample) => [JSON.stringify(sample.call), sample] as const);

eachDevice("norms", () => {
  it.each(cases)("%s in a step", async (_, sample) => {
    const layer = made(sample);
    const step = compile((x: Tensor, gy: Tensor) => {
      const y = layer.forward(x);
      return { y, all: gradients(y.mul(gy).sum(), [x, ...layer.parameters()]) };
    });
    const { y, all } = await step(toTensor(sample.x), toTensor(sample.gy));
    await expectAllGolden([y, ...all], [sample.y, sample.gx, ...sample.gradients]);
    await expectAllGolden([...layer.namedBuffers().values()], sample.buffers);
    await expectGolden(layer.eval().forward(toTensor(sample.x)), sample.evaluated);
    await expectAllGolden([...layer.namedBuffers().values()], sample.buffers);
  });

  it.each(cases)("%s without a step", async (_, sample) => {
    const layer = made(sample);
    await expectGolden(layer.forward(toTensor(sample.x)), sample.y);
    await expectAllGolden([...layer.namedBuffers().values()], sample.buffers);
    await expectGolden(layer.eval().forward(toTensor(sample.x)), sample.evaluated);
  });

  it("of a batch have the mean bias and the deviation weight, whatever comes in", async () => {
    const layer = nn.batchNorm(3, { dtype: "f64", eps: 1e-16 });
    layer.weight!.assign([0.5, 2, 3]);
    layer.bias!.assign([-1, 0, 4]);
    const y = layer.forward(randn([40, 5, 5, 3], { dtype: "f64" }).mul([1, 1e-3, 1e3]).add([7, 1, -1e6]));
    const over = { axis: [0, 1, 2] };
    expect((await y.mean(over).data()).map((m, c) => m - [-1, 0, 4][c]).every((error) => Math.abs(error) < 1e-9)).toBe(true);
    const deviation = await y.variance(over).sqrt().data();
    deviation.forEach((got, c) => {
      expect(got).toBeCloseTo([0.5, 2, 3][c], 6);
    });
  });

  it("of a batch are as exact far from zero as near it", async () => {
    const x = randn([500, 2], { seed: 3 });
    const layer = nn.batchNorm(2);
    const near = await layer.forward(x).data();
    const far = await layer.forward(x.add(1024)).data(); // the sum drops 10 of 24 bits
    far.forEach((value, i) => {
      expect(Math.abs(value - near[i])).toBeLessThan(3e-4);
    });
  });

  it("of a batch give the same whatever bias comes before, and do not learn one", async () => {
    const [linear, norm] = [nn.linear(4, 3, { dtype: "f64" }), nn.batchNorm(3, { dtype: "f64" })];
    const x = randn([8, 4], { dtype: "f64" });
    const loss = () =>
      norm
        .forward(linear.forward(x))
        .mul(randn([8, 3], { dtype: "f64", seed: 1 }))
        .sum();
    const [gradient] = gradients(loss(), [linear.bias!]);
    const before = await loss().item();
    expect((await gradient.data()).every((g) => Math.abs(g) < 1e-12)).toBe(true);
    linear.bias!.assign(linear.bias!.value.add(5));
    expect(await loss().item()).toBeCloseTo(before, 12);
  });

  it("of a batch see one example like any other in evaluation", async () => {
    const norm = nn.batchNorm(2);
    const model = nn.sequential(nn.linear(3, 2), norm, nn.relu());
    for (let i = 0; i < 20; i++) model.forward(randn([16, 3])).dataSync();
    model.eval();
    const x = randn([4, 3]);
    const together = await model.forward(x).array();
    const alone = await model.forward(x.slice([2, 0], [3, 3])).array();
    expect(alone).toEqual([(together as unknown[])[2]]);
  });

  it("learn in a compiled step, and change no average in evaluation", async () => {
    const model = nn.sequential(nn.linear(4, 8, { bias: false }), nn.batchNorm(8), nn.relu(), nn.layerNorm(8), nn.linear(8, 1));
    const sgd = optim.sgd(model.parameters(), { lr: 0.1 });
    const step = compile((x: Tensor, y: Tensor) => {
      const loss = losses.mse(model.forward(x), y);
      sgd.minimize(loss);
      return loss;
    });
    const x = randn([64, 4], { seed: 2 });
    const y = x.square().mean({ axis: 1, keepDims: true });
    const first = await (await step(x, y)).item();
    for (let i = 0; i < 60; i++) await step(x, y);
    expect(await (await step(x, y)).item()).toBeLessThan(first / 4);
    const { runningMean } = model[1] as nn.BatchNorm;
    const before = await runningMean!.value.array();
    expect(before).not.toEqual(new Array(8).fill(0));
    await model.eval().forward(x).ready();
    expect(await runningMean!.value.array()).toEqual(before);
  });
});

describe("norms refuse", () => {
  const codeOf = (run: () => unknown): { code: string; op: string } => {
    try {
      run();
    } catch (error) {
      return error as { code: string; op: string };
    }
    throw new Error("did not throw");
  };

  it.each<[string, string, () => unknown]>([
    ["batchNorm", "ERR_VALUE", () => nn.batchNorm(0)],
    ["batchNorm", "ERR_VALUE", () => nn.batchNorm(2, { momentum: 2 })],
    ["batchNorm", "ERR_VALUE", () => nn.batchNorm(2, { eps: -1 })],
    ["batchNorm", "ERR_DTYPE", () => nn.batchNorm(2, { dtype: "i32" as never })],
    ["batchNorm", "ERR_SHAPE", () => nn.batchNorm(2).forward(zeros([4, 2, 3]))],
    ["batchNorm", "ERR_SHAPE", () => nn.batchNorm(2).forward(zeros([2]))],
    ["batchNorm", "ERR_SHAPE", () => nn.batchNorm(2).forward(zeros([1, 2]))],
    ["batchNorm", "ERR_DTYPE", () => nn.batchNorm(2).forward(zeros([4, 2], { dtype: "f64" }))],
    ["layerNorm", "ERR_VALUE", () => nn.layerNorm([3, 0])],
    ["layerNorm", "ERR_VALUE", () => nn.layerNorm([])],
    ["layerNorm", "ERR_SHAPE", () => nn.layerNorm(3).forward(zeros([3, 2]))],
    ["rmsNorm", "ERR_VALUE", () => nn.rmsNorm(2, { eps: Number.NaN })],
    ["rmsNorm", "ERR_SHAPE", () => nn.rmsNorm([2, 3]).forward(zeros([3]))],
    ["groupNorm", "ERR_VALUE", () => nn.groupNorm(3, 4)],
    ["groupNorm", "ERR_SHAPE", () => nn.groupNorm(2, 4).forward(zeros([2, 3]))],
    ["instanceNorm", "ERR_VALUE", () => nn.instanceNorm(1.5)],
    ["instanceNorm", "ERR_SHAPE", () => nn.instanceNorm(3).forward(zeros([2, 3]))],
    ["instanceNorm", "ERR_SHAPE", () => nn.instanceNorm(3).forward(zeros([2, 1, 3]))],
  ])("%s %s", (op, code, run) => {
    expect(codeOf(run)).toMatchObject({ code, op });
  });

  it("and say where channels go", () => {
    expect(() => nn.batchNorm(3).forward(zeros([2, 3, 8, 8]))).toThrow("x.permute([0, 2, 3, 1])");
    expect(String(nn.groupNorm(2, 4, { eps: 0.1 }))).toBe("GroupNorm(2, 4, { eps: 0.1 })");
    expect(String(nn.rmsNorm([2, 3]))).toBe("RmsNorm([2,3])");
  });
});
