/** VGG: 3 × 3 convolutions in five stages. Source: Simonyan & Zisserman 2015, table 1. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { conv, flattenByChannel, type ModelOptions, model } from "./parts.js";

export interface VggOptions extends ModelOptions {
  /** Whether batch norm follows each convolution. Default false, as in the paper. */
  batchNorm?: boolean;
  /** Before the second and the third dense layer. Default 0.5. */
  dropout?: number;
}

/** Convolutions of each stage, in the columns A, B, D and E of table 1. */
const depths = {
  11: [1, 1, 2, 2, 2],
  13: [2, 2, 2, 2, 2],
  16: [2, 2, 3, 3, 3],
  19: [2, 2, 4, 4, 4],
};
const widths = [64, 128, 256, 512, 512];

function vgg(depth: keyof typeof depths, options: VggOptions) {
  const name = `vgg${depth}`;
  const { classes, inChannels, batchNorm, dropout } = settle(name, options, {
    classes: 1000,
    inChannels: 3,
    batchNorm: false,
    dropout: 0.5,
  });
  const features: nn.Module[] = [];
  let from = inChannels;
  depths[depth].forEach((count, stage) => {
    const to = widths[stage];
    for (let i = 0; i < count; i++) {
      features.push(conv(from, to, 3, { bias: true }), ...(batchNorm ? [nn.batchNorm(to)] : []), nn.relu());
      from = to;
    }
    features.push(nn.maxPool2d(2));
  });
  const dense = (inputs: number, outputs: number) => nn.linear(inputs, outputs, { init: nn.init.normal({ std: 0.01 }) });
  return model(name, 32, {
    features: nn.sequential(...features),
    avgpool: nn.adaptiveAvgPool2d(7),
    flatten: flattenByChannel(),
    classifier: nn.sequential(
      ...[dense(512 * 7 * 7, 4096), nn.relu(), nn.dropout(dropout)],
      ...[dense(4096, 4096), nn.relu(), nn.dropout(dropout)],
      dense(4096, classes),
    ),
  });
}

/** VGG-11 (column A). Images [n, h, w, 3], 224 × 224 in the paper, at least 32 × 32 → logits [n, classes]. */
export const vgg11 = (options: VggOptions = {}) => vgg(11, options);
/** VGG-13 (column B); else as {@link vgg11}. */
export const vgg13 = (options: VggOptions = {}) => vgg(13, options);
/** VGG-16 (column D); else as {@link vgg11}. */
export const vgg16 = (options: VggOptions = {}) => vgg(16, options);
/** VGG-19 (column E); else as {@link vgg11}. */
export const vgg19 = (options: VggOptions = {}) => vgg(19, options);
