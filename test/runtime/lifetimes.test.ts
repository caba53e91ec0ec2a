/**
 * Ends of life: nothing is leaked, and neither a worker's end nor that of the process, at any moment, hangs or crashes. Each case is a
 * process of its own. NABLA_LONG=1 makes them ten times longer; they may take NABLA_PATIENCE times as long as usual.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { testedDevices } from "../devices.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const times = process.env.NABLA_LONG === "1" ? 10 : 1;
const limit = 100_000 * times * Number(process.env.NABLA_PATIENCE ?? 1);

/** Runs a module in a process of its own; it may import the fixture and prints JSON. */
function inProcess(body: string, { timeout = limit, env = {} }: { timeout?: number; env?: NodeJS.ProcessEnv } = {}) {
  const imports = `import { makeTraining, train, collect } from "./test/runtime/fixtures/training.mjs"; import * as nabla from "nabla";
    import { Worker } from "node:worker_threads";
    const times = ${times};
    const startWorker = (training) => new Worker("./test/runtime/fixtures/training.mjs", { workerData: { training }, execArgv: [] });\n`;
  const { status, signal, stdout, stderr, error } = spawnSync(
    process.execPath,
    ["--expose-gc", "--input-type=module", "-e", imports + body],
    { cwd: root, encoding: "utf8", timeout, env: { ...process.env, ...env } },
  );
  if (error !== undefined) throw new Error(`the process did not end: ${error.message}\n${stdout}${stderr}`);
  return { status, signal, stdout, stderr };
}

/** What a process prints that must end well. */
function result<T>(body: string, options?: Parameters<typeof inProcess>[1]): T {
  const { status, signal, stdout, stderr } = inProcess(body, options);
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
  return JSON.parse(stdout) as T;
}

