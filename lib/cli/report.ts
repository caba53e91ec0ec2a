/** `npx nabla report PATH …`: what trainings have left in files, as one page. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { DataError } from "../base/errors.js";
import { parseSafetensors, writeFileAtomic } from "../io/index.js";
import { figure, page, type Section, table } from "../report/index.js";
import { type EpochRecord, History } from "../train/index.js";
import { readSearch } from "../tune/index.js";
import type { Given } from "./index.js";
import { trainingOf } from "./training.js";

/** Sections for a file, by its ending; none if there is nothing in it to show. */
const readers: Readonly<Record<string, (path: string) => Promise<readonly Section[]>>> = {
  ".sqlite": async (path) => (await readSearch(path)).sections(),
  ".svg": async (path) => [{ title: basename(path), body: figure(await readFile(path, "utf8")) }],
  ".jsonl": async (path) => {
    const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
    return ofRecords(
      basename(path),
      lines.map((line) => recordOf(JSON.parse(line))),
    );
  },
  ".csv": async (path) => {
    const [head, ...rows] = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
    const names = head.split(",");
    return ofRecords(
      basename(path),
      rows.map((row) => recordOf(Object.fromEntries(row.split(",").map((cell, k) => [names[k], Number(cell)])))),
    );
  },
  ".safetensors": async (path) => {
    const { metadata } = parseSafetensors(await readFile(path));
    const training = trainingOf(metadata);
    return training === null ? [] : ofRecords(basename(path), training.history);
  },
};

/** A line of a log, as `csvLogger` and `jsonLogger` write it. */
function recordOf({ epoch, seconds, samplesPerSecond, ...scores }: Record<string, number>): EpochRecord {
  return { epoch, seconds, samplesPerSecond, scores };
}

function ofRecords(title: string, records: readonly EpochRecord[]): readonly Section[] {
  if (records.length === 0 || records.some(({ epoch }) => !Number.isFinite(epoch))) return []; // a table of something else
  const history = new History();
  history.epochs.push(...records);
  const scores = history.names.map((name) => ({ title: name, value: (row: EpochRecord) => row.scores[name] ?? null }));
  return [
    {
      title,
      body: [
        figure(history.toSvg(), `${records.length} epochs`),
        table(records, [
          { title: "epoch", value: ({ epoch }) => epoch },
          ...scores,
          { title: "samples/s", value: ({ samplesPerSecond }) => Math.round(samplesPerSecond) },
          { title: "seconds", value: ({ seconds }) => seconds },
        ]),
      ],
    },
  ];
}

async function filesOf(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  return (await readdir(path)).sort().map((name) => join(path, name));
}

export async function report({ words: paths, out = "report.html" }: Given): Promise<boolean> {
  const files = (await Promise.all(paths.map(filesOf))).flat().filter((file) => extname(file) in readers);
  const sections: Section[] = [];
  for (const file of files) sections.push(...(await readers[extname(file)](file)));
  if (sections.length === 0)
    throw new DataError(`report: nothing to show in ${paths.join(", ")}; it reads ${Object.keys(readers).join(", ")}`, { op: "report" });
  await writeFileAtomic(out, page(`Report on ${paths.join(", ")}`, sections));
  process.stdout.write(`${sections.length} sections: ${out}\n`);
  return true;
}
