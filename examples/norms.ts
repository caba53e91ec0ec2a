/**
 * What normalisation does: a network of digits learns faster with any of the norms than without; batch norm while training and afterwards, when
 * a digit's output depends on no other; a bias before it, which learns nothing.
 */
import { datasets, evaluate, fit, losses, metrics, moments, nn, optim, plot, setSeed, type Tensor, tensor, valueAndGrad } from "nabla";
import { percent, setting } from "./setting.js";

const { epochs, limit, testLimit, lr, draw } = setting("norms", { epochs: 3, limit: 6000, testLimit: 10_000, lr: 0.1 });
const { train: all, test: allTest } = await datasets.mnist();
const [train, test] = [all.take(limit), allTest.take(testLimit)];

const norms: Readonly<Record<string, (channels: number) => nn.Module>> = {
  none: () => nn.identity(),
  batch: (channels) => nn.batchNorm(channels),
  layer: (channels) => nn.layerNorm(channels),
  group: (channels) => nn.groupNorm(4, channels),
  instance: (channels) => nn.instanceNorm(channels, { affine: true }),
  RMS: (channels) => nn.rmsNorm(channels),
};
function network(norm: (channels: number) => nn.Module, bias: boolean) {
  setSeed(1);
  const block = (from: number, to: number) => [nn.conv2d(from, to, { kernel: 3, stride: 2, padding: 1, bias }), norm(to), nn.relu()];
  return nn.sequential(...block(1, 16), ...block(16, 32), ...block(32, 32), nn.flatten(), nn.linear(512, 10));
}
const lines: plot.Line[] = [];
const results: string[] = [];
let batched = network(norms.batch, false);
for (const [name, norm] of Object.entries(norms)) {
  const model = network(norm, name === "none");
  if (name === "batch") batched = model;
  const history = await fit(model, train, {
    loss: losses.crossEntropy,
    optimizer: optim.sgd(model.parameters(), { lr }),
    epochs,
    batchSize: 64,
  });
  lines.push({ name, values: history.series("loss") });
  results.push(`${name} ${percent((await evaluate(model, test, { metrics: { accuracy: metrics.accuracy } })).accuracy)}`);
}
await draw("losses.svg", plot.lineChart([{ title: `training loss at the rate ${lr}`, lines }]));

const { x: pixels, y: labels } = await train.get(Array.from({ length: 64 }, (_, i) => i));
const [x, y] = [pixels, labels].map(({ data, shape, dtype }) => tensor(data, { shape, dtype }));
const first = nn.sequential(batched[0], batched[1]);
const norm = first[1] as nn.BatchNorm;
/** The largest difference between channels' means, or standard deviations, and what the layer has learnt they should be. */
const largest = async (a: Tensor, b: Tensor) => Math.max(...(await a.sub(b).abs().data()));
const { mean, variance } = moments(first.train().forward(x), { axis: [0, 1, 2] });
const [meanOff, stdOff] = [await largest(mean, norm.bias!.value), await largest(variance.sqrt(), norm.weight!.value.abs())];
console.log(
  `in training: means differ from β by at most ${meanOff.toExponential(0)}, standard deviations from |γ| by ${stdOff.toExponential(0)}`,
);

/** How much a digit's output depends on those it is in a batch with. */
const dependence = async () => largest(first.forward(x).slice([0], [8]), first.forward(x.slice([0], [8])));
const inTraining = await dependence();
first.eval();
console.log(
  `the same digits among 64 and among 8: outputs differ by ${inTraining.toFixed(3)} in training, by ${await dependence()} in evaluation`,
);

const biased = network(norms.batch, true).train();
const bias = (biased[0] as nn.Conv2d).bias!;
const { gradients } = valueAndGrad(losses.crossEntropy(biased.forward(x), y), [bias, (biased[1] as nn.BatchNorm).bias!]);
const [useless, useful] = await Promise.all(gradients.map((gradient) => largest(gradient, gradient.mul(0))));
console.log(`largest gradient of a bias before batch norm ${useless.toExponential(0)}, of its β ${useful.toExponential(0)}`);
console.log(`test accuracy: ${results.join(", ")}`);
