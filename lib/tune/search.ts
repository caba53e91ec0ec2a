/** `search`: many trials with values drawn at random or where good ones lie, the hopeless ones ended early, all of it in a store that survives. */
import { availableParallelism } from "node:os";
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkHalving, goesOn, type HalvingOptions } from "./halving.js";
import { SearchResult } from "./result.js";
import { draw, narrow, type Params, type Space } from "./space.js";
import { Store, type Trial } from "./store.js";
import { suggest } from "./tpe.js";
import { type Outcome, runHere, runInProcess, type TrialFunction } from "./trial.js";

export interface SearchOptions<S extends Space> {
  /** A module whose default export is a {@link TrialFunction}, each trial in a process of its own; or such a function, run in this process. */
  trial: URL | string | TrialFunction<S>;
  space: S;
  /** How many. */
  trials: number;
  /** Whether more of the score is better, or less. */
  goal: "maximize" | "minimize";
  /** The file in which everything is kept. What has ended there is not done again; what was interrupted is, with the same values. */
  store: string;
  /** Trials at a time. Default: half of the processors, at least one; each process computes on its share of them. */
  processes?: number;
  /** Decides all values; with `tpe` together with the scores of trials that have ended before. Default 0. */
  seed?: number;
  /**
   * `random`: each trial by itself. `tpe`: after ten of those, where good trials lie more densely than the others, by a tree-structured Parzen
   * estimator (Bergstra et al. 2011). Default random.
   */
  sampler?: "random" | "tpe";
  /** End trials early that others surpass at the same point. Default: every trial may end by itself. */
  halving?: HalvingOptions;
  /** Coarse to fine: after each round but the last the space shrinks to where the best quarter of all trials lie. Default 1: no shrinking. */
  rounds?: number;
  /** Ends the search: trials under way are killed, and done again when it is resumed. */
  signal?: AbortSignal;
  /** Told of each trial that has ended. */
  onTrial?: (trial: Trial) => void;
}

/**
 * Random search, as grids try few values of what matters (Bergstra, Bengio 2012), or by what the trials so far say (`sampler: "tpe"`); halving: {@link goesOn}.
 *
 * ```ts
 * // trial.mjs
 * export default async ({ lr, units }, trial) => {
 *   …
 *   const history = await fit(model, train, { …, callbacks: [trial.reporter("dev.accuracy")] });
 *   return history.series("dev.accuracy").at(-1);
 * };
 * // search.mjs
 * const { best } = await tune.search({
 *   trial: new URL("trial.mjs", import.meta.url),
 *   space: { lr: tune.logUniform(1e-4, 1), units: tune.integer(16, 512, { log: true }) },
 *   trials: 40, goal: "maximize", store: "runs/search.sqlite", halving: { least: 1, factor: 3 },
 * });
 * ```
 *
 * @throws {ValueError} if the store is of another search, if a process has it, or if every trial failed.
 */
