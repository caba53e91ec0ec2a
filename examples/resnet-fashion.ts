/**
 * Three residual networks learn the 60 000 pictures of Fashion-MNIST, mirrored and moved anew in each epoch. Then the test pictures are
 * put to each alone, to each with the mirrored picture, with ten crops, and to all three together. resnet.py trains the same in PyTorch.
 * The recipe was chosen with `--holdOut 5000`: that many pictures are kept from training and measured instead of the test pictures.
 * Weights stay in runs/resnet-fashion; with them there, nothing is trained again.
 *
 * Network: He, Zhang, Ren, Sun 2016, with three blocks of two convolutions.
 */
import { datasets, ensemble, evaluate, metrics, mirrored, multiView, nn, plot, predict, relu, type Tensor, tenCrop } from "nabla";
import { augment, centerCrop } from "nabla/augment";
import { findData } from "./find-data.js";
import { trained, withMean } from "./resnet.js";
import { percent, picture, setting } from "./setting.js";

const {
  epochs,
  limit,
  testLimit,
  holdOut,
  seeds,
  width,
  data: folder,
  file,
  draw,
} = setting("resnet-fashion", { epochs: 14, limit: 60_000, testLimit: 10_000, holdOut: 0, seeds: 3, width: 16 });
const [side, pad] = [28, 1];
const names = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"];

const { train, test } = await datasets.mnist(findData("fashion-mnist", folder));
const learnt = train.take(limit - holdOut);
const judged = holdOut === 0 ? test.take(testLimit) : train.slice(limit - holdOut, limit);

const convNorm = (from: number, to: number, kernel: number, stride = 1) =>
  nn.sequential(nn.conv2d(from, to, { kernel, stride, padding: (kernel - 1) / 2, bias: false }), nn.batchNorm(to));

/** Half the height and width, twice the channels: two convolutions, and beside them a 1 × 1 convolution of what they read. */
class Residual extends nn.Module {
  private readonly first: nn.Module;
  private readonly second: nn.Module;
  private readonly shortcut: nn.Module;

  constructor(channels: number) {
    super();
    this.first = convNorm(channels, 2 * channels, 3, 2);
    this.second = convNorm(2 * channels, 2 * channels, 3);
    this.shortcut = convNorm(channels, 2 * channels, 1, 2);
  }

  forward(x: Tensor): Tensor {
    return relu(this.second.forward(relu(this.first.forward(x))).add(this.shortcut.forward(x)));
  }
}

const network = () =>
  nn.sequential(
    convNorm(1, width, 3),
    nn.relu(),
    ...[width, 2 * width, 4 * width].map((channels) => new Residual(channels)),
    nn.globalAvgPool2d(),
    nn.linear(8 * width, 10),
  );

const networks: nn.Module[] = [];
for (let seed = 1; seed <= seeds; seed++) {
  const weights = file(`width-${width}-epochs-${epochs}-of-${learnt.length}-seed-${seed}.safetensors`);
  networks.push(await trained(network, learnt, { epochs, seed, pad, weightDecay: 1e-4, file: weights }));
}

/** The pictures with what they were moved by around them; the crop in the middle is the picture itself. */
const larger = judged.map(augment([centerCrop(side + 2 * pad)]));
const together = ensemble(networks);
const accuracy = async (model: nn.Module, set = judged) =>
  (await evaluate(model, set, { metrics: { accuracy: metrics.accuracy }, batchSize: 100 })).accuracy;
const ways: Readonly<Record<string, (model: nn.Module) => Promise<number>>> = {
  alone: accuracy,
  "mirrored as well": (model) => accuracy(multiView(model, mirrored)),
  "ten crops": (model) => accuracy(multiView(model, tenCrop(side)), larger),
};
for (const [name, measure] of Object.entries(ways)) {
  const shares: number[] = [];
  for (const model of networks) shares.push(await measure(model));
  console.log(`${name}: ${withMean(shares)}`);
}

const predicted = await (await predict(together, judged)).argmax(1).data();
const { x, y } = await judged.get(Array.from(predicted.keys()));
const misread = Array.from(predicted.keys()).filter((i) => predicted[i] !== y.data[i]);
const caption = (i: number) => `${names[y.data[i]]}, not ${names[predicted[i]]}`;
const pixels = (i: number) => x.data.subarray(side * side * i, side * side * (i + 1));
await draw(
  "misread.svg",
  plot.imageGrid(misread.slice(0, 60).map((i) => ({ picture: picture(pixels(i), side, side, 1), caption: caption(i) }))),
);
console.log(
  `${holdOut === 0 ? "test" : "held-out"} accuracy, Fashion-MNIST, ${seeds} networks together: ${percent(await accuracy(together))}`,
);
