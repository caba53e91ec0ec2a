/**
 * Boston house prices, thirteen features: linear regression, trained by gradients, comes to the figures of scikit-learn's closed form on
 * the same split (house-prices.py), and a small network goes below them. Every fifth house is for testing.
 */
import { join } from "node:path";
import { type Dataset, data, evaluate, fit, type LabeledBatch, losses, nn, normalize, optim, plot, predict, setSeed } from "nabla";
import { findData } from "./find-data.js";
import { setting } from "./setting.js";

/** What house-prices.py prints. */
const reference = { train: 4.7676, test: 4.4962 };

const { epochs, networkEpochs, data: folder, draw } = setting("house-prices", { epochs: 1500, networkEpochs: 300 });
const file = join(findData("sklearn", folder), "boston_house_prices.csv");
const houses = (await data.csv(file, { skipLines: 1 }).read()).features({ target: "MEDV" });
const numbers = Array.from({ length: houses.length }, (_, i) => i);
const train = houses.select(numbers.filter((i) => i % 5 !== 0)).cache();
const test = houses.select(numbers.filter((i) => i % 5 === 0)).cache();

/** Root of the mean squared error, in thousands of dollars. */
const error = async (model: nn.Module, set: Dataset<LabeledBatch>) => Math.sqrt((await evaluate(model, set, { loss: losses.mse })).loss);

setSeed(1);
const norm = await normalize.fit(train);
const linear = nn.sequential(norm, nn.linear(13, 1));
await fit(linear, train, {
  loss: losses.mse,
  optimizer: optim.adam(linear.parameters(), { lr: (step) => 0.5 * 0.996 ** step }),
  epochs,
  batchSize: train.length,
});
const found = { train: await error(linear, train), test: await error(linear, test) };
for (const set of ["train", "test"] as const)
  console.log(`linear regression, ${set} error: ${found[set].toFixed(4)}; scikit-learn: ${reference[set].toFixed(4)}`);

const network = nn.sequential(norm, nn.linear(13, 32), nn.relu(), nn.linear(32, 32), nn.relu(), nn.linear(32, 1));
const rate = { lr: (step: number) => 0.005 * (1 - step / (networkEpochs * 13)), weightDecay: 0.05 };
await fit(network, train, { loss: losses.mse, optimizer: optim.adamW(network.parameters(), rate), epochs: networkEpochs, batchSize: 32 });

const points = async (model: nn.Module) => {
  const [predicted, actual] = [await (await predict(model, test)).data(), await test.column("y")];
  return Array.from(actual, (price, i): [number, number] => [price, predicted[i]]);
};
const labels = { title: "House prices, $ 1000", xLabel: "paid", yLabel: "predicted", diagonal: true };
await draw("prices.svg", plot.scatter({ linear: await points(linear), network: await points(network) }, labels));
console.log(`network, test error: ${(await error(network, test)).toFixed(4)}`);
console.log(`linear regression, test error ${found.test.toFixed(4)}`);
