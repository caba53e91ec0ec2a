/** The benchmark's command: `npm run bench -- SUITE | all | compare A B | report FILE… | models-table FILE…`. */
import { appendFileSync, mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { nabla, peers } from "./contenders/index.mjs";
import { figure, toJson, toLine } from "./harness/compare.mjs";
import { describeMachine, measurePeak } from "./harness/machine.mjs";
import { changes, geometricMean, readResults } from "./harness/results.mjs";
import { writeModels } from "./models-table.mjs";
import { report } from "./report.mjs";
import * as eventloop from "./suites/eventloop.mjs";
import * as inference from "./suites/inference.mjs";
import { conv, elementwise, gemm, norm, pool } from "./suites/kernels.mjs";
import * as memory from "./suites/memory.mjs";
import * as models from "./suites/models.mjs";
import * as overhead from "./suites/overhead.mjs";
import * as train from "./suites/train.mjs";

/**
 * What a suite is given.
 * @typedef {object} Session
 * @property {string[]} cases
 * @property {import("./contenders/index.mjs").Contender[]} contenders nabla first, then the peers that are here
 * @property {number} threads
 * @property {number} rounds
 * @property {number} seconds of each round
 * @property {import("./harness/machine.mjs").Peak | null} peak
 */

/** @type {Record<string, { cases: string[], run: (session: Session) => AsyncIterable<import("./harness/compare.mjs").Row> }>} */
const suites = { gemm, conv, elementwise, norm, pool, overhead, train, inference, memory, eventloop, models };

/** What does not get faster with threads, or is about all of them, is measured on all cores only. */
const onAllCores = ["overhead", "memory", "eventloop", "models"];

const usage = `npm run bench -- SUITE [options]        SUITE: ${Object.keys(suites).join(", ")}
npm run bench -- all [options]          every suite but models, on one thread and on all cores
npm run bench -- compare A B            two result files: nabla's figures side by side
npm run bench -- report FILE…           writes docs/benchmarks.md and its pictures
npm run bench -- models-table FILE…     writes the tables of docs/models.md
  --json FILE     append one line a comparison to FILE
  --case REGEX    only the cases that match
  --peer NAME     only this peer: ${peers.map(({ name }) => name).join(", ")}
  --threads N     default: all cores
  --rounds N      default: 7        --seconds S   of each round, default: 0.5`;

/**
 * @param {string} sentence
 * @returns {never}
 */
function refuse(sentence) {
  console.error(`${sentence}\n\n${usage}`);
  process.exit(2);
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    case: { type: "string", default: "" },
    peer: { type: "string" },
    threads: { type: "string" },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "0.5" },
  },
});
const [command, ...files] = positionals;
if (command === "compare") {
  if (files.length !== 2) refuse("compare takes two result files.");
  printChanges(files[0], files[1]);
} else if (command === "report") {
  if (files.length === 0) refuse("report takes at least one result file.");
  console.log(report(files));
} else if (command === "models-table") {
  console.log(await writeModels(files));
} else {
  if (files.length > 0 || (command !== "all" && suites[command] === undefined)) {
    refuse(`Which suite? There are ${Object.keys(suites).join(", ")}, and all.`);
  }
  await measure(command === "all" ? Object.keys(suites).filter((name) => name !== "models") : [command]);
}

/** @param {string[]} names of suites */
async function measure(names) {
  const cores = availableParallelism();
  const [rounds, seconds] = [options.rounds, options.seconds].map(Number);
  const given = options.threads === undefined ? null : Number(options.threads);
  if (![given ?? cores, rounds].every((n) => Number.isInteger(n) && n > 0) || !(seconds > 0)) {
    refuse("--threads and --rounds take a whole number above 0, --seconds a number above 0.");
  }
  const casesOf = (/** @type {string} */ name) => suites[name].cases.filter((one) => new RegExp(options.case).test(one));
  if (names.every((name) => casesOf(name).length === 0)) {
    refuse(`No case matches ${options.case}; there are ${names.flatMap((name) => suites[name].cases).join(", ")}.`);
  }
  const chosen = peers.filter(({ name }) => options.peer === undefined || options.peer === name);
  if (chosen.length === 0) refuse(`There is no peer called ${options.peer}.`);

  const machine = describeMachine();
  console.log(machine);
  const present = [nabla, ...chosen].filter(({ name, absent }) => {
    const reason = absent();
    if (reason !== null) console.log(`absent: ${name} (${reason})`);
    return reason === null;
  });
  if (options.json) mkdirSync(dirname(options.json), { recursive: true });
  const isWhole = names.length > 1;
  for (const threads of given === null ? [...new Set(isWhole ? [1, cores] : [cores])] : [given]) {
    const peak = measurePeak(threads);
    console.log(
      peak
        ? `\n${threads} threads: ${peak.gflops} GFLOP/s, ${peak.streams.at(-1)?.gbytes} GB/s of memory at best`
        : "\nno roof: needs a C++ compiler",
    );
    const isAllCores = given !== null || threads === cores;
    // In a whole run, peers that have one thread whatever is asked for are measured once.
    const contenders = present.filter(({ hasThreads }) => hasThreads || isAllCores || !isWhole);
    for (const name of names.filter((one) => isAllCores || !onAllCores.includes(one))) {
      const cases = casesOf(name);
      if (cases.length === 0) continue;
      console.log(`\n${name}\n${toLine("titles")}`);
      for await (const row of suites[name].run({ cases, contenders, threads, rounds, seconds, peak })) {
        console.log(toLine(row));
        if (options.json) appendFileSync(options.json, `${toJson(row, machine)}\n`);
      }
    }
  }
}

/**
 * @param {string} before
 * @param {string} after
 */
function printChanges(before, after) {
  const [a, b] = [readResults([before]), readResults([after])];
  const machines = new Set([...a, ...b].map(({ machine }) => machine));
  if (machines.size > 1) console.log(`different machines: ${[...machines].join("; ")}`);
  const found = changes(a, b);
  const columns = ["suite", "case", "threads", "metric", "before", "after", "second is better", ""];
  const rows = found.map(({ suite, case: name, threads, metric, unit, before: was, after: is, ratio, isBeyondNoise }) => {
    const verdict = !isBeyondNoise ? "within noise" : ratio > 1 ? "better" : "WORSE";
    return [suite, name, String(threads), `${metric}, ${unit}`, figure(was), figure(is), `${figure(ratio)} ×`, verdict];
  });
  const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  for (const row of [columns, ...rows])
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    );
  const mean = found.length === 0 ? null : geometricMean(found.map(({ ratio }) => ratio));
  const counted = found.filter(({ isBeyondNoise }) => isBeyondNoise);
  const better = counted.filter(({ ratio }) => ratio > 1).length;
  console.log(
    `\n${found.length} figures in both files${mean === null ? "" : `; on average ${figure(mean)} ×`}; ` +
      `beyond noise: ${better} better, ${counted.length - better} worse`,
  );
}
