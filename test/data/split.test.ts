/** Splits: sizes, disjointness, shares of classes, groups, sources, folds. */
import { describe, expect, it } from "vitest";
import { Dataset, kFold, type LabeledBatch, split, splitSources } from "../../lib/data/index.js";
import { labels, numbered, sorted, upTo } from "./numbered.js";

/** n examples that say who they are, y = first + i, without memory for more than is fetched. */
class Counted extends Dataset<LabeledBatch> {
  constructor(
    readonly length: number,
    private readonly first: number,
  ) {
    super();
  }
  get(indices: ArrayLike<number>): LabeledBatch {
    const data = Int32Array.from(indices, (i) => this.first + i);
    return { x: { data, shape: [data.length], dtype: "i32" }, y: { data, shape: [data.length], dtype: "i32" } };
  }
}

const classesOf = (n: number, share: number) => upTo(n).map((i) => (i < share * n ? "cat" : "other"));

describe("by ratio", () => {
  it.each([
    [[0.6, 0.2, 0.2], 10_000, [6000, 2000, 2000]],
    [[0.98, 0.01, 0.01], 1_000_000, [980_000, 10_000, 10_000]],
    [[0.7, 0.3], 10, [7, 3]],
  ])("%j of %i", async (fractions, n, sizes) => {
    const parts = split(new Counted(n, 0), fractions, { seed: 3 });
    expect(parts.map(({ length }) => length)).toEqual(sizes);
    const seen = new Uint8Array(n);
    for (const part of parts) for (const i of Array.from(await part.column("y"))) seen[i]++;
    expect(seen.every((count) => count === 1)).toBe(true);
  });
});

describe("stratified", () => {
  it.each([[[0.6, 0.2, 0.2]], [[0.98, 0.01, 0.01]], [[0.5, 0.5]]])("%j: every part has its share of each class", async (fractions) => {
    const n = 1000;
    const classes = classesOf(n, 0.34);
    for (const seed of [1, 2]) {
      const parts = split(numbered(n), fractions, { stratify: classes, seed });
      expect(sorted((await Promise.all(parts.map(labels))).flat())).toEqual(upTo(n));
      expect(parts.map(({ length }) => length)).toEqual(fractions.map((fraction) => Math.round(fraction * n)));
      for (const [k, part] of parts.entries()) {
        const cats = (await labels(part)).filter((i) => classes[i] === "cat").length;
        expect(Math.abs(cats - 0.34 * n * fractions[k])).toBeLessThanOrEqual(2);
      }
    }
    const first = async (seed: number) => labels(split(numbered(n), fractions, { stratify: classes, seed })[0]);
    expect(await first(1)).toEqual(await first(1));
    expect(await first(1)).not.toEqual(await first(2));
  });

  it("by a field, which must be there at once", async () => {
    const halves = numbered(40).map(({ x, y }) => ({ x, y: { ...y, data: y.data.map((v) => v % 4) } }));
    const [a] = split(halves, [0.5, 0.5], { stratify: "y" });
    expect(upTo(4).map((c) => Array.from(a.column("y") as number[]).filter((v) => v === c).length)).toEqual([5, 5, 5, 5]);
    const later = halves.map(async (batch) => batch);
    expect(() => split(later, [0.5, 0.5], { stratify: "y" })).toThrow(/stratify: await dataset.column\("y"\)/);
    expect(split(later, [0.5, 0.5], { stratify: await later.column("y") })[0]).toHaveLength(20);
  });

  it("single examples of a class do not all fall into one part", () => {
    const rare = upTo(300).map((i) => (i < 100 ? i : 1000));
    const [train] = split(numbered(300), [0.5, 0.5], { stratify: rare, seed: 1 });
    const singles = Array.from(train.column("y") as number[]).filter((i) => i < 100).length;
    expect(Math.abs(singles - 50)).toBeLessThan(25); // five standard deviations
  });
});

