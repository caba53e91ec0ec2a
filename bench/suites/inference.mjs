/** Predictions one after the other, numbers in and numbers out: how long a request waits. */
import { compare } from "../harness/compare.mjs";
import { leastSeconds } from "../harness/machine.mjs";
import { figureOf, together } from "../harness/together.mjs";
import { forwardFlops, inference } from "../workloads.mjs";

export const cases = Object.keys(inference);

/** @param {import("../run.mjs").Session} session */
export async function* run({ cases: chosen, contenders, threads, rounds, seconds, peak }) {
  for (const name of chosen) {
    const workload = inference[name];
    const results = await together(contenders, { workload, threads, rounds, seconds: seconds / 2 });
    const field = results.map((result) => ({ peer: result.peer, measured: figureOf(result, (ms) => 1000 * ms) }));
    const own = field.find(({ peer }) => peer === "nabla")?.measured ?? { value: null };
    const bound = peak && leastSeconds(peak, { flops: forwardFlops(workload), bytes: 4 * workload.parameters }) * 1e6;
    const what = { suite: "inference", case: name, threads, metric: "latency", unit: "µs" };
    for (const { peer, measured } of field) if (peer !== "nabla") yield compare(what, { own, peer, other: measured, bound });
  }
}
