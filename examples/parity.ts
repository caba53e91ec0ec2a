/**
 * Deep beats shallow: the parity of 8 bits, learnt by a tree of small layers, two bits at a time, and by one hidden layer with as many
 * parameters. Both get the same number of starts and of steps: `npm run example parity`.
 */
import { parseArgs } from "node:util";
import { compile, losses, metrics, nn, optim, setSeed, type Tensor, tensor } from "nabla";

const { values: options } = parseArgs({
  options: { starts: { type: "string", default: "10" }, steps: { type: "string", default: "500" } },
});

const bits = 8;
const inputs = Array.from({ length: 2 ** bits }, (_, i) => Array.from({ length: bits }, (_, k) => ((i >> k) & 1 ? 1 : -1)));
const x = tensor(inputs);
const y = tensor(inputs.map((row) => [row.filter((bit) => bit === 1).length % 2]));

/** log₂ 8 levels; each joins neighbours by one small network, which all pairs of the level share. */
class Tree extends nn.Module {
  readonly levels = [0, 1, 2].map(() => {
    const [first, second] = [1.5, 1].map((std) => ({ init: nn.init.normal({ std }) }));
    return nn.sequential(nn.linear(2, 4, first), nn.gelu(), nn.linear(4, 1, second));
  });

  forward(input: Tensor): Tensor {
    let values = input;
    for (const level of this.levels) values = level.forward(values.reshape([input.shape[0], -1, 2])).squeeze(2);
    return values;
  }
}

const shallow = () => nn.sequential(nn.linear(bits, 5), nn.tanh(), nn.linear(5, 1));

/** The best accuracy over all starts, and from how many all was right. */
async function learn(make: () => nn.Module) {
  let [parameters, best, solved] = [0, 0, 0];
  for (let seed = 0; seed < Number(options.starts); seed++) {
    setSeed(seed);
    const model = make();
    parameters = model.parameters().reduce((count, { shape }) => count + shape.reduce((n, size) => n * size, 1), 0);
    const adam = optim.adam(model.parameters(), { lr: 0.03 });
    const step = compile(() => {
      const logits = model.forward(x);
      adam.minimize(losses.bceWithLogits(logits, y));
      return metrics.binaryAccuracy(logits, y);
    });
    let last = step();
    for (let i = 1; i < Number(options.steps); i++) last = step();
    const accuracy = await (await last).item();
    best = Math.max(best, accuracy);
    if (accuracy === 1) solved++;
  }
  return { parameters, best, solved };
}

for (const [name, make] of [
  ["tree of 3 levels", () => new Tree()],
  ["one hidden layer", shallow],
] as const) {
  const { parameters, best, solved } = await learn(make);
  console.log(`${name}: ${parameters} parameters, best accuracy ${best.toFixed(4)}, all right from ${solved} of ${options.starts} starts`);
}
