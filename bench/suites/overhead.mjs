/** What a step costs beside arithmetic: the calling thread's time of a tiny step, of writing down one operation, of the import. */
import { compare } from "../harness/compare.mjs";
import { ContenderProcess } from "../harness/process.mjs";
import { median, noise } from "../harness/rounds.mjs";
import { together } from "../harness/together.mjs";
import { workloads } from "../workloads.mjs";

export const cases = ["tiny_mlp", "op", "import"];

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
      for (const { peer, measured } of others) {
        yield compare({ suite: "overhead", case: name, threads: session.threads, metric, unit }, { own, peer, other: measured });
      }
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

  /** Operations on 4×8 tensors: nabla writes the graph down, eager peers compute as well. */
  async *op({ contenders, threads, rounds }) {
    const ops = 1000;
    yield {
      metric: "calling thread an op",
      unit: "µs",
      field: await alone(contenders, threads, async (process) => {
        const perOp = [];
        for (let round = 0; round < 20 * rounds; round++) perOp.push((await process.ask("express", { ops })).ms / ops);
        return micro(perOp.slice(10 * rounds)); // the first half warms the compiler of JavaScript up
      }),
    };
  },

  async *import({ contenders, threads, rounds }) {
    yield {
      metric: "import",
      unit: "ms",
      field: await alone(contenders, threads, async (_, importMs, again) => {
        const times = [importMs];
        while (times.length < rounds) times.push(await again());
        return { value: median(times), noise: noise(times) };
      }),
    };
  },
};

/** @param {number[]} ms */
const micro = (ms) => ({ value: 1000 * median(ms), noise: noise(ms) });

/**
 * Measures one contender after the other, each in a process of its own.
 * @param {Session["contenders"]} contenders
 * @param {number} threads
 * @param {(process: ContenderProcess, importMs: number, again: () => Promise<number>) => Promise<Measured>} measure
 */
async function alone(contenders, threads, measure) {
  /** @type {Field} */
  const field = [];
  for (const { name, settings } of contenders) {
    const [setting] = settings(threads);
    const process = new ContenderProcess(setting);
    const again = async () => {
      const fresh = new ContenderProcess(setting);
      const { importMs } = await fresh.started();
      fresh.end();
      return importMs;
    };
    try {
      const { importMs } = await process.started();
      field.push({ peer: name, measured: await measure(process, importMs, again) });
    } catch (error) {
      field.push({ peer: name, measured: { value: null, note: `${name}: ${/** @type {Error} */ (error).message}` } });
    }
    process.end();
  }
  return field;
}
