/** Work whose speed the terminal shows: made ready once, run again and again. */
import { compile, randn, type Tensor } from "../tensor/index.js";

/** Seconds of the fastest of the runs that fit into `seconds`, after two that do not count. */
export async function fastest(run: () => Promise<unknown>, seconds: number): Promise<number> {
  await run();
  await run();
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    const began = performance.now();
    await run();
    best = Math.min(best, performance.now() - began);
  }
  return best / 1000;
}

/** A product of two n×n matrices, 2n³ operations. */
export function product(n: number): () => Promise<unknown> {
  const [a, b] = [1, 2].map((seed) => randn([n, n], { seed }));
  const run = compile((x: Tensor, y: Tensor) => x.matmul(y));
  return async () => (await run(a, b)).ready();
}
