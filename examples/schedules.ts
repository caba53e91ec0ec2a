/**
 * Learning rates that change: a picture of all schedules, and the same network trained on the digits at a constant rate, with one that falls when
 * the loss stops falling, and with a warm-up and half a cosine.
 */
import { type Callback, datasets, fit, losses, metrics, nn, optim, plot, reduceOnPlateau, setSeed } from "nabla";
import { percent, setting } from "./setting.js";

const { epochs, limit, draw } = setting("schedules", { epochs: 6, limit: 10_000 });
const { schedule } = optim;

const halving = schedule.inverseTime({ lr: 0.2, decay: 1 });
console.log(`0.2 / (1 + epoch): ${[1, 2, 3, 4].map((epoch) => Number(halving(epoch).toFixed(4))).join(", ")}`);

const steps = 100;
const kinds: Record<string, Record<string, optim.Schedule>> = {
  "without an end": {
    "lr / (1 + dt)": schedule.inverseTime({ lr: 1, decay: 0.05 }),
    "0.95^t": schedule.exponential({ lr: 1, gamma: 0.95 }),
    "k / √t": schedule.inverseSqrt({ k: 1 }),
    staircase: schedule.staircase({ lr: 1, gamma: 0.5, every: 20 }),
    "by hand": schedule.piecewise({ 0: 1, 30: 0.3, 70: 0.1 }),
  },
  "to an end": {
    linear: schedule.linear({ from: 1, to: 0, steps }),
    "power 2": schedule.polynomial({ from: 1, steps, power: 2 }),
    cosine: schedule.cosine({ from: 1, steps }),
    restarts: schedule.cosineRestarts({ from: 1, steps: 20, stretch: 2 }),
  },
  "up, then down": {
    "warm-up, cosine": schedule.warmupCosine({ peak: 1, warmup: 10, total: steps }),
    "one cycle": schedule.oneCycle({ peak: 1, total: steps }),
    "warm-up": schedule.withWarmup(0.6, 10),
  },
};
const panels = Object.entries(kinds).map(([title, all]) => ({
  title,
  lines: Object.entries(all).map(([name, rate]) => ({ name, values: Array.from({ length: steps }, (_, step) => rate(step)) })),
}));
await draw("schedules.svg", plot.lineChart(panels, { xLabel: "step" }));

const { train: all, test } = await datasets.mnist();
const train = all.take(limit);
const batchSize = 64;
const total = epochs * Math.ceil(train.length / batchSize);
const peak = 0.005;
const ways: Record<string, { lr: number | optim.Schedule; callbacks?: Callback[] }> = {
  constant: { lr: peak },
  "on plateau": { lr: peak, callbacks: [reduceOnPlateau({ monitor: "loss", factor: 0.3, patience: 0, minDelta: 0.04 })] },
  "warm-up, cosine": { lr: schedule.warmupCosine({ peak, warmup: Math.ceil(total / 10), total }) },
};
const lines: Record<"loss" | "test.accuracy", plot.Line[]> = { loss: [], "test.accuracy": [] };
for (const [name, { lr, callbacks }] of Object.entries(ways)) {
  setSeed(1);
  const model = nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu(), nn.linear(128, 64), nn.relu(), nn.linear(64, 10));
  const history = await fit(model, train, {
    loss: losses.crossEntropy,
    optimizer: optim.adam(model.parameters(), { lr }),
    epochs,
    batchSize,
    validation: { test },
    metrics: { accuracy: metrics.accuracy },
    callbacks,
  });
  for (const score of ["loss", "test.accuracy"] as const) lines[score].push({ name, values: history.series(score) });
}
await draw(
  "trainings.svg",
  plot.lineChart([
    { title: "training loss", lines: lines.loss },
    { title: "test accuracy", lines: lines["test.accuracy"] },
  ]),
);
console.log(`test accuracy: ${lines["test.accuracy"].map(({ name, values }) => `${name} ${percent(values.at(-1)!)}`).join("; ")}`);