export async function search<S extends Space>(options: SearchOptions<S>): Promise<SearchResult<S>> {
  const op = "search";
  optionsOf(op, options, [
    ...(["trial", "space", "trials", "goal", "store", "processes"] as const),
    ...(["seed", "sampler", "halving", "rounds", "signal", "onTrial"] as const),
  ]);
  const cores = availableParallelism();
  const {
    space,
    trials: count,
    goal,
    seed = 0,
    processes = Math.max(1, cores >> 1),
    halving,
    rounds = 1,
    sampler = "random",
    signal,
    onTrial,
  } = options;
  for (const [name, value] of Object.entries({ trials: count, processes, rounds })) {
    if (!Number.isInteger(value) || value < 1)
      throw new ValueError(`${op}: ${name} must be a whole number ≥ 1 but is ${value}`, { op, inputs: [value] });
  }
  if (Object.keys(space).length === 0) throw new ValueError(`${op}: the space has no parameters`, { op });
  if (goal !== "maximize" && goal !== "minimize") {
    throw new ValueError(`${op}: goal must be "maximize" or "minimize" but is ${String(goal)}`, { op, inputs: [goal] });
  }
  if (sampler !== "random" && sampler !== "tpe")
    throw new ValueError(`${op}: sampler must be "random" or "tpe" but is ${String(sampler)}`, { op, inputs: [sampler] });
  if (halving !== undefined) checkHalving(op, halving);
  signal?.throwIfAborted();
  const sign = goal === "maximize" ? 1 : -1;
  const perRound = Math.ceil(count / rounds);
  const threads = Math.max(1, Math.floor(cores / processes));

  const store = await Store.open(op, options.store);
  try {
    const settings = { space, goal, seed, halving: halving ?? null, rounds };
    const config = JSON.stringify({ ...settings, ...(rounds > 1 ? { trials: count } : {}), ...(sampler === "random" ? {} : { sampler }) });
    const begun = store.config(config);
    if (begun !== config) {
      throw new ValueError(`${op}: ${options.store} holds another search, ${begun}, and this is ${config}; give it a file of its own`, {
        op,
        inputs: [options.store],
      });
    }
    const runTrial = async (number: number, params: Params<S>) => {
      store.begin(number, params);
      const task = { number, params, seed: 1000 * seed + number, folder: `${store.path}.trials/${number}` };
      const judge = (spent: number, value: number) => {
        store.report(number, spent, value);
        return halving === undefined ? !Number.isNaN(value) : goesOn(store.trials(), { number, spent, value }, sign, halving);
      };
      const began = performance.now();
      const { trial } = options;
      const outcome: Outcome =
        typeof trial === "function"
          ? await runHere(trial as TrialFunction, task, judge)
          : await runInProcess(trial, task, judge, threads, signal);
      if (signal?.aborted) return;
      store.end(number, { ...settle(outcome, store.trials()[number]), seconds: (performance.now() - began) / 1000 });
      onTrial?.(store.trials()[number]);
    };

    let current = space;
    for (let first = 0; first < count; first += perRound) {
      const before = store.trials().slice(0, first);
      if (first > 0)
        current = narrow(
          current,
          bestOf(before, sign).map(({ params }) => params),
        );
      const known = store.trials();
      const numbers = Array.from({ length: Math.min(perRound, count - first) }, (_, i) => first + i);
      const left = numbers.filter((number) => known[number] === undefined || known[number].state === "running");
      const work = async () => {
        for (let number = left.shift(); number !== undefined && !signal?.aborted; number = left.shift()) {
          const params = () => (sampler === "tpe" ? suggest(current, store.trials(), sign, seed, number) : draw(current, seed, number));
          await runTrial(number, (known[number]?.params as Params<S> | undefined) ?? params());
        }
      };
      const ended = await Promise.allSettled(Array.from({ length: processes }, work)); // the store stays open until all have stopped
      signal?.throwIfAborted();
      const broken = ended.find((one) => one.status === "rejected");
      if (broken !== undefined) throw broken.reason;
    }
    return new SearchResult(op, space, goal, store.trials().slice(0, count));
  } finally {
    store.close();
  }
}

/** How a trial has ended, with the score that counts. */
function settle(outcome: Outcome, { reports }: Trial): Pick<Trial, "state" | "value" | "error"> {
  const last = reports.at(-1)?.value ?? null;
  switch (outcome.state) {
    case "failed":
      return { state: "failed", value: null, error: outcome.error };
    case "stopped":
      return { state: "stopped", value: last, error: null };
    case "finished": {
      const value = outcome.value ?? last;
      if (value === null) return { state: "failed", value, error: "it gave no score: return a number, or report one" };
      return { state: "finished", value, error: null };
    }
  }
}

/** The best quarter of what has a score, at least two. */
function bestOf(trials: readonly Trial[], sign: 1 | -1): Trial[] {
  const scored = trials.filter(({ value }) => value !== null && Number.isFinite(value));
  if (scored.length < 2) throw new ValueError("search: too few trials gave a score to narrow the space", { op: "search" });
  return scored.sort((a, b) => sign * (b.value! - a.value!)).slice(0, Math.max(2, Math.ceil(scored.length / 4)));
}
