/** `stats`, `profile`, its trace file, and `NABLA_LOG`. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { compile, ones, profile, randn, stats, TraceError, tensor, Variable } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

eachDevice("stats", (device) => {
  it("counts storages of what is evaluated, until it is disposed of", async () => {
    const before = stats().memory.storages;
    const x = ones([1000]).add(1);
    expect(stats().memory.storages).toBe(before);
    await x.data();
    expect(stats().memory.storages - before).toBeGreaterThanOrEqual(4000);
    x.dispose();
    expect(stats().memory.storages).toBeLessThan(before + 4000);
  });

  it("a compiled step is one run and compiles once", async () => {
    const w = new Variable(ones([3]));
    const step = compile(() => w.assign(w.value.mul(0.5)));
    await step();
    const before = stats();
    for (let i = 0; i < 10; i++) await step();
    const after = stats();
    expect(after.runs.submitted - before.runs.submitted).toBe(10);
    expect(after.runs.pending).toBe(0);
    expect(after.programs.compiled).toBe(before.programs.compiled);
    expect(after.device).toBe(device);
  });

  it("an equal expression finds its program", async () => {
    const x = tensor([1, 2, 3]);
    await x.mul(7).exp().data();
    const before = stats().programs;
    await x.mul(8).exp().data();
    expect(stats().programs.found - before.found).toBe(1);
    expect(stats().programs.compiled).toBe(before.compiled);
  });
});

eachDevice("profile", () => {
  it("times each instruction of the runs inside, and none outside", async () => {
    const x = randn([64, 64], { seed: 1 });
    const y = randn([64, 64], { seed: 2 });
    await x.matmul(y).sum().data();
    const found = await profile(async () => (await x.matmul(y).sum().data())[0]);
    await x.matmul(y).sum().data();
    expect(found.result).toBeTypeOf("number");
    expect(found.runs).toBe(1);
    expect(found.rows.map(({ kernel }) => kernel)).toEqual(expect.arrayContaining(["gemm", "reduce"]));
    expect(found.rows.find(({ kernel }) => kernel === "gemm")).toMatchObject({ op: "matmul", calls: 1 });
    const busy = found.rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    expect(busy).toBeGreaterThan(0);
    expect(busy).toBeLessThanOrEqual(found.milliseconds);
    expect(found.rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(inspect(found)).toMatch(/1 runs in .* ms[\s\S]*matmul {2}\(gemm\)/);
  });

  it("waits for what its body has only started", async () => {
    const x = randn([50, 50], { seed: 1 });
    const step = compile(() => x.matmul(x));
    await step();
    const { runs } = await profile(() => {
      for (let i = 0; i < 300; i++) step().catch(() => {});
    });
    expect(runs).toBe(300);
  });

  it("writes a trace whose bars lie inside their run", async () => {
    const x = randn([32, 32], { seed: 1 });
    const step = compile(() => x.matmul(x).tanh().sum());
    const found = await profile(async () => {
      for (let i = 0; i < 3; i++) await step();
    });
    const path = join(mkdtempSync(join(tmpdir(), "nabla-")), "trace.json");
    await found.writeTrace(path);
    const { traceEvents } = JSON.parse(readFileSync(path, "utf8")) as {
      traceEvents: { name: string; ph: string; tid: number; ts: number; dur: number }[];
    };
    const bars = traceEvents.filter(({ ph }) => ph === "X");
    const runs = bars.filter(({ tid }) => tid === 1);
    expect(runs).toHaveLength(3);
    for (const { ts, dur } of bars.filter(({ tid }) => tid === 2)) {
      expect(runs.filter((run) => ts >= run.ts - 1e-3 && ts + dur <= run.ts + run.dur + 1e-3)).toHaveLength(1);
    }
  });

  it("takes one at a time and ends with an error of its body", async () => {
    await profile(async () => {
      await expect(profile(() => {})).rejects.toThrow(TraceError);
    });
    await expect(
      profile(() => {
        throw new Error("mine");
      }),
    ).rejects.toThrow("mine");
    expect((await profile(() => 5)).result).toBe(5);
  });
});

describe("NABLA_LOG", () => {
  const script = `
    import { ones, setDevice } from "nabla";
    setDevice("reference");
    await ones([2, 2]).add(1).exp().data();`;
  const told = (topics: string) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", env: { ...process.env, NABLA_LOG: topics } })
      .stderr.trimEnd()
      .split("\n");

  it("tells what is compiled and run, each topic by itself", () => {
    expect(told("compile,run")).toEqual([
      expect.stringMatching(/^nabla compile: \d+ nodes, 1 instructions, 0 bytes of intermediate values, [\d.]+ ms$/),
      "nabla run: 1 on reference, 1 instructions, 0 pending",
    ]);
    expect(told("program")).toEqual(expect.arrayContaining([expect.stringMatching(/tile.*exp/)]));
    expect(told("")).toEqual([""]);
  });

  it("warns of topics that do not exist", () => {
    expect(told("compute").join("\n")).toContain('NABLA_LOG names "compute"; there are compile, program, run');
  });
});
