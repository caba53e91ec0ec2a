/**
 * How data are split: by classes, and by where they come from. The users of an app write digits that were scanned at 8 × 8 (scikit-learn's), of
 * which there are few; MNIST has many others. Dev and test are of the app's alone, training takes all that there is, and a part of the training
 * mixture held out tells data mismatch from variance.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  ArrayDataset,
  type Dataset,
  datasets,
  diagnose,
  evaluate,
  fit,
  type LabeledBatch,
  losses,
  metrics,
  nn,
  optim,
  plot,
  setSeed,
  split,
  splitSources,
} from "nabla";
import { findData } from "./find-data.js";
import { percent, picture, setting } from "./setting.js";

const { epochs, limit, data: folder, draw } = setting("splits", { epochs: 5, limit: 20_000 });
const { train: mnist } = await datasets.mnist();
const web = mnist.take(limit);
const app = appDigits(join(findData("sklearn", folder), "digits.csv.gz"));

const labels = await mnist.column("y");
for (const fractions of [
  [0.6, 0.2, 0.2],
  [0.98, 0.01, 0.01],
]) {
  const parts = split(mnist, fractions, { stratify: labels, seed: 1 });
  const ones = await Promise.all(parts.map(async (part) => Array.from(await part.column("y")).filter((y) => y === 1).length / part.length));
  console.log(
    `${fractions.join(" / ")}: ${parts.map(({ length }) => length).join(" / ")} digits, ${ones.map(percent).join(" / ")} of them ones`,
  );
}

const { all, dev, test } = splitSources({ web, app }, { all: { web: 1, app: 0.5 }, dev: { app: 0.25 }, test: { app: 0.25 } }, { seed: 1 });
console.log(`web ${web.length}, app ${app.length} → train and train-dev ${all.length}, dev ${dev.length}, test ${test.length}`);

const few = Array.from({ length: 12 }, (_, i) => i);
const shown = await web.take(6).concat(app.take(6)).get(few);
const captioned = few.map((i) => ({
  picture: picture(shown.x.data.subarray(784 * i, 784 * (i + 1)), 28, 28, 1),
  caption: `${i < 6 ? "web" : "app"}: ${shown.y.data[i]}`,
}));
await draw("digits.svg", plot.imageGrid(captioned));

const results: string[] = [];
for (const [name, learnt] of Object.entries({ "the web's": web, all })) {
  const [train, trainDev] = split(learnt, [0.95, 0.05], { seed: 1 });
  setSeed(1);
  const model = nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu(), nn.linear(128, 10));
  await fit(model, train, { loss: losses.crossEntropy, optimizer: optim.adam(model.parameters()), epochs, batchSize: 64, seed: 1 });
  const error = async (set: Dataset<LabeledBatch>) =>
    Number((100 * (await evaluate(model, set, { metrics: { error: metrics.errorRate } })).error).toFixed(2));
  const rates = { train: await error(train), trainDev: await error(trainDev), dev: await error(dev), test: await error(test) };
  const { problems } = diagnose(rates);
  console.log(
    `learnt from ${name}: ${Object.entries(rates)
      .map(([set, rate]) => `${set} ${rate} %`)
      .join(", ")}: ${problems.join(", ") || "no problem"}`,
  );
  results.push(`${name} ${rates.test.toFixed(2)} %`);
}
console.log(`the app's digits misread, learnt from ${results.join(", from ")}`);

/** The digits of scikit-learn, 0 to 16 on 8 × 8, stretched to the 20 × 20 amid 28 × 28 that MNIST's fill. */
function appDigits(file: string): Dataset<LabeledBatch> {
  const rows = gunzipSync(readFileSync(file)).toString().trimEnd().split("\n");
  const x = new Float32Array(rows.length * 784);
  const y = new Int32Array(rows.length);
  rows.forEach((row, i) => {
    const numbers = row.split(",").map(Number);
    y[i] = numbers[64];
    for (let r = 0; r < 20; r++)
      for (let c = 0; c < 20; c++) x[784 * i + 28 * (r + 4) + c + 4] = between(numbers, 0.4 * r - 0.3, 0.4 * c - 0.3) / 16;
  });
  return new ArrayDataset({
    x: { data: x, shape: [rows.length, 28, 28, 1], dtype: "f32" },
    y: { data: y, shape: [rows.length], dtype: "i32" },
  });
}

/** What lies between pixels of an 8 × 8 picture, by the four around. */
function between(pixels: readonly number[], row: number, column: number): number {
  const within = (at: number) => Math.min(Math.max(at, 0), 7);
  const [r, c] = [within(row), within(column)].map(Math.floor);
  const [v, u] = [within(row) - r, within(column) - c];
  const at = (dr: number, dc: number) => pixels[8 * within(r + dr) + within(c + dc)];
  return (1 - v) * ((1 - u) * at(0, 0) + u * at(0, 1)) + v * ((1 - u) * at(1, 0) + u * at(1, 1));
}
