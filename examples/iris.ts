/** Three kinds of iris by the size of their leaves: softmax regression, five-fold cross-validation. */
import { join } from "node:path";
import { data, evaluate, fit, kFold, losses, metrics, nn, normalize, optim, plot, setSeed } from "nabla";
import { findData } from "./find-data.js";
import { percent, setting } from "./setting.js";

const { epochs, data: folder, draw } = setting("iris", { epochs: 300 });
const header = ["sepal length", "sepal width", "petal length", "petal width", "species"];
const path = join(findData("sklearn", folder), "iris.csv");
const table = await data.csv(path, { skipLines: 1, header, types: { species: "category" } }).read();
const flowers = table.features({ target: "species" });

const accuracies: number[] = [];
for (const { train, dev } of kFold(flowers, 5, { stratify: "y", seed: 1 })) {
  setSeed(1);
  const model = nn.sequential(await normalize.fit(train), nn.linear(4, 3));
  const optimizer = optim.adam(model.parameters(), { lr: 0.05 });
  await fit(model, train, { loss: losses.crossEntropy, optimizer, epochs, batchSize: train.length });
  const { accuracy } = await evaluate(model, dev, { metrics: { accuracy: metrics.accuracy } });
  accuracies.push(accuracy);
  console.log(`fold ${accuracies.length}: ${percent(accuracy)}`);
}

const { x, y } = await flowers.get(Array.from({ length: flowers.length }, (_, i) => i));
const kinds = ["setosa", "versicolor", "virginica"];
const points = kinds.map((_, kind) =>
  Array.from(y.data, (k, i): [number, number] => [x.data[4 * i + 2], k === kind ? x.data[4 * i + 3] : Number.NaN]),
);
await draw(
  "flowers.svg",
  plot.scatter(Object.fromEntries(kinds.map((name, k) => [name, points[k]])), {
    title: "Irises",
    xLabel: "petal length, cm",
    yLabel: "petal width, cm",
  }),
);
console.log(`accuracy in cross-validation ${percent(accuracies.reduce((sum, a) => sum + a, 0) / accuracies.length)}`);
