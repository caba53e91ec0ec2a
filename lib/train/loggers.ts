/** Callbacks that keep the history of a training in files, up to date after every epoch. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { writeFileAtomic } from "../io/index.js";
import type { Callback } from "./callbacks.js";
import type { EpochRecord, History } from "./history.js";

/** Writes the whole file anew: after a resumption it has each epoch once. */
function logger(path: string, write: (history: History) => Promise<void>): Callback {
  return {
    async onTrainBegin() {
      await mkdir(dirname(path), { recursive: true });
    },
    onEpochEnd: ({ history }) => write(history),
  };
}

/** Keeps a table of all epochs as CSV: epoch, seconds, samplesPerSecond, then the scores. */
export function csvLogger(path: string): Callback {
  return logger(path, (history) => writeFileAtomic(path, toCsv(history)));
}

/** Keeps a JSON object a line for each epoch. What is not finite is null. */
export function jsonLogger(path: string): Callback {
  return logger(path, ({ epochs }) => writeFileAtomic(path, epochs.map((record) => `${JSON.stringify(flat(record))}\n`).join("")));
}

/** Keeps training curves as SVG; see `History.plot`. */
export function plotter(path: string): Callback {
  return logger(path, (history) => history.plot(path));
}

const flat = ({ scores, ...record }: EpochRecord): Record<string, number> => ({ ...record, ...scores });

function toCsv({ epochs, names }: History): string {
  const columns = ["epoch", "seconds", "samplesPerSecond", ...names];
  const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = epochs.map((record) => columns.map((name) => flat(record)[name] ?? ""));
  return [columns.map(cell), ...rows].map((row) => `${row.join(",")}\n`).join("");
}
