/** DenseNet: each layer reads the outputs of all before it. Source: Huang, Liu, van der Maaten & Weinberger 2017, table 1. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { concat, type Tensor } from "../tensor/index.js";
import { Chain, chain, conv, type ModelOptions, model } from "./parts.js";

export interface DenseNetOptions extends ModelOptions {
  /** Of the output of each dense layer. Default 0. */
  dropout?: number;
}

const growth = 32; // k: channels that each layer adds
const blocks = [6, 12, 24, 16]; // column DenseNet-121

/** Batch norm before ReLU and convolution. */
const normConv = (from: number, to: number, kernel: number) => ({
  norm: nn.batchNorm(from),
  relu: nn.relu(),
  conv: conv(from, to, kernel, { init: nn.init.heNormal() }),
});

/** x beside what 1 × 1 and 3 × 3 convolutions make of it. */
class DenseLayer extends Chain {
  constructor(from: number, dropout: number) {
    const { norm: norm1, relu: relu1, conv: conv1 } = normConv(from, 4 * growth, 1);
    const { norm: norm2, relu: relu2, conv: conv2 } = normConv(4 * growth, growth, 3);
    super({ norm1, relu1, conv1, norm2, relu2, conv2, dropout: nn.dropout(dropout) });
  }

  override forward(x: Tensor): Tensor {
    return concat([x, super.forward(x)], { axis: -1 });
  }
}

/** DenseNet-121. Images [n, h, w, 3], 224 × 224 in the paper, at least 29 × 29 → logits [n, classes]. */
export function densenet121(options: DenseNetOptions = {}) {
  const { classes, inChannels, dropout } = settle("densenet121", options, { classes: 1000, inChannels: 3, dropout: 0 });
  let width = 2 * growth;
  const features: Record<string, nn.Module> = {
    conv0: conv(inChannels, width, 7, { stride: 2, init: nn.init.heNormal() }),
    norm0: nn.batchNorm(width),
    relu0: nn.relu(),
    pool0: nn.maxPool2d(3, { stride: 2, padding: 1 }),
  };
  blocks.forEach((count, b) => {
    const layers: Record<string, nn.Module> = {};
    for (let i = 1; i <= count; i++, width += growth) layers[`denselayer${i}`] = new DenseLayer(width, dropout);
    features[`denseblock${b + 1}`] = chain(layers);
    if (b === blocks.length - 1) return;
    features[`transition${b + 1}`] = chain({ ...normConv(width, width / 2, 1), pool: nn.avgPool2d(2) });
    width /= 2;
  });
  return model("densenet121", 29, {
    features: chain({ ...features, norm5: nn.batchNorm(width) }),
    relu: nn.relu(),
    avgpool: nn.globalAvgPool2d(),
    classifier: nn.linear(width, classes, { init: nn.init.heUniform({ slope: Math.sqrt(5) }) }),
  });
}
