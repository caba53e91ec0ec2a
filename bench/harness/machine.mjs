/** What this machine is and can do at best; the roofs are measured by a small C++ program, compiled when first needed. */
import { execFileSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { arch, availableParallelism, cpus } from "node:os";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("./peak.cpp", import.meta.url));
const binary = fileURLToPath(new URL("../results/peak", import.meta.url));

/**
 * The most floating-point operations (10⁹/s, f32) and streamed bytes (10⁹/s) that these threads reach; null without a compiler.
 * @param {number} threads
 * @returns {{ gflops: number, gbytes: number } | null}
 */
export function measurePeak(threads) {
  try {
    if (!isNewer(binary, source)) {
      mkdirSync(new URL("../results/", import.meta.url), { recursive: true });
      const march = arch() === "x64" ? ["-march=native"] : [];
      execFileSync("c++", ["-std=c++17", "-O3", ...march, "-ffp-contract=fast", "-pthread", source, "-o", binary], { stdio: "pipe" });
    }
    return JSON.parse(execFileSync(binary, [String(threads)], { encoding: "utf8" }));
  } catch {
    return null;
  }
}

/** One line on the machine, for the head of every table. */
export function describeMachine() {
  return `${cpus()[0]?.model.trim() ?? arch()}, ${availableParallelism()} cores, ${process.platform}, Node ${process.versions.node}`;
}

/**
 * @param {string} a
 * @param {string} b
 */
function isNewer(a, b) {
  try {
    return statSync(a).mtimeMs > statSync(b).mtimeMs;
  } catch {
    return false;
  }
}
