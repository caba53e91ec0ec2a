/**
 * Augmentation: a photo changed in every way that there is, box and mask of what it shows with it, as a contact sheet; and a network of small
 * photos that learns from them as they are, from changed ones, and is then asked ten times about each, and with others.
 */
import { join } from "node:path";
import {
  type Dataset,
  data,
  datasets,
  ensemble,
  evaluate,
  fit,
  type LabeledBatch,
  losses,
  metrics,
  multiView,
  nn,
  optim,
  plot,
  setSeed,
  tenCrop,
} from "nabla";
import * as change from "nabla/augment";
import sharp from "sharp";
import { findData } from "./find-data.js";
import { percent, setting } from "./setting.js";

const {
  epochs,
  limit,
  testLimit,
  width,
  data: folder,
  file,
  draw,
} = setting("augmentation", { epochs: 20, limit: 4660, testLimit: 932, width: 16 });

const steps: Readonly<Record<string, change.Step>> = {
  "as it is": change.compose(),
  mirror: change.mirror({ p: 1 }),
  randomCrop: change.randomCrop(112, { pad: 24 }),
  resizedCrop: change.resizedCrop(112, { scale: [0.2, 0.6] }),
  rotation: change.rotation(30),
  quarterTurns: change.quarterTurns(),
  shear: change.shear([15, 25]),
  shift: change.shift(0.2),
  zoom: change.zoom([0.5, 0.7]),
  perspective: change.perspective({ p: 1 }),
  localWarp: change.localWarp({ amount: 0.07 }),
  "turn, bend, crop": change.compose(change.rotation(30), change.localWarp(), change.resizedCrop(112, { scale: [0.4, 0.7] })),
  brightness: change.colorJitter({ brightness: [1.6, 1.6] }),
  contrast: change.colorJitter({ contrast: [0.4, 0.4] }),
  saturation: change.colorJitter({ saturation: [2.5, 2.5] }),
  hue: change.colorJitter({ hue: [0.4, 0.4] }),
  pcaColor: change.pcaColor({ std: 0.8 }),
  grey: change.grey({ p: 1 }),
  blur: change.blur({ sigma: 2, p: 1 }),
  cutout: change.cutout({ p: 1 }),
  randAugment: change.randAugment({ count: 3, magnitude: 25 }),
};

/** The photos that scikit-learn brings with it. Of the flower what is light is its mask, down to where the next one begins. */
const photos = await data.imageFolder(join(findData("sklearn", folder), ".."), { size: 112, dtype: "u8" });
const { x } = await photos.get([0, 1]);
const side = 112;
const size = side * side * 3;
const flower = x.data.subarray(size, 2 * size);
const mask = Uint8Array.from({ length: side * side }, (_, i) => Number(flower[3 * i] > 110 && i < 93 * side));
const inMask = Array.from(mask.keys()).filter((i) => mask[i] === 1);
const [columns, rows] = [inMask.map((i) => i % side), inMask.map((i) => Math.floor(i / side))];
const box = [Math.min(...columns), Math.min(...rows), Math.max(...columns) + 1, Math.max(...rows) + 1];
const one = {
  x: { data: flower, shape: [1, side, side, 3], dtype: "u8" },
  boxes: { data: Float32Array.from(box), shape: [1, 1, 4], dtype: "f32" },
  mask: { data: mask, shape: [1, side, side], dtype: "u8" },
} as const;
const sheet = Object.entries(steps).map(([caption, step], k): plot.Captioned => {
  const fetched = change.augment([step], { fill: 0.5 })(one, new data.Sampling([0], { seed: k, epoch: 0 }));
  return { caption, picture: outlined(Uint8Array.from(fetched.x.data), fetched.mask.data, fetched.boxes.data) };
});
for (const [caption, mix] of Object.entries({ mixup: change.mixup({ classes: 2, alpha: 5 }), cutmix: change.cutmix({ classes: 2 }) })) {
  const both = { data: Float32Array.from(x.data, (v) => v / 255), shape: x.shape, dtype: "f32" } as const;
  const mixed = mix(
    { x: both, y: { data: Int32Array.of(0, 1), shape: [2], dtype: "i32" } },
    new data.Sampling([0, 1], { seed: 6, epoch: 0 }),
  );
  const pixels = Uint8Array.from(mixed.x.data.subarray(size), (v) => Math.round(255 * v));
  sheet.push({ caption: `${caption} ${percent(mixed.y.data[3])}`, picture: { width: side, height: side, channels: 3, pixels } });
}
const svg = plot.imageGrid(sheet);
await draw("sheet.svg", svg);
await sharp(Buffer.from(svg)).jpeg({ quality: 85 }).toFile(file("sheet.jpg"));

