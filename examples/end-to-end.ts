/**
 * The same task as one network and as stages that are learnt apart, on growing amounts of data: which digit lies somewhere in a cluttered
 * picture? End to end, a network learns it from pictures and digits alone. The pipeline detects (a network learns where the digit is, from boxes),
 * crops, and reads (a network learns digits from crops). With few pictures the pipeline is ahead, as each of its stages has the simpler task.
 */
import { ArrayDataset, datasets, fit, type LabeledBatch, losses, nn, optim, predict, setSeed, synthesis } from "nabla";
import { learningCurve } from "nabla/diagnose";
import { percent, setting } from "./setting.js";

const options = setting("end-to-end", { most: 4000, steps: 300, repeats: 1, tested: 1000 });
const side = 48;
const crop = 28;
const batchSize = 64;

/** Pictures with the digit that is whole in each, and the middle of its box as shares of the side. */
interface Scenes {
  readonly pictures: Float32Array;
  readonly digits: Int32Array;
  readonly middles: Float32Array;
}

/** A digit of MNIST as a white cut-out whose opacity is its ink. */
function cutOut(ink: ArrayLike<number>, start: number, label: number): synthesis.CutOut {
  const pixels = Uint8Array.from({ length: 4 * 784 }, (_, i) => (i % 4 === 3 ? 255 * ink[start + Math.floor(i / 4)] : 255));
  return { picture: { width: 28, height: 28, channels: 4, pixels }, label };
}

/** Scenes of the digits `from` to `from + count` of a set, with four scraps of others behind each. */
async function scenes(set: Awaited<ReturnType<typeof datasets.mnist>>["train"], from: number, count: number): Promise<Scenes> {
  const { x, y } = await set.get(Array.from({ length: count }, (_, i) => from + i));
  const made = { pictures: new Float32Array(count * side * side), digits: Int32Array.from(y.data), middles: new Float32Array(2 * count) };
  const empty = { width: side, height: side, channels: 3 as const, pixels: new Uint8Array(3 * side * side) };
  for (let i = 0; i < count; i++) {
    const scrap = cutOut(x.data, 784 * ((i + 1) % count), 0);
    const clutter = synthesis.collage(empty, [scrap], { count: 4, size: [0.15, 0.25], seed: 2 * (from + i) });
    const digit = cutOut(x.data, 784 * i, made.digits[i]);
    const { picture, boxes } = synthesis.collage(clutter.picture, [digit], { size: [0.5, 0.6], mirror: false, seed: 2 * (from + i) + 1 });
    for (let p = 0; p < side * side; p++) made.pictures[i * side * side + p] = picture.pixels[3 * p] / 255;
    const [box] = boxes;
    made.middles.set([(box.x + box.width / 2) / side, (box.y + box.height / 2) / side], 2 * i);
  }
  return made;
}

/** What lies around the given middles. */
function crops({ pictures, digits }: Scenes, middles: ArrayLike<number>): Float32Array {
  const out = new Float32Array(digits.length * crop * crop);
  for (let i = 0; i < digits.length; i++) {
    const [left, top] = [0, 1].map((k) => Math.min(side - crop, Math.max(0, Math.round(side * middles[2 * i + k] - crop / 2))));
    for (let y = 0; y < crop; y++) {
      const from = i * side * side + (top + y) * side + left;
      out.set(pictures.subarray(from, from + crop), (i * crop + y) * crop);
    }
  }
  return out;
}

/** The same kind of network for every task; only what goes in and what comes out differ. */
function network(size: number, outputs: number): nn.Module {
  const block = (from: number, to: number) => [nn.conv2d(from, to, { kernel: 3, padding: "same" as const }), nn.relu(), nn.maxPool2d(2)];
  const features = (size / 4) ** 2 * 16;
  return nn.sequential(...block(1, 8), ...block(8, 16), nn.flatten(), nn.linear(features, 64), nn.relu(), nn.linear(64, outputs));
}

const inputs = (data: Float32Array, size: number) => ({ data, shape: [data.length / size ** 2, size, size, 1], dtype: "f32" as const });

async function learn(x: ReturnType<typeof inputs>, y: LabeledBatch["y"], outputs: number, seed: number): Promise<nn.Module> {
  setSeed(seed + 1);
  const model = network(x.shape[1], outputs);
  const count = x.shape[0];
  await fit(model, new ArrayDataset({ x, y }), {
    loss: y.dtype === "i32" ? losses.crossEntropy : losses.mse,
    optimizer: optim.adam(model.parameters(), { lr: 1e-3 }),
    epochs: Math.max(1, Math.round((options.steps * batchSize) / count)), // as many steps for every amount of data
    batchSize,
    seed,
  });
  return model;
}

const { train, test } = await datasets.mnist();
const [pool, held] = [await scenes(train, 0, options.most), await scenes(test, 0, options.tested)];

/** The first scenes of the pool. */
const first = (count: number): Scenes => ({
  pictures: pool.pictures.subarray(0, count * side * side),
  digits: pool.digits.subarray(0, count),
  middles: pool.middles.subarray(0, 2 * count),
});
const labels = (data: Int32Array) => ({ data, shape: [data.length], dtype: "i32" as const });

async function error(model: nn.Module, x: ReturnType<typeof inputs>): Promise<number> {
  const logits = await predict(model, new ArrayDataset({ x, y: labels(held.digits) }));
  const read = await logits.argmax(1).data();
  return held.digits.filter((digit, i) => digit !== read[i]).length / held.digits.length;
}

const sizes = [16, 8, 4, 2, 1].map((share) => Math.round(options.most / share));
const curve = await learningCurve(
  {
    "end to end": async (size, seed) => {
      const { pictures, digits } = first(size);
      return error(await learn(inputs(pictures, side), labels(digits), 10, seed), inputs(held.pictures, side));
    },
    pipeline: async (size, seed) => {
      const known = first(size);
      const detector = await learn(inputs(known.pictures, side), { data: known.middles, shape: [size, 2], dtype: "f32" }, 2, seed);
      const reader = await learn(inputs(crops(known, known.middles), crop), labels(known.digits), 10, seed);
      const found = await predict(detector, new ArrayDataset({ x: inputs(held.pictures, side), y: labels(held.digits) }));
      return error(reader, inputs(crops(held, await found.data()), crop));
    },
  },
  { sizes, repeats: options.repeats, score: "share of test digits misread" },
);

console.log(`${"pictures".padStart(8)}  end to end  pipeline`);
const [whole, staged] = ["end to end", "pipeline"].map((name) => curve.means(name));
for (const [i, size] of sizes.entries())
  console.log(`${String(size).padStart(8)}  ${percent(whole[i]).padStart(10)}  ${percent(staged[i]).padStart(8)}`);
await options.draw("curves.svg", curve.toSvg());
