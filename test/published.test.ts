/** The files that are published: what the root import reads is small and starts nothing it need not, and what is late is all there. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

/** Files and modules of Node that an import of a file loads. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (file.startsWith("node:")) return seen;
  for (const [, from] of readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^;]*?"([^"]+)";$/gm))
    loadedBy(from.startsWith(".") ? join(dirname(file), from) : from, seen);
  return seen;
}

/** Runs a program against dist/ and gives back what it prints, as JSON. */
const run = (code: string, env = {}) =>
  JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", code], { cwd: dist, env: { ...process.env, ...env }, encoding: "utf8" }),
  );

it("the root import reads less than 300 KB of script, and of Node only what its loader has loaded anyway", () => {
  const loaded = [...loadedBy(join(dist, "index.js"))];
  const files = loaded.filter((name) => !name.startsWith("node:"));
  expect(files.length).toBeLessThanOrEqual(3);
  expect(files.reduce((bytes, file) => bytes + readFileSync(file).length, 0)).toBeLessThan(300_000);
  expect(loaded.filter((name) => name.startsWith("node:")).sort()).toEqual(["node:fs/promises", "node:module", "node:url", "node:util"]);
});

it("what is late has the names of what it stands for, as functions", () => {
  const spaces = ["debug", "losses", "metrics", "plot"];
  const found = run(`
    const root = await import("./index.js");
    const names = {};
    for (const space of ${JSON.stringify(spaces)}) {
      const real = await import(\`./\${space}/index.js\`);
      names[space] = [Object.keys(root[space]).sort(), Object.keys(real).sort(), Object.values(real).map((value) => typeof value)];
    }
    console.log(JSON.stringify(names));`);
  for (const space of spaces) {
    const [standIns, real, types] = found[space];
    expect(standIns).toEqual(real);
    expect(new Set(types)).toEqual(new Set(["function"]));
  }
});

it("what is late works and shares the state of the rest", () => {
  const code = `
    import { ShapeError, checkGradients, debug, diagnose, getDevice, losses, metrics, nn, plot, tensor } from "./index.js";
    import { DataError, data } from "./index.js";
    const loss = losses.mse(tensor([1, 2]), tensor([2, 4]));
    const model = nn.linear(2, 1);
    class Mine extends debug.NumericsError { extra = 1; }
    const mine = new Mine("mine");
    let thrown;
    try { losses.mse(tensor([1, 2]), tensor([1, 2, 3])); } catch (error) { thrown = error; }
    const numerics = await debug.checkNumerics((x) => x.log())(tensor([0])).catch((error) => error instanceof debug.NumericsError);
    const missing = await data.csv("nowhere.csv").read().catch((error) => error instanceof DataError);
    console.log(JSON.stringify({
      mine: [mine instanceof debug.NumericsError, mine instanceof Mine, mine.code, mine.extra], loss: await loss.item(), isShapeError: thrown instanceof ShapeError, numerics, missing, device: getDevice(),
      f: metrics.fMeasure(1, 0.5).toFixed(3), problems: diagnose({ train: 1, dev: 9 }).problems, png: plot.encodePng({ width: 1, height: 1, channels: 1, pixels: new Uint8Array(1) })[1],
      verdict: (await checkGradients(model, tensor([[1, 2]]), { loss: (x) => losses.mse(model.forward(x), [[1]]) })).verdict,
    }));`;
  for (const device of ["cpu", "reference"]) {
    expect(run(code, { NABLA_DEVICE: device })).toMatchObject({
      mine: [true, true, "ERR_NUMERICS", 1],
      loss: 2.5,
      isShapeError: true,
      numerics: true,
      verdict: "great",
      missing: true,
      device,
      f: "0.667",
      problems: ["variance"],
      png: 80,
    });
  }
});
