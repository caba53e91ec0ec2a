/**
 * The process side of the benchmark: a contender written in JavaScript answers commands, one JSON line each, so that
 * contenders share neither a heap nor a moment. `pytorch.py` speaks the same protocol.
 *
 * Commands come on standard input, replies leave on descriptor 3, whatever a library prints stays out of the way.
 */
import { readFileSync, writeSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

/**
 * @typedef {object} Training
 * @property {number} [parameters] how many numbers the model learns
 * @property {(steps: number) => Promise<number | void> | number | void} run does whole steps, ended when it returns; gives their
 *   number if it is another one
 * @property {() => Promise<number> | number} [loss] the loss so far, without what is left out at random
 * @property {() => Promise<import("../harness/plan.mjs").MemoryPlan>} [plan] how the intermediate values of a step share memory
 */

/**
 * @template Library
 * @template [Work=import("../workloads.mjs").Workload]
 * @typedef {object} Contender
 * @property {() => Promise<Library>} load imports the library; timed
 * @property {(library: Library, workload: Work) => Promise<Training> | Training} prepare builds model, data and optimizer, or a kernel
 * @property {(library: Library, ops: number, runs: boolean) => unknown} express writes that many dependent small operations, and
 *   `runs`: has them computed, at once or by the time the result resolves
 */

/** Steps between which the event loop has had its turn often enough to tell how late it is. */
const leastStepsOfDelay = 5;

/**
 * @template Library
 * @template Work
 * @param {Contender<Library, Work>} contender
 */
export async function serve(contender) {
  const start = performance.now();
  const library = await contender.load();
  reply({ importMs: performance.now() - start });

  /** @type {Training} */
  let training;
  /** @type {Record<string, (command: any) => Promise<object> | object>} */
  const commands = {
    async prepare({ workload }) {
      training = await contender.prepare(library, workload);
      await training.run(1);
      return { parameters: training.parameters };
    },
    async run({ steps }) {
      const [wall, cpu] = [performance.now(), threadMilliseconds()];
      const done = (await training.run(steps)) ?? steps;
      return { ms: performance.now() - wall, cpuMs: threadMilliseconds() - cpu, steps: done };
    },
    async loss() {
      return { loss: await training.loss?.() };
    },
    async plan() {
      if (training.plan === undefined) throw new Error("its memory plan is not known");
      return training.plan();
    },
    async delay({ seconds }) {
      const histogram = monitorEventLoopDelay({ resolution: 1 });
      const end = performance.now() + seconds * 1000;
      histogram.enable();
      let steps = 0;
      while (performance.now() < end || steps < leastStepsOfDelay) {
        await training.run(1);
        await new Promise(setImmediate);
        steps++;
      }
      histogram.disable();
      if (histogram.count === 0) throw new Error("no timer fired between two steps");
      const [p50, p99, max] = [histogram.percentile(50), histogram.percentile(99), histogram.max].map((ns) => ns / 1e6);
      return { p50, p99, max, steps };
    },
    async express({ ops, runs }) {
      const wall = performance.now();
      const result = contender.express(library, ops, runs);
      const ms = performance.now() - wall;
      await result;
      return { ms };
    },
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      reply(await commands[command.name](command));
    } catch (error) {
      reply({ error: error instanceof Error ? error.message.split("\n")[0] : String(error) });
    }
  }
  process.exit();
}

/** @param {object} message */
function reply(message) {
  writeSync(3, `${JSON.stringify(message)}\n`);
}

/** Processor time of the JavaScript thread alone, from the Linux scheduler. */
function threadMilliseconds() {
  const [ns] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ");
  return Number(ns) / 1e6;
}
