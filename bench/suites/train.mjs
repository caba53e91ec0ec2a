/** Whole training steps of real networks: samples a second, roof by the multiply-adds that a step cannot do without. */
import { compare } from "../harness/compare.mjs";
import { leastSeconds } from "../harness/machine.mjs";
import { figureOf, together } from "../harness/together.mjs";
import { cases, stepFlops, workloads } from "../workloads.mjs";

export { cases };

/** @param {import("../run.mjs").Session} session */
export async function* run({ cases: chosen, contenders, threads, rounds, seconds, peak }) {
  for (const name of chosen) {
    const workload = workloads[name];
    const batch = workload.input[0];
    const results = await together(contenders, { workload, threads, rounds, seconds });
    const throughput = results.map((result) => ({ peer: result.peer, measured: figureOf(result, (ms) => (1000 * batch) / ms) }));
    const own = throughput.find(({ peer }) => peer === "nabla")?.measured ?? { value: null };
    const bound = peak && batch / leastSeconds(peak, { flops: stepFlops(workload) });
    const what = { suite: "train", case: name, threads, metric: "throughput", unit: "samples/s" };
    for (const { peer, measured } of throughput) {
      if (peer !== "nabla") yield compare(what, { own, peer, other: measured, bound, moreIsBetter: true });
    }
    yield compare(what, { own, peer: "peak", other: { value: bound }, bound, moreIsBetter: true });
  }
}
