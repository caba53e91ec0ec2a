/** The commands of `npx nabla`, as a shell runs them. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const cli = fileURLToPath(new URL("../../dist/cli/index.js", import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nabla-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

const nabla = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8" });

it("without a command, or with one there is not, it says what there is", () => {
  expect(nabla("--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("npx nabla doctor") });
  expect(nabla()).toMatchObject({ status: 2 });
  expect(nabla("plough")).toMatchObject({ status: 2, stderr: expect.stringMatching(/no command plough[\s\S]*npx nabla doctor/) });
  expect(nabla("inspect")).toMatchObject({ status: 2, stderr: expect.stringContaining("inspect FILE") });
  expect(nabla("doctor", "--jason")).toMatchObject({ status: 1, stderr: expect.stringContaining("--jason") });
});

it("doctor measures and judges", () => {
  const { status, stdout } = nabla("doctor", "--json");
  expect(JSON.parse(stdout)).toMatchObject({
    verdict: "all is well",
    gradients: expect.stringContaining("great"),
    product: expect.stringMatching(/[1-9]\d* GFLOP\/s/),
  });
  expect(status).toBe(0);
});

it("quickstart writes a project that trains, inspect and report show what it made", () => {
  const project = join(folder, "first");
  const { status, stdout } = nabla("quickstart", "first");
  expect(status).toBe(0);
  const [accuracy] = /(\d\.\d+)\s+[\d,]+\s+[\d.]+ s\n\nthe point/.exec(stdout)!.slice(1);
  expect(Number(accuracy)).toBeGreaterThan(0.98);
  expect(nabla("quickstart", "first")).toMatchObject({ status: 1, stderr: expect.stringContaining("not empty") });

  const weights = JSON.parse(nabla("inspect", "first/model.safetensors", "--json").stdout);
  expect(weights.tensors.find(({ name }: { name: string }) => name === "0.weight")).toEqual({
    name: "0.weight",
    dtype: "F32",
    shape: [2, 32],
    bytes: 256,
  });
  expect(weights).toMatchObject({ elements: 1218, bytes: 4872, training: null });
  expect(nabla("inspect", "first/train.mjs")).toMatchObject({ status: 1, stderr: expect.stringContaining("no safetensors file") });

  expect(nabla("report", "first", "--out", "page.html").status).toBe(0);
  const page = readFileSync(join(folder, "page.html"), "utf8");
  expect(page).toContain("curves.svg");
  expect(page).toContain("<svg");
  expect(page).not.toMatch(/(src|href)="(?!data:)/); // nothing beside itself
  expect(existsSync(join(project, "README.md"))).toBe(true);
});

it("checkpoints and logs are inspected and reported", () => {
  const script = `
    import { ArrayDataset, checkpoint, csvLogger, fit, jsonLogger, losses, nn, optim } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
    const data = new ArrayDataset({ x: { data: new Float32Array(8), shape: [8, 1], dtype: "f32" }, y: { data: new Float32Array(8), shape: [8, 1], dtype: "f32" } });
    const model = nn.linear(1, 1);
    await fit(model, data, { loss: losses.mse, optimizer: optim.sgd(model.parameters(), { lr: 0.1 }), epochs: 3, validation: { dev: data },
      callbacks: [checkpoint("run"), csvLogger("run/log.csv"), jsonLogger("run/log.jsonl")] });`;
  expect(spawnSync(process.execPath, ["--input-type=module", "-e", script], { cwd: folder, encoding: "utf8" }).stderr).toBe("");
  expect(nabla("inspect", "run/checkpoint.safetensors").stdout).toMatch(
    /a checkpoint of a training: epoch 4, batch 0, step 3[\s\S]*"dev.loss"/,
  );
  const { training } = JSON.parse(nabla("inspect", "run/checkpoint.safetensors", "--json").stdout);
  expect(training.history).toHaveLength(3);
  expect(nabla("report", "run").stdout).toContain("3 sections");
  const page = readFileSync(join(folder, "report.html"), "utf8");
  for (const name of ["checkpoint.safetensors", "log.csv", "log.jsonl"]) expect(page).toContain(`<h2>${name}</h2>`);
  expect(page.match(/<th>dev.loss<\/th>/g)).toHaveLength(3);
});
