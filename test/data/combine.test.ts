/** Data sets made of others: filtered, joined, zipped, cached; examples put together as batches. */
import { describe, expect, it } from "vitest";
import { ArrayDataset, type Batch, collate, Dataset, fromExamples, type LabeledBatch, type Pass } from "../../lib/data/index.js";
import { labels, numbered, upTo } from "./numbered.js";

/** Numbered examples that arrive later, and a note of what was asked for. */
class Later extends Dataset<LabeledBatch> {
  readonly asked: number[][] = [];
  constructor(readonly length: number) {
    super();
  }
  async get(indices: ArrayLike<number>) {
    this.asked.push(Array.from(indices));
    return numbered(this.length).get(indices);
  }
}

it.each([numbered(600), new Later(600)])("filter keeps what the predicate keeps, over more than one stretch", async (dataset) => {
  const kept = await dataset.filter(({ y }) => y.data.map((v) => Number(v % 7 === 3)));
  expect(await labels(kept)).toEqual(upTo(600).filter((i) => i % 7 === 3));
});

it("filter wants an answer for every example", async () => {
  await expect(numbered(5).filter(() => [true])).rejects.toMatchObject({ code: "ERR_SHAPE", inputs: [1, 5] });
});

describe("concat", () => {
  it.each([false, true])("finds each example in its part, in the order asked for (async: %s)", async (later) => {
    const [a, b, c] = [numbered(3), later ? new Later(4) : numbered(4), numbered(2)];
    const all = a.concat(b, c);
    expect(all.length).toBe(9);
    expect(await labels(all)).toEqual([0, 1, 2, 0, 1, 2, 3, 0, 1]);
    const { x, y } = await all.get([8, 0, 6, 2, 3]);
    expect([...y.data]).toEqual([1, 0, 3, 2, 0]);
    expect([...x.data].map((v) => v + 0)).toEqual([1, -1, 0, 0, 3, -3, 2, -2, 0, 0]);
    expect(Array.from(await all.column("y"))).toEqual([0, 1, 2, 0, 1, 2, 3, 0, 1]);
    expect((await all.get([])).x.shape).toEqual([0, 2]);
  });

  it("refuses examples of other shapes, fields and places", () => {
    const narrow = new ArrayDataset({ x: { data: new Float32Array(2), shape: [2, 1], dtype: "f32" } }) as unknown as Dataset<LabeledBatch>;
    expect(() => numbered(2).concat(narrow).get([0, 3])).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
    expect(() => numbered(2).concat(numbered(1)).get([3])).toThrow(expect.objectContaining({ code: "ERR_INDEX" }));
  });
});

describe("zip", () => {
  const weights = (n: number) =>
    new ArrayDataset({ weight: { data: Float32Array.from(upTo(n), (i) => i / 2), shape: [n], dtype: "f32" as const } });

  it("gives each example the fields of both", async () => {
    const { x, y, weight } = await new Later(4).zip(weights(4)).get([3, 1]);
    expect([x.shape, [...y.data], [...weight.data]]).toEqual([
      [2, 2],
      [3, 1],
      [1.5, 0.5],
    ]);
  });

  it("refuses unequal lengths and equal names", () => {
    expect(() => numbered(3).zip(weights(4))).toThrow(expect.objectContaining({ code: "ERR_VALUE", inputs: [3, 4] }));
    expect(() => weights(3).zip(weights(3)).get([0])).toThrow(expect.objectContaining({ code: "ERR_VALUE", inputs: ["weight"] }));
  });
});

describe("cache", () => {
  it("fetches each example once, and gives copies", async () => {
    const source = new Later(6);
    const cached = source.cache();
    expect([...(await cached.get([4, 4, 1])).y.data]).toEqual([4, 4, 1]);
    const batch = await cached.get([1, 2, 4]);
    expect([...batch.y.data]).toEqual([1, 2, 4]);
    batch.y.data.fill(9);
    expect(await labels(cached)).toEqual(upTo(6));
    expect(await labels(cached)).toEqual(upTo(6));
    expect(source.asked).toEqual([[4, 1], [2], [0, 3, 5]]);
    expect((await cached.get([])).y.shape).toEqual([0]);
  });
});

