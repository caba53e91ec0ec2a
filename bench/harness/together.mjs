/** One workload, all contenders, in turns; of a contender with several settings the best one stands. */
import { median, noise, Runner } from "./rounds.mjs";

/**
 * @import { Contender } from "../contenders/index.mjs"
 * @import { Series } from "./rounds.mjs"
 * @import { Measured } from "./compare.mjs"
 * @typedef {{ peer: string, series: Series | null, note: string }} Result series is null when it could not, note says why
 */

/** A contender whose single step takes this many rounds' time takes part in the first few rounds only. */
const slow = 4;
const roundsOfSlow = 3;

/** A setting that takes this many times as long as the best one of the same contender, warmed up, is not measured further. */
const hopeless = 1.5;
const slower = "another setting of it is faster";

/**
 * Contenders that have no setting for the workload, as it is not theirs, are left out.
 * @param {Contender[]} contenders
 * @param {{ workload: import("../workloads.mjs").Workload | import("../kernels.mjs").Kernel, threads: number, rounds: number, seconds: number }} how
 * @returns {Promise<Result[]>}
 */
export async function together(contenders, { workload, threads, rounds, seconds }) {
  const entries = contenders.flatMap((contender) =>
    contender.settings(threads, workload).map((setting) => ({ contender, setting, runner: new Runner(setting), failure: "" })),
  );
  /**
   * Keeps one contender's failure from ending the run of the others.
   * @param {typeof entries[number]} entry
   * @param {(runner: Runner) => Promise<void>} act
   */
  const attempt = async (entry, act) => {
    if (entry.failure) return;
    try {
      await act(entry.runner);
    } catch (error) {
      entry.failure = /** @type {Error} */ (error).message;
    }
  };
  const each = async (/** @type {(runner: Runner) => Promise<void>} */ act) => {
    for (const entry of entries) await attempt(entry, act);
  };
  // Models are built side by side, as that is not timed.
  await Promise.all(entries.map((entry) => attempt(entry, (runner) => runner.build(workload))));
  await each((runner) => runner.warmUp(2 * seconds));
  for (const entry of entries) {
    const best = Math.min(...entries.filter((one) => one.contender === entry.contender && !one.failure).map(({ runner }) => runner.stepMs));
    if (entry.runner.stepMs > hopeless * best) entry.failure = slower;
  }
  for (let round = 0; round < rounds; round++) {
    await each(async (runner) => {
      if (round < roundsOfSlow || runner.stepMs < slow * 1000 * seconds) await runner.round(seconds);
    });
  }
  await each((runner) => runner.checkLearning());
  for (const { runner } of entries) runner.end();

  return contenders.flatMap(({ name }) => {
    const own = entries.filter(({ contender }) => contender.name === name);
    if (own.length === 0) return [];
    const fit = own.filter(({ failure }) => !failure).sort((a, b) => median(a.runner.series.stepMs) - median(b.runner.series.stepMs));
    const best = fit[0];
    if (best === undefined) return { peer: name, series: null, note: `${name}: ${own.find(({ failure }) => failure !== slower)?.failure}` };
    return { peer: name, series: best.runner.series, note: best.setting.label && `${name}: ${best.setting.label}` };
  });
}

/**
 * A figure of one contender, `of` the median time of its steps in milliseconds.
 * @param {Result} result
 * @param {(ms: number) => number} of
 * @returns {Measured}
 */
export function figureOf({ series, note }, of) {
  return series === null ? { value: null, note } : { value: of(median(series.stepMs)), noise: noise(series.stepMs), note };
}
