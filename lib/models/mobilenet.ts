/** MobileNet v1 and v2: depthwise convolutions and what mixes their channels. Sources: Howard et al. 2017, Sandler et al. 2018. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { chain, checkFactors, conv, convNorm, type ModelOptions, model, Residual, roundChannels } from "./parts.js";

export interface MobileNetOptions extends ModelOptions {
  /** Factor α > 0 on all numbers of channels, which are rounded to multiples of 8. Default 1. */
  width?: number;
  /** Before the dense layer. Default 0.2; v1: 0.001. */
  dropout?: number;
}

/** @throws ValueError as {@link settle}, and unless the width is above 0. */
export function settleMobile(op: string, options: MobileNetOptions, dropout = 0.2): Required<MobileNetOptions> {
  const settled = settle(op, options, { classes: 1000, inChannels: 3, width: 1, dropout });
  checkFactors(op, { width: settled.width });
  return settled;
}

/** Output channels and stride of v1's depthwise separable convolutions: table 1 of Howard et al. */
const separable = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  ...Array.from({ length: 5 }, () => [512, 1]),
  [1024, 2],
  [1024, 1],
];

/** MobileNet v1. Images [n, h, w, 3], 224 × 224 in the paper → logits [n, classes]. */
export function mobilenetV1(options: MobileNetOptions = {}) {
  const { classes, inChannels, width, dropout } = settleMobile("mobilenetV1", options, 0.001);
  let from = roundChannels(32 * width);
  const features = [convNorm(inChannels, from, 3, { stride: 2 })];
  for (const [channels, stride] of separable) {
    const to = roundChannels(channels * width);
    features.push(convNorm(from, from, 3, { stride, groups: from }), convNorm(from, to, 1));
    from = to;
  }
  return model("mobilenetV1", 1, {
    features: nn.sequential(...features),
    avgpool: nn.globalAvgPool2d(),
    classifier: nn.sequential(nn.dropout(dropout), nn.linear(from, classes)),
  });
}

/** Expansion t, channels c, repeats n and stride s of v2's inverted residuals: table 2 of Sandler et al. */
const inverted = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

/** Wide inside, narrow outside, linear at the end; summed with its input where the shape stays. */
function invertedResidual(from: number, to: number, expansion: number, stride: number): nn.Module {
  const wide = from * expansion;
  const main = nn.sequential(
    ...(expansion === 1 ? [] : [convNorm(from, wide, 1, { activation: nn.relu6 })]),
    convNorm(wide, wide, 3, { stride, groups: wide, activation: nn.relu6 }),
    ...[conv(wide, to, 1), nn.batchNorm(to)],
  );
  return stride === 1 && from === to ? new Residual({ conv: main }) : chain({ conv: main });
}

/** MobileNet v2. Images [n, h, w, 3], 224 × 224 in the paper → logits [n, classes]. */
export function mobilenetV2(options: MobileNetOptions = {}) {
  const { classes, inChannels, width, dropout } = settleMobile("mobilenetV2", options);
  let from = roundChannels(32 * width);
  const last = roundChannels(1280 * Math.max(1, width));
  const features: nn.Module[] = [convNorm(inChannels, from, 3, { stride: 2, activation: nn.relu6 })];
  for (const [expansion, channels, count, stride] of inverted) {
    for (let i = 0; i < count; i++) {
      const to = roundChannels(channels * width);
      features.push(invertedResidual(from, to, expansion, i === 0 ? stride : 1));
      from = to;
    }
  }
  return model("mobilenetV2", 1, {
    features: nn.sequential(...features, convNorm(from, last, 1, { activation: nn.relu6 })),
    avgpool: nn.globalAvgPool2d(),
    classifier: nn.sequential(nn.dropout(dropout), nn.linear(last, classes, { init: nn.init.normal({ std: 0.01 }) })),
  });
}
