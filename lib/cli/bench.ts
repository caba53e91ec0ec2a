/** `npx nabla bench`: a few speeds of this machine, each the fastest of some two seconds. */
import { crossEntropy } from "../losses/index.js";
import { conv2d, flatten, linear, maxPool2d, relu, type Sequential, sequential } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { nativeInfo } from "../runtime/native.js";
import { compile, getDevice, getThreads, randn, type Tensor, tensor } from "../tensor/index.js";
import type { Given } from "./index.js";
import { columns } from "./text.js";
import { fastest, product } from "./timing.js";

const seconds = 2;
const batch = 128;

interface Case {
  readonly name: string;
  readonly unit: string;
  readonly run: () => Promise<unknown>;
  /** What one run does, in the unit's terms, and in how many of them a second is counted. */
  readonly amount: number;
}

const gigaflops = (n: number): Case => ({ name: `product ${n}³`, unit: "GFLOP/s", run: product(n), amount: 2 * n ** 3 * 1e-9 });

function sum(n: number): Case {
  const [a, b] = [1, 2].map((seed) => randn([n], { seed }));
  const add = compile((x: Tensor, y: Tensor) => x.add(y));
  return { name: `sum of ${n / 1e6} M numbers`, unit: "GB/s", run: async () => (await add(a, b)).ready(), amount: 12e-9 * n };
}

function training(name: string, model: Sequential, shape: readonly number[]): Case {
  const optimizer = sgd(model.parameters(), { lr: 0.01 });
  const step = compile((x: Tensor, y: Tensor) => {
    const loss = crossEntropy(model.forward(x), y);
    optimizer.minimize(loss);
    return loss;
  });
  const x = randn([batch, ...shape], { seed: 3 });
  const y = tensor(Int32Array.from({ length: batch }, (_, i) => i % 10));
  return { name: `training ${name}`, unit: "samples/s", run: async () => (await step(x, y)).ready(), amount: batch };
}

const mlp = () => sequential(linear(784, 512), relu(), linear(512, 512), relu(), linear(512, 10));

function lenet() {
  const features = [conv2d(1, 6, { kernel: 5, padding: "same" }), relu(), maxPool2d(2), conv2d(6, 16, { kernel: 5 }), relu(), maxPool2d(2)];
  return sequential(...features, flatten(), linear(400, 120), relu(), linear(120, 84), relu(), linear(84, 10));
}

export async function bench({ json }: Given): Promise<boolean> {
  const cases = [
    () => gigaflops(256),
    () => gigaflops(1024),
    () => sum(16e6),
    () => training("784-512-512-10", mlp(), [784]),
    () => training("LeNet-5", lenet(), [28, 28, 1]),
  ];
  const results = [];
  for (const make of cases) {
    const { name, unit, run, amount } = make();
    results.push({ name, unit, value: amount / (await fastest(run, seconds)) });
  }
  const where = { device: getDevice(), isa: getDevice() === "cpu" ? nativeInfo().isa : null, threads: getThreads() };
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...where, results }, null, 2)}\n`);
    return true;
  }
  const rows = results.map(({ name, unit, value }) => [name, `${Math.round(value).toLocaleString("en")} ${unit}`]);
  process.stdout.write(`${columns([`${where.device}, ${where.isa ?? "TypeScript"}, ${where.threads} threads`, ""], rows).join("\n")}\n`);
  return true;
}
