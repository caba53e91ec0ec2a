/**
 * Too few digits for a large network: it learns them by heart, and what it says of others gets more wrong with every epoch. Beside it the same
 * with L2, with decoupled decay, with dropout, with smoothed labels, and stopped where the loss on digits held out was least.
 */
import { datasets, earlyStopping, evaluate, fit, losses, metrics, nn, optim, plot, setSeed, split } from "nabla";
import { percent, setting } from "./setting.js";

const { epochs, limit, testLimit, draw } = setting("regularisation", { epochs: 40, limit: 600, testLimit: 10_000 });
const { train: all, test: allTest } = await datasets.mnist();
const test = allTest.take(testLimit);
const [train, dev] = split(all.take(limit), [0.75, 0.25], { stratify: "y", seed: 1 });

interface Way {
  /** Share of the hidden units that is dropped. */
  dropout?: number;
  optimizer?: (parameters: ReturnType<typeof optim.decayGroups>) => optim.Optimizer;
  labelSmoothing?: number;
  isStopped?: boolean;
}
const lr = 1e-3;
const ways: Readonly<Record<string, Way>> = {
  nothing: {},
  L2: { optimizer: (groups) => optim.adam(groups, { lr, weightDecay: 3e-3 }) },
  decay: { optimizer: (groups) => optim.adamW(groups, { lr, weightDecay: 1 }) },
  dropout: { dropout: 0.5 },
  smoothing: { labelSmoothing: 0.1 },
  stopped: { isStopped: true },
};

const curves: Record<string, plot.Line[]> = { crossEntropy: [], "dev.crossEntropy": [] };
const results: string[] = [];
const usual: Way["optimizer"] = (groups) => optim.adam(groups, { lr });
for (const [name, { dropout, optimizer = usual, labelSmoothing = 0, isStopped }] of Object.entries(ways)) {
  setSeed(1);
  const drop = () => (dropout === undefined ? [] : [nn.dropout(dropout)]);
  const model = nn.sequential(
    nn.flatten(),
    nn.linear(784, 256),
    nn.relu(),
    ...drop(),
    nn.linear(256, 256),
    nn.relu(),
    ...drop(),
    nn.linear(256, 10),
  );
  const history = await fit(model, train, {
    loss: (logits, y) => losses.crossEntropy(logits, y, { labelSmoothing }),
    optimizer: optimizer(optim.decayGroups(model.parameters())),
    epochs,
    batchSize: 32,
    validation: { dev },
    metrics: { crossEntropy: losses.crossEntropy },
    callbacks: isStopped ? [earlyStopping({ monitor: "dev.crossEntropy", mode: "min", patience: 3, restoreBest: true })] : [],
  });
  for (const score of Object.keys(curves)) curves[score].push({ name, values: history.series(score) });
  const scores = await evaluate(model, test, { loss: losses.crossEntropy, metrics: { accuracy: metrics.accuracy } });
  const place = isStopped ? `, stopped after epoch ${history.epochs.length}` : "";
  console.log(`${name.padEnd(9)}  test loss ${scores.loss.toFixed(4)}, test accuracy ${percent(scores.accuracy)}${place}`);
  results.push(`${name} ${scores.loss.toFixed(4)}`);
}
await draw(
  "losses.svg",
  plot.lineChart([
    { title: "training loss", lines: curves.crossEntropy },
    { title: "loss on dev", lines: curves["dev.crossEntropy"] },
  ]),
);
console.log(`test loss: ${results.join(", ")}`);
