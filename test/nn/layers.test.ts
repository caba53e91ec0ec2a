/** Layers give PyTorch's numbers, forward and backward; and refuse what does not fit. */
import { conv2d, gradients, nn, randn, type Tensor, tensor, type Variable, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";
import { expectGolden, type GoldenArray, golden, toTensor } from "../golden/read.js";

type Factory = (...args: unknown[]) => nn.Module;

interface LayerCase {
  readonly call: [string, ...unknown[]];
  readonly x: GoldenArray;
  readonly parameters: GoldenArray[];
  readonly y: GoldenArray;
  readonly gy: GoldenArray;
  readonly gx: GoldenArray;
  readonly gradients: GoldenArray[];
}

const factories = nn as unknown as Record<string, Factory>;

function make([name, ...args]: LayerCase["call"], hasParameters: boolean): nn.Module {
  const given: object = args.find((arg) => typeof arg === "object" && !Array.isArray(arg)) ?? {};
  const positional = args.filter((arg) => arg !== given);
  const options = "activation" in given ? { ...given, activation: factories[String(given.activation)]() } : given;
  return factories[name](...positional, hasParameters ? { ...options, dtype: "f64" } : options);
}

eachDevice("layers", () => {
  const samples = ["layers", "activations", "pooling", "images"].flatMap((name) => golden<LayerCase>(name));
  it.each(samples.map((sample) => [JSON.stringify(sample.call), sample] as const))("%s", async (_, sample) => {
    const layer = make(sample.call, sample.parameters.length > 0);
    const parameters: Variable[] = layer.parameters();
    expect(parameters).toHaveLength(sample.parameters.length);
    parameters.forEach((parameter, i) => {
      parameter.assign(toTensor(sample.parameters[i]));
    });
    const x = toTensor(sample.x);
    const y = layer.forward(x);
    await expectGolden(y, sample.y);
    // y has been evaluated and has no history any more.
    const cost = layer.forward(x).mul(toTensor(sample.gy)).sum();
    const [gx, ...rest] = gradients(cost, [x, ...parameters]);
    await expectGolden(gx, sample.gx);
    for (const [i, g] of rest.entries()) await expectGolden(g, sample.gradients[i]);
  });

  it("conv2d sums term by term where it is asked to, gradients included", async () => {
    const [x, gy] = [randn([2, 12, 12, 32], { seed: 1 }), randn([2, 12, 12, 32], { seed: 2 })];
    const results = ["direct", "auto"].map((algorithm) => {
      const layer = nn.conv2d(32, 32, { kernel: 3, padding: "same", bias: false, algorithm: algorithm as "direct" | "auto" });
      layer.weight.assign(randn([3, 3, 32, 32], { seed: 3 }));
      const y = layer.forward(x);
      return [y, ...gradients(y.mul(gy).sum(), [x, layer.weight])];
    });
    const exact = [x, gy, randn([3, 3, 32, 32], { seed: 3 })].map((value) => value.cast("f64"));
    const y = conv2d(exact[0], exact[2], { padding: "same" });
    const expected = [y, ...gradients(y.mul(exact[1]).sum(), [exact[0], exact[2]])];
    for (const [i, values] of expected.entries()) {
      const size = await values.square().mean().sqrt().item();
      for (const [k, bound] of [1e-5, 5e-5].entries()) {
        const error = results[k][i].cast("f64").sub(values).abs().max().div(size);
        expect(await error.item(), `result ${i}, ${["direct", "auto"][k]}`).toBeLessThan(bound);
      }
    }
  });

  it("that only rearrange", async () => {
    const x = tensor([[[1, 2]], [[3, 4]]]);
    expect(await nn.identity().forward(x).array()).toEqual(await x.array());
    const flat = nn.flatten().forward(x);
    expect(await flat.array()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await nn.unflatten([1, -1]).forward(flat).array()).toEqual(await x.array());
  });

  it("that look vectors up train those that were, but not the one of the padding", async () => {
    const table = nn.embedding(5, 3, { paddingIndex: 2, dtype: "f64" });
    const index = tensor(
      [
        [2, 1],
        [1, 4],
      ],
      { dtype: "i32" },
    );
    const gy = tensor(
      [
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        [
          [10, 20, 30],
          [7, 8, 9],
        ],
      ],
      { dtype: "f64" },
    );
    const y = table.forward(index);
    const [g] = gradients(y.mul(gy).sum(), [table.weight]);
    const rows = (await table.weight.value.array()) as number[][];
    expect(rows[2]).toEqual([0, 0, 0]);
    expect(await table.forward(index).array()).toEqual([
      [rows[2], rows[1]],
      [rows[1], rows[4]],
    ]);
    expect(await g.array()).toEqual([
      [0, 0, 0],
      [14, 25, 36],
      [0, 0, 0],
      [0, 0, 0],
      [7, 8, 9],
    ]);
    await expect(table.forward(tensor([5], { dtype: "i32" })).data()).rejects.toMatchObject({ code: "ERR_INDEX" });
  });

  it("that scale channels start where they should", async () => {
    const x = randn([2, 3, 4], { seed: 1 });
    expect(await nn.layerScale(4, { initial: 0.5 }).forward(x).array()).toEqual(await x.mul(0.5).array());
  });

  it("of two inputs multiply both", async () => {
    const layer = nn.bilinear(2, 3, 2);
    layer.weight.assign(
      tensor(
        Float32Array.from({ length: 12 }, (_, i) => i),
        { shape: [2, 3, 2] },
      ),
    );
    layer.bias?.assign([100, 200]);
    // Σᵢⱼ aᵢ·bⱼ·Wᵢⱼₒ with Wᵢⱼₒ = 6i + 2j + o
    expect(await layer.forward(tensor([[1, 2]]), tensor([[1, 0, -1]])).array()).toEqual([[88, 188]]);
    expect(errorOf(() => layer.forward(zeros([1, 2]), zeros([1, 2])))).toMatchObject({ code: "ERR_SHAPE", op: "bilinear" });
  });
});

const errorOf = (run: () => unknown): { code: string; op: string; message: string } => {
  try {
    run();
  } catch (error) {
    return error as { code: string; op: string; message: string };
  }
  throw new Error("did not throw");
};

describe("options out of range", () => {
  it.each<[string, () => unknown]>([
    ["linear", () => nn.linear(-1, 10)],
    ["linear", () => nn.linear(3, 1.5)],
    ["linear", () => nn.linear(Number.NaN, 1)],
    ["conv2d", () => nn.conv2d(0, 4, { kernel: 3 })],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: 0 })],
    ["conv2d", () => nn.conv2d(3, 4, undefined as never)],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: [3, 3, 3] as never })],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: 3, stride: 0 })],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: 3, dilation: 0.5 })],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: 3, padding: "full" as never })],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: 3, padding: -1 })],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: 3, groups: 2 })],
    ["conv1d", () => nn.conv1d(2, 2, { kernel: 3, padding: [1] as never, stride: [1, 1] as never })],
    ["conv3d", () => nn.conv3d(2, 2, { kernel: [3, 3] as never })],
    ["convTranspose2d", () => nn.convTranspose2d(3, 4, { kernel: 3, groups: 2 })],
    ["conv2d", () => nn.conv2d(3, 4, { kernel: 3, paddingMode: "edge" as never })],
    ["convTranspose1d", () => nn.convTranspose1d(3, 4, { kernel: 3, paddingMode: "reflect" })],
    ["convTranspose2d", () => nn.convTranspose2d(3, 4, { kernel: 3, stride: 2, outputPadding: 2 })],
    ["upsample", () => nn.upsample({})],
    ["pad", () => nn.pad(-1)],
    ["pad", () => nn.pad([[1, 2, 3]] as never)],
    ["lpPool2d", () => nn.lpPool2d(0, 2)],
    ["maxPool3d", () => nn.maxPool3d([2, 2, 0])],
    ["adaptiveMaxPool1d", () => nn.adaptiveMaxPool1d(0)],
    ["maxPool2d", () => nn.maxPool2d(0)],
    ["maxPool2d", () => nn.maxPool2d(2, { stride: -2 })],
    ["avgPool2d", () => nn.avgPool2d(2, { padding: "around" as never })],
    ["leakyRelu", () => nn.leakyRelu({ slope: Number.NaN })],
    ["elu", () => nn.elu({ alpha: Number.POSITIVE_INFINITY })],
    ["celu", () => nn.celu({ alpha: 0 })],
    ["softplus", () => nn.softplus({ beta: -1 })],
    ["hardTanh", () => nn.hardTanh({ low: 1, high: 0 })],
    ["prelu", () => nn.prelu(0)],
    ["localResponseNorm", () => nn.localResponseNorm(0)],
    ["pixelShuffle", () => nn.pixelShuffle(1.5)],
    ["squeezeExcitation", () => nn.squeezeExcitation(4, 0)],
    ["layerScale", () => nn.layerScale(0)],
    ["depthwiseConv2d", () => nn.depthwiseConv2d(3, { kernel: 3, multiplier: 0 })],
    ["adaptiveAvgPool2d", () => nn.adaptiveAvgPool2d([2, 0])],
    ["embedding", () => nn.embedding(0, 3)],
    ["embedding", () => nn.embedding(4, 3, { paddingIndex: 4 })],
    ["bilinear", () => nn.bilinear(2, 0, 3)],
    ["sequential", () => nn.sequential(nn.relu as never)],
  ])("%s throws", (op, run) => {
    expect(errorOf(run)).toMatchObject({ code: "ERR_VALUE", op });
  });

  it("of dtype throw", () => {
    expect(errorOf(() => nn.linear(2, 2, { dtype: "i32" as never }))).toMatchObject({ code: "ERR_DTYPE", op: "linear" });
  });

  it("of an initialiser throw", () => {
    expect(errorOf(() => nn.linear(2, 3, { init: () => zeros([3, 2]) }))).toMatchObject({ code: "ERR_SHAPE", op: "linear" });
  });
});

