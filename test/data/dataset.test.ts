/** Data sets, their parts, and the batches of an epoch. */
import { describe, expect, it } from "vitest";
import { WordStream } from "../../lib/base/philox.js";
import { ArrayDataset, DataLoader, Dataset, type HostArray, type LabeledBatch, split } from "../../lib/data/index.js";
import { Permutation } from "../../lib/data/shuffle.js";
import { collect, labels, numbered, order, upTo } from "./numbered.js";

describe("ArrayDataset", () => {
  it("fetches rows of every field in the order asked for, as copies", () => {
    const dataset = numbered(5);
    const { x, y } = dataset.get([3, 0, 3]);
    expect(x).toEqual({ data: Float32Array.of(3, -3, 0, -0, 3, -3), shape: [3, 2], dtype: "f32" });
    expect(y).toEqual({ data: Int32Array.of(3, 0, 3), shape: [3], dtype: "i32" });
    x.data.fill(99);
    expect(dataset.get([3]).x.data[0]).toBe(3);
    expect(dataset.get([]).x.shape).toEqual([0, 2]);
  });

  it("refuses indices that are not there", () => {
    for (const index of [-1, 5, 1.5, Number.NaN]) {
      expect(() => numbered(5).get([0, index])).toThrow(expect.objectContaining({ code: "ERR_INDEX", inputs: [index, 5] }));
    }
    expect(() => numbered(0).get([0])).toThrow(/empty/);
  });

  it("refuses fields that do not fit", () => {
    const field = (data: HostArray["data"], shape: number[], dtype: HostArray["dtype"] = "f32"): HostArray => ({ data, shape, dtype });
    const x = field(new Float32Array(6), [3, 2]);
    expect(() => new ArrayDataset({ x, y: field(new Float32Array(2), [2]) })).toThrow(/x has 3 examples but y has 2/);
    expect(() => new ArrayDataset({ x: field(new Float32Array(5), [3, 2]) })).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
    expect(() => new ArrayDataset({ x: field(new Float32Array(1), []) })).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
    expect(() => new ArrayDataset({ x: field(new Float32Array(1), [-1]) })).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
    expect(() => new ArrayDataset({ x: field(new Int32Array(3), [3]) })).toThrow(expect.objectContaining({ code: "ERR_DTYPE" }));
    expect(() => new ArrayDataset({})).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });
});

describe("map, slice, take, select", () => {
  it("compose", async () => {
    const dataset = numbered(10)
      .slice(2, -1) // 2 … 8
      .select([6, 0, 1]) // 8, 2, 3
      .map(({ x, y }) => ({ x, y: { ...y, data: y.data.map((v) => v * 10) } }));
    expect(dataset.length).toBe(3);
    expect(await labels(dataset)).toEqual([80, 20, 30]);
    expect(await labels(dataset.take(2))).toEqual([80, 20]);
    expect(await labels(dataset.map(async (batch) => batch).map(({ x, y }) => ({ x, y })))).toEqual([80, 20, 30]);
  });

  it("slice as arrays do", async () => {
    for (const [start, end] of [
      [0, 4],
      [-3, 10],
      [2, -2],
      [4, 2],
      [-99, 99],
      [7, 7],
    ]) {
      expect(await labels(numbered(7).slice(start, end))).toEqual(upTo(7).slice(start, end));
    }
    expect(numbered(3).take(99).length).toBe(3);
  });

  it("refuse what is out of range", () => {
    expect(() => numbered(5).select([5])).toThrow(expect.objectContaining({ code: "ERR_INDEX" }));
    expect(() => numbered(5).slice(1, 3).get([2])).toThrow(expect.objectContaining({ code: "ERR_INDEX" }));
    expect(() => numbered(5).take(-1)).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
    expect(() => numbered(5).slice(0.5)).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });
});

