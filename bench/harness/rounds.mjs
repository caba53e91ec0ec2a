/** Interleaved rounds: every contender takes its turn in each round, so that a busy moment of the machine hits them all. */
import { ContenderProcess } from "./process.mjs";

/**
 * @import { Setting } from "../contenders/index.mjs"
 * @import { Workload } from "../workloads.mjs"
 * @import { Kernel } from "../kernels.mjs"
 */

/**
 * What was measured of one contender in one setting, a number a round.
 * @typedef {object} Series
 * @property {number[]} stepMs wall time of a step
 * @property {number[]} cpuMs processor time of the calling thread per step
 */

const warmUpSteps = 3;
/** Milliseconds after which memory that nobody has touched may be gone, as hosts of virtual machines take it away. */
const forgetful = 2000;

/** A contender at work on one workload. */
export class Runner {
  /** @type {Series} */
  series = { stepMs: [], cpuMs: [] };
  stepMs = Number.NaN;
  #process;
  /** @type {number | undefined} */
  #firstLoss;
  #lastRun = 0;

  /** @param {Setting} setting */
  constructor(setting) {
    this.#process = new ContenderProcess(setting);
  }

  /**
   * Builds the model or the kernel and takes a step; throws if this contender cannot do the workload, or builds another model.
   * @param {Workload | Kernel} workload
   */
  async build(workload) {
    await this.#process.started();
    const { parameters } = await this.#process.ask("prepare", { workload });
    if ("parameters" in workload && parameters !== workload.parameters)
      throw new Error(`has ${parameters} parameters instead of ${workload.parameters}`);
    if ("optimizer" in workload) this.#firstLoss = (await this.#process.ask("loss")).loss;
  }

  /**
   * Warms up, for some time and, as compilers of JavaScript need both, some steps, unless the first of them take that time.
   * @param {number} seconds
   */
  async warmUp(seconds) {
    let [spent, done] = [0, 0];
    while (done < warmUpSteps && spent < 1000 * seconds) {
      const { ms, steps } = await this.#process.ask("run", { steps: 1 });
      spent += ms;
      done += steps;
    }
    this.stepMs = spent / done;
    const left = seconds - spent / 1000;
    if (left > 0) await this.#run(left);
  }

  /**
   * One round, of steps that find their memory as they left it: after a pause one is taken before, which is not timed.
   * @param {number} seconds
   */
  async round(seconds) {
    if (performance.now() - this.#lastRun > forgetful) await this.#process.ask("run", { steps: 1 });
    const { stepMs, cpuMs } = await this.#run(seconds);
    this.series.stepMs.push(stepMs);
    this.series.cpuMs.push(cpuMs);
  }

  /**
   * As many steps as the last ones say will fill the time.
   * @param {number} seconds
   */
  async #run(seconds) {
    const { ms, cpuMs, steps } = await this.#process.ask("run", { steps: Math.max(1, Math.ceil((seconds * 1000) / this.stepMs)) });
    this.stepMs = ms / steps;
    this.#lastRun = performance.now();
    return { stepMs: this.stepMs, cpuMs: cpuMs / steps };
  }

  /** Throws unless the loss, where there is one, has fallen since the first step: a contender that does not learn does not do the work. */
  async checkLearning() {
    if (this.#firstLoss === undefined) return;
    const { loss } = await this.#process.ask("loss");
    if (!(loss < this.#firstLoss)) throw new Error(`does not learn: loss ${this.#firstLoss} → ${loss}`);
  }

  end() {
    this.#process.end();
  }
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Half the distance between the quartiles, relative to the median: how far a typical round strays.
 * @param {number[]} values
 */
export function noise(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (/** @type {number} */ q) => sorted[Math.round(q * (sorted.length - 1))];
  return (at(0.75) - at(0.25)) / 2 / median(values);
}
