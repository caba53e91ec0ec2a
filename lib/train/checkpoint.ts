/** Checkpoints: everything that a training is, in one file, so that it can go on in another process to the same bits. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { Module } from "../nn/index.js";
import { assignState, type HostArray, type Loading, readState, writeState } from "../nn/state.js";
import type { Ema, Optimizer } from "../optim/index.js";
import { getRandomState, type RandomState, setRandomState, type Tensor, tensor } from "../tensor/index.js";
import type { MeansState } from "./batches.js";
import { type Callback, isCount, isScore, savedData } from "./callbacks.js";
import type { EpochRecord, History } from "./history.js";
import { type MonitorOptions, monitored, monitorNames } from "./monitor.js";

/** Where a training stands: the batches of `epoch` before number `batch` have been trained on. */
export interface Position {
  readonly epoch: number;
  readonly batch: number;
  readonly step: number;
  readonly means: MeansState;
  readonly isStopped: boolean;
}

/** What has state in a training. */
export interface Saved {
  /** What must be the same for the rest of the training to be the same. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly model: Module;
  readonly optimizer: Optimizer;
  readonly ema: Ema | undefined;
  readonly history: History;
  readonly callbacks: readonly Callback[];
}

/** The part of a checkpoint that is no tensors. */
interface TrainingRecord {
  readonly version: 1;
  readonly config: Saved["config"];
  readonly position: Position;
  readonly random: RandomState;
  readonly optimizer: Omit<ReturnType<Optimizer["stateDict"]>, "tensors">;
  readonly ema: { readonly updates: number } | null;
  readonly history: readonly EpochRecord[];
  /** Of each callback; null of those without state. */
  readonly callbacks: readonly ({ readonly data: unknown } | null)[];
}

const key = "nabla.checkpoint";
const fileName = "checkpoint.safetensors";
const bestName = "best.safetensors";

/** Writes the state of a training that is at rest. */
export async function writeCheckpoint(path: string, { config, model, optimizer, ema, history, callbacks }: Saved, position: Position) {
  const { tensors, ...optimizerRecord } = optimizer.stateDict();
  const average = ema?.stateDict();
  const states = callbacks.map((callback) => callback.save?.() ?? null);
  const record: TrainingRecord = {
    version: 1,
    config,
    position,
    random: getRandomState(),
    optimizer: optimizerRecord,
    ema: average === undefined ? null : { updates: average.updates },
    history: history.epochs,
    callbacks: states.map((state) => (state === null ? null : { data: state.data })),
  };
  const parts = {
    model: model.stateDict(),
    optimizer: tensors,
    ema: average?.tensors ?? {},
    ...Object.fromEntries(states.map((state, i) => [`callback${i}`, state?.tensors ?? {}])),
  };
  const all = Object.entries(parts).flatMap(([part, dict]) => Object.entries(dict).map(([name, x]) => [`${part}/${name}`, x] as const));
  await writeState(path, Object.fromEntries(all), { [key]: JSON.stringify(record, spellNumber) });
}

/** Takes the state of a training from the checkpoint in a folder; null if there is none. */
export async function readCheckpoint(folder: string, saved: Saved): Promise<Position | null> {
  const path = join(folder, fileName);
  if (!(await exists(path))) return null;
  const { state, metadata } = await readState(path);
  const record = parseRecord(path, metadata[key]);
  checkConfig(path, record, saved);
  const part = (name: string): Map<string, HostArray> => {
    const prefix = `${name}/`;
    return new Map([...state].flatMap(([key, x]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), x] as const] : [])));
  };
  const tensors = (name: string): Record<string, Tensor> =>
    Object.fromEntries([...part(name)].map(([key, x]) => [key, tensor(x.data, { shape: x.shape, dtype: x.dtype })]));

  const { model, optimizer, ema } = saved;
  const loadings: Record<string, Loading> = {
    model: { targets: new Map([...model.namedParameters(), ...model.namedBuffers()]), given: part("model"), loaded: () => {} },
    optimizer: optimizer.loading({ ...record.optimizer, tensors: tensors("optimizer") }),
    ...(record.ema === null || ema === undefined ? {} : { ema: ema.loading({ ...record.ema, tensors: tensors("ema") }) }),
  };
  const joined = <V>(maps: (loading: Loading) => ReadonlyMap<string, V>) =>
    new Map(Object.entries(loadings).flatMap(([part, loading]) => [...maps(loading)].map(([name, v]) => [`${part}/${name}`, v] as const)));
  const restorations = record.callbacks.map(
    (state, i) => state && saved.callbacks[i].restore?.({ data: state.data, tensors: tensors(`callback${i}`) }, saved),
  );
  // All at once: where one of them does not fit, none of them changes.
  assignState(
    { op: "resume", file: path },
    joined(({ targets }) => targets),
    joined(({ given }) => given),
    true,
  );
  for (const { loaded } of Object.values(loadings)) loaded();
  for (const restore of restorations) restore?.();
  saved.history.epochs.push(...record.history);
  setRandomState(record.random);
  return record.position;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function parseRecord(path: string, text: string | undefined): TrainingRecord {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new FormatError(`resume("${path}"): ${problem}`, { op: "resume", inputs: [path], cause });
  };
  if (text === undefined) return refuse("the file holds tensors, but it is no checkpoint of a training");
  let record: TrainingRecord;
  try {
    record = JSON.parse(text, readNumber);
  } catch (cause) {
    return refuse("the record of the training is not JSON", cause);
  }
  if (record?.version !== 1) refuse(`the checkpoint has version ${record?.version}, but 1 is what can be read`);
  const wrong = Object.entries(parts).find(([, fits]) => !fits(record));
  if (wrong !== undefined) refuse(`${wrong[0]} of the training is none`);
  return record;
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

