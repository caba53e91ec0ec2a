/**
 * Malignant or benign: thirty measurements of cell nuclei, logistic regression with L2. Trained by gradients it comes to the figures of
 * scikit-learn's solver on the same split (breast-cancer.py). Every fifth sample is for testing.
 */
import { join } from "node:path";
import { data, evaluate, fit, losses, metrics, nn, normalize, optim, plot, predict, setSeed, sigmoid } from "nabla";
import { findData } from "./find-data.js";
import { percent, setting } from "./setting.js";

/** What breast-cancer.py prints. */
const reference = { loss: 0.0942, accuracy: 0.9649 };

const { epochs, data: folder, draw } = setting("breast-cancer", { epochs: 1500 });
const file = join(findData("sklearn", folder), "breast_cancer.csv");
const names = [...Array.from({ length: 30 }, (_, i) => `feature ${i}`), "benign"];
const samples = (await data.csv(file, { skipLines: 1, header: names }).read()).features({ target: "benign" });
const numbers = Array.from({ length: samples.length }, (_, i) => i);
const train = samples.select(numbers.filter((i) => i % 5 !== 0)).cache();
const test = samples.select(numbers.filter((i) => i % 5 === 0)).cache();

setSeed(1);
const layer = nn.linear(30, 1);
const model = nn.sequential(await normalize.fit(train), layer);
// scikit-learn minimises ½‖w‖² + C·Σ losses with C = 1; a mean instead of the sum makes that a decay of 1/n.
const optimizer = optim.adam([{ parameters: [layer.weight], weightDecay: 1 / train.length }, { parameters: [layer.bias!] }], {
  lr: (step) => 0.1 * 0.997 ** step,
});
await fit(model, train, { loss: losses.bceWithLogits, optimizer, epochs, batchSize: train.length });

const scores = await evaluate(model, test, { loss: losses.bceWithLogits, metrics: { accuracy: metrics.binaryAccuracy } });
const [probabilities, isBenign] = [await sigmoid(await predict(model, test)).data(), await test.column("y")];
const points = (wanted: number) => Array.from(probabilities, (p, i): [number, number] => [i, isBenign[i] === wanted ? p : Number.NaN]);
await draw(
  "probabilities.svg",
  plot.scatter({ malignant: points(0), benign: points(1) }, { title: "Test samples", xLabel: "sample", yLabel: "probability of benign" }),
);
console.log(`test loss ${scores.loss.toFixed(4)}; scikit-learn: ${reference.loss.toFixed(4)}`);
console.log(`test accuracy ${percent(scores.accuracy)}; scikit-learn: ${percent(reference.accuracy)}`);
