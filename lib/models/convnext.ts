/** ConvNeXt: a convolutional network with the habits of transformers. Source: Liu et al. 2022, table 9 and figure 4. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { type ModelOptions, model, Residual } from "./parts.js";

export interface ConvNeXtOptions extends ModelOptions {
  /** Probability that the last block is left out in training; those before it have less, in proportion to their place. Default 0.1. */
  stochasticDepth?: number;
}

/** Channels and blocks of ConvNeXt-T's stages. */
const stages = [
  [96, 3],
  [192, 3],
  [384, 9],
  [768, 3],
];

const init = nn.init.normal({ std: 0.02 });
const norm = (channels: number) => nn.layerNorm(channels, { eps: 1e-6 });

/** Each channel alone over 7 × 7, then a perceptron of two layers at every pixel. */
const block = (c: number) =>
  nn.sequential(
    nn.conv2d(c, c, { kernel: 7, padding: 3, groups: c, init }),
    nn.identity(), // torchvision turns axes here, and counts it
    ...[norm(c), nn.linear(c, 4 * c, { init }), nn.gelu(), nn.linear(4 * c, c, { init })],
  );

/** ConvNeXt-T. Images [n, h, w, 3], 224 × 224 in the paper, at least 32 × 32 → logits [n, classes]. */
export function convnextTiny(options: ConvNeXtOptions = {}) {
  const defaults = { classes: 1000, inChannels: 3, stochasticDepth: 0.1 };
  const { classes, inChannels, stochasticDepth } = settle("convnextTiny", options, defaults);
  const total = stages.reduce((sum, [, count]) => sum + count, 0);
  let place = 0;
  let from = inChannels;
  const features = stages.flatMap(([c, count], s) => {
    const halve = () => [norm(from), nn.conv2d(from, c, { kernel: 2, stride: 2, init })];
    const start = s === 0 ? [nn.conv2d(from, c, { kernel: 4, stride: 4, init }), norm(c)] : halve();
    const blocks = Array.from({ length: count }, () => {
      const p = (stochasticDepth * place++) / (total - 1);
      return new Residual({ block: block(c), layerScale: nn.layerScale(c), stochasticDepth: nn.stochasticDepth(p) });
    });
    from = c;
    return [nn.sequential(...start), nn.sequential(...blocks)];
  });
  return model("convnextTiny", 32, {
    features: nn.sequential(...features),
    avgpool: nn.globalAvgPool2d(),
    classifier: nn.sequential(norm(from), nn.flatten(), nn.linear(from, classes, { init })),
  });
}
