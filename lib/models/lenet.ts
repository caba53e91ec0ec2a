/** LeNet-5. Source: LeCun, Bottou, Bengio & Haffner 1998, section II.B. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { type ModelOptions, model } from "./parts.js";

/**
 * LeNet-5 in the form in which it is trained today: ReLU, largest values, every map connected, 61,706 parameters. Images
 * [n, 28, 28, 1], at most 31 × 31 → logits [n, classes], by default 10.
 */
export function lenet5(options: ModelOptions = {}) {
  const { classes, inChannels } = settle("lenet5", options, { classes: 10, inChannels: 1 });
  return model("lenet5", [28, 31], {
    ...{ c1: nn.conv2d(inChannels, 6, { kernel: 5, padding: 2 }), relu1: nn.relu(), s2: nn.maxPool2d(2) },
    ...{ c3: nn.conv2d(6, 16, { kernel: 5 }), relu3: nn.relu(), s4: nn.maxPool2d(2) },
    ...{ c5: nn.conv2d(16, 120, { kernel: 5 }), relu5: nn.relu(), flatten: nn.flatten() },
    ...{ f6: nn.linear(120, 84), relu6: nn.relu(), output: nn.linear(84, classes) },
  });
}
