/**
 * Errors that cost more than others: a malignant tumour taken for benign counts a hundred times as much as a false alarm. Two logistic
 * regressions of the same measurements, one that knows of it, and the error as it is meant, Σ w·[ŷ ≠ y] / Σ w, of both.
 */
import { join } from "node:path";
import { data, fit, losses, metrics, nn, normalize, optim, plot, predict, setSeed, sigmoid, type Tensor } from "nabla";
import { findData } from "./find-data.js";
import { setting } from "./setting.js";

const { epochs, cost, data: folder, draw } = setting("class-weights", { epochs: 400, cost: 100 });
const file = join(findData("sklearn", folder), "breast_cancer.csv");
const names = [...Array.from({ length: 30 }, (_, i) => `feature ${i}`), "benign"];
const samples = (await data.csv(file, { skipLines: 1, header: names }).read()).features({ target: "benign" });
const numbers = Array.from({ length: samples.length }, (_, i) => i);
const train = samples.select(numbers.filter((i) => i % 2 === 0)).cache();
const test = samples.select(numbers.filter((i) => i % 2 === 1)).cache();
const isBenign = Array.from(await test.column("y"));
const weights = isBenign.map((benign) => [benign === 1 ? 1 : cost]);

/** 1 where benign, `cost` where malignant. */
const weightsOf = (y: Tensor) => y.mul(1 - cost).add(cost);
const probabilities: number[][] = [];
const errors: number[] = [];
for (const isWeighted of [false, true]) {
  setSeed(1);
  const model = nn.sequential(await normalize.fit(train), nn.linear(30, 1));
  await fit(model, train, {
    loss: (logits, y) => losses.bceWithLogits(logits, y, isWeighted ? { weights: weightsOf(y) } : {}),
    optimizer: optim.adam(model.parameters(), { lr: 0.02, weightDecay: 1e-3 }),
    epochs,
    batchSize: train.length,
  });
  const logits = await predict(model, test);
  const p = Array.from(await sigmoid(logits).data());
  const error =
    1 -
    (await metrics
      .binaryAccuracy(
        logits,
        isBenign.map((y) => [y]),
        { weights },
      )
      .item());
  const missed = isBenign.filter((y, i) => y === 0 && p[i] > 0.5).length;
  const alarms = isBenign.filter((y, i) => y === 1 && p[i] <= 0.5).length;
  console.log(`${isWeighted ? "weighted  " : "unweighted"}  malignant missed ${missed}, false alarms ${alarms}, of ${p.length}`);
  probabilities.push(p);
  errors.push(error);
}
const points = (wanted: number) =>
  isBenign.flatMap((y, i): [number, number][] => (y === wanted ? [[probabilities[0][i], probabilities[1][i]]] : []));
await draw(
  "probabilities.svg",
  plot.scatter(
    { malignant: points(0), benign: points(1) },
    { title: "Probability of benign", xLabel: "all errors alike", yLabel: `missing one costs ${cost}`, diagonal: true },
  ),
);
console.log(`weighted test error ${errors[1].toFixed(4)}, without weights in training ${errors[0].toFixed(4)}`);
