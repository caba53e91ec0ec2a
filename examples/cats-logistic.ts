/** Is there a cat in the photo? Logistic regression: one neuron, trained by gradient descent on all 209 photos at once. */
import { nn, plot, predict, setSeed } from "nabla";
import { cats, descend, mistakes, side } from "./cats.js";
import { percent, setting, weightsPicture } from "./setting.js";

const { steps, data, draw } = setting("cats-logistic", { steps: 2000 });
const photos = await cats(data);

setSeed(1);
const neuron = nn.linear(side * side * 3, 1, { init: nn.init.zeros() });
const { chart, trainAccuracy, testAccuracy } = await descend(neuron, photos, { steps, lr: 0.005 });

const learnt = weightsPicture(await neuron.weight.value.data(), side, side, 3);
await draw("curves.svg", chart);
await draw("weights.svg", plot.imageGrid([{ picture: learnt, caption: "the neuron's weights" }], { size: 256 }));
await draw("mistakes.svg", await mistakes(await predict(neuron, photos.test), photos.test));
console.log(`training accuracy ${percent(trainAccuracy)}`);
console.log(`test accuracy ${percent(testAccuracy)}`);
