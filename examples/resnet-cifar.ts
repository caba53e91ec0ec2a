/**
 * The paper's residual network for small photos, of eight layers, learns the CIFAR-10 subset (4 660 / 932), mirrored and moved anew in each
 * epoch, from three seeds; resnet.py trains the same networks in PyTorch. Weights stay in runs/resnet-cifar.
 *
 * Network: He, Zhang, Ren, Sun 2016, section 4.2, with n = 1.
 */
import { datasets, evaluate, metrics } from "nabla";
import { cifarResnet } from "nabla/models";
import { findData } from "./find-data.js";
import { trained, withMean } from "./resnet.js";
import { setting } from "./setting.js";

const {
  epochs,
  limit,
  testLimit,
  seeds,
  data: folder,
  file,
} = setting("resnet-cifar", { epochs: 30, limit: 4660, testLimit: 932, seeds: 3 });
const { train, test } = await datasets.cifar10(findData("cifar10-subset", folder));
const learnt = train.take(limit);

const accuracies: number[] = [];
for (let seed = 1; seed <= seeds; seed++) {
  const weights = file(`epochs-${epochs}-of-${learnt.length}-seed-${seed}.safetensors`);
  const model = await trained(() => cifarResnet(8), learnt, { epochs, seed, pad: 4, weightDecay: 5e-4, file: weights });
  accuracies.push((await evaluate(model, test.take(testLimit), { metrics: { accuracy: metrics.accuracy } })).accuracy);
}
console.log(`test accuracy, CIFAR-10 subset (4 660 / 932): ${withMean(accuracies)}`);
