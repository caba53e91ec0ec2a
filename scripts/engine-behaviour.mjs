/** Measures how the engine shares a machine: processor time while idle, and speed while another process keeps a core busy. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { compile, losses, nn, optim, randn, stats, tensor } from "nabla";

const seconds = Number(process.argv[2] ?? 3);
const model = nn.sequential(nn.linear(784, 256), nn.relu(), nn.linear(256, 10));
const sgd = optim.sgd(model.parameters(), { lr: 0.01 });
const step = compile((x, y) => {
  const loss = losses.crossEntropy(model.forward(x), y);
  sgd.minimize(loss);
  return loss;
});
const x = randn([128, 784]);
const y = tensor(Int32Array.from({ length: 128 }, (_, i) => i % 10));

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Steps a second, and the longest step in milliseconds. */
async function train() {
  let steps = 0;
  let longest = 0;
  const began = performance.now();
  while (performance.now() - began < 1000 * seconds) {
    const start = performance.now();
    await (await step(x, y)).item();
    longest = Math.max(longest, performance.now() - start);
    steps++;
  }
  return { rate: steps / seconds, longest };
}

/** Processor time that this process takes, as a share of one core. */
async function idle() {
  const before = process.cpuUsage();
  await sleep(1000 * seconds);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / seconds;
}

const show = ({ rate, longest }) => `${rate.toFixed(0)} steps/s, longest ${longest.toFixed(1)} ms`;
await train();
const alone = await train();
console.log(`${cpus().length} processors, ${stats().threads} threads, ${stats().isa}`);
console.log(`alone: ${show(alone)}`);
console.log(`idle afterwards: ${(100 * (await idle())).toFixed(2)} % of a core`);
for (let others = 1; others <= cpus().length; others++) {
  const spinning = Array.from({ length: others }, () => spawn(process.execPath, ["-e", "console.log(); for (;;);"]));
  await Promise.all(spinning.map((child) => once(child.stdout, "data")));
  const beside = await train();
  for (const child of spinning) child.kill("SIGKILL");
  console.log(`beside ${others} that spin: ${show(beside)}, ${(beside.rate / alone.rate).toFixed(2)} of the speed`);
}
