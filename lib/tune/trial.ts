/** One trial: what the user's function is given, and the process it runs in. */
import { type ChildProcess, spawn } from "node:child_process";
import { pathToFileURL } from "node:url";
import { NablaError, ValueError } from "../base/errors.js";
import type { Callback } from "../train/index.js";
import type { Params, Space } from "./space.js";

/** Thrown out of a trial that is not worth going on with; let it pass. */
export class TrialStopped extends NablaError {
  override readonly code = "ERR_TRIAL_STOPPED";
}

export interface TrialContext {
  /** From 0. */
  readonly number: number;
  /** For the trial's own random numbers; differs from trial to trial. */
  readonly seed: number;
  /** A folder of its own that outlives interruptions, for checkpoints; it is not made. */
  readonly folder: string;
  /** Tells a score on the way, after so much was spent (epochs). @throws TrialStopped if others were better at this point. */
  report(spent: number, value: number): Promise<void>;
  /** A callback of `fit` that reports a score of the history after each epoch: `dev.accuracy`. */
  reporter(score: string): Callback;
}

/** Trains with these values and resolves to the score; without one the last that was reported counts. */
export type TrialFunction<S extends Space = Space> = (
  params: Params<S>,
  trial: TrialContext,
) => Promise<number | undefined> | number | undefined;

/** What a trial needs to know. */
export interface Task {
  readonly number: number;
  readonly params: Params;
  readonly seed: number;
  readonly folder: string;
}

/** Answers a report with whether to go on. */
export type Judge = (spent: number, value: number) => boolean | Promise<boolean>;

export type Outcome =
  | { readonly state: "finished"; readonly value: number | null }
  | { readonly state: "stopped" }
  | { readonly state: "failed"; readonly error: string };

/** Runs a trial in this process. */
export async function runHere(run: TrialFunction, { params, ...task }: Task, judge: Judge): Promise<Outcome> {
  const report = async (spent: number, value: number) => {
    if (!(spent > 0)) throw new ValueError(`report(${spent}, ${value}): what was spent must be above 0`, { op: "report", inputs: [spent] });
    if (!(await judge(spent, value))) throw new TrialStopped(`trial ${task.number} is stopped after ${spent}`, { op: "report" });
  };
  const reporter = (score: string): Callback => ({
    async onEpochEnd(_, { epoch, scores }) {
      if (!(score in scores)) {
        const names = Object.keys(scores).join(", ");
        throw new ValueError(`reporter: there is no score ${score}; there are ${names}`, { op: "reporter", inputs: [score] });
      }
      await report(epoch, scores[score]);
    },
  });
  try {
    const value = await run(params, { ...task, report, reporter });
    if (value === undefined) return { state: "finished", value: null };
    if (typeof value !== "number" || Number.isNaN(value)) return { state: "failed", error: `the score is ${String(value)}` };
    return { state: "finished", value };
  } catch (error) {
    if (error instanceof TrialStopped) return { state: "stopped" };
    return { state: "failed", error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

type ToChild = { readonly task: Task; readonly module: string } | { readonly goOn: boolean };
type FromChild = { readonly spent: number; readonly value: number | null } | { readonly outcome: Outcome };

/** Beside this file, or what is published of it. */
const library = new URL("../tune/index.js", import.meta.url);

/** Runs a trial module in a process of its own, which ends with this one. */
export function runInProcess(
  module: URL | string,
  task: Task,
  judge: Judge,
  threads: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const url = String(module instanceof URL || /^[a-z]+:\/\//.test(module) ? module : pathToFileURL(module));
  const code = `import(${JSON.stringify(library.href)}).then((tune) => tune.serveTrial());`;
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "inherit", "pipe", "ipc"],
    env: { NABLA_THREADS: String(threads), ...process.env },
    serialization: "advanced", // keeps NaN and infinities
  });
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000);
  });
  const kill = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  return new Promise<Outcome>((resolve, reject) => {
    let outcome: Outcome | null = null;
    child.on("message", async (message: FromChild) => {
      if ("outcome" in message) {
        outcome = message.outcome;
        return;
      }
      try {
        const goOn = await judge(message.spent, message.value ?? Number.NaN);
        if (child.connected) child.send({ goOn } satisfies ToChild);
      } catch (error) {
        kill();
        reject(error);
      }
    });
    child.on("error", reject);
    child.on("close", (status, by) => {
      resolve(
        outcome ?? { state: "failed", error: `the process ended by ${by ?? `exit code ${status}`} before its score was there\n${said}` },
      );
    });
    child.send({ task, module: url } satisfies ToChild);
  }).finally(() => signal?.removeEventListener("abort", kill));
}

/** What the process of a trial does. Exported for {@link runInProcess} alone. */
export async function serveTrial(): Promise<void> {
  process.on("disconnect", () => process.exit(1)); // the search is gone, perhaps killed: so is the trial
  const next = () => new Promise<ToChild>((resolve) => process.once("message", resolve));
  const tell = (message: FromChild) => new Promise<void>((resolve) => process.send!(message, () => resolve()));
  const { task, module } = (await next()) as Extract<ToChild, { task: Task }>;
  const judge: Judge = async (spent, value) => {
    const answer = next();
    await tell({ spent, value });
    return ((await answer) as { goOn: boolean }).goOn;
  };
  const { default: run } = await import(module);
  const outcome: Outcome =
    typeof run === "function"
      ? await runHere(run, task, judge)
      : { state: "failed", error: `the trial module ${module} must export a function as its default but exports ${typeof run}` };
  await tell({ outcome });
  process.exit(0);
}
