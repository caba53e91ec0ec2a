/** AlexNet as torchvision has it: one tower, no normalisation. Source: Krizhevsky 2014, "One weird trick". */
import * as nn from "../nn/index.js";
import { chain, flattenByChannel, type ModelOptions } from "./parts.js";

export interface AlexNetOptions extends ModelOptions {
  /** Before the first two dense layers. Default 0.5. */
  dropout?: number;
}

const pool = () => nn.maxPool2d(3, { stride: 2 });

/** AlexNet with one tower. Images [n, h, w, 3], 224 × 224, at least 63 × 63 → logits [n, classes]. */
export function alexnet({ classes = 1000, inChannels = 3, dropout = 0.5 }: AlexNetOptions = {}) {
  return chain({
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
