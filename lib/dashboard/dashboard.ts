/** `dashboard`: a training watched, and steered, from a browser on the same machine. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { Dataset, HostArray, LabeledBatch } from "../data/index.js";
import { type Captioned, imageGrid, lineChart, type Picture } from "../plot/index.js";
import { stats } from "../profile/index.js";
import { figure, table } from "../report/index.js";
import { type Callback, predict, type TrainingState } from "../train/index.js";
import { drawHistograms, histogramOf } from "./histogram.js";
import { type Action, PageServer } from "./server.js";

export interface DashboardOptions {
  /** Default 0: any that is free. */
  port?: number;
  /** The address to listen at. Default 127.0.0.1, which no other machine reaches. */
  host?: string;
  /** Pictures that a classifier gets wrong, shown after each epoch: the first `count` (default 12) among `data`. */
  errors?: { readonly data: Dataset<LabeledBatch>; readonly names?: readonly string[]; readonly count?: number };
  /** Told the address, token included. Default: printed. */
  onListening?: (url: string) => void;
}

/** What was changed by hand. */
export interface Change {
  readonly step: number;
  readonly action: Action["action"];
  readonly value?: number;
}

export interface Dashboard extends Callback {
  readonly changes: readonly Change[];
}

/** Milliseconds between two drawings at least; and they are so rare that they take this share of the time at most. */
const pause = 1000;
const budget = 0.01;
/** Points that a curve within epochs has at most; beyond, every second is left out. */
const mostPoints = 120;
/** Weights of a parameter that are counted at most. */
const mostWeights = 10_000;

/**
 * Serves a page with curves, samples a second, memory, distributions of the weights, pictures of errors, and buttons that pause, stop and change
 * the learning rate (through `optimizer.lrScale`). Nothing is drawn while nobody looks. It ends with the training.
 * @example await fit(model, train, { …, callbacks: [dashboard({ errors: { data: dev } })] });
 */
export function dashboard(options: DashboardOptions = {}): Dashboard {
  const names = ["port", "host", "errors", "onListening"] as const;
  const { port = 0, host = "127.0.0.1", errors, onListening } = optionsOf("dashboard", options, names);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new ValueError(`dashboard: port must be a whole number from 0 to 65535 but is ${port}`, { op: "dashboard", inputs: [port] });
  const tell = onListening ?? ((url: string) => process.stdout.write(`dashboard: ${url}\n`));
  const changes: Change[] = [];
  let server: PageServer | null = null;
  let waiting: Action[] = [];
  let wake: (() => void) | null = null;
  const due = { steps: 0, weights: 0 };
  let [began, seenThen] = [0, 0];
  let series: { every: number; left: number; readonly values: Record<string, number[]> } = { every: 1, left: 0, values: {} };

  /** Notes the values that are followed within epochs; when there are too many every second goes. */
  const follow = (state: TrainingState) => {
    const speed = (1000 * (state.seen - seenThen)) / Math.max(performance.now() - began, 1);
    const now = {
      ...state.scores,
      "samples a second": speed,
      tensors: stats().memory.storages / 1e6,
      process: process.memoryUsage.rss() / 1e6,
    };
    const { values } = series;
    for (const [name, value] of Object.entries(now)) {
      values[name] ??= [];
      values[name].push(value);
    }
    if (values.process.length > mostPoints) {
      for (const name of Object.keys(values)) values[name] = values[name].filter((_, i) => i % 2 === 0);
      series.every *= 2;
    }
    series.left = series.every - 1;
  };

  /** Sees to it that what has begun at a moment comes again only when it may. */
  const rest = (what: keyof typeof due, began: number) => {
    const now = performance.now();
    due[what] = now + Math.max(pause, (now - began) / budget);
  };

  const draw = (state: TrainingState, isPaused: boolean) => {
    const start = performance.now();
    const { epoch, epochs, batch, batches, step, scores, optimizer } = state;
    const status = state.isDone ? "ended" : isPaused ? "paused" : "running";
    const rows = { state: status, epoch: `${epoch} of ${epochs}, batch ${batch} of ${batches}`, step, rate: optimizer.lr, ...scores };
    const { values } = series;
    const lines = Object.keys(scores).map((name) => ({ title: name, lines: [{ name, values: values[name] ?? [] }] }));
    const points = `every ${series.every === 1 ? "step" : `${series.every} steps`}`;
    server!.send({
      now: table(Object.entries(rows), [
        { title: "", value: ([name]) => name },
        { title: "", value: ([, value]) => value },
      ]),
      steps: figure(lineChart(lines, { xLabel: points }), "means of the epoch so far"),
      machine: figure(
        lineChart(
          [
            { title: "samples a second", lines: [{ name: "", values: values["samples a second"] ?? [] }] },
            { title: "memory, MB", lines: ["tensors", "process"].map((name) => ({ name, values: values[name] ?? [] })) },
          ],
          { xLabel: points },
        ),
      ),
    });
    rest("steps", start);
  };

  /** Does what was pressed; stays here while the training is paused. */
  const obey = async (state: TrainingState) => {
    let isPaused = false;
    while (waiting.length > 0 || isPaused) {
      for (const { action, value } of waiting.splice(0)) {
        changes.push({ step: state.step, action, ...(value === undefined ? {} : { value }) });
        if (action === "pause" || action === "resume") isPaused = action === "pause";
        else if (action === "scale") state.optimizer.lrScale *= value!;
        else if (action === "rate") state.optimizer.lrScale *= value! / state.optimizer.lr;
        else {
          state.stop();
          isPaused = false;
        }
      }
      draw(state, isPaused);
      if (!isPaused) return;
      const pausedAt = performance.now();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = null;
      began += performance.now() - pausedAt;
    }
  };

  return {
    changes,
    async onTrainBegin() {
      waiting = [];
      series = { every: 1, left: 0, values: {} };
      server = new PageServer((action) => {
        waiting.push(action);
        wake?.();
      });
      tell(await server.listen(host, port));
    },
    onEpochBegin(state) {
      [began, seenThen] = [performance.now(), state.seen];
    },
    async onBatchEnd(state) {
      if (series.left-- === 0) follow(state);
      if (waiting.length > 0) await obey(state);
      else if (server!.isWatched && performance.now() > due.steps) draw(state, false);
    },
    async onEpochEnd(state) {
      if (server!.isWatched && performance.now() > due.weights) {
        const start = performance.now();
        server!.send({ curves: figure(state.history.toSvg()), weights: figure(drawHistograms(await weightsOf(state))) });
        rest("weights", start);
      }
      if (errors !== undefined) server!.send({ errors: await drawErrors(state, errors) });
    },
    async onTrainEnd(state) {
      if (server === null) return;
      if (state.epoch > 0) {
        draw(state, false);
        server.send({ curves: figure(state.history.toSvg()) });
      }
      await server.close();
      server = null;
    },
  };
}

