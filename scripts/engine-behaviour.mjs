/**
 * Measures the engine beside kernels: what an instruction costs and gains from a second thread, how long a request takes whose run is
 * over at once; how it shares a machine: processor time while idle, and speed while another process keeps a core busy.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { compile, getThreads, losses, nn, optim, randn, setThreads, stats, tensor, zeros } from "nabla";

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

/** Nanoseconds of each of 200 products of `rows` × n and n × n numbers, one after the other, the shortest of many runs. */
async function instruction(rows, n) {
  const w = zeros([n, n]);
  const chain = compile((x) => Array.from({ length: 200 }).reduce((h) => h.matmul(w), x));
  const h = zeros([rows, n]);
  await chain(h);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 100; i++) {
    const start = performance.now();
    await (await chain(h)).data();
    least = Math.min(least, performance.now() - start);
  }
  return (1e6 * least) / 200;
}

/** Microseconds from numbers to numbers through a program of one small product, the median. */
async function request() {
  const numbers = new Float32Array(64);
  const product = compile((x) => x.matmul(x));
  const times = [];
  for (let i = 0; i < 20_000; i++) {
    const start = performance.now();
    const x = tensor(numbers, { shape: [8, 8] });
    const y = await product(x);
    await y.data();
    x.dispose();
    y.dispose();
    times.push(1000 * (performance.now() - start));
  }
  return times.sort((a, b) => a - b)[times.length / 2];
}

const show = ({ rate, longest }) => `${rate.toFixed(0)} steps/s, longest ${longest.toFixed(1)} ms`;
const threads = getThreads();
for (const [rows, n] of [
  [4, 8],
  [1, 512],
  [32, 512],
]) {
  const times = [];
  for (const count of [1, threads]) {
    setThreads(count);
    times.push(`${(await instruction(rows, n)).toFixed(0)} ns on ${count} thread${count === 1 ? "" : "s"}`);
  }
  console.log(`an instruction, ${rows}×${n} by ${n}×${n}: ${times.join(", ")}`);
}
console.log(`a small request: ${(await request()).toFixed(1)} µs`);

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