describe("grouped", () => {
  it("keeps groups whole and sizes near", async () => {
    const speakers = upTo(200).map((i) => Math.floor(Math.sqrt(i))); // groups of 1, 3, 5 … 27
    const parts = split(numbered(200), [0.6, 0.2, 0.2], { groups: speakers, seed: 5 });
    const found = await Promise.all(parts.map(labels));
    expect(sorted(found.flat())).toEqual(upTo(200));
    const groups = found.map((part) => new Set(part.map((i) => speakers[i])));
    for (const [k, set] of groups.entries())
      for (const other of groups.slice(k + 1)) expect([...set].filter((g) => other.has(g))).toEqual([]);
    for (const [k, fraction] of [0.6, 0.2, 0.2].entries()) expect(Math.abs(found[k].length - 200 * fraction)).toBeLessThanOrEqual(27);
  });
});

describe("by source", () => {
  it("200 000 web and 10 000 app pictures: dev and test of the app alone, train of the rest", async () => {
    const [web, app] = [new Counted(200_000, 0), new Counted(10_000, 200_000)];
    const shares = { train: { web: 1, app: 0.5 }, dev: { app: 0.25 }, test: { app: 0.25 } };
    const { train, dev, test } = splitSources({ web, app }, shares, { seed: 1 });
    expect([train.length, dev.length, test.length]).toEqual([205_000, 2500, 2500]);
    const seen = new Uint8Array(210_000);
    const isApp = async (part: Dataset<LabeledBatch>) => {
      let count = 0;
      for (const i of Array.from(await part.column("y"))) {
        seen[i]++;
        if (i >= 200_000) count++;
      }
      return count;
    };
    expect([await isApp(train), await isApp(dev), await isApp(test)]).toEqual([5000, 2500, 2500]);
    expect(seen.every((count) => count === 1)).toBe(true);

    const [learn, trainDev] = split(train, [0.98, 0.02], { seed: 1 });
    expect([learn.length, trainDev.length]).toEqual([200_900, 4100]);
    const first = async (seed: number) => (await splitSources({ web, app }, shares, { seed }).dev.get([0, 1, 2])).y.data;
    expect(await first(1)).toEqual(await first(1));
    expect(await first(1)).not.toEqual(await first(2));
  });

  it("leaves out what no part asks for", () => {
    const { a, b } = splitSources({ s: numbered(10) }, { a: { s: 0.2 }, b: { s: 0.3 } });
    expect([a.length, b.length]).toEqual([2, 3]);
  });

  it.each<[string, () => unknown]>([
    ["shares above 1", () => splitSources({ s: numbered(9) }, { a: { s: 0.7 }, b: { s: 0.7 } })],
    ["no share", () => splitSources({ s: numbered(9) }, { a: { s: 0 } })],
    ["unknown sources", () => splitSources({ s: numbered(9) }, { a: { t: 1 } } as never)],
    ["parts of nothing", () => splitSources({ s: numbered(9) }, { a: {} })],
    ["parts that get nothing", () => splitSources({ s: numbered(9) }, { a: { s: 0.01 } })],
    ["strata and groups at once", () => split(numbered(9), [0.5, 0.5], { stratify: "y", groups: "y" })],
    ["labels of other examples", () => split(numbered(9), [0.5, 0.5], { stratify: [1, 2] })],
    ["groups too few", () => split(numbered(9), [0.5, 0.5], { groups: new Array<number>(9).fill(1) })],
    ["one fold", () => kFold(numbered(9), 1)],
    ["more folds than examples", () => kFold(numbered(3), 4)],
  ])("refuses %s", (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });
});

describe("k-fold", () => {
  it.each([{ seed: 1 }, { stratify: classesOf(103, 0.5), seed: 1 }, { groups: upTo(103).map((i) => i % 20) }, { shuffle: false }])(
    "holds out every example once: %o",
    async (options) => {
      const folds = kFold(numbered(103), 5, options);
      expect(folds).toHaveLength(5);
      const held = await Promise.all(folds.map(({ dev }) => labels(dev)));
      expect(sorted(held.flat())).toEqual(upTo(103));
      for (const [i, { train }] of folds.entries()) expect(sorted([...(await labels(train)), ...held[i]])).toEqual(upTo(103));
      for (const part of held) expect(Math.abs(part.length - 103 / 5)).toBeLessThanOrEqual("groups" in options ? 6 : 1);
    },
  );
});
