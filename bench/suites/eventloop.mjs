/** How late timers fire while a network is trained on all threads: what a server that trains would suffer. */
import { fileURLToPath } from "node:url";
import { compare } from "../harness/compare.mjs";
import { ContenderProcess } from "../harness/process.mjs";
import { workloads } from "../workloads.mjs";

export const cases = ["mlp_sgd"];

const metrics = /** @type {const} */ (["p50", "p99", "max"]);
const floorProgram = fileURLToPath(new URL("../contenders/spin.mjs", import.meta.url));

/** @param {import("../run.mjs").Session} session */
export async function* run({ cases: chosen, contenders, threads, rounds, seconds }) {
  const duration = rounds * seconds;
  for (const name of chosen) {
    const floor = await delays({ label: "", command: process.execPath, args: [floorProgram, String(threads)], env: {} }, duration, null);
    /** @type {{ peer: string, found: Awaited<ReturnType<typeof delays>> }[]} */
    const field = [];
    for (const { name: peer, settings } of contenders.filter(({ hasEventLoop }) => hasEventLoop)) {
      const [setting] = settings(threads, workloads[name]);
      if (setting !== undefined) field.push({ peer, found: await delays(setting, duration, workloads[name]) });
    }
    const own = field.find(({ peer }) => peer === "nabla")?.found;
    for (const metric of metrics) {
      const what = { suite: "eventloop", case: name, threads, metric: `delay ${metric}`, unit: "ms" };
      for (const { peer, found } of field.filter(({ peer }) => peer !== "nabla")) {
        yield compare(what, { own: own?.[metric] ?? { value: null }, peer, other: found[metric], bound: floor[metric].value });
      }
      yield compare(what, { own: own?.[metric] ?? { value: null }, peer: "peak", other: floor[metric], bound: floor[metric].value });
    }
  }
}

/**
 * @param {import("../contenders/index.mjs").Setting} setting
 * @param {number} seconds
 * @param {import("../workloads.mjs").Workload | null} workload null for the floor
 * @returns {Promise<Record<(typeof metrics)[number], import("../harness/compare.mjs").Measured>>}
 */
async function delays(setting, seconds, workload) {
  const contender = new ContenderProcess(setting);
  try {
    await contender.started();
    await contender.ask("prepare", { workload });
    await contender.ask("delay", { seconds: Math.min(1, seconds) }); // warms up
    const { p50, p99, max, steps } = await contender.ask("delay", { seconds });
    const note = workload === null ? "the floor: a spinning thread per core" : `${steps} steps`;
    return { p50: { value: p50, note }, p99: { value: p99, note }, max: { value: max, note } };
  } catch (error) {
    const nothing = { value: null, note: /** @type {Error} */ (error).message };
    return { p50: nothing, p99: nothing, max: nothing };
  } finally {
    contender.end();
  }
}
