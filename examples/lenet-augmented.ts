/**
 * LeNet-5 learns from digits that are turned, slanted, zoomed, moved and sometimes bent a little, anew in each epoch. The recipe was chosen
 * with `--holdOut 5000`: that many of the training digits are kept from training and measured instead of the test digits. `--augmented 0`: from
 * digits as they are.
 *
 * Network: LeCun, Bottou, Bengio, Haffner 1998, with today's ReLU and max pooling, and batch norm (Ioffe & Szegedy 2015) after its convolutions.
 */
import {
  type Dataset,
  datasets,
  evaluate,
  fit,
  type LabeledBatch,
  losses,
  metrics,
  nn,
  optim,
  plot,
  predict,
  progress,
  setSeed,
} from "nabla";
import { augment, localWarp, rotation, shear, shift, zoom } from "nabla/augment";
import { percent, picture, setting } from "./setting.js";

const { epochs, limit, holdOut, augmented, seed, draw } = setting("lenet-augmented", {
  epochs: 20,
  limit: 60_000,
  holdOut: 0,
  augmented: 1,
  seed: 1,
});
const batchSize = 128;

const { train, test } = await datasets.mnist();
const learnt = train.take(limit - holdOut);
const judged = holdOut === 0 ? test : train.select(Array.from({ length: holdOut }, (_, i) => limit - holdOut + i));

const change = augment([rotation(12), shear(10), zoom([0.9, 1.1]), shift(2 / 28), localWarp({ amount: 0.03, p: 0.5 })]);
let loading = 0;
const changed: Dataset<LabeledBatch> = learnt.map((batch, sampling) => {
  const began = performance.now();
  const result = change(batch, sampling);
  loading += performance.now() - began;
  return result;
});

setSeed(seed);
const block = (from: number, to: number, padding: number) => [
  nn.conv2d(from, to, { kernel: 5, padding, bias: false }),
  nn.batchNorm(to),
  nn.relu(),
  nn.maxPool2d(2),
];
const model = nn.sequential(
  ...block(1, 6, 2),
  ...block(6, 16, 0),
  nn.flatten(),
  nn.linear(400, 120),
  nn.relu(),
  nn.linear(120, 84),
  nn.relu(),
  nn.linear(84, 10),
);
const total = epochs * Math.ceil(learnt.length / batchSize);
const optimizer = optim.adamW(model.parameters(), { lr: optim.schedule.oneCycle({ peak: 6e-3, total }), weightDecay: 0.05 });

const history = await fit(model, augmented === 0 ? learnt : changed, {
  loss: losses.crossEntropy,
  optimizer,
  epochs,
  batchSize,
  seed,
  metrics: { accuracy: metrics.accuracy },
  callbacks: [progress()],
});
await draw("curves.svg", history.toSvg());
const seconds = history.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
console.log(
  `${seconds.toFixed(0)} s; changing a digit took ${((1e3 * loading) / (epochs * learnt.length)).toFixed(0)} µs, ${percent(loading / 1000 / seconds)} of that time`,
);

const { x, y } = await judged.get(Array.from({ length: judged.length }, (_, i) => i));
const predicted = await (await predict(model, judged)).argmax(1).data();
const misread = Array.from(predicted.keys()).filter((i) => predicted[i] !== y.data[i]);
const ink = (i: number) => Float32Array.from(x.data.subarray(784 * i, 784 * (i + 1)), (value) => 1 - value);
await draw(
  "misread.svg",
  plot.imageGrid(
    misread.slice(0, 80).map((i) => ({ picture: picture(ink(i), 28, 28, 1), caption: `${y.data[i]} read as ${predicted[i]}` })),
  ),
);
const { accuracy } = await evaluate(model, judged, { metrics: { accuracy: metrics.accuracy } });
console.log(`${misread.length} digits misread; ${holdOut === 0 ? "test" : "held-out"} accuracy ${percent(accuracy)}`);
