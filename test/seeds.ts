/** Seeds of randomised tests: a few fixed ones, one that is to be repeated, or, for `npm run fuzz`, fresh ones until time is up. */
import { nativeInfo } from "../lib/runtime/native.js";

const { NABLA_SEED, NABLA_FUZZ_SECONDS } = process.env;

/** Seconds to go on with fresh seeds; 0 outside of `npm run fuzz`. */
export const fuzzSeconds = Number(NABLA_FUZZ_SECONDS ?? 0);

/** The first fresh seed. */
export const firstSeed = Number(NABLA_SEED ?? 1);

/** `count` fixed seeds, or the one in `NABLA_SEED`. */
export function fixedSeeds(count: number): number[] {
  return NABLA_SEED === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [firstSeed];
}

/** Runs `check`, whose failure then says how to repeat it: `test` is the test's name, alone with this seed. */
export async function repeatable(test: string, seed: number, check: () => void | Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    const line = `NABLA_ISA=${nativeInfo().isa} NABLA_SEED=${seed} npx vitest run -t "${test}$"`;
    throw new Error(`${(error as Error).message}\n  again: ${line}`, { cause: error });
  }
}