describe.runIf(testedDevices.includes("cpu"))("lifetimes", () => {
  it("2 000 steps of training leave memory as it was, and all storages go back", { timeout: limit }, () => {
    const { resident, storages, after } = result<{ resident: number[]; storages: number[]; after: number }>(`
      const resident = [], storages = [];
      await (async () => {
        const { run } = makeTraining();
        const steps = 2000 * times;
        for (let i = 0; i <= steps; i++) {
          await (await run()).item();
          if (i % (steps / 10) !== 0) continue;
          const least = storages.length > 1 ? storages[1] : 0;
          await collect(() => nabla.stats().memory.storages <= least);
          resident.push(process.memoryUsage().rss);
          storages.push(nabla.stats().memory.storages);
        }
      })();
      await collect(() => nabla.stats().memory.storages === 0);
      console.log(JSON.stringify({ resident, storages, after: nabla.stats().memory.storages }));`);
    expect(after).toBe(0);
    expect(storages.length).toBe(11);
    expect(storages.at(-1)).toBeLessThanOrEqual(storages[1]);
    // A leak of one batch a step would be 65 MB in 1 000 steps.
    const middle = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
    const growth = middle(resident.slice(-4)) - middle(resident.slice(2, 6));
    expect(growth).toBeLessThan(12e6);
  });

  it("dispose gives storages back at once", { timeout: limit }, () => {
    const bytes = result<number[]>(`
      const bytes = () => nabla.stats().memory.storages;
      const found = [bytes()];
      const x = nabla.zeros([1000, 1000]);
      await x.ready();
      found.push(bytes());
      x.dispose();
      x.dispose();
      found.push(bytes());
      console.log(JSON.stringify(found));`);
    expect(bytes[1] - bytes[0]).toBeGreaterThanOrEqual(4e6);
    expect(bytes[2]).toBe(bytes[0]);
  });

  it("workers train at once and get the bits that the main thread gets", { timeout: limit }, () => {
    const same = result<boolean[]>(`
      const steps = 30 * times;
      const workers = [1, 2, 3, 1].map((seed) => startWorker({ steps, seed }));
      const results = workers.map((worker) => new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject)));
      const ends = workers.map((worker) => new Promise((resolve) => worker.on("exit", resolve)));
      const own = await train(steps, 1);
      const [first, second, third, fourth] = (await Promise.all(results)).map((weights) => JSON.stringify(weights));
      const alone = JSON.stringify(await train(steps, 2));
      await Promise.all(ends);
      console.log(JSON.stringify([first === JSON.stringify(own), fourth === first, second === alone, third !== second]));`);
    expect(same).toEqual([true, true, true, true]);
  });

  it("workers are terminated in the middle of their runs, and the process trains on", { timeout: limit }, () => {
    const { codes, storages, same } = result<{ codes: number[]; storages: number; same: boolean }>(`
      const before = JSON.stringify(await train(5));
      const codes = [];
      for (let i = 0; i < 12 * times; i++) {
        const workers = Array.from({ length: 1 + (i % 3) }, () => startWorker({ steps: 0 }));
        await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject))));
        await new Promise((resolve) => setTimeout(resolve, (7 * i) % 20));
        codes.push(...(await Promise.all(workers.map((worker) => worker.terminate()))));
      }
      const same = JSON.stringify(await train(5)) === before;
      await collect(() => nabla.stats().memory.storages === 0);
      console.log(JSON.stringify({ codes, storages: nabla.stats().memory.storages, same }));`);
    expect(new Set(codes)).toEqual(new Set([1]));
    expect(storages).toBe(0);
    expect(same).toBe(true);
  });

  it("workers that end by themselves with work queued take nothing with them", { timeout: limit }, () => {
    const { ends, same } = result<{ ends: unknown[]; same: boolean }>(`
      const before = JSON.stringify(await train(5));
      const ends = [];
      for (const end of ["exit", "return", "throw"]) {
        for (let i = 0; i < 3 * times; i++) {
          const worker = startWorker({ steps: 0, end });
          const seen = { messages: [], errors: [] }; // which of the two is told first is open
          worker.on("message", (message) => seen.messages.push(message)).on("error", ({ message }) => seen.errors.push(message));
          const code = await new Promise((resolve) => worker.on("exit", resolve));
          if (i === 0) ends.push({ ...seen, code });
        }
      }
      console.log(JSON.stringify({ ends, same: JSON.stringify(await train(5)) === before }));`);
    expect(ends).toEqual([
      { messages: ["started"], errors: [], code: 0 },
      { messages: ["started"], errors: [], code: 0 },
      { messages: ["started"], errors: ["meant"], code: 1 },
    ]);
    expect(same).toBe(true);
  });

  // Each queues runs whose end nobody awaits.
  const queued = "const { run } = makeTraining(); await run(); for (let i = 0; i < 60; i++) run();";
  const failing = "nabla.compile((x, y) => nabla.losses.crossEntropy(x, y))(nabla.zeros([2, 3]), nabla.tensor(Int32Array.of(1, 9)));";
  it.each([
    ["the end of the script", "", 0],
    ["process.exit", "process.exit(3);", 3],
    ["process.exit in a callback of a run", "run().then(() => process.exit(4));", 4],
    ["an error", "setTimeout(() => { throw new Error('meant'); });", 1],
    ["a failed step that nobody looks at", failing, 1],
    [
      "a failed step that a handler sees",
      `process.on("unhandledRejection", ({ code }) => process.exit(code === "ERR_INDEX" ? 5 : 6)); ${failing}`,
      5,
    ],
  ])("a process with work queued ends by %s", { timeout: limit }, (_, body, code) => {
    for (let i = 0; i < 3 * times; i++) {
      const { status, signal, stderr } = inProcess(`${queued}\n${body}`, { timeout: 30_000 });
      expect({ status, signal }, stderr).toEqual({ status: code, signal: null });
    }
  });

  it("a process with work queued ends by a signal", { timeout: limit }, () => {
    for (const sent of ["SIGTERM", "SIGINT"]) {
      expect(inProcess(`${queued}\nprocess.kill(process.pid, "${sent}");`, { timeout: 30_000 })).toMatchObject({
        status: null,
        signal: sent,
      });
    }
  });
});
