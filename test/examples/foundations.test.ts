/** The examples of the first lessons end with the figures that they promise. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "rolldown/utils";
import { expect, it } from "vitest";
import { runExample } from "./run.js";

it("autodiff", async () => {
  expect(await runExample("autodiff")).toEqual([
    "J = 3(a + bc) at a = 5, b = 3, c = 2: 33",
    "dJ/da = 3, dJ/db = 6, dJ/dc = 9",
    "d²J/db dc = 3",
    "calories from carbohydrates: 94.92 %, 0.00 %, 2.83 %, 88.43 %",
  ]);
});

it("initialisation", async () => {
  const [, zeros, ...others] = await runExample("initialisation", "--steps", "600");
  expect(zeros).toMatch(/0 of 8 +0\.[56]/);
  expect(others).toHaveLength(3);
  for (const line of others.slice(1)) expect(line).toMatch(/8 of 8 +0\.9/);
});

it("parity", async () => {
  const [tree, flat] = await runExample("parity", "--starts", "3", "--steps", "150");
  expect(tree).toContain("51 parameters, best accuracy 1.0000");
  expect(flat).toMatch(/51 parameters, best accuracy 0\.\d+, all right from 0 of 3/);
});

it("deep-signals", async () => {
  const out = await mkdtemp(join(tmpdir(), "nabla-"));
  try {
    const lines = await runExample("deep-signals", "--depth", "12", "--out", out);
    expect(lines[1]).toMatch(/^1\.5 · I.* → 1\.3e\+2 /); // 1.5¹²
    expect(lines[2]).toMatch(/^0\.5 · I.* → 2\.\de-4 /); // 0.5¹²
    expect(lines.at(-1)).toMatch(/gradients .* are vanishing$/);
    for (const name of ["signals.svg", "layers.svg"]) expect(await readFile(join(out, name), "utf8")).toContain("</svg>");
  } finally {
    await rm(out, { recursive: true });
  }
});

it("multi-task", async () => {
  const lines = await runExample("multi-task", "--limit", "2000", "--epochs", "2");
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(Number(/: ([\d.]+) % right$/.exec(line)?.[1])).toBeGreaterThan(80);
});

it("resume", () => {
  // It starts processes of itself, which need it as JavaScript; below build/ it finds the package.
  const folder = mkdtempSync(fileURLToPath(new URL("../../build/resume-", import.meta.url)));
  try {
    for (const name of ["resume", "setting"]) {
      const source = readFileSync(new URL(`../../examples/${name}.ts`, import.meta.url), "utf8");
      writeFileSync(join(folder, `${name}.js`), transformSync(`${name}.ts`, source).code);
    }
    const args = ["--epochs", "2", "--limit", "2000", "--kills", "2", "--out", folder];
    const lines = execFileSync(process.execPath, [join(folder, "resume.js"), ...args], { encoding: "utf8" })
      .trimEnd()
      .split("\n");
    expect(lines.at(-1)).toBe("the same weights, to the bit");
    expect(lines[0]).toMatch(/^killed 1 times/);
    expect(readFileSync(join(folder, "accuracies.svg"), "utf8")).toContain("</svg>");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
