/**
 * Joins the modules of lib/ into one file: Node reads it in a quarter of the time that a hundred small ones take. Each entry point
 * of package.json is a list of names from it, so that all share one state.
 */
import { readFileSync } from "node:fs";
import { defineConfig } from "rolldown";

const { exports } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const entries = Object.values(exports)
  .map(({ default: file }) => /^\.\/dist\/(.+)\.js$/.exec(file ?? "")?.[1])
  .filter((name) => name !== undefined);

export default defineConfig({
  input: Object.fromEntries(entries.map((name) => [name, `lib/${name}.ts`])),
  platform: "node",
  treeshake: false,
  output: {
    dir: "dist",
    sourcemap: true,
    keepNames: true,
    comments: false, // a third of what Node would have to read
    // One folder deep, like every module of lib/: what is found from import.meta.url lies where it did.
    chunkFileNames: "lib/[name].js",
    codeSplitting: { groups: [{ name: "nabla" }] },
  },
});
