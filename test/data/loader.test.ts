/** The loader's positions, samplers, streams and threads. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import {
  balancedWeights,
  DataLoader,
  type DataLoaderOptions,
  type LabeledBatch,
  type Sampler,
  StreamDataset,
  samplers,
} from "../../lib/data/index.js";
import { collect, labels, numbered, order, sorted, upTo } from "./numbered.js";

/** Numbered examples that come in chunks of the given sizes. */
function streamed(...sizes: number[]): StreamDataset<LabeledBatch> {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return new StreamDataset(function* () {
    let start = 0;
    for (const size of sizes) yield numbered(total).get(upTo(size).map((i) => start++ + 0 * i));
  });
}

it("5 000 000 examples in batches of 1 000 are 5 000 steps", () => {
  const many = { ...numbered(0), length: 5_000_000, get: () => ({}), column: () => [] } as never;
  expect(new DataLoader(many, { batchSize: 1000 }).length).toBe(5000);
  expect(new DataLoader(many, { batchSize: 999 }).length).toBe(5006); // the last one smaller
});

describe("the position in an epoch", () => {
  const kinds: [string, () => DataLoader<LabeledBatch>][] = [
    ["shuffled", () => new DataLoader(numbered(23), { batchSize: 4, shuffle: true, seed: 5 })],
    ["sampled", () => new DataLoader(numbered(23), { batchSize: 4, sampler: samplers.weighted(upTo(23), { seed: 2 }) })],
    ["streamed", () => new DataLoader(streamed(5, 1, 17), { batchSize: 4, shuffle: true, shuffleBuffer: 6, seed: 1 })],
  ];

  it.each(kinds)("can be saved and set again: %s", async (_, make) => {
    const whole = make();
    const [first, second] = [await order(whole), await order(whole)];
    for (let stop = 0; stop <= first.length; stop++) {
      const loader = make();
      let taken = 0;
      if (stop > 0) for await (const _ of loader) if (++taken === stop) break;
      const state = loader.state();
      expect(state).toEqual({ epoch: 0, batch: stop });
      const resumed = make();
      resumed.restore(JSON.parse(JSON.stringify(state)));
      expect(resumed.state()).toEqual(state);
      expect(await order(resumed)).toEqual(first.slice(stop));
      expect(resumed.state()).toEqual({ epoch: 1, batch: 0 });
      expect(await order(resumed)).toEqual(second);
    }
    expect(await order(make().epoch(1, 3))).toEqual(second.slice(3));
    expect(await order(make().epoch(1, 99))).toEqual([]);
  });

  it("is refused if it is none", () => {
    expect(() => new DataLoader(numbered(3)).restore({ epoch: 0, batch: -1 })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });
});

describe("samplers", () => {
  const counts = (sampler: Sampler, n: number, epochs: number) => {
    const count = new Array<number>(n).fill(0);
    for (let epoch = 0; epoch < epochs; epoch++) for (const i of sampler.epoch(epoch)) count[i]++;
    return count;
  };

  it("sequential and random go through everything once", () => {
    expect([...samplers.sequential(4).epoch(7)]).toEqual([0, 1, 2, 3]);
    const random = samplers.random(700, { seed: 1 });
    expect(sorted([...random.epoch(3)])).toEqual(upTo(700));
    expect([...random.epoch(3)]).toEqual([...random.epoch(3)]);
    expect([...random.epoch(3)]).not.toEqual([...random.epoch(4)]);
  });

  it("weighted draws in proportion to the weights, χ² below its 0.1 % point", () => {
    const weights = [1, 0, 3, 6];
    const count = counts(samplers.weighted(weights, { count: 10_000, seed: 4 }), 4, 1);
    const chi2 = weights.reduce((sum, w, i) => sum + (w === 0 ? 0 : (count[i] - 1000 * w) ** 2 / (1000 * w)), 0);
    expect([count[1], chi2 < 13.8]).toEqual([0, true]); // two degrees of freedom
  });

  it("weighted without replacement draws no example twice, heavy ones first and more often", () => {
    const sampler = samplers.weighted([1, 2, 0, 7], { count: 2, replacement: false, seed: 2 });
    const epochs = upTo(4000).map((epoch) => [...sampler.epoch(epoch)]);
    for (const [a, b] of epochs) expect(a !== b && a !== 2 && b !== 2).toBe(true);
    // P(first is i) = wᵢ/Σw; five standard deviations of 4000 draws.
    for (const [i, p] of [
      [0, 0.1],
      [1, 0.2],
      [3, 0.7],
    ]) {
      const share = epochs.filter(([first]) => first === i).length / 4000;
      expect(Math.abs(share - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / 4000));
    }
    // P(0 then 1) = 0.1 · 2/9
    const pairs = epochs.filter(([a, b]) => a === 0 && b === 1).length / 4000;
    expect(Math.abs(pairs - 0.1 * (2 / 9))).toBeLessThan(5 * Math.sqrt(0.022 / 4000));
  });

  it("balanced weights draw every class equally often", () => {
    const classes = upTo(100).map((i) => (i < 90 ? "web" : "app"));
    const count = counts(samplers.weighted(balancedWeights(classes), { count: 20_000 }), 100, 1);
    const app = count.slice(90).reduce((sum, n) => sum + n, 0);
    expect(Math.abs(app - 10_000)).toBeLessThan(360); // five standard deviations
  });

  it("stratified gives every batch its share of each class", async () => {
    const classes = upTo(200).map((i) => (i < 140 ? 0 : i < 190 ? 1 : 2));
    const loader = new DataLoader(numbered(200), { batchSize: 20, sampler: samplers.stratified(classes, { seed: 9 }) });
    const [first, second] = [await order(loader), await order(loader)];
    expect(sorted(first.flat())).toEqual(upTo(200));
    expect(second).not.toEqual(first);
    for (const batch of [...first, ...second]) {
      const share = [0, 1, 2].map((c) => batch.filter((i) => classes[i] === c).length);
      for (const [c, ideal] of [14, 5, 1].entries()) expect(Math.abs(share[c] - ideal), `${share}`).toBeLessThanOrEqual(2);
    }
  });

  it.each<[string, () => unknown]>([
    ["negative weights", () => samplers.weighted([1, -1])],
    ["NaN", () => samplers.weighted([Number.NaN])],
    ["all zero", () => samplers.weighted([0, 0])],
    ["no draw", () => samplers.weighted([1], { count: 0 })],
    ["too few to draw from", () => samplers.weighted([1, 0, 1], { count: 3, replacement: false })],
    ["a sampler and shuffle", () => new DataLoader(numbered(3), { shuffle: true, sampler: samplers.sequential(3) })],
    ["a sampler for a stream", () => new DataLoader(streamed(3), { sampler: samplers.sequential(3) })],
    ["workers without work", () => new DataLoader(numbered(3), { workers: 1 })],
    ["half a worker", () => new DataLoader(numbered(3), { workers: 0.5, transform: "x.mjs" })],
    ["no place to shuffle", () => new DataLoader(streamed(3), { shuffleBuffer: 0 })],
  ])("refuse %s", (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });

  it("decide the number of examples", async () => {
    const loader = new DataLoader(numbered(3), { batchSize: 4, sampler: samplers.weighted([1, 1, 1], { count: 10 }) });
    expect([loader.length, loader.samples, (await order(loader)).map((batch) => batch.length)]).toEqual([3, 10, [4, 4, 2]]);
  });
});

describe("streams", () => {
  it.each([[7], [1, 1, 5], [2, 0, 5], [3, 4]])("come in batches of one size, whatever their chunks: %j", async (...sizes) => {
    const loader = new DataLoader(streamed(...sizes), { batchSize: 3 });
    expect([loader.length, loader.samples]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    expect(await order(loader)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect(await order(new DataLoader(streamed(...sizes), { batchSize: 3, dropLast: true, prefetch: 0 }))).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });

  it("are shuffled through a buffer: all examples once, another order in each epoch, none early", async () => {
    const loader = new DataLoader(streamed(50, 50), { batchSize: 8, shuffle: true, shuffleBuffer: 10, seed: 3 });
    const [first, second] = [(await order(loader)).flat(), (await order(loader)).flat()];
    expect(sorted(first)).toEqual(upTo(100));
    expect(second).not.toEqual(first);
    expect((await order(loader.epoch(0))).flat()).toEqual(first);
    first.forEach((example, place) => {
      expect(example).toBeLessThanOrEqual(place + 10); // the buffer holds ten and the one that has just come
    });
    expect(first.filter((example, place) => example !== place).length).toBeGreaterThan(80);
  });

  it("are mapped, filtered, cut short and read into memory", async () => {
    const odd = streamed(4, 6).filter(({ y }) => y.data.map((v) => v % 2));
    const tens = odd.map(async ({ x, y }) => ({ x, y: { ...y, data: y.data.map((v) => 10 * v) } })).take(3);
    expect(await labels(await tens.read())).toEqual([10, 30, 50]);
    expect(await labels(await streamed(2, 2).take(99).read())).toEqual(upTo(4));
    await expect(streamed(0).read()).rejects.toMatchObject({ code: "ERR_VALUE" });
  });

  it("read no further than they are asked to, and are closed when the consumer stops", async () => {
    let [opened, given, closed] = [0, 0, 0];
    const endless = new StreamDataset<LabeledBatch>(async function* () {
      opened++;
      try {
        for (;;) {
          given++;
          yield numbered(10).get([given % 10]);
        }
      } finally {
        closed++;
      }
    });
    for await (const _ of new DataLoader(endless, { batchSize: 5, prefetch: 1 })) break;
    expect([opened, closed]).toEqual([1, 1]);
    expect(given).toBeLessThanOrEqual(11);
    expect(await labels(await endless.take(4).read())).toHaveLength(4);
    expect(closed).toBe(2);
  });

  it("hand on what goes wrong in them", async () => {
    const broken = new StreamDataset<LabeledBatch>(function* () {
      yield numbered(4).get([0, 1]);
      throw new RangeError("the line is dead");
    });
    const seen: number[] = [];
    const consume = async () => {
      for await (const { y } of new DataLoader(broken, { batchSize: 2 })) seen.push(...y.data);
    };
    await expect(consume()).rejects.toThrow("the line is dead");
    expect(seen).toEqual([0, 1]);
  });
});

describe("a transform module", () => {
  const folder = mkdtempSync(join(tmpdir(), "nabla-"));
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  // Adds to each example a number drawn for it; batches with odd labels take longer, so that they overtake each other.
  const noise = file(
    "noise.mjs",
    `export default async ({ x, y }, sampling) => {
      if (y.data[0] % 2 === 1) await new Promise((resolve) => setTimeout(resolve, 5));
      return { x, y: { ...y, data: y.data.map((v, i) => 1000 * v + sampling.random(i).below(1000)) } };
    };`,
  );

  it("runs in this thread without workers", async () => {
    const options: DataLoaderOptions = { transform: pathToFileURL(noise), seed: 1, shuffle: true };
    const small = (await order(new DataLoader(numbered(12), { ...options, batchSize: 2 }))).flat();
    expect(sorted(small.map((v) => Math.floor(v / 1000)))).toEqual(upTo(12));
    expect((await order(new DataLoader(numbered(12), { ...options, batchSize: 5, prefetch: 0 }))).flat()).toEqual(small);
  });

  it("that exports nothing to run, or is not there, is reported with the first batch", async () => {
    const empty = new DataLoader(numbered(3), { transform: file("empty.mjs", "export const transform = 1;") });
    await expect(collect(empty)).rejects.toMatchObject({
      code: "ERR_VALUE",
      message: expect.stringMatching(/export a function as its default/),
    });
    await expect(collect(new DataLoader(numbered(3), { transform: join(folder, "absent.mjs") }))).rejects.toThrow(/absent/);
  });

  // Workers run what is published, so this is tried with what has been built.
  it("gives the same examples for every number of workers, hands on its errors, and leaves no thread behind", async () => {
    const built = new URL("../../dist/data/index.js", import.meta.url).href;
    const failing = file(
      "failing.mjs",
      "export default (batch) => { if (batch.y.data[0] >= 6) throw new RangeError('bad example'); return batch; };",
    );
    const dying = file("dying.mjs", "export default () => process.exit(3);");
    const program = file(
      "program.mjs",
      `import { ArrayDataset, DataLoader } from ${JSON.stringify(built)};
      const y = { data: Int32Array.from({ length: 30 }, (_, i) => i), shape: [30], dtype: "i32" };
      const data = new ArrayDataset({ x: y, y });
      const run = async (options) => {
        const loader = new DataLoader(data, { batchSize: 3, ...options });
        const got = [];
        try {
          for await (const { y } of loader) got.push(...y.data);
        } catch (error) {
          got.push(error.message);
        }
        return [got, loader];
      };
      const random = { transform: ${JSON.stringify(noise)}, shuffle: true, seed: 7 };
      const results = [];
      for (const workers of [0, 1, 3]) results.push((await run({ ...random, workers }))[0]);
      const [failed, loader] = await run({ transform: ${JSON.stringify(failing)}, workers: 2 });
      await loader.close();
      const [died] = await run({ transform: ${JSON.stringify(dying)}, workers: 1 });
      console.log(JSON.stringify({ results, failed, died }));`,
    );
    const { results, failed, died } = JSON.parse(
      execFileSync(process.execPath, [fileURLToPath(pathToFileURL(program))], { encoding: "utf8", timeout: 30_000 }),
    );
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect(sorted(results[0].map((v: number) => Math.floor(v / 1000)))).toEqual(upTo(30));
    expect(failed).toEqual([...upTo(6), "bad example"]);
    expect(died).toEqual([expect.stringMatching(/ended with code 3/)]);
  });
});
