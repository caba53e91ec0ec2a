/** Architectures that torchvision does not have, or in other sizes: the papers' numbers of parameters, and shapes. */
import { ones, type Tensor, tensor, ValueError, zeros } from "nabla";
import * as models from "nabla/models";
import type { Module } from "nabla/nn";
import * as nn from "nabla/nn";
import { describe, expect, it } from "vitest";

const count = (model: Module) => model.parameters().reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);

/** Parameters, an image, and the shape of its logits. */
const cases: [name: string, make: () => Module, parameters: number, image: number[], logits: number][] = [
  ["LeNet-5", () => models.lenet5(), 61_706, [28, 28, 1], 10],
  ["network in network", () => models.networkInNetwork(), 966_986, [32, 32, 3], 10],
  ["MobileNet v1", () => models.mobilenetV1(), 4_231_976, [224, 224, 3], 1000],
  ["MobileNet v1, α = ½", () => models.mobilenetV1({ width: 0.5 }), 1_331_592, [160, 160, 3], 1000],
  // Table 6 of He et al.: 0.27, 0.46, 0.66, 0.85 and 1.7 million.
  ["ResNet-20", () => models.cifarResnet(20), 269_722, [32, 32, 3], 10],
  ["ResNet-32", () => models.cifarResnet(32), 464_154, [32, 32, 3], 10],
  ["ResNet-44", () => models.cifarResnet(44), 658_586, [32, 32, 3], 10],
  ["ResNet-56", () => models.cifarResnet(56), 853_018, [32, 32, 3], 10],
  ["ResNet-110", () => models.cifarResnet(110), 1_727_962, [32, 32, 3], 10],
  ["ResNet-20 for grey pictures", () => models.cifarResnet(20, { inChannels: 1 }), 269_434, [28, 28, 1], 10],
];

describe.each(cases)("%s", (_, make, parameters, image, logits) => {
  it("has the paper's size", () => {
    const model = make();
    expect(count(model)).toBe(parameters);
    expect(model.eval().forward(zeros([2, ...image])).shape).toEqual([2, logits]);
  });
});

it("shortcuts of small residual networks take every second pixel and add empty channels", async () => {
  const block = models.cifarResnet(8).layer2[0] as Module & { bn2: nn.BatchNorm };
  block.bn2.weight!.assign(zeros([32])); // leaves the shortcut alone
  const x = tensor(
    Float32Array.from({ length: 4 * 4 * 16 }, (_, i) => i),
    { shape: [1, 4, 4, 16] },
  );
  const y = await block.eval().forward(x).data();
  expect([...y.subarray(0, 64)]).toEqual([
    ...Array.from({ length: 16 }, (_, i) => i),
    ...Array(16).fill(0),
    ...Array.from({ length: 16 }, (_, i) => 32 + i),
    ...Array(16).fill(0),
  ]);
  expect(y[64]).toBe(8 * 16);
});

it("parts have names and can be replaced", () => {
  const model = models.resnet18({ classes: 7 });
  expect(model.fc.outFeatures).toBe(7);
  model.fc = nn.linear(512, 3);
  expect(model.eval().forward(zeros([1, 64, 64, 3])).shape).toEqual([1, 3]);
  expect(model.namedParameters().has("layer3.0.downsample.1.weight")).toBe(true);
});

it("auxiliary classifiers stand beside the logits, and can be left out", () => {
  const heads = (options: models.GoogLeNetOptions, x: Tensor) =>
    models
      .googlenet({ classes: 5, ...options })
      .eval()
      .heads(x)
      .map(({ shape }) => shape);
  const x = zeros([2, 224, 224, 3]);
  expect(heads({}, x)).toEqual([
    [2, 5],
    [2, 5],
    [2, 5],
  ]);
  expect(heads({ auxiliary: false }, x)).toEqual([[2, 5]]);
  expect(count(models.googlenet({ auxiliary: false }))).toBe(6_624_904); // of the weights that torchvision publishes
  expect(count(models.inceptionV3({ auxiliary: false }))).toBe(23_834_568);
  expect(heads({ auxiliary: false, window: 5 }, zeros([1, 97, 130, 3]))).toEqual([[1, 5]]);
});

it("windows of GoogLeNet's poolings may stick out of the image", async () => {
  const { maxpool1 } = models.googlenet() as unknown as { maxpool1: Module };
  for (const [rows, columns] of [
    [5, 5],
    [6, 6],
    [5, 6],
    [6, 5],
  ]) {
    const x = tensor(
      Float32Array.from({ length: rows * columns }, (_, i) => i - 100),
      { shape: [1, rows, columns, 1] },
    );
    const y = maxpool1.forward(x);
    const out = [rows, columns].map((n) => Math.ceil((n - 3) / 2) + 1);
    expect(y.shape).toEqual([1, ...out, 1]);
    const expected = Array.from({ length: out[0] * out[1] }, (_, i) => {
      const [r, c] = [Math.floor(i / out[1]), i % out[1]].map((k) => 2 * k + 2);
      return Math.min(r, rows - 1) * columns + Math.min(c, columns - 1) - 100;
    });
    expect([...(await y.data())]).toEqual(expected);
  }
});

it("names and layouts of torchvision's states become ours", () => {
  expect(models.torchvisionName("layer1.0.bn1.running_mean")).toBe("layer1.0.bn1.runningMean");
  expect(models.torchvisionName("Mixed_7b.branch3x3dbl_3a.conv.weight")).toBe("Mixed_7b.branch3x3dbl.2.a.conv.weight");
  expect(models.torchvisionName("Mixed_5b.branch_pool.bn.weight")).toBe("Mixed_5b.branchPool.bn.weight");
  expect(models.torchvisionName("Conv2d_1a_3x3.conv.weight")).toBe("Conv2d_1a_3x3.conv.weight");
  expect(models.torchvisionName("encoder.layers.encoder_layer_0.self_attention.in_proj_weight")).toBe(
    "encoder.layers.encoderLayer_0.selfAttention.inProjWeight",
  );
  const model = models.resnet18({ classes: 3 });
  const state = models.fromTorchvision(model, { "fc.weight": ones([3, 512]), "bn1.num_batches_tracked": ones([]) });
  expect(Object.entries(state).map(([name, x]) => [name, x.shape])).toEqual([["fc.weight", [512, 3]]]);
  expect(() => models.fromTorchvision(model, { "fc.weights": ones([3, 512]) })).toThrow(ValueError);
  expect(() => models.fromTorchvision(model, { "fc.weight": ones([1000, 512]) })).toThrow(/as many classes/);
});

it("wrong sizes are refused", () => {
  expect(() => models.cifarResnet(21)).toThrow(ValueError);
  expect(() => models.resnet18({ classes: 0 })).toThrow(ValueError);
  expect(() => models.vgg11({ dropout: 2 })).toThrow(ValueError);
});
