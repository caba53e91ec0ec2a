/** What resnet-fashion and resnet-cifar share, and resnet.py does too: SGD with Nesterov's momentum through one cycle of rates. */
import { existsSync } from "node:fs";
import { type Dataset, fit, type LabeledBatch, losses, metrics, type nn, optim, progress, setSeed } from "nabla";
import { augment, mirror, randomCrop } from "nabla/augment";
import { percent } from "./setting.js";

const batchSize = 128;

export interface Recipe {
  readonly epochs: number;
  readonly seed: number;
  /** Pictures are mirrored, and moved by up to so many pixels. */
  readonly pad: number;
  readonly weightDecay: number;
  /** Where the weights are kept; if they are there they are read, and nothing is learnt. */
  readonly file: string;
}

export async function trained(network: () => nn.Module, set: Dataset<LabeledBatch>, { epochs, seed, pad, weightDecay, file }: Recipe) {
  setSeed(seed);
  const model = network();
  if (existsSync(file)) {
    await model.load(file);
    return model;
  }
  const [, height, width] = (await set.get([0])).x.shape;
  const lr = optim.schedule.oneCycle({ peak: 0.2, total: epochs * Math.ceil(set.length / batchSize) });
  await fit(model, set.map(augment([mirror(), randomCrop([height, width], { pad })])), {
    loss: losses.crossEntropy,
    optimizer: optim.sgd(model.parameters(), { lr, momentum: 0.9, nesterov: true, weightDecay }),
    ...{ epochs, batchSize, seed, metrics: { accuracy: metrics.accuracy }, callbacks: [progress()] },
  });
  await model.save(file);
  return model;
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** Shares, and their mean. */
export const withMean = (shares: readonly number[]) => `${shares.map(percent).join(", ")}; mean ${percent(mean(shares))}`;
