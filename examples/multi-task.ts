/**
 * Several questions about one picture: is the digit even, is it above 4, is it written with a closed loop? One network, a shared trunk and
 * a head for each question; half of the labels, chosen at random, are unknown: `npm run example multi-task`.
 */
import { parseArgs } from "node:util";
import { ArrayDataset, concat, datasets, fit, losses, nn, optim, predict, rand, setSeed, type Tensor } from "nabla";

const { values: options } = parseArgs({
  options: {
    epochs: { type: "string", default: "3" },
    /** Train on the first so many digits only. */
    limit: { type: "string", default: "20000" },
  },
});

const questions: Record<string, (digit: number) => boolean> = {
  even: (digit) => digit % 2 === 0,
  "above 4": (digit) => digit > 4,
  "with a loop": (digit) => [0, 6, 8, 9].includes(digit),
};
const answers = (digits: ArrayLike<number>) =>
  Float32Array.from(Array.from(digits).flatMap((digit) => Object.values(questions).map((ask) => Number(ask(digit)))));

class MultiTask extends nn.Module {
  readonly trunk = nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu(), nn.dropout(0.2));
  readonly heads = Object.keys(questions).map(() => nn.linear(128, 1));

  /** Logits [n, questions]. */
  forward(x: Tensor): Tensor {
    const features = this.trunk.forward(x);
    const logits = this.heads.map((head) => head.forward(features));
    return concat(logits, { axis: 1 });
  }
}

setSeed(1);
const digits = await datasets.mnist();
const count = Math.min(Number(options.limit), digits.train.length);
const { x, y } = await digits.train.get(Uint32Array.from({ length: count }, (_, i) => i));
const labels = answers(y.data);
const isHidden = await rand([labels.length]).lt(0.5).data();
labels.forEach((_, i) => {
  if (isHidden[i]) labels[i] = Number.NaN;
});
const train = new ArrayDataset({ x, y: { data: labels, shape: [count, 3], dtype: "f32" } });

const model = new MultiTask();
await fit(model, train, {
  loss: (logits, known) => losses.bceWithLogits(logits, known, { mask: known.eq(known) }), // NaN is not equal to itself
  optimizer: optim.adam(model.parameters()),
  epochs: Number(options.epochs),
  batchSize: 64,
});

const logits = await (await predict(model, digits.test)).data();
const all = await digits.test.get(Uint32Array.from({ length: digits.test.length }, (_, i) => i));
const truth = answers(all.y.data);
const names = Object.keys(questions);
names.forEach((name, k) => {
  let right = 0;
  for (let i = k; i < truth.length; i += names.length) if (logits[i] > 0 === truth[i] > 0.5) right++;
  console.log(`${name}: ${((100 * right) / digits.test.length).toFixed(2)} % right`);
});
