/** Handwritten digits by softmax regression: one layer, ten scores. */
import { datasets, fit, losses, metrics, nn, optim, plot, progress, setSeed } from "nabla";
import { percent, setting, weightsPicture } from "./setting.js";

const { epochs, limit, draw, file } = setting("mnist-softmax", { epochs: 10, limit: 60_000 });
const { train: all, test } = await datasets.mnist();
const train = all.take(limit);
const batchSize = 128;

setSeed(1);
const linear = nn.linear(784, 10, { init: nn.init.zeros() });
const model = nn.sequential(nn.flatten(), linear);
const steps = epochs * Math.ceil(train.length / batchSize);
const history = await fit(model, train, {
  loss: losses.crossEntropy,
  optimizer: optim.sgd(model.parameters(), { lr: (step) => 0.25 * (1 - step / steps), momentum: 0.9 }),
  epochs,
  batchSize,
  validation: { test },
  metrics: { accuracy: metrics.accuracy },
  callbacks: [progress()],
});
await history.plot(file("curves.svg"));

const weights = await linear.weight.value.transpose().data();
const digits = Array.from({ length: 10 }, (_, digit) => ({
  picture: weightsPicture(weights.subarray(digit * 784, (digit + 1) * 784), 28, 28, 1),
  caption: `speaks for ${digit}`,
}));
await draw("weights.svg", plot.imageGrid(digits, { columns: 5 }));
console.log(`test accuracy ${percent(history.series("test.accuracy").at(-1)!)}`);
