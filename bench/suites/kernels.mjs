/** Single operations: what a kernel reaches, beside the same operation of its peers and the bound of the machine. */
import { compare } from "../harness/compare.mjs";
import { leastSeconds } from "../harness/machine.mjs";
import { figureOf, together } from "../harness/together.mjs";
import * as kernels from "../kernels.mjs";

/**
 * What a figure is, from the seconds that an operation takes.
 * @type {Record<string, { metric: string, moreIsBetter: boolean, of: (kernel: kernels.Kernel, seconds: number) => number }>}
 */
const units = {
  "GFLOP/s": { metric: "throughput", moreIsBetter: true, of: ({ flops = 0 }, seconds) => flops / seconds / 1e9 },
};

/**
 * @param {string} suite
 * @param {Record<string, kernels.Kernel>} table
 * @param {string} unit
 */
function suiteOf(suite, table, unit) {
  return {
    cases: Object.keys(table),

    /** @param {import("../run.mjs").Session} session */
    async *run({ cases, contenders, threads, rounds, seconds, peak }) {
      for (const name of cases) {
        const kernel = table[name];
        const { metric, moreIsBetter, of } = units[unit];
        const results = await together(contenders, { workload: kernel, threads, rounds, seconds: seconds / 4 });
        const field = results.map((result) => ({ peer: result.peer, measured: figureOf(result, (ms) => of(kernel, ms / 1000)) }));
        const own = field.find(({ peer }) => peer === "nabla")?.measured ?? { value: null };
        const bound = peak && of(kernel, leastSeconds(peak, kernel));
        const what = { suite, case: name, threads, metric, unit };
        const others = field.filter(({ peer }) => peer !== "nabla");
        for (const { peer, measured } of others) yield compare(what, { own, peer, other: measured, bound, moreIsBetter });
        if (others.length === 0) yield compare(what, { own, bound, moreIsBetter });
      }
    },
  };
}

export const gemm = suiteOf("gemm", kernels.gemm, "GFLOP/s");
export const conv = suiteOf("conv", kernels.conv, "GFLOP/s");
