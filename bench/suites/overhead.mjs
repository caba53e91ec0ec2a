/** What a step costs beside arithmetic: the calling thread's time of a tiny step, of writing down one operation, of the import. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compare } from "../harness/compare.mjs";
import { ContenderProcess } from "../harness/process.mjs";
import { median, noise } from "../harness/rounds.mjs";
import { together } from "../harness/together.mjs";
import { workloads } from "../workloads.mjs";

export const cases = ["tiny_mlp", "op", "import", "size"];

/**
 * @import { Session } from "../run.mjs"
 * @import { Measured } from "../harness/compare.mjs"
 * @typedef {{ peer: string, measured: Measured }[]} Field
 */

/** @param {Session} session */
export async function* run(session) {
  for (const name of session.cases) {
    for await (const { metric, unit, field } of measures[name](session)) {
      const own = field.find(({ peer }) => peer === "nabla")?.measured ?? { value: null };
      const others = field.filter(({ peer }) => peer !== "nabla");
      const what = { suite: "overhead", case: name, threads: session.threads, metric, unit };
      for (const { peer, measured } of others) yield compare(what, { own, peer, other: measured });
      if (others.length === 0) yield compare(what, { own });
    }
  }
}

/** @type {Record<string, (session: Session) => AsyncIterable<{ metric: string, unit: string, field: Field }>>} */
const measures = {
  async *tiny_mlp({ contenders, threads, rounds, seconds }) {
    const results = await together(contenders, { workload: workloads.tiny_mlp, threads, rounds, seconds });
    for (const [metric, key] of /** @type {const} */ ([
      ["step", "stepMs"],
      ["calling thread a step", "cpuMs"],
    ])) {
      const field = results.map(({ peer, series, note }) => ({
        peer,
        measured: series ? { ...micro(series[key]), note } : { value: null, note },
      }));
      yield { metric, unit: "µs", field };
    }
  },

  /** Operations on 4×8 tensors, which eager peers compute while they are written: nabla writes a graph down, or hands it over as well. */
  async *op({ contenders, threads, rounds }) {
    const ops = 1000;
    for (const [metric, runs] of /** @type {const} */ ([
      ["calling thread an op, written", false],
      ["calling thread an op, written and run", true],
    ])) {
      const field = await alone(contenders, threads, async (process) => {
        const perOp = [];
        for (let round = 0; round < 20 * rounds; round++) perOp.push((await process.ask("express", { ops, runs })).ms / ops);
        return micro(perOp.slice(10 * rounds)); // the first half warms the compiler of JavaScript up
      });
      yield { metric, unit: "µs", field };
    }
  },

  /** In new processes, in turns; the first turn, which may read from the disk, does not count. */
  async *import({ contenders, threads, rounds }) {
    const startable = contenders.flatMap(({ name, settings, isLibrary }) =>
      isLibrary
        ? settings(threads)
            .slice(0, 1)
            .map((setting) => ({ peer: name, setting, times: /** @type {number[]} */ ([]) }))
        : [],
    );
    for (let round = 0; round <= 3 * rounds; round++) {
      for (const { setting, times } of startable) {
        if (round > rounds && median(times) > slowImport) continue;
        const process = new ContenderProcess(setting);
        times.push((await process.started()).importMs);
        process.end();
      }
    }
    const field = startable.map(({ peer, times: [, ...times] }) => ({ peer, measured: { value: median(times), noise: noise(times) } }));
    yield { metric: "import", unit: "ms", field };
  },

  /** Bytes on disk: the native part alone, and all that is needed at run time. */
  async *size({ contenders }) {
    const own = strippedBytes(addon);
    yield { metric: "addon", unit: "MB", field: [{ peer: "nabla", measured: own }] };
    const field = contenders.flatMap(({ name, packages }) => {
      if (name === "nabla") return [{ peer: name, measured: { value: (own.value ?? 0) + megabytes(scripts) } }];
      return packages === undefined ? [] : [{ peer: name, measured: { value: packages.reduce((sum, at) => sum + megabytes(at), 0) } }];
    });
    yield { metric: "installed", unit: "MB", field };
  },
};

/** Milliseconds beyond which fewer imports have to do. */
const slowImport = 300;
const addon = fileURLToPath(new URL("../../build/Release/nabla.node", import.meta.url));
const scripts = fileURLToPath(new URL("../../dist", import.meta.url));

/** Megabytes of a file or of all files in a folder. @param {string} path @returns {number} */
function megabytes(path) {
  const found = statSync(path);
  if (!found.isDirectory()) return found.size / 1e6;
  return readdirSync(path).reduce((sum, name) => sum + megabytes(join(path, name)), 0);
}

/** @param {string} file @returns {Measured} */
function strippedBytes(file) {
  const folder = mkdtempSync(join(tmpdir(), "nabla-"));
  try {
    const copy = join(folder, "stripped");
    execFileSync("strip", ["-o", copy, file]);
    return { value: megabytes(copy) };
  } catch (error) {
    return { value: null, note: /** @type {Error} */ (error).message.split("\n")[0] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {number[]} ms */
const micro = (ms) => ({ value: 1000 * median(ms), noise: noise(ms) });

/**
 * Measures one contender after the other, each in a process of its own.
 * @param {Session["contenders"]} contenders
 * @param {number} threads
 * @param {(process: ContenderProcess) => Promise<Measured>} measure
 */
async function alone(contenders, threads, measure) {
  /** @type {Field} */
  const field = [];
  for (const { name, settings } of contenders.filter(({ isLibrary }) => isLibrary)) {
    const process = new ContenderProcess(settings(threads)[0]);
    try {
      await process.started();
      field.push({ peer: name, measured: await measure(process) });
    } catch (error) {
      field.push({ peer: name, measured: { value: null, note: `${name}: ${/** @type {Error} */ (error).message}` } });
    }
    process.end();
  }
  return field;
}
