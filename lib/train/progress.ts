/** Progress of a training in a terminal: a table of epochs under which a bar moves. */
import { optionsOf } from "../base/options.js";
import type { Callback, TrainingState } from "./callbacks.js";
import type { EpochRecord } from "./history.js";

export interface ProgressOptions {
  /** Default: standard output. The moving bar is drawn only if it is a terminal; elsewhere there is a line an epoch. */
  stream?: NodeJS.WriteStream;
}

const barWidth = 24;
const redrawMilliseconds = 100;

/** Shows loss, metrics, samples a second and the time that is left, and a row for each epoch that has ended. */
export function progress(options: ProgressOptions = {}): Callback {
  const { stream = process.stdout } = optionsOf("progress", options, ["stream"]);
  let began = 0;
  let drawn = 0;
  let hasBar = false;
  let columns: string[] = [];

  const clear = () => {
    if (hasBar) stream.write("\r\x1b[K");
    hasBar = false;
  };
  const draw = (state: TrainingState) => {
    if (!stream.isTTY) return;
    const now = performance.now();
    if (now - drawn < redrawMilliseconds) return;
    drawn = now;
    const text = barText(state, (now - began) / 1000).slice(0, (stream.columns ?? 80) - 1);
    stream.write(`\r${text}\x1b[K`);
    hasBar = true;
  };

  return {
    onTrainBegin() {
      columns = [];
    },
    onEpochBegin(state) {
      began = performance.now();
      drawn = 0;
      draw(state);
    },
    onBatchEnd: draw,
    onEpochEnd({ epochs }, record) {
      clear();
      if (columns.length === 0) {
        columns = Object.keys(record.scores);
        stream.write(`${headerText(columns)}\n`);
      }
      stream.write(`${rowText(record, columns, epochs)}\n`);
    },
    onTrainEnd: clear,
  };
}

function barText({ epoch, epochs, seen, samples, scores }: TrainingState, seconds: number): string {
  const part = seen / samples;
  const full = Math.round(part * barWidth);
  const bar = "█".repeat(full) + "░".repeat(barWidth - full);
  const head = `epoch ${epoch}/${epochs} ${bar} ${String(Math.floor(100 * part)).padStart(3)} %`;
  if (seen === 0) return head;
  const values = Object.entries(scores).map(([name, value]) => `${name} ${show(value)}`);
  const rate = `${Math.round(seen / seconds).toLocaleString("en")} samples/s`;
  return [head, ...values, rate, `${duration((seconds * (samples - seen)) / seen)} left`].join("  ");
}

const width = (name: string) => Math.max(name.length, 8);

function headerText(columns: readonly string[]): string {
  return ["epoch", ...columns.map((name) => name.padStart(width(name))), "samples/s", "   time"].join("  ");
}

function rowText({ epoch, seconds, samplesPerSecond, scores }: EpochRecord, columns: readonly string[], epochs: number): string {
  const values = columns.map((name) => show(scores[name]).padStart(width(name)));
  const rate = Math.round(samplesPerSecond).toLocaleString("en").padStart(9);
  return [`${epoch}/${epochs}`.padStart(5), ...values, rate, duration(seconds).padStart(7)].join("  ");
}

/** Four significant digits, but no more than four decimals for numbers below 1. */
function show(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(2);
  return Math.abs(value) < 10 ? value.toFixed(4) : value.toPrecision(5);
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
