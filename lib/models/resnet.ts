/** Residual networks. Source: He, Zhang, Ren & Sun 2016: table 1 (ImageNet), section 4.2 (CIFAR-10). */
import { ValueError } from "../base/errors.js";
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { Stateless } from "../nn/stateless.js";
import { pad } from "../tensor/index.js";
import { conv, convNorm, type ModelOptions, model, Residual } from "./parts.js";

/** Two 3 × 3 convolutions. */
const basic = (from: number, width: number, stride: number) => ({
  ...{ conv1: conv(from, width, 3, { stride }), bn1: nn.batchNorm(width), relu: nn.relu() },
  ...{ conv2: conv(width, width, 3), bn2: nn.batchNorm(width) },
});

/** 1 × 1, 3 × 3, 1 × 1; the stride is the middle one's ("v1.5"), where the paper has the first one's. */
const bottleneck = (from: number, width: number, stride: number) => ({
  ...{ conv1: conv(from, width, 1), bn1: nn.batchNorm(width), relu1: nn.relu() },
  ...{ conv2: conv(width, width, 3, { stride }), bn2: nn.batchNorm(width), relu2: nn.relu() },
  ...{ conv3: conv(width, 4 * width, 1), bn3: nn.batchNorm(4 * width) },
});

/** Blocks of each stage: the columns of table 1. */
const depths = {
  18: { block: basic, expansion: 1, blocks: [2, 2, 2, 2] },
  34: { block: basic, expansion: 1, blocks: [3, 4, 6, 3] },
  50: { block: bottleneck, expansion: 4, blocks: [3, 4, 6, 3] },
  101: { block: bottleneck, expansion: 4, blocks: [3, 4, 23, 3] },
  152: { block: bottleneck, expansion: 4, blocks: [3, 8, 36, 3] },
};

function resnet(depth: keyof typeof depths, options: ModelOptions) {
  const name = `resnet${depth}`;
  const { classes, inChannels } = settle(name, options, { classes: 1000, inChannels: 3 });
  const { block, expansion, blocks } = depths[depth];
  let from = 64;
  const stages = blocks.map((count, stage) => {
    const width = 64 * 2 ** stage;
    const to = expansion * width;
    return nn.sequential(
      ...Array.from({ length: count }, (_, i) => {
        const stride = i === 0 && stage > 0 ? 2 : 1;
        const downsample = stride === 1 && from === to ? null : convNorm(from, to, 1, { stride, activation: null });
        const residual = new Residual(block(from, width, stride), downsample, nn.relu());
        from = to;
        return residual;
      }),
    );
  });
  const [layer1, layer2, layer3, layer4] = stages;
  return model(name, 1, {
    ...{ conv1: conv(inChannels, 64, 7, { stride: 2 }), bn1: nn.batchNorm(64), relu: nn.relu() },
    maxpool: nn.maxPool2d(3, { stride: 2, padding: 1 }),
    ...{ layer1, layer2, layer3, layer4 },
    avgpool: nn.globalAvgPool2d(),
    fc: nn.linear(from, classes),
  });
}

/** ResNet-18. Images [n, h, w, 3], 224 × 224 in the paper → logits [n, classes]. */
export const resnet18 = (options: ModelOptions = {}) => resnet(18, options);
/** ResNet-34; else as {@link resnet18}. */
export const resnet34 = (options: ModelOptions = {}) => resnet(34, options);
/** ResNet-50; else as {@link resnet18}. */
export const resnet50 = (options: ModelOptions = {}) => resnet(50, options);
/** ResNet-101; else as {@link resnet18}. */
export const resnet101 = (options: ModelOptions = {}) => resnet(101, options);
/** ResNet-152; else as {@link resnet18}. */
export const resnet152 = (options: ModelOptions = {}) => resnet(152, options);

/** Shortcuts without parameters (option A): every second row and column, zeros in the new channels. */
const subsampled = (channels: number) =>
  new Stateless(`Subsampled(${channels})`, (x) =>
    pad(x.slice([0, 0, 0, 0], undefined, [1, 2, 2, 1]), [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, channels - x.shape[3]],
    ]),
  );

/**
 * A residual network for small pictures, of 6n + 2 layers: 20, 32, 44, 56 or 110 in the paper. Images [n, h, w, 3], 32 × 32 in the
 * paper → logits [n, classes], by default 10.
 * @throws ValueError unless `depth` is 6n + 2 for a whole n ≥ 1.
 * @example const model = cifarResnet(20, { inChannels: 1 });
 */
export function cifarResnet(depth: number, options: ModelOptions = {}) {
  const { classes, inChannels } = settle("cifarResnet", options, { classes: 10, inChannels: 3 });
  const count = (depth - 2) / 6;
  if (!Number.isInteger(count) || count < 1) {
    throw new ValueError(`cifarResnet: depth must be 6n + 2, such as 20, 32, 44, 56 or 110, but is ${depth}`, {
      op: "cifarResnet",
      inputs: [depth],
    });
  }
  let from = 16;
  const [layer1, layer2, layer3] = [16, 32, 64].map((width) =>
    nn.sequential(
      ...Array.from({ length: count }, () => {
        const residual = new Residual(basic(from, width, width / from), width === from ? null : subsampled(width), nn.relu());
        from = width;
        return residual;
      }),
    ),
  );
  return model("cifarResnet", 1, {
    ...{ conv1: conv(inChannels, 16, 3), bn1: nn.batchNorm(16), relu: nn.relu() },
    ...{ layer1, layer2, layer3 },
    avgpool: nn.globalAvgPool2d(),
    fc: nn.linear(from, classes),
  });
}
