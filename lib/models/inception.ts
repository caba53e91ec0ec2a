/** Inception v3: convolutions taken apart into smaller and flatter ones. Source: Szegedy et al. 2016, table 1 and figures 5 to 10. */
import { settle } from "../base/options.js";
import * as nn from "../nn/index.js";
import { Branches, chain, denseNormal, type ModelOptions, WithAuxiliary } from "./parts.js";

export interface InceptionV3Options extends ModelOptions {
  /** Whether there is an auxiliary classifier, which `heads(x)` gives beside the logits. Default true. */
  auxiliary?: boolean;
  /** Before the last dense layer. Default 0.5. */
  dropout?: number;
}

type Window = number | readonly [number, number];
/** A convolution: output channels, window, and stride if it is not 1. With stride nothing is padded, else the image keeps its size. */
type Row = readonly [to: number, kernel: Window, stride?: number];

const init = nn.init.normal({ std: 0.1 });

const parts = (from: number, [to, kernel, stride = 1]: Row, padding: "same" | "valid" = stride === 1 ? "same" : "valid") => ({
  conv: nn.conv2d(from, to, { kernel, stride, padding, bias: false, init }),
  bn: nn.batchNorm(to, { eps: 1e-3 }),
  relu: nn.relu(),
});
const conv = (from: number, row: Row, padding?: "same" | "valid") => chain(parts(from, row, padding));

/** Convolutions one after the other; the last may be several side by side. */
function branch(from: number, ...rows: readonly (Row | Readonly<Record<string, Row>>)[]): nn.Module {
  let width = from;
  const steps = rows.map((row) => {
    const before = width;
    if (!Array.isArray(row)) {
      return new Branches(Object.fromEntries(Object.entries(row).map(([name, one]) => [name, conv(before, one)])));
    }
    width = row[0];
    return conv(before, row as unknown as Row);
  });
  return steps.length === 1 ? steps[0] : nn.sequential(...steps);
}

const averaged = (from: number, to: number) => chain({ pool: nn.avgPool2d(3, { stride: 1, padding: 1 }), ...parts(from, [to, 1]) });
const largest = () => nn.maxPool2d(3, { stride: 2 });

/** Figure 5: 5 × 5 as two 3 × 3. */
const blockA = (from: number, pooled: number) =>
  new Branches({
    branch1x1: branch(from, [64, 1]),
    branch5x5: branch(from, [48, 1], [64, 5]),
    branch3x3dbl: branch(from, [64, 1], [96, 3], [96, 3]),
    branchPool: averaged(from, pooled),
  });

/** Figure 10: half the size without a bottleneck. */
const blockB = (from: number) =>
  new Branches({
    branch3x3: branch(from, [384, 3, 2]),
    branch3x3dbl: branch(from, [64, 1], [96, 3], [96, 3, 2]),
    branchPool: largest(),
  });

/** Figure 6: n × n as 1 × n and n × 1, n = 7. */
const blockC = (from: number, c: number) =>
  new Branches({
    branch1x1: branch(from, [192, 1]),
    branch7x7: branch(from, [c, 1], [c, [1, 7]], [192, [7, 1]]),
    branch7x7dbl: branch(from, [c, 1], [c, [7, 1]], [c, [1, 7]], [c, [7, 1]], [192, [1, 7]]),
    branchPool: averaged(from, 192),
  });

/** As figure 10, after flat convolutions. */
const blockD = (from: number) =>
  new Branches({
    branch3x3: branch(from, [192, 1], [320, 3, 2]),
    branch7x7x3: branch(from, [192, 1], [192, [1, 7]], [192, [7, 1]], [192, 3, 2]),
    branchPool: largest(),
  });

/** Figure 7: wider on the coarsest grid. */
const blockE = (from: number) =>
  new Branches({
    branch1x1: branch(from, [320, 1]),
    branch3x3: branch(from, [384, 1], { a: [384, [1, 3]], b: [384, [3, 1]] }),
    branch3x3dbl: branch(from, [448, 1], [384, 3], { a: [384, [1, 3]], b: [384, [3, 1]] }),
    branchPool: averaged(from, 192),
  });

/**
 * Inception v3. Images [n, h, w, 3], 299 × 299 in the paper, at least 75 × 75 → logits [n, classes]; `heads(x)`: those of both
 * classifiers, of images of at least 299 × 299.
 */
export function inceptionV3(options: InceptionV3Options = {}): WithAuxiliary {
  const defaults = { classes: 1000, inChannels: 3, auxiliary: true, dropout: 0.5 };
  const { classes, inChannels, auxiliary, dropout } = settle("inceptionV3", options, defaults);
  const classifier = () =>
    chain({
      pool: nn.avgPool2d(5, { stride: 3 }),
      ...{ conv0: conv(768, [128, 1]), conv1: conv(128, [768, 5], "valid") },
      ...{ avgpool: nn.globalAvgPool2d(), fc: denseNormal(768, classes, 0.001) },
    });
  return new WithAuxiliary(
    {
      Conv2d_1a_3x3: conv(inChannels, [32, 3, 2]),
      Conv2d_2a_3x3: conv(32, [32, 3], "valid"),
      Conv2d_2b_3x3: conv(32, [64, 3]),
      maxpool1: largest(),
      Conv2d_3b_1x1: conv(64, [80, 1]),
      Conv2d_4a_3x3: conv(80, [192, 3], "valid"),
      maxpool2: largest(),
      ...{ Mixed_5b: blockA(192, 32), Mixed_5c: blockA(256, 64), Mixed_5d: blockA(288, 64) },
      ...{ Mixed_6a: blockB(288), Mixed_6b: blockC(768, 128), Mixed_6c: blockC(768, 160) },
      ...{ Mixed_6d: blockC(768, 160), Mixed_6e: blockC(768, 192) },
      ...{ Mixed_7a: blockD(768), Mixed_7b: blockE(1280), Mixed_7c: blockE(2048) },
      ...{ avgpool: nn.globalAvgPool2d(), dropout: nn.dropout(dropout), fc: denseNormal(2048, classes, 0.1) },
    },
    auxiliary ? { Mixed_6e: ["AuxLogits", classifier()] } : {},
    { name: "inceptionV3", least: 75, leastOfHeads: 299 },
  );
}
