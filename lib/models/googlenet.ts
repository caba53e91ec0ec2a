/** GoogLeNet (Inception v1), with batch norm as in torchvision. Source: Szegedy et al. 2015, table 1. */
import { ValueError } from "../base/errors.js";
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { Branches, chain, conv, denseNormal, flattenByChannel, type ModelOptions, WithAuxiliary } from "./parts.js";

export interface GoogLeNetOptions extends ModelOptions {
  /** Whether there are auxiliary classifiers, which `heads(x)` gives beside the logits. Default true. */
  auxiliary?: boolean;
  /** Before the last dense layer. Default 0.2. */
  dropout?: number;
  /** Within the auxiliary classifiers. Default 0.7. */
  auxiliaryDropout?: number;
  /** Window of the third branch: 5 in the paper; default 3, as torchvision's weights have it. */
  window?: 3 | 5;
}

const std = 0.01;
const init = nn.init.normal({ std });

const basicConv = (from: number, to: number, kernel: number, stride = 1) =>
  chain({ conv: conv(from, to, kernel, { stride, init }), bn: nn.batchNorm(to, { eps: 1e-3 }), relu: nn.relu() });

/** The last window may stick out of the image, as in the authors' program. */
const pool = (window: number) => nn.maxPool2d(window, { stride: 2, ceilMode: true });

/** Input channels, #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj: the rows of table 1. */
const rows = {
  "3a": [192, 64, 96, 128, 16, 32, 32],
  "3b": [256, 128, 128, 192, 32, 96, 64],
  "4a": [480, 192, 96, 208, 16, 48, 64],
  "4b": [512, 160, 112, 224, 24, 64, 64],
  "4c": [512, 128, 128, 256, 24, 64, 64],
  "4d": [512, 112, 144, 288, 32, 64, 64],
  "4e": [528, 256, 160, 320, 32, 128, 128],
  "5a": [832, 256, 160, 320, 32, 128, 128],
  "5b": [832, 384, 192, 384, 48, 128, 128],
};

/** GoogLeNet. Images [n, h, w, 3], 224 × 224 in the paper → logits [n, classes]; `heads(x)`: those of all classifiers. */
export function googlenet(options: GoogLeNetOptions = {}): WithAuxiliary {
  const { classes, inChannels, auxiliary, dropout, auxiliaryDropout, window } = settle("googlenet", options, {
    ...{ classes: 1000, inChannels: 3, auxiliary: true },
    ...{ dropout: 0.2, auxiliaryDropout: 0.7, window: 3 },
  });
  if (window !== 3 && window !== 5) {
    throw new ValueError(`googlenet: window must be 3, as torchvision's, or 5, as the paper's, but is ${window}`, {
      op: "googlenet",
      inputs: [window],
    });
  }
  const inception = (row: keyof typeof rows) => {
    const [from, one, reduce3, three, reduce5, five, projection] = rows[row];
    return new Branches({
      branch1: basicConv(from, one, 1),
      branch2: nn.sequential(basicConv(from, reduce3, 1), basicConv(reduce3, three, 3)),
      branch3: nn.sequential(basicConv(from, reduce5, 1), basicConv(reduce5, five, window)),
      branch4: nn.sequential(nn.maxPool2d(3, { stride: 1, padding: 1 }), basicConv(from, projection, 1)),
    });
  };
  const classifier = (from: number) =>
    chain({
      ...{ avgpool: nn.adaptiveAvgPool2d(4), conv: basicConv(from, 128, 1), flatten: flattenByChannel() },
      ...{ fc1: denseNormal(2048, 1024, std), relu: nn.relu(), dropout: nn.dropout(auxiliaryDropout) },
      fc2: denseNormal(1024, classes, std),
    });
  return new WithAuxiliary(
    {
      ...{ conv1: basicConv(inChannels, 64, 7, 2), maxpool1: pool(3) },
      ...{ conv2: basicConv(64, 64, 1), conv3: basicConv(64, 192, 3), maxpool2: pool(3) },
      ...{ inception3a: inception("3a"), inception3b: inception("3b"), maxpool3: pool(3) },
      ...{ inception4a: inception("4a"), inception4b: inception("4b"), inception4c: inception("4c") },
      ...{ inception4d: inception("4d"), inception4e: inception("4e"), maxpool4: pool(2) },
      ...{ inception5a: inception("5a"), inception5b: inception("5b") },
      ...{ avgpool: nn.globalAvgPool2d(), dropout: nn.dropout(dropout), fc: denseNormal(1024, classes, std) },
    },
    auxiliary ? { inception4a: ["aux1", classifier(512)], inception4d: ["aux2", classifier(528)] } : {},
    { name: "googlenet", least: 15 },
  );
}
