/** Single operations: what a kernel reaches, beside the same operation of its peers and the bound of the machine. */
import { compare } from "../harness/compare.mjs";
import { leastSeconds } from "../harness/machine.mjs";
import { figureOf, together } from "../harness/together.mjs";
import * as kernels from "../kernels.mjs";

/**
 * What a figure is, from the seconds that an operation takes.
 * @type {Record<kernels.Kernel["unit"], { metric: string, moreIsBetter: boolean, of: (kernel: kernels.Kernel, seconds: number) => number }>}
 */
const units = {
  "GFLOP/s": { metric: "throughput", moreIsBetter: true, of: ({ flops = 0 }, seconds) => flops / seconds / 1e9 },
  "GB/s": { metric: "throughput", moreIsBetter: true, of: ({ bytes = 0 }, seconds) => bytes / seconds / 1e9 },
  µs: { metric: "time", moreIsBetter: false, of: (_, seconds) => seconds * 1e6 },
};

/**
 * @param {string} suite
 * @param {Record<string, kernels.Kernel>} table
 */
function suiteOf(suite, table) {
  return {
    cases: Object.keys(table),

    /** @param {import("../run.mjs").Session} session */
    async *run({ cases, contenders, threads, rounds, seconds, peak }) {
      for (const name of cases) {
        const kernel = table[name];
        const { metric, moreIsBetter, of } = units[kernel.unit];
        const results = await together(contenders, { workload: kernel, threads, rounds, seconds: seconds / 4 });
        const field = results.map((result) => ({ peer: result.peer, measured: figureOf(result, (ms) => of(kernel, ms / 1000)) }));
        const own = field.find(({ peer }) => peer === "nabla")?.measured ?? { value: null };
        const bound = peak && of(kernel, leastSeconds(peak, kernel));
        const what = { suite, case: name, threads, metric, unit: kernel.unit };
        const others = field.filter(({ peer }) => peer !== "nabla");
        for (const { peer, measured } of others) yield compare(what, { own, peer, other: measured, bound, moreIsBetter });
        if (others.length === 0) yield compare(what, { own, bound, moreIsBetter });
      }
    },
  };
}

export const gemm = suiteOf("gemm", kernels.gemm);
export const conv = suiteOf("conv", kernels.conv);
export const elementwise = suiteOf("elementwise", kernels.elementwise);
export const norm = suiteOf("norm", kernels.norm);
export const pool = suiteOf("pool", kernels.pool);
