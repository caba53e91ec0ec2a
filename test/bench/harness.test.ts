/** The benchmark's own arithmetic: a ratio turned the wrong way round would praise what is slow. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bars, isMet } from "../../bench/bars.mjs";
import { onnxModel } from "../../bench/contenders/onnx.mjs";
import { ratioChart } from "../../bench/harness/chart.mjs";
import { compare, type Line, toJson } from "../../bench/harness/compare.mjs";
import { leastSeconds } from "../../bench/harness/machine.mjs";
import { planOf } from "../../bench/harness/plan.mjs";
import { changes, geometricMean, readResults } from "../../bench/harness/results.mjs";
import { median, noise } from "../../bench/harness/rounds.mjs";
import { conv, gemm } from "../../bench/kernels.mjs";
import { resultsOf } from "../../bench/report.mjs";
import { forwardFlops, inference, labels, stepFlops, workloads } from "../../bench/workloads.mjs";

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
    const line = { ...what, value: 5, peer: "tfjs-wasm", peerValue: null, ratio: null, roof: null };
    expect(JSON.parse(toJson(row, "a machine"))).toEqual({ ...line, note: "cannot", machine: "a machine" });
  });
});

test("a memory plan is held against the buffers that are alive at one instruction", () => {
  const buffer = (size: number, kind: "arena" | "input" = "arena") => ({ kind, dtype: "f32" as const, size, place: 0 });
  const view = (at: number) => ({ buffer: at, offset: 0, shape: [1], strides: [1] });
  const call = (output: number, inputs: number[]) =>
    ({ kernel: "tile", outputs: [view(output)], inputs: inputs.map(view), attrs: [], label: "" }) as const;
  // 0 → 1 → 2 → 3: never more than two of the three large ones at a time; 20 floats take two lines of cache
  const buffers = [buffer(999, "input"), buffer(256), buffer(512), buffer(20)];
  const plan = planOf({ arenaBytes: 4096, buffers, instructions: [call(1, [0]), call(2, [1]), call(3, [2])] });
  expect(plan).toEqual({ planned: 4096, alive: 4 * (256 + 512) });
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

test("operations of a prediction, counted by hand", () => {
  // The stem, then per stage: 4 convolutions of its width; the first of a narrower input at half the size, and a shortcut.
  const stage = (size: number, width: number) => size * size * width * width * (9 * 3 + 9 / 2 + 1 / 2);
  const resnet = 32 * 32 * 64 * (27 + 4 * 9 * 64) + stage(16, 128) + stage(8, 256) + stage(4, 512) + 512 * 10;
  expect(forwardFlops(inference["resnet18c/batch 1"])).toBe(2 * resnet);
  expect(forwardFlops(inference["mlp/batch 32"])).toBe(2 * 32 * (784 * 512 + 512 * 512 + 512 * 10));
  expect(forwardFlops(inference["lenet5/batch 1"])).toBe(2 * (28 * 28 * 25 * 6 + 100 * 150 * 16 + 400 * 120 + 120 * 84 + 84 * 10));
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

const line: Line = { ...what, value: 100, peer: "pytorch", peerValue: 50, ratio: 2, roof: 0.5, noise: 0.02, machine: "a machine" };

describe("result files", () => {
  test("are read line by line; of a comparison made twice the last counts, and a broken line is named", () => {
    const folder = mkdtempSync(join(tmpdir(), "bench-"));
    const file = join(folder, "a.jsonl");
    writeFileSync(file, [line, { ...line, peer: "tfjs-cpu" }, { ...line, value: 7 }].map((one) => `${JSON.stringify(one)}\n`).join(""));
    expect(readResults([file]).map(({ peer, value }) => [peer, value])).toEqual([
      ["pytorch", 7],
      ["tfjs-cpu", 100],
    ]);
    writeFileSync(file, `${JSON.stringify(line)}\n{"suite":`);
    expect(() => readResults([file])).toThrow(/a\.jsonl, line 2/);
    rmSync(folder, { recursive: true });
  });

  test("set side by side: once for each figure whatever its peers, and only beyond the noise of both", () => {
    const [better] = changes([line], [{ ...line, value: 110 }]);
    expect(better).toMatchObject({ before: 100, after: 110, isBeyondNoise: true });
    expect(better.ratio).toBeCloseTo(1.1, 12);
    expect(changes([line], [{ ...line, value: 103.5 }])[0].isBeyondNoise).toBe(false); // 0.034 < 0.02 + 0.02
    const time = { ...line, unit: "ms" };
    expect(changes([time], [{ ...time, value: 200 }])[0]).toMatchObject({ ratio: 0.5, isBeyondNoise: true });
    expect(changes([line, { ...line, peer: "tfjs-cpu" }], [line, { ...line, peer: "tfjs-cpu" }])).toHaveLength(1);
    expect(changes([line], [{ ...line, case: "another" }])).toEqual([]);
  });

  test("geometric mean", () => expect(geometricMean([0.5, 8])).toBeCloseTo(2, 12));
});

test("bars: a ratio, a value, and 0.92 of the roof as the most that is asked for", () => {
  const times = { title: "", of: { suite: "train", case: "mlp_sgd", metric: "throughput" }, times: 3 };
  expect(isMet(times, line)).toBe(false);
  expect(isMet(times, { ...line, ratio: 3 })).toBe(true);
  expect(isMet(times, { ...line, roof: 0.93 })).toBe(true);
  expect(isMet(times, { ...line, ratio: null })).toBe(null);
  expect(isMet({ ...times, times: undefined, below: 100 }, line)).toBe(false);
  expect(isMet({ ...times, times: undefined, below: 100.1 }, line)).toBe(true);
  expect(isMet(times, undefined)).toBe(null);
});

test("the report holds every bar, mean, figure and reason", () => {
  const cannot = { ...line, peer: "tfjs-wasm", peerValue: null, ratio: null, note: "tfjs-wasm: cannot" };
  const others = ["mlp_adam", "lenet5_sgd", "lenet5_adam"].map((name) => ({ ...line, case: name, ratio: 0.5 }));
  const { markdown, pictures } = resultsOf([{ ...line, peer: "tfjs-cpu", ratio: 160 }, line, cannot, ...others]);
  for (const { title } of bars) expect(markdown).toContain(`| ${title} |`);
  expect(markdown).toContain("| mlp_sgd, 2 threads, against tfjs-cpu | ≥ 150 × | 160 × | met |");
  expect(markdown).toContain("| train | 2 | pytorch | 0.707 × | 1 of 4 |");
  expect(markdown).toContain("| mlp_sgd | 2 | throughput, samples/s | 100 ± 2 % | 50 % | 50.0 (160 ×) | 50.0 (2.00 ×) | cannot |");
  expect(markdown).toContain("- mlp_sgd: tfjs-wasm: cannot");
  expect([...pictures.keys()]).toEqual(["bench-train.svg"]);
});

test("a chart has a dot for each ratio, right of the line at 1 exactly where nabla is better", () => {
  const svg = ratioChart("a < b", [
    { name: "x", points: [{ peer: "p", ratio: 4 }] },
    { name: "y", points: [{ peer: "p", ratio: 0.25 }] },
  ]);
  expect(svg).toContain("a &#60; b");
  const dots = [...svg.matchAll(/<circle cx="([\d.]+)" cy="[\d.]+" r="5" fill="#0072b2" fill-opacity/g)].map(([, x]) => Number(x));
  const one = Number(/<line x1="([\d.]+)"[^>]*stroke="#333"/.exec(svg)?.[1]);
  expect(dots).toHaveLength(2);
  expect(dots[0] - one).toBeCloseTo(one - dots[1], 0);
  expect(dots[0]).toBeGreaterThan(one);
});

test("an ONNX file holds each weight, its messages nested by their lengths", () => {
  const file = onnxModel([2, 3], [{ kind: "linear", in: 3, out: 300 }, { kind: "relu" }], 300);
  const fields = (data: Buffer) => {
    const found: { field: number; data: Buffer }[] = [];
    let at = 0;
    const varint = () => {
      let value = 0;
      for (let shift = 1; ; shift *= 128) {
        value += (data[at] & 127) * shift;
        if (data[at++] < 128) return value;
      }
    };
    while (at < data.length) {
      const key = varint();
      const length = varint(); // of a whole number: its value
      const isBytes = (key & 7) === 2;
      found.push({ field: key >> 3, data: isBytes ? data.subarray(at, at + length) : Buffer.of(length & 127) });
      if (isBytes) at += length;
    }
    expect(at).toBe(data.length);
    return found;
  };
  const graph = fields(file).find(({ field }) => field === 7)!.data;
  const weights = fields(graph).filter(({ field }) => field === 5);
  const sizes = weights.map(({ data }) => fields(data).find(({ field }) => field === 9)!.data.length);
  expect(sizes).toEqual([4 * 3 * 300, 4 * 300]);
  expect(fields(graph).filter(({ field }) => field === 1)).toHaveLength(3); // linear, ReLU, and what gives the result its name
});