/** What a record must hold beside what trainings of other settings are refused for. */
const parts: Readonly<Record<string, (record: TrainingRecord) => boolean>> = {
  config: ({ config }) => isObject(config) && Array.isArray(config.scores),
  position: ({ position: at, config }) =>
    isObject(at) &&
    [at.epoch, at.batch, at.step, at.means?.seen].every(isCount) &&
    at.epoch > 0 &&
    typeof at.means.weight === "number" &&
    Array.isArray(at.means.sums) &&
    at.means.sums.length === (config.scores as unknown[]).length &&
    typeof at.isStopped === "boolean",
  random: ({ random }) => isCount(random?.seed) && isCount(random.counter),
  optimizer: ({ optimizer }) => isObject(optimizer) && isObject(optimizer.steps),
  ema: ({ ema }) => ema === null || isCount(ema?.updates),
  history: ({ history }) => Array.isArray(history) && history.every((epoch) => isObject(epoch?.scores)),
  callbacks: ({ callbacks }) => Array.isArray(callbacks) && callbacks.every((state) => state === null || isObject(state)),
};

/** Refuses a checkpoint of a training that would have gone on differently. */
function checkConfig(path: string, record: TrainingRecord, { config, ema, callbacks }: Saved): void {
  const was: Record<string, unknown> = { ...record.config, ema: record.ema !== null };
  const is: Record<string, unknown> = { ...config, ema: ema !== undefined };
  const stateful = (flags: readonly boolean[]) => flags.map((flag, i) => (flag ? i : -1)).filter((i) => i >= 0);
  was["callbacks with state"] = stateful(record.callbacks.map((state) => state !== null));
  is["callbacks with state"] = stateful(callbacks.map(({ save }) => save !== undefined));
  const text = (value: unknown) => JSON.stringify(value, spellNumber);
  const changed = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((name) => text(was[name]) !== text(is[name]));
  if (changed.length === 0) return;
  const list = changed.map((name) => `${name} was ${text(was[name])} and is ${text(is[name])}`).join("; ");
  throw new ValueError(`fit: the checkpoint ${path} is of another training: ${list}; resume with the same data and options, or elsewhere`, {
    op: "fit",
    inputs: [path, ...changed],
  });
}

/** JSON has no NaN and no infinities: they are written as strings. */
const spelled = ["NaN", "Infinity", "-Infinity"];
const spellNumber = (_: string, value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? `#${value}` : value);
const readNumber = (_: string, value: unknown) =>
  typeof value === "string" && value[0] === "#" && spelled.includes(value.slice(1)) ? Number(value.slice(1)) : value;

export interface CheckpointOptions extends Partial<MonitorOptions> {
  /** Also within epochs, after so many steps. Default: only after each epoch. */
  everySteps?: number;
  /** Also within epochs, after so many seconds. Default: only after each epoch. */
  everySeconds?: number;
}

/**
 * Keeps `checkpoint.safetensors` in a folder, which is made if it does not exist: all that `fit(…, { resume: folder })` needs to go on as if
 * the training had never been interrupted: weights, the state of the optimizer, of averages and callbacks, random numbers, history, and the
 * position in the epoch. The file is replaced as a whole: a crash leaves the one before. With `monitor: "dev.loss"` the weights of the best
 * epoch are kept beside it, in `best.safetensors`.
 *
 * Data must not draw from the global random numbers (`rand` without a seed) while they are loaded; what they draw by the numbers of epoch
 * and example comes again.
 * @example await fit(model, train, { …, callbacks: [checkpoint("run/", { everySeconds: 60 })], resume: "run/" });
 */
export function checkpoint(folder: string, options: CheckpointOptions = {}): Callback {
  const names = ["everySteps", "everySeconds", ...monitorNames] as const;
  const { everySteps, everySeconds, monitor, ...how } = optionsOf("checkpoint", options, names);
  const refuse = (name: string, expected: string, value: number) => {
    throw new ValueError(`checkpoint: ${name} must be ${expected} but is ${value}`, { op: "checkpoint", inputs: [value] });
  };
  if (everySteps !== undefined && !(Number.isInteger(everySteps) && everySteps > 0)) refuse("everySteps", "a whole number ≥ 1", everySteps);
  if (everySeconds !== undefined && !(everySeconds >= 0)) refuse("everySeconds", "at least 0", everySeconds);
  const best = monitor === undefined ? null : monitored("checkpoint", { monitor, ...how });
  let saved = 0;
  return {
    async onTrainBegin() {
      await mkdir(folder, { recursive: true });
      await removeLeftovers(folder);
      saved = performance.now();
      best?.restart();
    },
    wantsRest: ({ step }) =>
      (everySteps !== undefined && step % everySteps === 0) ||
      (everySeconds !== undefined && performance.now() - saved >= 1000 * everySeconds),
    async onEpochEnd({ model }, record) {
      if (best?.improves(record)) await model.save(join(folder, bestName));
    },
    async onRest(training) {
      await training.save(join(folder, fileName));
      saved = performance.now();
    },
    save: () => ({ data: best?.best ?? null }),
    restore({ data }) {
      const before = savedData<{ best: number | null }>("checkpoint", { best: data }, { best: isScore });
      return () => {
        if (best !== null) best.best = before.best;
      };
    },
  };
}

/** What a process that was killed while it wrote has left behind. */
async function removeLeftovers(folder: string): Promise<void> {
  const halves = (await readdir(folder)).filter((name) => [fileName, bestName].some((whole) => name.startsWith(`.${whole}.`)));
  await Promise.all(halves.map((name) => rm(join(folder, name), { force: true })));
}