const { train, test } = await datasets.cifar10(findData("cifar10-subset", folder));
const learnt = train.take(limit);
const part = 28;
const middle = change.augment([change.centerCrop(part)]);
const network = () => {
  const block = (from: number, to: number) => [
    nn.conv2d(from, to, { kernel: 3, padding: "same", bias: false }),
    nn.batchNorm(to),
    nn.relu(),
  ];
  const [a, b, c] = [width, 2 * width, 4 * width];
  return nn.sequential(
    ...block(3, a),
    ...block(a, a),
    nn.maxPool2d(2),
    ...block(a, b),
    nn.maxPool2d(2),
    ...block(b, c),
    nn.globalAvgPool2d(),
    nn.linear(c, 10),
  );
};
const trained = async (set: Dataset<LabeledBatch>, seed: number) => {
  setSeed(seed);
  const model = network();
  const total = epochs * Math.ceil(set.length / 64);
  const optimizer = optim.adamW(model.parameters(), {
    lr: optim.schedule.warmupCosine({ peak: 3e-3, warmup: Math.floor(total / 10), total }),
    weightDecay: 0.05,
  });
  await fit(model, set, { loss: losses.crossEntropy, optimizer, epochs, batchSize: 64, seed });
  return model;
};
const accuracy = async (model: nn.Module, set: Dataset<LabeledBatch>) =>
  percent((await evaluate(model, set, { metrics: { accuracy: metrics.accuracy }, batchSize: 64 })).accuracy);
const [whole, cut] = [test.take(testLimit), test.take(testLimit).map(middle)];

const plain = await trained(learnt.map(middle), 1);
console.log(`learnt from photos as they are: ${await accuracy(plain, cut)}`);
const changed = learnt.map(change.augment([change.mirror(), change.randomCrop(part)]));
const [first, second] = [await trained(changed, 1), await trained(changed, 2)];
const results = {
  "as they are": await accuracy(plain, cut),
  changed: await accuracy(first, cut),
  "ten crops": await accuracy(multiView(first, tenCrop(part)), whole),
  "two models": await accuracy(ensemble([first, second]), cut),
};
console.log(
  `test accuracy, CIFAR-10 subset: ${Object.entries(results)
    .map(([name, share]) => `${name} ${share}`)
    .join(", ")}`,
);

/** A picture with the outline of a mask in white and its boxes in orange. */
function outlined(pixels: Uint8Array, mask: ArrayLike<number>, boxes: ArrayLike<number>): plot.Picture {
  const paint = (row: number, column: number, color: readonly number[]) => pixels.set(color, 3 * (row * side + column));
  for (let i = 0; i < side * side - side; i++)
    if (mask[i] !== mask[i + side] || (i % side < side - 1 && mask[i] !== mask[i + 1]))
      paint(Math.floor(i / side), i % side, [255, 255, 255]);
  const [left, top, right, bottom] = Array.from(boxes, (edge) => Math.min(Math.round(edge), side - 1));
  for (let k = left; right > left && k <= right; k++) for (const row of [top, bottom]) paint(row, k, [230, 159, 0]);
  for (let k = top; bottom > top && k <= bottom; k++) for (const column of [left, right]) paint(k, column, [230, 159, 0]);
  return { width: side, height: side, channels: 3, pixels };
}