describe("inputs that do not fit", () => {
  const fails = (layer: nn.Module, x: Tensor) => errorOf(() => layer.forward(x));

  it("name the layer by its path, the sizes and the mend", () => {
    const model = nn.sequential(nn.linear(784, 128), nn.relu(), nn.linear(64, 10));
    model.parameters();
    const error = fails(model, zeros([5, 784]));
    expect(error).toMatchObject({ code: "ERR_SHAPE", op: "linear", inputs: [[5, 128]] });
    expect(error.message).toBe(
      'Linear(64, 10) "2" (x: [5, 128]): expected 64 features but the last axis has 128; did the layer before this one produce 64 features?',
    );
    expect(fails(model, zeros([5, 28, 28])).message).toContain("nn.flatten()");
  });

  it("of convolutions say where channels and batches go", () => {
    const conv = nn.conv2d(3, 4, { kernel: 3 });
    expect(fails(conv, zeros([2, 3, 8, 8]))).toMatchObject({ code: "ERR_SHAPE", op: "conv2d" });
    expect(fails(conv, zeros([2, 3, 8, 8])).message).toContain("x.permute([0, 2, 3, 1])");
    expect(fails(conv, zeros([8, 8, 3])).message).toContain("x.expandDims(0)");
    expect(fails(nn.conv2d(1, 4, { kernel: 3 }), zeros([2, 8, 8])).message).toContain("x.expandDims(3)");
    expect(fails(nn.conv1d(3, 4, { kernel: 3 }), zeros([2, 3, 8])).message).toContain(
      "signals [n, l, 3]; channels come last: x.permute([0, 2, 1])",
    );
    expect(fails(nn.conv3d(1, 4, { kernel: 3 }), zeros([2, 8, 8, 8])).message).toContain("x.expandDims(4)");
    for (const op of ["globalMaxPool2d", "adaptiveMaxPool2d"] as const) {
      expect(fails(nn[op](1), zeros([2, 8]))).toMatchObject({ code: "ERR_SHAPE", op });
    }
    expect(fails(nn.globalAvgPool2d(), zeros([2, 8]))).toMatchObject({ code: "ERR_SHAPE", op: "globalAvgPool2d" });
  });

  it("of channels that do not fit say how many there should be", () => {
    expect(fails(nn.squeezeExcitation(4, 2), zeros([2, 4]))).toMatchObject({ code: "ERR_SHAPE", op: "squeezeExcitation" });
    expect(fails(nn.pad([[1, 2]]), zeros([1, 2, 2, 1]))).toMatchObject({ code: "ERR_SHAPE", op: "pad" });
    expect(fails(nn.layerScale(4), zeros([2, 3])).message).toContain("4 channels");
  });

  it("of another dtype are not converted", () => {
    expect(fails(nn.linear(2, 1), zeros([1, 2], { dtype: "f64" }))).toMatchObject({ code: "ERR_DTYPE", op: "linear" });
    expect(fails(nn.conv2d(1, 1, { kernel: 1 }), zeros([1, 2, 2, 1], { dtype: "u8" }))).toMatchObject({ code: "ERR_DTYPE", op: "conv2d" });
  });
});
