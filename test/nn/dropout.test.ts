/** Dropout: expectations stay, masks follow seed and state, every step has another, none in evaluation. */
import {
  alphaDropout,
  channelDropout,
  compile,
  dropout,
  getRandomState,
  getThreads,
  gradients,
  nn,
  ones,
  randn,
  setRandomState,
  setSeed,
  setThreads,
  type Tensor,
  tensor,
} from "nabla";
import { beforeEach, describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

eachDevice("dropout", (device) => {
  beforeEach(() => setSeed(3));

  it.each([0.1, 0.5, 0.8])("of %d leaves the expectation unchanged to 1 %", async (p) => {
    const y = await dropout(ones([500, 800]), p).data();
    expect(new Set(y)).toEqual(new Set([0, Math.fround(1 / (1 - p))]));
    expect(Math.abs(Array.from(y).reduce((a, b) => a + b) / y.length - 1)).toBeLessThan(0.01);
  });

  it("takes whole channels of each image", async () => {
    const y = channelDropout(ones([50, 2, 4, 40]), 0.5);
    const sums = await y.sum({ axis: [1, 2] }).data();
    expect(new Set(sums)).toEqual(new Set([0, 16]));
    expect(Math.abs(sums.filter((sum) => sum === 0).length / 2000 - 0.5)).toBeLessThan(0.05);
  });

  it("of depth takes whole examples, or all of them at once", async () => {
    const kept = async (mode: "row" | "batch") => {
      const layer = nn.stochasticDepth(0.25, { mode });
      const sums = [];
      for (let i = 0; i < 10; i++)
        sums.push(
          ...(await layer
            .forward(ones([200, 2, 3]))
            .sum({ axis: [1, 2] })
            .data()),
        );
      expect(new Set(sums.map((sum) => sum.toFixed(4)))).toEqual(new Set(["0.0000", "8.0000"]));
      return sums.map((sum) => Number(sum > 0));
    };
    const rows = await kept("row");
    expect(Math.abs(rows.reduce((a, b) => a + b) / 2000 - 0.75)).toBeLessThan(0.05);
    const batches = await kept("batch");
    batches.forEach((keeps, i) => expect(keeps).toBe(batches[i - (i % 200)]));
  });

  it("for selu keeps mean and variance", async () => {
    const y = alphaDropout(randn([400, 500]), 0.3);
    expect(Math.abs(await y.mean().item())).toBeLessThan(0.01);
    expect(Math.abs((await y.variance().item()) - 1)).toBeLessThan(0.02);
  });

  it("of everything is 0, of nothing changes nothing", async () => {
    const x = tensor([Number.NaN, Number.POSITIVE_INFINITY, 2]);
    expect(await dropout(x, 1).array()).toEqual([0, 0, 0]);
    expect(dropout(x, 0)).toBe(x);
  });

  it("passes gradients where it passes values, with the same mask", async () => {
    for (const drop of [dropout, channelDropout]) {
      const x = ones([40, 30]);
      const y = drop(x, 0.4);
      const [g] = gradients(y.sum(), [x]);
      expect(await g.array()).toEqual(await y.array());
    }
  });

  const layer = nn.dropout(0.5);
  const step = compile((x: Tensor) => {
    const y = layer.forward(x);
    return { y, g: gradients(y.square().sum(), [x])[0] };
  });
  const runs = async (count: number) => {
    const results = [];
    for (let i = 0; i < count; i++) results.push(step(ones([100])));
    return Promise.all((await Promise.all(results)).map(({ y }) => y.array()));
  };

  it("draws another mask in every step of a compiled function, the same again from the same seed", async () => {
    const first = await runs(3);
    expect(first[1]).not.toEqual(first[0]);
    expect(first[2]).not.toEqual(first[1]);
    setSeed(3);
    expect(await runs(3)).toEqual(first);
    setSeed(4);
    expect(await runs(1)).not.toEqual([first[0]]);
    const { y, g } = await step(ones([100]));
    expect(await g.array()).toEqual(await y.mul(4).array());
  });

  it("goes on from a state that was taken", async () => {
    await runs(2);
    const state = getRandomState();
    const rest = await runs(2);
    setSeed(99);
    setRandomState(JSON.parse(JSON.stringify(state)));
    expect(getRandomState()).toEqual(state);
    expect(await runs(2)).toEqual(rest);
  });

  it("is the same compiled or not", async () => {
    const compiled = await runs(2);
    setSeed(3);
    expect([await layer.forward(ones([100])).array(), await layer.forward(ones([100])).array()]).toEqual(compiled);
  });

  if (device === "cpu") {
    it("is the same for any number of threads", async () => {
      const before = getThreads();
      try {
        const masks = [];
        for (const threads of [1, 2, 3]) {
          setThreads(threads);
          setSeed(8);
          masks.push(await dropout(ones([300, 200]), 0.5).data());
        }
        expect(masks[1]).toEqual(masks[0]);
        expect(masks[2]).toEqual(masks[0]);
      } finally {
        setThreads(before);
      }
    });
  }

  it("is the identity in evaluation, which compiled functions notice", async () => {
    const x = ones([4, 2, 2, 3]);
    for (const layer of [nn.dropout(1), nn.dropout2d(1), nn.alphaDropout(1), nn.stochasticDepth(1)]) {
      const model = nn.sequential(layer).eval();
      const run = compile((input: Tensor) => model.forward(input));
      expect(await (await run(x)).mean().item()).toBe(1);
      model.train();
      expect(await (await run(x)).mean().item()).not.toBe(1);
    }
  });
});

describe("dropout layers", () => {
  it("print, and refuse what is no probability or no image", () => {
    expect(`${nn.dropout2d(0.25)}`).toBe("Dropout2d(0.25)");
    expect(`${nn.stochasticDepth(0.2, { mode: "batch" })}`).toBe('StochasticDepth(0.2, { mode: "batch" })');
    expect(() => nn.stochasticDepth(0.2, { mode: "all" as never })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
    expect(() => nn.alphaDropout(2)).toThrow(expect.objectContaining({ code: "ERR_VALUE", op: "alphaDropout" }));
    expect(() => nn.dropout2d().forward(ones([2, 3]))).toThrow(expect.objectContaining({ code: "ERR_SHAPE", op: "dropout2d" }));
    expect(() => setRandomState({ seed: 1, counter: -1 })).toThrow(expect.objectContaining({ code: "ERR_VALUE", op: "setRandomState" }));
  });
});