async function weightsOf({ model }: TrainingState) {
  const named = Object.entries(model.stateDict());
  return new Map(await Promise.all(named.map(async ([name, value]) => [name, histogramOf(some(await value.data()))] as const)));
}

/** All values, or so many at even distances. */
function some(values: ArrayLike<number>): ArrayLike<number> {
  if (values.length <= mostWeights) return values;
  return Float64Array.from({ length: mostWeights }, (_, i) => values[Math.floor((i * values.length) / mostWeights)]);
}

async function drawErrors({ model }: TrainingState, { data, names, count = 12 }: NonNullable<DashboardOptions["errors"]>): Promise<string> {
  const logits = await predict(model, data);
  const predicted = await logits.argmax(-1).data();
  const labels = await data.column("y");
  const wrong = Array.from(predicted, (_, i) => i).filter((i) => predicted[i] !== labels[i]);
  const { x } = await data.get(wrong.slice(0, count));
  const name = (k: number) => names?.[k] ?? String(k);
  const entries = picturesOf(x).map(
    (picture, k): Captioned => ({ picture, caption: `${name(labels[wrong[k]])} read as ${name(predicted[wrong[k]])}` }),
  );
  const share = ((100 * wrong.length) / data.length).toFixed(2);
  return figure(imageGrid(entries), `${wrong.length} of ${data.length} are wrong, ${share} %`);
}

/** Pictures [n, h, w, 1 or 3], from 0 to 1 or bytes. */
function picturesOf({ data, shape, dtype }: HostArray): Picture[] {
  const [n, height, width, channels = 1] = shape;
  if (shape.length < 3 || (channels !== 1 && channels !== 3)) {
    throw new ValueError(`dashboard: errors are shown as pictures [n, h, w, 1 or 3], but x has shape [${shape.join(", ")}]`, {
      op: "dashboard",
      inputs: [shape],
    });
  }
  const size = height * width * channels;
  const byte = dtype === "u8" ? (value: number) => value : (value: number) => 255 * Math.min(1, Math.max(0, value));
  return Array.from({ length: n }, (_, i) => {
    const pixels = Uint8Array.from(data.subarray(i * size, (i + 1) * size) as ArrayLike<number>, byte);
    return { width, height, channels, pixels };
  });
}
