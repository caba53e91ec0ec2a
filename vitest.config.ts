import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const lib = (path: string) => fileURLToPath(new URL(`./lib/${path}`, import.meta.url));

/** Instruction sets that this machine has beside its best, which is the default; none if one is asked for. */
function otherIsas(): string[] {
  if (process.env.NABLA_ISA !== undefined) return [];
  try {
    return createRequire(import.meta.url)("node-gyp-build")(lib(".."))
      .info()
      .isas.slice(0, -1);
  } catch {
    return []; // the tests of the native device say what is wrong
  }
}

const isFuzzing = process.env.NABLA_FUZZ_SECONDS !== undefined;
/** What runs on the best instruction set, and what on each of the others. */
const onBest = isFuzzing ? "test/fuzz.ts" : "test/**/*.test.ts";
const onOthers = isFuzzing ? "test/fuzz.ts" : "test/ops/table.test.ts";

export default defineConfig({
  resolve: {
    alias: [
      { find: /^nabla$/, replacement: lib("index.ts") },
      { find: /^nabla\/(\w+)$/, replacement: lib("$1/index.ts") },
    ],
  },
  test: {
    globalSetup: "test/build.ts",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    projects: [
      { extends: true, test: { name: "nabla", include: [onBest] } },
      ...otherIsas().map((isa) => ({ extends: true as const, test: { name: isa, include: [onOthers], env: { NABLA_ISA: isa } } })),
    ],
  },
});
