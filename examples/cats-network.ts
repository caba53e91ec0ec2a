/** Is there a cat in the photo? A network of four layers, 12 288 → 20 → 7 → 5 → 1 with ReLU, trained on all photos at once. */
import { nn, setSeed } from "nabla";
import { cats, descend, mistakes, side } from "./cats.js";
import { percent, setting } from "./setting.js";

const { steps, seed, data, draw } = setting("cats-network", { steps: 2500, seed: 1 });
const photos = await cats(data);

const sizes = [side * side * 3, 20, 7, 5, 1];
setSeed(seed);
const layers = sizes.slice(1).flatMap((n, i) => [...(i === 0 ? [] : [nn.relu()]), nn.linear(sizes[i], n)]);
const model = nn.sequential(...layers);
console.log(model);

const { chart, trainAccuracy, testAccuracy } = await descend(model, photos, { steps, lr: 0.0075 });
await draw("curves.svg", chart);
await draw("mistakes.svg", await mistakes(model, photos.test));
console.log(`training accuracy ${percent(trainAccuracy)}`);
console.log(`test accuracy ${percent(testAccuracy)}`);