describe("random orders", () => {
  it("are permutations, handed out alike in one part or in many", () => {
    const whole = [...new Permutation(1000, 3, 4).next(1000)];
    expect([...whole].sort((a, b) => a - b)).toEqual(upTo(1000));
    const parts = new Permutation(1000, 3, 4);
    expect([...parts.next(1), ...parts.next(700), ...parts.next(999)]).toEqual(whole);
    expect([...new Permutation(1000, 3, 5).next(1000)]).not.toEqual(whole);
    expect([...new Permutation(1000, 4, 4).next(1000)]).not.toEqual(whole);
  });

  it("are the same on every machine", () => {
    // From an independent implementation of Philox4x32-10 and the same walk, in Python.
    expect([...new Permutation(10, 1).next(10)]).toEqual([2, 4, 0, 8, 9, 1, 5, 6, 3, 7]);
    expect([...new Permutation(10, 2 ** 40 + 1, 7).next(10)]).toEqual([5, 8, 3, 4, 7, 0, 1, 2, 9, 6]);
  });

  it("favour no place: each number comes first about equally often", () => {
    const [n, draws] = [6, 6000];
    const first = new Array<number>(n).fill(0);
    for (let seed = 0; seed < draws; seed++) first[new Permutation(n, seed).next(1)[0]]++;
    // χ² with 5 degrees of freedom is above 20.5 once in a thousand.
    const chi2 = first.reduce((sum, count) => sum + (count - draws / n) ** 2 / (draws / n), 0);
    expect(chi2).toBeLessThan(20.5);
  });

  it("draw whole numbers without bias from ranges that do not divide 2³²", () => {
    const words = new WordStream(1);
    const n = 3 * 2 ** 30; // a plain remainder would give the lower third twice as often
    let low = 0;
    for (let i = 0; i < 3000; i++) if (words.below(n) < n / 3) low++;
    expect(Math.abs(low - 1000)).toBeLessThan(130); // five standard deviations; biased: 1500
  });
});

describe("split", () => {
  it("gives every example to one part, the same for the same seed", async () => {
    const parts = split(numbered(101), [0.6, 0.2, 0.2], { seed: 1 });
    expect(parts.map((part) => part.length)).toEqual([61, 20, 20]);
    const all = (await Promise.all(parts.map(labels))).flat();
    expect([...all].sort((a, b) => a - b)).toEqual(upTo(101));
    expect(all).not.toEqual(upTo(101));
    expect((await Promise.all(split(numbered(101), [0.6, 0.2, 0.2], { seed: 1 }).map(labels))).flat()).toEqual(all);
    expect((await Promise.all(split(numbered(101), [0.6, 0.2, 0.2], { seed: 2 }).map(labels))).flat()).not.toEqual(all);
  });

  it("cuts consecutive stretches where asked", async () => {
    const [train, test] = split(numbered(10), [0.8, 0.2], { shuffle: false });
    expect([await labels(train), await labels(test)]).toEqual([upTo(8), [8, 9]]);
  });

  it("uses all of ten tenths", () => {
    expect(split(numbered(1000), new Array<number>(10).fill(0.1)).map((part) => part.length)).toEqual(new Array(10).fill(100));
  });

  it.each([[[0.5, 0.4]], [[1.5, -0.5]], [[Number.NaN, 1]], [[]], [[0.999, 0.001]]])(
    "refuses the fractions %j of ten examples",
    (fractions) => {
      expect(() => split(numbered(10), fractions)).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
    },
  );
});

