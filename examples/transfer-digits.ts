/**
 * Transfer learning: a network that has learnt the digits 0 to 4 learns 5 to 9 from twenty examples of each. Its convolutions are frozen,
 * what they see of the new digits is computed once and kept on disk, and only a new head is trained; then all of it, the old part in smaller
 * steps. Beside it the same network from scratch.
 */
import {
  cacheActivations,
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
  setSeed,
} from "nabla";
import { percent, setting } from "./setting.js";

const options = setting("transfer-digits", { epochs: 2, headEpochs: 40, limit: 30_000, each: 20 });
const { train, test } = await datasets.mnist();
const measure = { loss: losses.crossEntropy, metrics: { accuracy: metrics.accuracy } };

/** The digits `first` … `first` + 4, called 0 … 4. */
async function five(set: Dataset<LabeledBatch>, first: number): Promise<Dataset<LabeledBatch>> {
  const labels = await set.column("y");
  const wanted = Array.from({ length: set.length }, (_, i) => i).filter((i) => labels[i] >= first && labels[i] < first + 5);
  return set.select(wanted).map(({ x, y }) => ({ x, y: { ...y, data: y.data.map((digit) => digit - first) } }));
}

/** The first `count` examples of each digit. */
async function few(set: Dataset<LabeledBatch>, count: number): Promise<Dataset<LabeledBatch>> {
  const labels = Array.from(await set.column("y"));
  const seen = new Map<number, number>();
  return set.select(
    labels.flatMap((digit, i) => {
      seen.set(digit, (seen.get(digit) ?? 0) + 1);
      return seen.get(digit)! <= count ? [i] : [];
    }),
  );
}

const body = () =>
  nn.sequential(
    nn.conv2d(1, 16, { kernel: 3, padding: "same" }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(16, 32, { kernel: 3, padding: "same" }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(32 * 49, 64),
    nn.relu(),
  );
const train2 = await few(await five(train, 5), options.each);
const test2 = await five(test.take(options.limit), 5);
const accuracy = async (model: nn.Module) => (await evaluate(model, test2, measure)).accuracy;

setSeed(1);
const learnt = body();
const old = nn.sequential(learnt, nn.linear(64, 5));
await fit(old, (await five(train.take(options.limit), 0)).cache(), {
  ...measure,
  optimizer: optim.adam(old.parameters(), { lr: 1e-3 }),
  epochs: options.epochs,
  batchSize: 64,
});
console.log(`digits 0 to 4: ${percent((await evaluate(old, await five(test.take(options.limit), 0), measure)).accuracy)}`);

const head = nn.linear(64, 5);
const features = (await cacheActivations(learnt.freeze(), train2, { folder: options.file("activations") })).cache();
const headOnly = await fit(head, features, {
  ...measure,
  optimizer: optim.adam(head.parameters(), { lr: 5e-3 }),
  epochs: options.headEpochs,
  batchSize: 20,
});
const transferred = nn.sequential(learnt, head);
const frozen = await accuracy(transferred);

learnt.unfreeze();
const groups = [{ parameters: head.parameters() }, { parameters: learnt.parameters(), lrScale: 0.1 }];
const tuning = { ...measure, epochs: options.headEpochs, batchSize: 20 };
const tuned = await fit(transferred, train2, { ...tuning, optimizer: optim.adam(groups, { lr: 1e-3 }) });
const fineTuned = await accuracy(transferred);

const fresh = nn.sequential(body(), nn.linear(64, 5));
const scratch = await fit(fresh, train2, { ...tuning, optimizer: optim.adam(fresh.parameters(), { lr: 1e-3 }) });
const alone = await accuracy(fresh);

const lines = Object.entries({ scratch, tuned, head: headOnly }).map(([name, history]) => ({ name, values: history.series("loss") }));
await options.draw("losses.svg", plot.lineChart([{ title: `training loss, ${options.each} of each digit`, lines }]));
console.log(`digits 5 to 9 from ${options.each} of each, from scratch: ${percent(alone)}`);
console.log(`new head on the frozen part: ${percent(frozen)}`);
console.log(`test accuracy, all of it tuned: ${percent(fineTuned)}`);
