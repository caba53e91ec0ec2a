/**
 * What a training walks over: the saddle of w₁² − w₂²; the loss of a network on real digits on the straight line from where it has learnt to where
 * it started, and over a plane around the former; the norm of its gradient from epoch to epoch.
 */
import { datasets, debug, fit, losses, nn, optim, plot, setSeed, tensor, variable } from "nabla";
import { setting } from "./setting.js";

const { epochs, limit, points, draw } = setting("loss-surface", { epochs: 12, limit: 2000, points: 25 });

const [w1, w2] = [variable(0), variable(0)];
const axes: [debug.Direction, debug.Direction] = [
  [1, 0],
  [0, 1],
];
const saddle = await debug.lossPlane(() => w1.value.square().sub(w2.value.square()), [w1, w2], { directions: axes, points });
await draw("saddle.svg", saddle.svg);

const { train } = await datasets.mnist();
const digits = train.take(limit).cache();
const { x, y } = await digits.get(Array.from({ length: Math.min(256, limit) }, (_, i) => i));
const [pictures, labels] = [tensor(x.data, { shape: x.shape }), tensor(y.data as Int32Array)];
setSeed(1);
const model = nn.sequential(nn.flatten(), nn.linear(784, 32), nn.relu(), nn.linear(32, 10));
const loss = () => losses.crossEntropy(model.forward(pictures), labels);
const parameters = model.parameters();
const start = await Promise.all(parameters.map(async (w) => tensor(await w.value.data(), { shape: w.shape })));
const history = await fit(model, digits, {
  loss: losses.crossEntropy,
  optimizer: optim.sgd(parameters, { lr: 0.1, momentum: 0.9 }),
  epochs,
  batchSize: 64,
  gradNorm: true,
});
// 0 is where it has learnt, 1 where it started.
const back = parameters.map((w, i) => start[i].sub(w.value));
const line = await debug.lossLine(loss, parameters, { direction: back, range: [-0.5, 1.5], points: 41 });
await draw("line.svg", line.svg);
await draw("plane.svg", (await debug.lossPlane(loss, parameters, { points })).svg);
const norms = history.series("gradNorm");
await draw("gradient.svg", plot.lineChart([{ title: "norm of the gradient", lines: [{ name: "mean of an epoch", values: norms }] }]));
console.log(`norm of the gradient from ${norms[0].toFixed(3)} in the first epoch to ${norms.at(-1)!.toFixed(3)} in the last`);
console.log(`loss where it started ${line.losses[30].toFixed(4)}, where it has learnt ${line.losses[10].toFixed(4)}`);
