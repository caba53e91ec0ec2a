/**
 * Why initial values matter: a network of sigmoids, trained from zeros, from small numbers, from Xavier's and from He's values:
 * `npm run example initialisation`.
 */
import { parseArgs } from "node:util";
import { compile, losses, metrics, nn, optim, randn, setSeed } from "nabla";

const { values: options } = parseArgs({ options: { steps: { type: "string", default: "1000" } } });
const { init } = nn;
const starts: Record<string, nn.Initializer> = {
  zeros: init.zeros(),
  "N(0, 0.01²)": init.normal({ std: 0.01 }),
  Xavier: init.xavierNormal(),
  He: init.heNormal(),
};

// A disc inside a ring, which no line parts.
const x = randn([400, 2], { seed: 1 });
const y = x.square().sum({ axis: 1, keepDims: true }).gt(1.4).cast("f32");

console.log("initial values  hidden units that differ  accuracy");
for (const [name, initial] of Object.entries(starts)) {
  setSeed(2);
  const hidden = nn.linear(2, 8, { init: initial });
  const model = nn.sequential(hidden, nn.sigmoid(), nn.linear(8, 1, { init: initial }));
  const sgd = optim.sgd(model.parameters(), { lr: 2 });
  const step = compile(() => {
    const logits = model.forward(x);
    sgd.minimize(losses.bceWithLogits(logits, y));
    return metrics.binaryAccuracy(logits, y);
  });
  let accuracy = step();
  for (let i = 1; i < Number(options.steps); i++) accuracy = step();
  const units = new Set(((await hidden.weight.value.transpose().array()) as number[][]).map(String));
  const differ = `${units.size === 1 ? 0 : units.size} of 8`;
  console.log(`${name.padEnd(14)}  ${differ.padStart(24)}  ${(await (await accuracy).item()).toFixed(4).padStart(8)}`);
}
