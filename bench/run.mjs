/** The benchmark's command: `npm run bench -- SUITE [--json FILE] [--case REGEX] [--peer NAME] [--threads N]`. */
import { appendFileSync, mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { nabla, peers } from "./contenders/index.mjs";
import { toJson, toLine } from "./harness/compare.mjs";
import { describeMachine, measurePeak } from "./harness/machine.mjs";
import * as eventloop from "./suites/eventloop.mjs";
import * as inference from "./suites/inference.mjs";
import { conv, elementwise, gemm, norm, pool } from "./suites/kernels.mjs";
import * as memory from "./suites/memory.mjs";
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
const suites = { gemm, conv, elementwise, norm, pool, overhead, train, inference, memory, eventloop };

const usage = `npm run bench -- SUITE [options]     SUITE: ${Object.keys(suites).join(", ")}
  --json FILE     append one line a comparison to FILE
  --case REGEX    only the cases that match
  --peer NAME     only this peer: ${peers.map(({ name }) => name).join(", ")}
  --threads N     default: all cores
  --rounds N      default: 7        --seconds S   of each round, default: 0.5`;

/** @param {string} sentence */
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
    threads: { type: "string", default: String(availableParallelism()) },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "0.5" },
  },
});
const suite = suites[positionals[0]];
if (suite === undefined || positionals.length !== 1) refuse(`Which suite? There are ${Object.keys(suites).join(", ")}.`);
const [threads, rounds, seconds] = [options.threads, options.rounds, options.seconds].map(Number);
if (!(Number.isInteger(threads) && threads > 0 && Number.isInteger(rounds) && rounds > 0 && seconds > 0)) {
  refuse("--threads and --rounds take a whole number above 0, --seconds a number above 0.");
}
const cases = suite.cases.filter((name) => new RegExp(options.case).test(name));
if (cases.length === 0) refuse(`No case of ${positionals[0]} matches ${options.case}; it has ${suite.cases.join(", ")}.`);
const chosen = peers.filter(({ name }) => options.peer === undefined || options.peer === name);
if (chosen.length === 0) refuse(`There is no peer called ${options.peer}.`);

console.log(describeMachine());
const contenders = [nabla, ...chosen].filter(({ name, absent }) => {
  const reason = absent();
  if (reason !== null) console.log(`absent: ${name} (${reason})`);
  return reason === null;
});
const peak = measurePeak(threads);
console.log(
  peak
    ? `${threads} threads: ${peak.gflops} GFLOP/s, ${peak.streams.at(-1)?.gbytes} GB/s of memory at best\n`
    : "no roof: needs a C++ compiler\n",
);

console.log(toLine("titles"));
if (options.json) mkdirSync(dirname(options.json), { recursive: true });
for await (const row of suite.run({ cases, contenders, threads, rounds, seconds, peak })) {
  console.log(toLine(row));
  if (options.json) appendFileSync(options.json, `${toJson(row)}\n`);
}