describe("what is random in an example", () => {
  const noisy = (dataset: Dataset<LabeledBatch>) =>
    dataset.map(({ x, y }, sampling) => ({ x, y: { ...y, data: y.data.map((_, i) => sampling.random(i).below(1 << 30)) } }));
  const pass: Pass = { seed: 3, epoch: 1 };

  it("depends on seed, epoch and the example alone", async () => {
    const dataset = noisy(numbered(10));
    const [a, b, c] = (await dataset.get([5, 6, 7], pass)).y.data;
    expect([...(await dataset.get([7, 1, 5], pass)).y.data].filter((_, i) => i !== 1)).toEqual([c, a]);
    expect(b).not.toBe(a);
    for (const other of [
      { seed: 4, epoch: 1 },
      { seed: 3, epoch: 0 },
    ])
      expect((await dataset.get([5], other)).y.data[0]).not.toBe(a);
    // Through parts, joins, zips and caches the pass arrives as well.
    const through = noisy(numbered(10))
      .select([5, 5])
      .concat(noisy(numbered(10)).slice(5))
      .cache();
    expect((await through.get([0, 2], pass)).y.data).toEqual(Int32Array.of(a, a));
  });
});

describe("column", () => {
  it("gives one number an example, at once where it can", async () => {
    expect(numbered(300).column("y")).toHaveLength(300);
    expect(
      numbered(9)
        .map(({ x, y }) => ({ x, y: { ...y, data: y.data.map((v) => 2 * v) } }))
        .slice(7)
        .column("y"),
    ).toEqual([14, 16]);
    expect(await new Later(300).column("y")).toEqual(upTo(300));
    expect(() => numbered(3).column("x")).toThrow(/one number an example; there are x \[2\], y \[\]/);
    expect(() => numbered(3).column("z")).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });
});

describe("examples", () => {
  it("are stacked, with the types asked for", () => {
    expect(
      collate(
        [
          { x: [1, 2], y: 3, seen: true, z: Uint8Array.of(9) },
          { x: [4, 5], y: 6, seen: false, z: Uint8Array.of(8) },
        ],
        { dtypes: { y: "i32" } },
      ),
    ).toEqual({
      x: { data: Float32Array.of(1, 2, 4, 5), shape: [2, 2], dtype: "f32" },
      y: { data: Int32Array.of(3, 6), shape: [2], dtype: "i32" },
      seen: { data: Uint8Array.of(1, 0), shape: [2], dtype: "bool" },
      z: { data: Uint8Array.of(9, 8), shape: [2, 1], dtype: "u8" },
    });
  });

  it("of different lengths are filled up where that is asked for", () => {
    const examples = [{ words: Int32Array.of(7, 8, 9) }, { words: Int32Array.of(5) }];
    expect(collate(examples, { pad: { words: -1 } })).toEqual({
      words: { data: Int32Array.of(7, 8, 9, 5, -1, -1), shape: [2, 3], dtype: "i32" },
      wordsLength: { data: Int32Array.of(3, 1), shape: [2], dtype: "i32" },
    });
    expect(() => collate(examples)).toThrow(
      expect.objectContaining({ code: "ERR_SHAPE", message: expect.stringMatching(/example 1; pad: \{ words/) }),
    );
    expect(() => collate([{ a: 1 }, { b: 1 } as unknown as { a: number }])).toThrow(/example 1 has no field a/);
  });

  it("are a data set, made at once or later, put together in one's own way", async () => {
    const list = fromExamples(
      [
        { x: [0, 1], y: 1 },
        { x: [2, 3], y: 0 },
      ],
      { dtypes: { y: "i32" } },
    );
    expect([list.length, [...(list.get([1, 0]) as Batch).x.data]]).toEqual([2, [2, 3, 0, 1]]);
    const made = fromExamples({ length: 5, at: async (i) => ({ x: i * i }) });
    expect([...(await made.get([4, 2])).x.data]).toEqual([16, 4]);
    const own = fromExamples([{ x: 1 }, { x: 2 }], { collate: (examples) => collate(examples.map(({ x }) => ({ x: -Number(x) }))) });
    expect([...(await own.get([0, 1])).x.data]).toEqual([-1, -2]);
    expect(() => own.get([2])).toThrow(expect.objectContaining({ code: "ERR_INDEX" }));
  });
});
