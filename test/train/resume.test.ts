/** A training that is interrupted anywhere and resumed becomes, to the bit, what it would have become. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as nabla from "nabla";
import { type Callback, setSeed, tensor } from "nabla";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WordStream } from "../../lib/base/philox.js";
import { readState, writeState } from "../../lib/nn/state.js";
import { eachDevice, testedDevices } from "../devices.js";
import { firstSeed, repeatable } from "../seeds.js";
import { train } from "./fixtures/resumable.mjs";

const fixture = fileURLToPath(new URL("fixtures/resumable.mjs", import.meta.url));
const steps = 12 * 9;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nabla-resume-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Ends a training at once when so many of its steps have ended. */
function abortAfter(count: number): { callbacks: Callback[]; signal: AbortSignal } {
  const controller = new AbortController();
  let left = count;
  const callback: Callback = {
    onBatchEnd: () => {
      if (--left === 0) controller.abort(new Error("interrupted"));
    },
  };
  return { callbacks: [callback], signal: controller.signal };
}

eachDevice("a training that is interrupted", (device) => {
  it("and resumed has the weights, optimizer, averages and history of one that was not", async () => {
    const whole = await train(nabla, join(folder, device, "whole"));
    expect(whole.steps).toBeGreaterThan(30);
    expect(whole.lrScale).toBeLessThan(1);
    for (const moment of [1, 8, 9, 23, 40]) {
      const run = join(folder, device, String(moment));
      for (let attempt = 0; ; attempt++) {
        setSeed(attempt + 100); // what has been drawn before does not matter
        try {
          expect(await train(nabla, run, abortAfter(moment + (attempt > 3 ? steps : 0)))).toEqual(whole);
          break;
        } catch (error) {
          if (!(error as Error).message.includes("interrupted")) throw error;
        }
      }
    }
    // Resumed when it has ended, it is there at once.
    expect(await train(nabla, join(folder, device, "whole"), abortAfter(1))).toEqual(whole);
  });
});

it("checkpoints of other trainings, and files that are none, are refused", async () => {
  const run = join(folder, "other");
  await train(nabla, run, { epochs: 1 });
  await expect(train(nabla, run, { batchSize: 16 })).rejects.toMatchObject({
    code: "ERR_VALUE",
    op: "fit",
    inputs: expect.arrayContaining(["batchSize"]),
  });
  await expect(train(nabla, run, { seed: 6 })).rejects.toMatchObject({ code: "ERR_VALUE", op: "fit" });
  await expect(train(nabla, run, { ema: undefined })).rejects.toMatchObject({ code: "ERR_VALUE", op: "fit" });
  await expect(train(nabla, run, { metrics: {} })).rejects.toMatchObject({ code: "ERR_VALUE", op: "fit" });
  const path = join(run, "checkpoint.safetensors");
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length - 8));
  await expect(train(nabla, run)).rejects.toMatchObject({ code: "ERR_FORMAT" });
  await nabla.nn.linear(1, 1).save(path);
  await expect(train(nabla, run)).rejects.toMatchObject({ code: "ERR_FORMAT", op: "resume" });
});

/** How a checkpoint is spoilt: its tensors, or the record beside them; and what is said about it. */
const misfits: Record<string, { spoil: (state: Awaited<ReturnType<typeof readState>>["state"], record: never) => void; says: object }> = {
  "an optimizer's tensor is missing": {
    spoil: (state) => state.delete([...state.keys()].find((key) => /^optimizer.*(?<!accumulated)$/.test(key))!),
    says: { code: "ERR_FORMAT", op: "resume", inputs: [[expect.stringMatching(/^optimizer/)], [], []] },
  },
  "a callback's tensor is missing": {
    spoil: (state) => state.delete("callback0/0.bias"),
    says: { code: "ERR_VALUE", op: "earlyStopping", inputs: [["0.bias"], [], []] },
  },
  "a callback's tensor has another shape": {
    spoil: (state) => state.set("callback0/0.bias", { data: new Float32Array(3), shape: [3], dtype: "f32" }),
    says: { code: "ERR_SHAPE", op: "earlyStopping", inputs: [[], [], ["0.bias"]] },
  },
  "a callback's data is none": {
    spoil: (_, { callbacks }: { callbacks: { data: { waited: number } }[] }) => {
      callbacks[1].data.waited = -1;
    },
    says: { code: "ERR_FORMAT", op: "reduceOnPlateau", inputs: ["waited"] },
  },
  "the random numbers are none": {
    spoil: (_, { random }: { random: { counter: number } }) => {
      random.counter = -3;
    },
    says: { code: "ERR_FORMAT", op: "resume" },
  },
  "the position is none": {
    spoil: (_, { position }: { position: { means: { sums: number[] } } }) => position.means.sums.pop(),
    says: { code: "ERR_FORMAT", op: "resume" },
  },
};

it.each(Object.entries(misfits))("a checkpoint where %s changes nothing at all", async (title, { spoil, says }) => {
  const whole = join(folder, "fitting");
  if (!existsSync(whole)) await train(nabla, whole, { epochs: 1 });
  const { state, metadata } = await readState(join(whole, "checkpoint.safetensors"));
  const record = JSON.parse(metadata["nabla.checkpoint"]);
  spoil(state, record as never);
  const tensors = Object.fromEntries([...state].map(([key, x]) => [key, tensor(x.data, x)]));
  const run = join(folder, title);
  await mkdir(run);
  await writeState(join(run, "checkpoint.safetensors"), tensors, { "nabla.checkpoint": JSON.stringify(record) });
  const seen: unknown[] = [];
  const look = async ({ model, optimizer, history }: nabla.TrainingState) => {
    const { tensors, ...counts } = optimizer.stateDict();
    const values = await Promise.all(Object.values({ ...model.stateDict(), ...tensors }).map(async (x) => Array.from(await x.data())));
    seen.push([values, counts, [...history.epochs], nabla.getRandomState()]);
  };
  await expect(train(nabla, run, { callbacks: [{ onTrainBegin: look, onTrainEnd: look }] })).rejects.toMatchObject(says);
  expect(seen).toHaveLength(2);
  expect(seen[1]).toEqual(seen[0]);
});

/** Runs the training in a process of its own, which is killed when it has printed so many steps; what it printed in the end, or null. */
async function runAndKill(run: string, after: number): Promise<unknown> {
  const child = spawn(process.execPath, [fixture, run], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (text.split("\n").length > after) child.kill("SIGKILL");
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => child.on("exit", (...end) => resolve(end)));
  if (signal === "SIGKILL") return null;
  expect(code).toBe(0);
  return JSON.parse(text.trimEnd().split("\n").at(-1)!);
}

const kills = process.env.NABLA_LONG === undefined ? 2 : 10;

it.runIf(testedDevices.includes("cpu"))(
  "killed at random moments, it ends with the same bits",
  async () => {
    await repeatable("killed at random moments, it ends with the same bits", firstSeed, async () => {
      const words = new WordStream(firstSeed, 1);
      const whole = await runAndKill(join(folder, "unkilled"), Number.POSITIVE_INFINITY);
      const run = join(folder, "killed");
      for (let kill = 0; kill < kills; kill++) {
        // About as far apart as brings the training to its end, at any point within a step or a file's writing.
        if ((await runAndKill(run, 1 + words.below(Math.ceil((1.5 * steps) / kills)))) !== null) break;
      }
      expect(await runAndKill(run, Number.POSITIVE_INFINITY)).toEqual(whole);
      expect((await readdir(run)).sort()).toEqual(["best.safetensors", "checkpoint.safetensors"]);
    });
  },
  300_000,
);
