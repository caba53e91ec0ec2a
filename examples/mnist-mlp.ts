/** Handwritten digits by a multilayer perceptron: 784 → 512 → 256 → 10 with ReLU and dropout. */
import { datasets, fit, losses, metrics, nn, optim, progress, setSeed } from "nabla";
import { percent, setting } from "./setting.js";

const { epochs, limit, file } = setting("mnist-mlp", { epochs: 12, limit: 60_000 });
const { train: all, test } = await datasets.mnist();
const train = all.take(limit);
const batchSize = 128;

setSeed(1);
const model = nn.sequential(
  nn.flatten(),
  nn.linear(784, 512),
  nn.relu(),
  nn.dropout(0.25),
  nn.linear(512, 256),
  nn.relu(),
  nn.dropout(0.25),
  nn.linear(256, 10),
);
console.log(model);
// The learning rate falls along half a cosine: large steps first, small ones at the end.
const steps = epochs * Math.ceil(train.length / batchSize);
const history = await fit(model, train, {
  loss: losses.crossEntropy,
  optimizer: optim.adam(model.parameters(), { lr: (step) => 1e-3 * (1 + Math.cos((Math.PI * step) / steps)) }),
  epochs,
  batchSize,
  validation: { test },
  metrics: { accuracy: metrics.accuracy },
  callbacks: [progress()],
});
await history.plot(file("curves.svg"));
console.log(`picture: ${file("curves.svg")}`);
console.log(`test accuracy ${percent(history.series("test.accuracy").at(-1)!)}`);
