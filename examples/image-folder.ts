/**
 * Training from picture files: photos of CIFAR-10 as JPEG files, a folder a class, decoded, mirrored and shifted while the network trains, and
 * beside it the same training of photos that lie ready in memory, taking turns. Beside the times of an epoch stands what the processors did: where
 * they had nothing to do for a while, loading was not hidden; where they were never idle, there are too few of them.
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { type Dataset, data, datasets, evaluate, fit, type LabeledBatch, losses, metrics, nn, optim, plot, setSeed } from "nabla";
import { augment, mirror, randomCrop } from "nabla/augment";
import sharp from "sharp";
import { findData } from "./find-data.js";
import { percent, setting } from "./setting.js";

const { rounds, limit, width, data: folder, file, draw } = setting("image-folder", { rounds: 4, limit: 2048, width: 32 });
const pictures = file(`pictures-${limit}`);
const side = 32;

const { train, test } = await datasets.cifar10(findData("cifar10-subset", folder));
if (!existsSync(pictures)) await writePictures(train.take(limit));
const files = await data.imageFolder(pictures);
const inMemory = files.cache();
for (let i = 0; i < files.length; i += 256) await inMemory.get(Array.from({ length: Math.min(256, files.length - i) }, (_, k) => i + k));
const ways: Record<string, Dataset<LabeledBatch>> = {
  memory: inMemory,
  files: files.map(augment([mirror(), randomCrop(side, { pad: 4 })], { fill: "edge" })),
};

setSeed(1);
const conv = (from: number, to: number) => [nn.conv2d(from, to, { kernel: 3, padding: "same" }), nn.batchNorm(to), nn.relu()];
const model = nn.sequential(
  ...conv(3, width),
  ...conv(width, width),
  nn.maxPool2d(2),
  ...conv(width, 2 * width),
  ...conv(2 * width, 2 * width),
  nn.maxPool2d(2),
  nn.flatten(),
  nn.linear((side / 4) ** 2 * 2 * width, 10),
);
const optimizer = optim.adam(model.parameters());

interface Measured {
  /** Of an epoch, in seconds. */
  readonly wall: number[];
  /** What this process has used of all processors, in seconds. */
  readonly processor: number[];
  /** Share of the time of all processors in which they had nothing to do, for this process or others. */
  readonly idle: number[];
}
const measured: Record<string, Measured> = Object.fromEntries(
  Object.keys(ways).map((name) => [name, { wall: [], processor: [], idle: [] }]),
);
for (let round = 0; round <= rounds; round++) {
  for (const [name, set] of Object.entries(ways)) {
    const used = process.cpuUsage();
    const before = processors();
    const history = await fit(model, set, { loss: losses.crossEntropy, optimizer, batchSize: 64, seed: round });
    const { user, system } = process.cpuUsage(used);
    if (round === 0) continue; // programs are compiled, threads started
    measured[name].wall.push(history.epochs[0].seconds);
    measured[name].processor.push((user + system) / 1e6);
    const after = processors();
    measured[name].idle.push((after.idle - before.idle) / (after.all - before.all));
  }
}

const median = (xs: readonly number[]) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];
const lines = Object.entries(measured).map(([name, { wall }]) => ({ name, values: wall }));
await draw("seconds.svg", plot.lineChart([{ title: `seconds an epoch of ${limit} photos`, lines }]));
for (const [name, { wall, processor, idle }] of Object.entries(measured)) {
  const [seconds, used, share] = [median(wall), median(processor), `${(100 * median(idle)).toFixed(0)} %`];
  console.log(`${name.padEnd(6)}  ${seconds.toFixed(2)} s an epoch, ${used.toFixed(2)} s of a processor`);
  console.log(
    `        ${cpus().length} processors need at least ${(used / cpus().length).toFixed(2)} s for that; they were idle for ${share}`,
  );
}
const [fromMemory, fromFiles] = ["memory", "files"].map((name) => median(measured[name].wall));
console.log(`from files an epoch takes ${((fromFiles / fromMemory - 1) * 100).toFixed(1)} % longer`);
const { accuracy } = await evaluate(model, test, { metrics: { accuracy: metrics.accuracy } });
console.log(`test accuracy, CIFAR-10 subset: ${percent(accuracy)}`);

/** Milliseconds of all processors so far. */
function processors(): { all: number; idle: number } {
  const times = cpus().map(({ times }) => times);
  const sum = (of: (time: (typeof times)[number]) => number) => times.reduce((total, time) => total + of(time), 0);
  return { all: sum((time) => Object.values(time).reduce((a, b) => a + b, 0)), idle: sum(({ idle }) => idle) };
}

async function writePictures(set: Dataset<LabeledBatch>): Promise<void> {
  const { x, y } = await set.get(Array.from({ length: set.length }, (_, i) => i));
  for (let label = 0; label < 10; label++) await mkdir(join(pictures, String(label)), { recursive: true });
  const size = side * side * 3;
  for (let i = 0; i < set.length; i++) {
    const bytes = Uint8Array.from(x.data.subarray(i * size, (i + 1) * size), (value) => Math.round(255 * value));
    const jpeg = await sharp(bytes, { raw: { width: side, height: side, channels: 3 } })
      .jpeg()
      .toBuffer();
    await writeFile(join(pictures, String(y.data[i]), `${i}.jpg`), jpeg);
  }
}
