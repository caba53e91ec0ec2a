/** MobileNet v3: inverted residuals found by search, with squeeze-and-excitation and hard swish. Source: Howard et al. 2019, tables 1 and 2. */
import * as nn from "../nn/index.js";
import { type MobileNetOptions, settleMobile } from "./mobilenet.js";
import { chain, convNorm, model, Residual, roundChannels } from "./parts.js";

type Row = readonly [kernel: number, expanded: number, to: number, squeezed: boolean, activation: () => nn.Module, stride: number];
const [RE, HS] = [nn.relu, nn.hardSwish];

/** Table 1. */
const large: readonly Row[] = [
  [3, 16, 16, false, RE, 1],
  [3, 64, 24, false, RE, 2],
  [3, 72, 24, false, RE, 1],
  [5, 72, 40, true, RE, 2],
  [5, 120, 40, true, RE, 1],
  [5, 120, 40, true, RE, 1],
  [3, 240, 80, false, HS, 2],
  [3, 200, 80, false, HS, 1],
  [3, 184, 80, false, HS, 1],
  [3, 184, 80, false, HS, 1],
  [3, 480, 112, true, HS, 1],
  [3, 672, 112, true, HS, 1],
  [5, 672, 160, true, HS, 2],
  [5, 960, 160, true, HS, 1],
  [5, 960, 160, true, HS, 1],
];

/** Table 2. */
const small: readonly Row[] = [
  [3, 16, 16, true, RE, 2],
  [3, 72, 24, false, RE, 2],
  [3, 88, 24, false, RE, 1],
  [5, 96, 40, true, HS, 2],
  [5, 240, 40, true, HS, 1],
  [5, 240, 40, true, HS, 1],
  [5, 120, 48, true, HS, 1],
  [5, 144, 48, true, HS, 1],
  [5, 288, 96, true, HS, 2],
  [5, 576, 96, true, HS, 1],
  [5, 576, 96, true, HS, 1],
];

const norm = { eps: 1e-3, momentum: 0.01 };

function mobilenetV3(name: string, rows: readonly Row[], hidden: number, options: MobileNetOptions) {
  const { classes, inChannels, width, dropout } = settleMobile(name, options);
  const scaled = (channels: number) => roundChannels(channels * width);
  let from = scaled(16);
  const features: nn.Module[] = [convNorm(inChannels, from, 3, { stride: 2, activation: HS, norm })];
  for (const [kernel, expanded, channels, squeezed, activation, stride] of rows) {
    const [wide, to] = [scaled(expanded), scaled(channels)];
    const block = nn.sequential(
      ...(wide === from ? [] : [convNorm(from, wide, 1, { activation, norm })]),
      convNorm(wide, wide, kernel, { stride, groups: wide, activation, norm }),
      ...(squeezed ? [squeeze(wide)] : []),
      convNorm(wide, to, 1, { activation: null, norm }),
    );
    features.push(stride === 1 && from === to ? new Residual({ block }) : chain({ block }));
    from = to;
  }
  const init = nn.init.normal({ std: 0.01 });
  return model(name, 1, {
    features: nn.sequential(...features, convNorm(from, 6 * from, 1, { activation: HS, norm })),
    avgpool: nn.globalAvgPool2d(),
    classifier: nn.sequential(
      ...[nn.linear(6 * from, scaled(hidden), { init }), HS(), nn.dropout(dropout)],
      nn.linear(scaled(hidden), classes, { init }),
    ),
  });
}

const squeeze = (channels: number) =>
  nn.squeezeExcitation(channels, roundChannels(Math.floor(channels / 4)), {
    scale: nn.hardSigmoid(),
    init: nn.init.heNormal({ fan: "out" }),
  });

/** MobileNet v3, small. Images [n, h, w, 3], 224 × 224 in the paper → logits [n, classes]. */
export const mobilenetV3Small = (options: MobileNetOptions = {}) => mobilenetV3("mobilenetV3Small", small, 1024, options);
/** MobileNet v3, large; else as {@link mobilenetV3Small}. */
export const mobilenetV3Large = (options: MobileNetOptions = {}) => mobilenetV3("mobilenetV3Large", large, 1280, options);
