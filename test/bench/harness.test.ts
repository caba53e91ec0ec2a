/** The benchmark's own arithmetic: a ratio turned the wrong way round would praise what is slow. */
import { describe, expect, test } from "vitest";
import { compare, toJson } from "../../bench/harness/compare.mjs";
import { leastSeconds } from "../../bench/harness/machine.mjs";
import { median, noise } from "../../bench/harness/rounds.mjs";
import { conv, gemm } from "../../bench/kernels.mjs";
import { labels, stepFlops, workloads } from "../../bench/workloads.mjs";

const what = { suite: "train", case: "mlp_sgd", threads: 2, metric: "throughput", unit: "samples/s" };

describe("comparisons", () => {
  test("more is better: nabla twice as fast as its peer, at half of the roof", () => {
    const row = compare(what, { own: { value: 200 }, peer: "pytorch", other: { value: 100 }, bound: 400, moreIsBetter: true });
    expect(row).toMatchObject({ ratio: 2, roof: 0.5 });
  });

  test("less is better: nabla takes half of its peer's time, twice the least possible", () => {
    const row = compare({ ...what, unit: "ms" }, { own: { value: 5 }, peer: "pytorch", other: { value: 10 }, bound: 2.5 });
    expect(row).toMatchObject({ ratio: 2, roof: 0.5 });
  });

  test("what could not be measured is null, never a number", () => {
    const row = compare(what, { own: { value: 5 }, peer: "tfjs-wasm", other: { value: null, note: "cannot" }, moreIsBetter: true });
    expect(JSON.parse(toJson(row))).toEqual({ ...what, value: 5, peer: "tfjs-wasm", peerValue: null, ratio: null, roof: null });
  });
});

test("median and noise of rounds", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(noise([10, 10, 10, 10, 10])).toBe(0);
  expect(noise([8, 9, 10, 11, 12])).toBeCloseTo(0.1, 12);
});

test("multiply-adds of a step, counted by hand", () => {
  // 784·512 twice (no gradient to the input), the others three times, two operations each, 128 samples.
  expect(stepFlops(workloads.mlp_sgd)).toBe(2 * 128 * (2 * 784 * 512 + 3 * (512 * 512 + 512 * 10)));
  const convolutions = 2 * (28 * 28 * 25 * 6) + 3 * (10 * 10 * 150 * 16);
  expect(stepFlops(workloads.lenet5_adam)).toBe(2 * 128 * (convolutions + 3 * (400 * 120 + 120 * 84 + 84 * 10)));
});

test("labels are within the classes, balanced, and the same every time", () => {
  const drawn = labels(10_000, 10);
  expect(drawn).toEqual(labels(10_000, 10));
  const counts = new Array(10).fill(0);
  for (const label of drawn) counts[label]++;
  expect(counts).toHaveLength(10);
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150); // 5 standard deviations
});

test("a kernel's operations and bytes, counted by hand", () => {
  expect(gemm["1x1000x2048"]).toMatchObject({ flops: 2 * 1000 * 2048, bytes: 4 * (2048 + 2048 * 1000 + 1000) });
  expect(conv["down/forward"].flops).toBe(2 * 8 * 14 * 14 * 256 * 128 * 9);
  expect(conv["dw_32/backward-data"].flops).toBe(2 * 8 * 112 * 112 * 32 * 9); // one input channel a filter
  expect(conv["stem/backward-weights"].bytes).toBe(4 * (8 * 224 * 224 * 3 + 64 * 3 * 49 + 8 * 112 * 112 * 64));
});

test("a bound is the slower of arithmetic and memory, at the rate of the smallest cache that holds the operands", () => {
  const peak = {
    gflops: 100,
    streams: [
      { bytes: 1e4, gbytes: 400 },
      { bytes: 1e6, gbytes: 200 },
      { bytes: 1e8, gbytes: 50 },
    ],
  };
  expect(leastSeconds(peak, { flops: 1e9 })).toBeCloseTo(0.01, 12);
  expect(leastSeconds(peak, { flops: 1e3, bytes: 1e6 })).toBeCloseTo(1e6 / 200e9, 15);
  expect(leastSeconds(peak, { bytes: 1e10 })).toBeCloseTo(0.2, 12);
});
