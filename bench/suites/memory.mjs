/**
 * Memory that training takes: the resident peak of a process that does nothing else, less what it held after the import; and nabla's plan
 * for intermediate values beside the sum of those that are alive at once.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { compare } from "../harness/compare.mjs";
import { ContenderProcess } from "../harness/process.mjs";
import { cases, workloads } from "../workloads.mjs";

export { cases };

/** @typedef {import("../harness/compare.mjs").Measured & { plan?: import("../harness/plan.mjs").MemoryPlan }} Growth */

/** @param {import("../run.mjs").Session} session */
export async function* run({ cases: chosen, ...session }) {
  for (const name of chosen) yield* rows({ suite: "memory", case: name }, workloads[name], session);
}

/**
 * The comparisons of one workload.
 * @param {{ suite: string, case: string }} named
 * @param {import("../workloads.mjs").Workload} workload
 * @param {Pick<import("../run.mjs").Session, "contenders" | "threads" | "seconds">} session
 */
export async function* rows(named, workload, { contenders, threads, seconds }) {
  /** @type {{ peer: string, measured: Growth }[]} */
  const field = [];
  for (const { name: peer, settings } of contenders) {
    const tried = [];
    for (const setting of settings(threads, workload)) {
      tried.push(await growth(setting, workload, 2 * seconds, peer === "nabla"));
    }
    const best = tried.sort((a, b) => (a.value ?? Number.POSITIVE_INFINITY) - (b.value ?? Number.POSITIVE_INFINITY))[0];
    if (best !== undefined) field.push({ peer, measured: { ...best, note: best.note && `${peer}: ${best.note}` } });
  }
  /** @type {Growth} */
  const own = field.find(({ peer }) => peer === "nabla")?.measured ?? { value: null };
  const what = { ...named, threads, unit: "MB" };
  for (const { peer, measured } of field)
    if (peer !== "nabla") yield compare({ ...what, metric: "growth of resident memory" }, { own, peer, other: measured });
  if (own.plan !== undefined) {
    const { planned, alive } = own.plan;
    const sides = { own: { value: planned / 1e6 }, peer: "alive at once", other: { value: alive / 1e6 } };
    yield compare({ ...what, metric: "memory plan" }, sides);
  }
}

/**
 * @param {import("../contenders/index.mjs").Setting} setting
 * @param {import("../workloads.mjs").Workload} workload
 * @param {number} seconds of training
 * @param {boolean} isNabla
 * @returns {Promise<Growth>}
 */
async function growth(setting, workload, seconds, isNabla) {
  const contender = new ContenderProcess(setting);
  try {
    await contender.started();
    const before = resident(contender.pid, "VmRSS");
    writeFileSync(`/proc/${contender.pid}/clear_refs`, "5"); // the peak starts anew: proc(5)
    await contender.ask("prepare", { workload });
    const { ms, steps } = await contender.ask("run", { steps: 1 });
    if (ms < 1000 * seconds) await contender.ask("run", { steps: Math.ceil((1000 * seconds * steps) / ms) });
    const value = (resident(contender.pid, "VmHWM") - before) / 1e6;
    return { value, note: setting.label, plan: isNabla ? await contender.ask("plan") : undefined };
  } catch (error) {
    return { value: null, note: /** @type {Error} */ (error).message };
  } finally {
    contender.end();
  }
}

/**
 * Bytes, from the kernel's count of a process.
 * @param {number} pid
 * @param {"VmRSS" | "VmHWM"} what now, or at most so far
 */
export function resident(pid, what) {
  const line = readFileSync(`/proc/${pid}/status`, "utf8")
    .split("\n")
    .find((text) => text.startsWith(what));
  return 1024 * Number(line?.match(/\d+/)?.[0]);
}
