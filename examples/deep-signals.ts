/**
 * Vanishing and exploding signals: how large activations are, and gradients on their way back, through 50 layers, by the initial
 * values of the weights: `npm run example deep-signals`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { debug, gradients, nn, plot, randn, setSeed, stack, type Tensor } from "nabla";

const { values: options } = parseArgs({
  options: {
    depth: { type: "string", default: "50" },
    /** Folder for the picture. */
    out: { type: "string", default: "runs/deep-signals" },
  },
});
const depth = Number(options.depth);
const width = 64;

const { init } = nn;
const identityTimes =
  (scale: number): nn.Initializer =>
  (shape, how) =>
    init.identity()(shape, how).mul(scale);
const networks: Record<string, [initial: nn.Initializer, activation: () => nn.Module]> = {
  "1.5 · I, linear": [identityTimes(1.5), nn.identity],
  "0.5 · I, linear": [identityTimes(0.5), nn.identity],
  "N(0, 0.01²), tanh": [init.normal({ std: 0.01 }), nn.tanh],
  "Xavier, tanh": [init.xavierNormal(), nn.tanh],
  "Xavier, relu": [init.xavierNormal(), nn.relu],
  "He, relu": [init.heNormal(), nn.relu],
  "LeCun, selu": [init.lecunNormal(), nn.selu],
};

/** Root mean squares of tensors, computed in one run. */
const sizes = async (xs: readonly Tensor[]) => Array.from(await stack(xs.map((x) => x.square().mean().sqrt())).data());
const shown = (from: number, to: number) => `${from.toExponential(1)} → ${to.toExponential(1)}`.padEnd(22);

const forward: plot.Line[] = [];
const backward: plot.Line[] = [];
console.log(`${"".padEnd(18)} ${`activation 1 → ${depth}`.padEnd(22)} gradient ${depth} → 1`);
for (const [name, [initial, activation]] of Object.entries(networks)) {
  setSeed(1);
  const activations: Tensor[] = [];
  let x = randn([128, width]);
  for (let i = 0; i < depth; i++) {
    x = activation().forward(nn.linear(width, width, { bias: false, init: initial }).forward(x));
    activations.push(x);
  }
  const toActivations = gradients(x.mul(randn(x.shape)).sum(), activations);
  const all = await sizes([...activations, ...toActivations]);
  const [a, g] = [all.slice(0, depth), all.slice(depth)];
  console.log(name.padEnd(18), shown(a[0], a[depth - 1]), shown(g[depth - 1], g[0]));
  forward.push({ name, values: a.map(Math.log10) });
  backward.push({ name, values: g.map(Math.log10) });
}

await mkdir(options.out, { recursive: true });
const path = join(options.out, "signals.svg");
const layersPath = join(options.out, "layers.svg");
const panels = [
  { title: "log₁₀ of activations", lines: forward },
  { title: "log₁₀ of gradients", lines: backward },
];
await writeFile(path, plot.lineChart(panels, { xLabel: "layer" }));
console.log(`picture: ${path}`);

// The same of any model and loss, with histograms: ten layers are enough to see how gradients vanish.
setSeed(1);
const small = { init: init.normal({ std: 0.05 }) };
const deep = nn.sequential(...Array.from({ length: 10 }, () => [nn.linear(width, width, small), nn.tanh()]).flat());
const report = await debug.layerStatistics(deep, () =>
  deep
    .forward(randn([128, width], { seed: 2 }))
    .square()
    .mean(),
);
await writeFile(layersPath, report.svg);
console.log(`picture: ${layersPath}; gradients of ten layers from N(0, 0.05²), tanh are ${report.verdict}`);
