/**
 * The same network on the same digits: by gradient descent with all digits at a step, with mini-batches, and with one digit; and by every optimizer
 * with mini-batches, each at a usual rate.
 */
import { datasets, fit, losses, metrics, nn, optim, plot, setSeed } from "nabla";
import { percent, setting } from "./setting.js";

const { epochs, limit, draw } = setting("optimizers", { epochs: 5, limit: 3000 });
const { train: all, test } = await datasets.mnist();
const train = all.take(limit).cache();
const dev = test.take(2000).cache();

type Make = (parameters: ReturnType<nn.Module["parameters"]>) => optim.Optimizer;
async function learn(name: string, make: Make, batchSize: number) {
  setSeed(1);
  const model = nn.sequential(nn.flatten(), nn.linear(784, 64), nn.relu(), nn.linear(64, 10));
  const history = await fit(model, train, {
    loss: losses.crossEntropy,
    optimizer: make(model.parameters()),
    epochs,
    batchSize,
    validation: { dev },
    metrics: { accuracy: metrics.accuracy },
  });
  const accuracy = history.series("dev.accuracy").at(-1)!;
  console.log(`${name.padEnd(16)} ${percent(accuracy)} after ${epochs} epochs of ${Math.ceil(train.length / batchSize)} steps`);
  return { name, values: history.series("loss"), accuracy };
}

const sgd: Make = (w) => optim.sgd(w, { lr: 0.1 });
const sizes = { "all at a step": train.length, "64 at a step": 64, "one at a step": 1 };
const bySize = [];
for (const [name, batchSize] of Object.entries(sizes)) {
  bySize.push(await learn(name, batchSize === 1 ? (w) => optim.sgd(w, { lr: 0.005 }) : sgd, batchSize));
}
const optimizers: Record<string, Make> = {
  sgd,
  momentum: (w) => optim.sgd(w, { lr: 0.05, momentum: 0.9 }),
  averaged: (w) => optim.sgd(w, { lr: 0.5, momentum: 0.9, dampening: 0.9 }),
  nesterov: (w) => optim.sgd(w, { lr: 0.05, momentum: 0.9, nesterov: true }),
  adagrad: (w) => optim.adagrad(w, { lr: 0.02 }),
  rmsprop: (w) => optim.rmsprop(w, { lr: 1e-3 }),
  adadelta: (w) => optim.adadelta(w, { lr: 1 }),
  adam: (w) => optim.adam(w, { lr: 2e-3 }),
  adamW: (w) => optim.adamW(w, { lr: 2e-3 }),
  nadam: (w) => optim.nadam(w, { lr: 2e-3 }),
  radam: (w) => optim.radam(w, { lr: 2e-3 }),
  lion: (w) => optim.lion(w, { lr: 3e-4 }),
  muon: (w) => optim.combine(optim.muon([w[0], w[2]], { lr: 0.02 }), optim.adamW([w[1], w[3]], { lr: 2e-3 })),
};
const byRule: Awaited<ReturnType<typeof learn>>[] = [];
for (const [name, make] of Object.entries(optimizers)) byRule.push(await learn(name, make, 64));
await draw(
  "losses.svg",
  plot.lineChart([
    { title: "training loss", lines: bySize },
    ...[0, 4, 9].map((from, i, all) => ({ title: "training loss", lines: byRule.slice(from, all[i + 1]) })),
  ]),
);
const [least] = [...byRule].sort((a, b) => a.accuracy - b.accuracy);
console.log(`accuracy of the slowest, ${least.name}: ${percent(least.accuracy)}`);
