/** Network in network: convolutions followed by 1 × 1 convolutions, and an average in place of dense layers. Source: Lin, Chen & Yan 2014. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { conv, type ModelOptions } from "./parts.js";

export interface NetworkInNetworkOptions extends ModelOptions {
  /** After the first two blocks. Default 0.5. */
  dropout?: number;
}

/** A convolution, then a perceptron of two layers at every position. */
const mlpConv = (from: number, kernel: number, widths: readonly [number, number, number]) =>
  widths.flatMap((to, i) => [conv(i === 0 ? from : widths[i - 1], to, i === 0 ? kernel : 1, { bias: true }), nn.relu()]);

/** The paper's network for CIFAR-10 (figure 2, in the authors' widths). Images [n, h, w, 3], 32 × 32 → logits [n, classes], by default 10. */
export function networkInNetwork(options: NetworkInNetworkOptions = {}) {
  const { classes, inChannels, dropout } = settle("networkInNetwork", options, { classes: 10, inChannels: 3, dropout: 0.5 });
  return nn.sequential(
    ...[...mlpConv(inChannels, 5, [192, 160, 96]), nn.maxPool2d(3, { stride: 2, padding: "same" }), nn.dropout(dropout)],
    ...[...mlpConv(96, 5, [192, 192, 192]), nn.avgPool2d(3, { stride: 2, padding: "same" }), nn.dropout(dropout)],
    ...[...mlpConv(192, 3, [192, 192, classes]), nn.globalAvgPool2d()],
  );
}
