import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const lib = (path: string) => fileURLToPath(new URL(`./lib/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^nabla$/, replacement: lib("index.ts") },
      { find: /^nabla\/(\w+)$/, replacement: lib("$1/index.ts") },
    ],
  },
  test: { globalSetup: "test/build.ts", include: ["test/**/*.test.ts"], pool: "forks", maxWorkers: 2, testTimeout: 60_000 },
});