describe("DataLoader", () => {
  it("gives batches in order, the last one smaller or left out", async () => {
    expect(await order(new DataLoader(numbered(7), { batchSize: 3 }))).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    const even = new DataLoader(numbered(7), { batchSize: 3, dropLast: true });
    expect(even.length).toBe(2);
    expect(await order(even)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });

  it.each([0, 1, 2, 100])("shuffles by seed and epoch alone, prefetch %i", async (prefetch) => {
    const loader = new DataLoader(numbered(50), { batchSize: 8, shuffle: true, seed: 5, prefetch });
    const [first, second] = [await order(loader), await order(loader)];
    expect(first.flat().sort((a, b) => a - b)).toEqual(upTo(50));
    expect(second).not.toEqual(first);
    expect(await order(loader.epoch(0))).toEqual(first);
    expect(await order(loader.epoch(1))).toEqual(second);
    expect(loader.nextEpoch).toBe(2);
    const again = new DataLoader(numbered(50), { batchSize: 8, shuffle: true, seed: 5 });
    again.nextEpoch = 1;
    expect(await order(again)).toEqual(second);
    expect(await order(new DataLoader(numbered(50), { batchSize: 8, shuffle: true, seed: 6 }).epoch(0))).not.toEqual(first);
  });

  it("keeps fields together", async () => {
    for await (const { x, y } of new DataLoader(numbered(20), { batchSize: 6, shuffle: true })) {
      y.data.forEach((label, i) => {
        expect([x.data[2 * i], x.data[2 * i + 1] + 0]).toEqual([label, -label + 0]);
      });
    }
  });

  /** Notes when batches are fetched. */
  class Watched extends Dataset<LabeledBatch> {
    readonly length = 100;
    readonly fetched: number[] = [];
    get(indices: ArrayLike<number>): LabeledBatch {
      this.fetched.push(indices[0]);
      return numbered(100).get(indices);
    }
  }

  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

  it("assembles ahead while the consumer waits, after it had its turn, and no further than asked", async () => {
    const watched = new Watched();
    const batches = new DataLoader(watched, { batchSize: 10, prefetch: 2 }).epoch(0);
    await batches.next();
    expect(watched.fetched).toEqual([0]);
    await turn();
    expect(watched.fetched).toEqual([0, 10, 20]);
    await turn();
    expect(watched.fetched).toEqual([0, 10, 20]);
    await batches.next();
    await turn();
    expect(watched.fetched).toEqual([0, 10, 20, 30]);
    await batches.return?.();
    await turn();
    expect(watched.fetched).toEqual([0, 10, 20, 30]);
  });

  it("fetches each batch on demand without prefetching", async () => {
    const watched = new Watched();
    const batches = new DataLoader(watched, { batchSize: 10, prefetch: 0 }).epoch(0);
    await batches.next();
    await turn();
    expect(watched.fetched).toEqual([0]);
  });

  it.each([false, true])(
    "reports a failing batch when its turn comes, and a consumer that stops before never sees it (async: %s)",
    async (later) => {
      const failing = numbered(30).map(({ x, y }) => {
        if (y.data[0] !== 20) return { x, y };
        if (later) return Promise.reject(new RangeError("broken example"));
        throw new RangeError("broken example");
      });
      const seen: number[] = [];
      const consume = async (until: number) => {
        for await (const { y } of new DataLoader(failing, { batchSize: 10 })) {
          seen.push(y.data[0]);
          await turn();
          if (y.data[0] === until) break;
        }
      };
      await expect(consume(99)).rejects.toThrow("broken example");
      expect(seen).toEqual([0, 10]);
      await consume(10); // an unhandled rejection would fail this run
      await turn();
    },
  );

  it.each([
    { batchSize: 0 },
    { batchSize: 2.5 },
    { batchSize: -1 },
    { batchSize: Number.NaN },
    { prefetch: -1 },
    { prefetch: 0.5 },
    { seed: -1 },
    { seed: 1.5 },
    { batchSize: 11, dropLast: true },
  ])("refuses %j", (options) => {
    expect(() => new DataLoader(numbered(10), options)).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });

  it("refuses an empty data set and a negative epoch", async () => {
    expect(() => new DataLoader(numbered(0))).toThrow(
      expect.objectContaining({ code: "ERR_VALUE", message: expect.stringMatching(/empty/) }),
    );
    await expect(collect(new DataLoader(numbered(3)).epoch(-1))).rejects.toMatchObject({ code: "ERR_VALUE" });
  });
});
