/**
 * LeNet-5 learns to read handwritten digits: `npm start`.
 *
 * Network: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 1998, with today's
 * ReLU, max pooling and softmax.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { datasets, evaluate, fit, losses, metrics, nn, optim, plot, predict, progress, setSeed } from "nabla";

const { values: options } = parseArgs({
  options: {
    epochs: { type: "string", default: "8" },
    /** Train on the first so many digits only. */
    limit: { type: "string", default: "60000" },
    seed: { type: "string", default: "1" },
    /** Folder for what is made. */
    out: { type: "string", default: "runs/lenet-mnist" },
  },
});
const epochs = Number(options.epochs);
const seed = Number(options.seed);
const batchSize = 128;

function lenet5(): nn.Module {
  return nn.sequential(
    nn.conv2d(1, 6, { kernel: 5, padding: "same" }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(6, 16, { kernel: 5 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(400, 120),
    nn.relu(),
    nn.linear(120, 84),
    nn.relu(),
    nn.linear(84, 10),
  );
}

const { train: allDigits, test } = await datasets.mnist();
const train = allDigits.take(Number(options.limit));
await mkdir(options.out, { recursive: true });
const file = (name: string) => join(options.out, name);

setSeed(seed);
const model = lenet5();
console.log(model);
console.log(`${train.length} digits to learn from, ${test.length} to be tested on\n`);

// The learning rate falls along half a cosine: large steps first, small ones at the end.
const steps = epochs * Math.ceil(train.length / batchSize);
const optimizer = optim.adam(model.parameters(), { lr: (step) => 1e-3 * (1 + Math.cos((Math.PI * step) / steps)) });

const history = await fit(model, train, {
  loss: losses.crossEntropy,
  optimizer,
  epochs,
  batchSize,
  seed,
  validation: { test },
  metrics: { accuracy: metrics.accuracy },
  callbacks: [progress()],
});
await history.plot(file("curves.svg"));

await model.save(file("lenet.safetensors"));
const restored = lenet5();
await restored.load(file("lenet.safetensors"));

const logits = await predict(restored, test);
const predicted = await logits.argmax(1).data();
const { x: images, y: digits } = await test.get(Array.from({ length: test.length }, (_, i) => i));
console.log("\nDigits read (columns) for digits written (rows)");
console.log(table(metrics.confusionMatrix(predicted, digits.data, 10)));

const misread = Array.from(predicted, (_, i) => i).filter((i) => predicted[i] !== digits.data[i]);
await writeFile(file("misread.svg"), plot.imageGrid(misread.slice(0, 12).map(pictureOf)));

console.log(`\n${misread.length} digits were misread; the first of them: ${file("misread.svg")}`);
console.log(`training curves: ${file("curves.svg")}`);
console.log(`weights, saved and loaded again: ${file("lenet.safetensors")}`);
const { accuracy } = await evaluate(restored, test, { metrics: { accuracy: metrics.accuracy } });
console.log(`test accuracy ${accuracy.toFixed(4)}`);

function pictureOf(i: number): plot.Captioned {
  const ink = images.data.subarray(i * 784, (i + 1) * 784);
  const pixels = Uint8Array.from(ink, (value) => 255 * (1 - value));
  return { picture: { width: 28, height: 28, channels: 1, pixels }, caption: `${digits.data[i]} read as ${predicted[i]}` };
}

function table(matrix: number[][]): string {
  const cell = (value: number | string) => String(value).padStart(6);
  const head = ["", ...matrix.keys()].map(cell).join("");
  return [head, ...matrix.map((row, digit) => [digit, ...row].map(cell).join(""))].join("\n");
}
