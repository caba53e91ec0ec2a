/** AlexNet: the paper's, and the one that torchvision has. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { flattenByChannel, type ModelOptions, model } from "./parts.js";

export interface AlexNetOptions extends ModelOptions {
  /** Before the first two dense layers. Default 0.5. */
  dropout?: number;
}

const pool = () => nn.maxPool2d(3, { stride: 2 });

/**
 * AlexNet with one tower and without normalisation, as in torchvision. Images [n, h, w, 3], 224 × 224, at least 63 × 63 → logits
 * [n, classes]. Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".
 */
export function alexnet(options: AlexNetOptions = {}) {
  const { classes, inChannels, dropout } = settle("alexnet", options, { classes: 1000, inChannels: 3, dropout: 0.5 });
  return model("alexnet", 63, {
    features: nn.sequential(
      ...[nn.conv2d(inChannels, 64, { kernel: 11, stride: 4, padding: 2 }), nn.relu(), pool()],
      ...[nn.conv2d(64, 192, { kernel: 5, padding: 2 }), nn.relu(), pool()],
      ...[nn.conv2d(192, 384, { kernel: 3, padding: 1 }), nn.relu()],
      ...[nn.conv2d(384, 256, { kernel: 3, padding: 1 }), nn.relu()],
      ...[nn.conv2d(256, 256, { kernel: 3, padding: 1 }), nn.relu(), pool()],
    ),
    avgpool: nn.adaptiveAvgPool2d(6),
    flatten: flattenByChannel(),
    classifier: nn.sequential(
      ...[nn.dropout(dropout), nn.linear(256 * 6 * 6, 4096), nn.relu()],
      ...[nn.dropout(dropout), nn.linear(4096, 4096), nn.relu()],
      nn.linear(4096, classes),
    ),
  });
}

/**
 * AlexNet of the paper: local response normalisation, and two groups where its two processors did not talk. Images [n, h, w, 3],
 * 224 × 224, from 223 × 223 to 254 × 254 → logits [n, classes]. Source: Krizhevsky, Sutskever & Hinton 2012, section 3.
 */
export function alexnet2012(options: AlexNetOptions = {}) {
  const { classes, inChannels, dropout } = settle("alexnet2012", options, { classes: 1000, inChannels: 3, dropout: 0.5 });
  const start = (bias: number) => ({ init: nn.init.normal({ std: 0.01 }), biasInit: nn.init.constant(bias) });
  // Section 3.3: (2 + 1e-4 · Σ x²)^0.75; here α is divided by the 5 channels of the sum.
  const normalise = () => nn.localResponseNorm(5, { k: 2, alpha: 5e-4, beta: 0.75 });
  return model("alexnet2012", [223, 254], {
    features: nn.sequential(
      ...[nn.conv2d(inChannels, 96, { kernel: 11, stride: 4, padding: 2, ...start(0) }), nn.relu(), normalise(), pool()],
      ...[nn.conv2d(96, 256, { kernel: 5, padding: 2, groups: 2, ...start(1) }), nn.relu(), normalise(), pool()],
      ...[nn.conv2d(256, 384, { kernel: 3, padding: 1, ...start(0) }), nn.relu()],
      ...[nn.conv2d(384, 384, { kernel: 3, padding: 1, groups: 2, ...start(1) }), nn.relu()],
      ...[nn.conv2d(384, 256, { kernel: 3, padding: 1, groups: 2, ...start(1) }), nn.relu(), pool()],
    ),
    flatten: nn.flatten(),
    classifier: nn.sequential(
      ...[nn.dropout(dropout), nn.linear(256 * 6 * 6, 4096, start(1)), nn.relu()],
      ...[nn.dropout(dropout), nn.linear(4096, 4096, start(1)), nn.relu()],
      nn.linear(4096, classes, start(0)),
    ),
  });
}
