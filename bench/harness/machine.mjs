/** What this machine is and can do at best; the roofs are measured by a small C++ program. */
import { execFileSync } from "node:child_process";
import { arch, availableParallelism, cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { compileProgram } from "./native.mjs";

const source = fileURLToPath(new URL("./peak.cpp", import.meta.url));

/**
 * @typedef {object} Peak what some threads reach at best
 * @property {number} gflops f32 operations, 10⁹/s
 * @property {{ bytes: number, gbytes: number }[]} streams bytes read and written, 10⁹/s, by the size of what is streamed over, growing
 */

/**
 * Measures both roofs; null without a compiler.
 * @param {number} threads
 * @returns {Peak | null}
 */
export function measurePeak(threads) {
  try {
    return JSON.parse(execFileSync(compileProgram("peak", source), [String(threads)], { encoding: "utf8" }));
  } catch {
    return null;
  }
}

/**
 * The least seconds that work of so many operations and bytes can take: bytes at the rate of a cache that holds them all.
 * @param {Peak} peak
 * @param {{ flops?: number, bytes?: number }} work
 */
export function leastSeconds({ gflops, streams }, { flops = 0, bytes = 0 }) {
  const holding = streams.filter((stream) => stream.bytes >= bytes);
  const gbytes = Math.max(...(holding.length > 0 ? holding : streams.slice(-1)).map((stream) => stream.gbytes));
  return Math.max(flops / gflops, bytes / gbytes) / 1e9;
}

/** One line on the machine, for the head of every table. */
export function describeMachine() {
  return `${cpus()[0]?.model.trim() ?? arch()}, ${availableParallelism()} cores, ${process.platform}, Node ${process.versions.node}`;
}
