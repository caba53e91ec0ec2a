/** EfficientNet: one small network, scaled in width, depth and resolution together. Source: Tan & Le 2019, table 1, section 3.3. */
import { ValueError } from "../base/errors.js";
import { optionsOf, settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { type ConvNormOptions, chain, checkFactors, convNorm, type ModelOptions, model, Residual, roundChannels } from "./parts.js";

export interface EfficientNetOptions extends ModelOptions {
  /** Before the dense layer. Default: that of the published network. */
  dropout?: number;
  /** Probability that the last block is left out in training; those before it have less, in proportion to their place. Default 0.2. */
  stochasticDepth?: number;
}

/** Factors on numbers of channels and of layers. */
export interface EfficientNetScale {
  readonly width: number;
  readonly depth: number;
}

/** Expansion, window, stride, channels, layers of EfficientNet-B0's stages 2 to 8: table 1. */
const stages = [
  [1, 3, 1, 16, 1],
  [6, 3, 2, 24, 2],
  [6, 5, 2, 40, 2],
  [6, 3, 2, 80, 3],
  [6, 5, 1, 112, 3],
  [6, 5, 2, 192, 4],
  [6, 3, 1, 320, 1],
];

/** Width, depth, edge of the images and dropout of the published networks. */
export const efficientnetScales = {
  b0: { width: 1, depth: 1, resolution: 224, dropout: 0.2 },
  b1: { width: 1, depth: 1.1, resolution: 240, dropout: 0.2 },
  b2: { width: 1.1, depth: 1.2, resolution: 260, dropout: 0.3 },
  b3: { width: 1.2, depth: 1.4, resolution: 300, dropout: 0.3 },
  b4: { width: 1.4, depth: 1.8, resolution: 380, dropout: 0.4 },
  b5: { width: 1.6, depth: 2.2, resolution: 456, dropout: 0.4 },
  b6: { width: 1.8, depth: 2.6, resolution: 528, dropout: 0.5 },
  b7: { width: 2, depth: 3.1, resolution: 600, dropout: 0.5 },
} as const;

/**
 * Compound scaling: the factors α^φ on layers, β^φ on channels and γ^φ on the edge of the images for 2^φ times the arithmetic, with
 * α·β²·γ² ≈ 2. The defaults are those that the paper found for its smallest network.
 * @throws ValueError unless φ is finite and the bases are ≥ 1.
 * @example compoundScaling(1) // { depth: 1.2, width: 1.1, resolution: 1.15 }
 */
export function compoundScaling(phi: number, bases: { alpha?: number; beta?: number; gamma?: number } = {}) {
  const { alpha = 1.2, beta = 1.1, gamma = 1.15 } = optionsOf("compoundScaling", bases, ["alpha", "beta", "gamma"]);
  if (!Number.isFinite(phi) || ![alpha, beta, gamma].every((base) => base >= 1)) {
    throw new ValueError(
      `compoundScaling: expected a finite φ and bases ≥ 1 but received φ = ${phi}, α = ${alpha}, β = ${beta}, γ = ${gamma}`,
      { op: "compoundScaling", inputs: [phi, alpha, beta, gamma] },
    );
  }
  return { depth: alpha ** phi, width: beta ** phi, resolution: gamma ** phi };
}

/** MBConv: expand, convolve each channel, weigh the channels, project. */
const inverted = (from: number, to: number, wide: number, kernel: number, stride: number, options: ConvNormOptions) =>
  nn.sequential(
    ...(wide === from ? [] : [convNorm(from, wide, 1, options)]),
    convNorm(wide, wide, kernel, { stride, groups: wide, ...options }),
    nn.squeezeExcitation(wide, Math.max(1, Math.floor(from / 4)), { activation: nn.silu(), init: nn.init.heNormal({ fan: "out" }) }),
    convNorm(wide, to, 1, { ...options, activation: null }),
  );

/**
 * An EfficientNet of any width and depth, relative to B0: `efficientnet(compoundScaling(0.5))`. Images [n, h, w, 3] → logits
 * [n, classes]. `norm`: eps and momentum of batch norm.
 */
export function efficientnet(
  scale: EfficientNetScale,
  options: EfficientNetOptions & { norm?: Pick<nn.BatchNormOptions, "eps" | "momentum"> } = {},
) {
  const { width, depth } = scale ?? {};
  checkFactors("efficientnet", { width, depth });
  const defaults = { classes: 1000, inChannels: 3, dropout: 0.2, stochasticDepth: 0.2, norm: {} };
  const { classes, inChannels, dropout, stochasticDepth, norm } = settle("efficientnet", options, defaults);
  const silu = { activation: nn.silu, norm };
  let from = roundChannels(32 * width);
  const features: nn.Module[] = [convNorm(inChannels, from, 3, { stride: 2, ...silu })];
  const counts = stages.map(([, , , , layers]) => Math.ceil(layers * depth));
  const total = counts.reduce((sum, count) => sum + count);
  let place = 0;
  stages.forEach(([expansion, kernel, stride, channels], s) => {
    const blocks = Array.from({ length: counts[s] }, (_, i) => {
      const to = roundChannels(channels * width);
      const block = inverted(from, to, roundChannels(from * expansion), kernel, i === 0 ? stride : 1, silu);
      const isResidual = (i > 0 || stride === 1) && from === to;
      from = to;
      const p = (stochasticDepth * place++) / total;
      return isResidual ? new Residual({ block, stochasticDepth: nn.stochasticDepth(p) }) : chain({ block });
    });
    features.push(nn.sequential(...blocks));
  });
  const last = 4 * from;
  const bound = 1 / Math.sqrt(classes);
  return model("efficientnet", 1, {
    features: nn.sequential(...features, convNorm(from, last, 1, silu)),
    avgpool: nn.globalAvgPool2d(),
    classifier: nn.sequential(nn.dropout(dropout), nn.linear(last, classes, { init: nn.init.uniform({ low: -bound, high: bound }) })),
  });
}

const published =
  (name: keyof typeof efficientnetScales, norm = {}) =>
  (options: EfficientNetOptions = {}) =>
    efficientnet(efficientnetScales[name], { norm, ...options, dropout: options.dropout ?? efficientnetScales[name].dropout });
const slow = { eps: 1e-3, momentum: 0.01 };

/** EfficientNet-B0. Images [n, h, w, 3], 224 × 224 in the paper (`efficientnetScales.b0.resolution`) → logits [n, classes]. */
export const efficientnetB0 = published("b0");
/** EfficientNet-B1, for 240 × 240; else as {@link efficientnetB0}. */
export const efficientnetB1 = published("b1");
/** EfficientNet-B2, for 260 × 260; else as {@link efficientnetB0}. */
export const efficientnetB2 = published("b2");
/** EfficientNet-B3, for 300 × 300; else as {@link efficientnetB0}. */
export const efficientnetB3 = published("b3");
/** EfficientNet-B4, for 380 × 380; else as {@link efficientnetB0}. */
export const efficientnetB4 = published("b4");
/** EfficientNet-B5, for 456 × 456; else as {@link efficientnetB0}. */
export const efficientnetB5 = published("b5", slow);
/** EfficientNet-B6, for 528 × 528; else as {@link efficientnetB0}. */
export const efficientnetB6 = published("b6", slow);
/** EfficientNet-B7, for 600 × 600; else as {@link efficientnetB0}. */
export const efficientnetB7 = published("b7", slow);
