/** Architectures that torchvision does not have, or in other sizes: the papers' numbers of parameters, and shapes. */
import { ones, ShapeError, type Tensor, tensor, ValueError, zeros } from "nabla";
import * as models from "nabla/models";
import type { Module } from "nabla/nn";
import * as nn from "nabla/nn";
import { describe, expect, it } from "vitest";

const count = (model: Module) => model.parameters().reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);

/** Parameters, an image, and the shape of its logits. */
const cases: [name: string, make: () => Module, parameters: number, image: number[], logits: number][] = [
  ["LeNet-5", () => models.lenet5(), 61_706, [28, 28, 1], 10],
  // 60,965,224 is the number of the published network.
  ["AlexNet of 2012", () => models.alexnet2012(), 60_965_224, [224, 224, 3], 1000],
  ["EfficientNet, φ = 1, which is B2", () => models.efficientnet(models.compoundScaling(1)), 9_109_994, [260, 260, 3], 1000],
  // What torchvision publishes.
  ["VGG-19", () => models.vgg19(), 143_667_240, [224, 224, 3], 1000],
  ["VGG-11 with batch norm", () => models.vgg11({ batchNorm: true }), 132_868_840, [224, 224, 3], 1000],
  ["VGG-13 with batch norm", () => models.vgg13({ batchNorm: true }), 133_053_736, [224, 224, 3], 1000],
  ["VGG-16 with batch norm", () => models.vgg16({ batchNorm: true }), 138_365_992, [224, 224, 3], 1000],
  ["VGG-19 with batch norm", () => models.vgg19({ batchNorm: true }), 143_678_248, [224, 224, 3], 1000],
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
  expect(model.summary([64, 64, 3]).title).toBe("resnet18, input [64, 64, 3]");
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

it("compound scaling raises the bases to φ", () => {
  expect(models.compoundScaling(0)).toEqual({ depth: 1, width: 1, resolution: 1 });
  const { depth, width, resolution } = models.compoundScaling(3);
  expect([depth, width, resolution].map((factor) => factor.toFixed(4))).toEqual(["1.7280", "1.3310", "1.5209"]);
  expect(depth * width ** 2 * resolution ** 2).toBeCloseTo(1.92 ** 3, 2); // times the arithmetic; the paper: ≈ 2
  expect(models.compoundScaling(2, { alpha: 2, beta: 1, gamma: 1 }).depth).toBe(4);
  expect(() => models.compoundScaling(Number.NaN)).toThrow(ValueError);
  expect(() => models.compoundScaling(1, { beta: 0.9 })).toThrow(ValueError);
});

it("AlexNet of 2012 normalises by 2 + 1e-4 · Σ x² over five channels", async () => {
  const normalise = models.alexnet2012().features[2];
  const x = tensor([100, 0, 0, 0, 200, 0, 0, 0], { shape: [1, 1, 1, 8] });
  const y = await normalise.forward(x).data();
  expect(y[0]).toBeCloseTo(100 / (2 + 1e-4 * 100 ** 2) ** 0.75, 4);
  expect(y[4]).toBeCloseTo(200 / (2 + 1e-4 * 200 ** 2) ** 0.75, 4);
});

it("a vision transformer takes images of its size only", () => {
  const model = models.vitB16({ size: 32, classes: 3 });
  expect(model.eval().forward(zeros([2, 32, 32, 3])).shape).toEqual([2, 3]);
  expect(() => model.forward(zeros([2, 48, 48, 3]))).toThrow(ShapeError);
  expect(() => models.vitB16({ size: 40 })).toThrow(ValueError);
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
  expect(() => models.densenet121({ dropout: 2 })).toThrow(ValueError);
  expect(() => models.googlenet({ window: 4 as 3 })).toThrow(
    "googlenet: window must be 3, as torchvision's, or 5, as the paper's, but is 4",
  );
  expect(() => models.mobilenetV2({ width: 0 })).toThrow("mobilenetV2: width must be a number above 0 but is 0");
  expect(() => models.efficientnet({ width: 1, depth: Number.NaN })).toThrow("efficientnet: depth must be a number above 0 but is NaN");
});

it("options that a model does not have are refused", () => {
  expect(() => models.resnet18({ numClasses: 10 } as object)).toThrow(
    "resnet18: there is no option numClasses; did you mean classes? There are classes, inChannels",
  );
  expect(() => models.resnet18(10 as unknown as object)).toThrow(
    "resnet18: expected options { classes, inChannels } but received the number 10",
  );
  expect(() => models.lenet5({ classes: "10" } as object)).toThrow("lenet5: classes must be a number but is the string 10");
  expect(models.resnet18({ classes: undefined } as object).fc.outFeatures).toBe(1000);
});

it.each([
  ["googlenet", 15, 3, models.googlenet],
  ["inceptionV3", 75, 3, models.inceptionV3],
  ["densenet121", 29, 3, models.densenet121],
  ["convnextTiny", 32, 3, models.convnextTiny],
] as const)("%s takes images of at least %i pixels, and says so", (name, least, channels, make) => {
  const model = make({ classes: 2 }).eval();
  expect(model.forward(zeros([1, least, least + 1, channels])).shape).toEqual([1, 2]);
  expect(() => model.forward(zeros([1, least, least - 1, channels]))).toThrow(
    `${name}(x: [1, ${least}, ${least - 1}, ${channels}]): expected images [n, h, w, c] of at least ${least} × ${least}`,
  );
});

it.each([
  ["lenet5", 28, 31, 1, models.lenet5],
  ["alexnet2012", 223, 254, 3, models.alexnet2012],
] as const)("%s takes images of %i to %i pixels, and says so", (name, least, most, channels, make) => {
  const model = make({ classes: 2 }).eval();
  expect(model.forward(zeros([1, least, most, channels])).shape).toEqual([1, 2]);
  expect(() => model.forward(zeros([1, least, most + 1, channels]))).toThrow(
    `${name}(x: [1, ${least}, ${most + 1}, ${channels}]): expected images [n, h, w, c] of ${least} × ${least} to ${most} × ${most}; make them smaller`,
  );
  expect(() => model.forward(zeros([1, least - 1, most, channels]))).toThrow("enlarge them");
});

it("the auxiliary classifier of Inception v3 needs larger images", () => {
  const x = zeros([1, 298, 299, 3]);
  expect(() => models.inceptionV3().eval().heads(x)).toThrow(/inceptionV3.*at least 299 × 299/);
  expect(models.inceptionV3({ auxiliary: false }).eval().heads(x)).toHaveLength(1);
});
