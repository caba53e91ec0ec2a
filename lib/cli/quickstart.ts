/** `npx nabla quickstart [FOLDER]`: writes a project of three files that runs at once, and runs it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { ValueError } from "../base/errors.js";
import type { Given } from "./index.js";
import { home, version } from "./version.js";

const train = `// Two spirals that a straight line cannot part: a small network learns to.
import { ArrayDataset, fit, losses, metrics, nn, optim, predict, progress, setSeed, split, tensor } from "nabla";

const n = 1000;
const points = new Float32Array(2 * n);
const labels = new Int32Array(n);
for (let i = 0; i < n; i++) {
  labels[i] = i % 2;
  const radius = 0.2 + (1.8 * i) / n;
  const angle = 3 * radius + Math.PI * labels[i];
  points.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i);
}
const data = new ArrayDataset({ x: { data: points, shape: [n, 2], dtype: "f32" }, y: { data: labels, shape: [n], dtype: "i32" } });
const [train, dev] = split(data, [0.8, 0.2], { seed: 1 });

setSeed(1);
const model = nn.sequential(nn.linear(2, 32), nn.relu(), nn.linear(32, 32), nn.relu(), nn.linear(32, 2));
const epochs = 40;
const history = await fit(model, train, {
  loss: losses.crossEntropy,
  optimizer: optim.adam(model.parameters(), { lr: 0.02 }),
  epochs,
  validation: { dev },
  metrics: { accuracy: metrics.accuracy },
  callbacks: [progress()],
});

await history.plot("curves.svg");
await model.save("model.safetensors");
const [[left, right]] = [await (await predict(model, tensor([[0.5, 1]]))).softmax().data()];
console.log(\`\\nthe point (0.5, 1) lies on spiral \${left > right ? 0 : 1}; the model is in model.safetensors, curves in curves.svg\`);
`;

const readme = `# A first network

\`node train.mjs\` trains it. Change the layers or the learning rate and run it again; \`npx nabla inspect model.safetensors\` shows the weights,
\`npx nabla report .\` makes a page of what is here.
`;

export async function quickstart({ words: [folder = "nabla-quickstart"] }: Given): Promise<boolean> {
  const place = resolve(folder);
  if (existsSync(place) && (await readdir(place)).length > 0)
    throw new ValueError(`quickstart: ${folder} is not empty; name another folder: npx nabla quickstart my-network`, { op: "quickstart" });
  await mkdir(place, { recursive: true });
  const manifest = { name: "a-first-network", private: true, type: "module", dependencies: { nabla: `^${version}` } };
  const files = { "package.json": `${JSON.stringify(manifest, null, 2)}\n`, "train.mjs": train, "README.md": readme };
  for (const [name, text] of Object.entries(files)) await writeFile(join(place, name), text);
  try {
    createRequire(join(place, "package.json")).resolve("nabla");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    await mkdir(join(place, "node_modules"));
    await symlink(home, join(place, "node_modules", "nabla"), "junction"); // this nabla, until npm install puts another in its place
  }
  process.stdout.write(`${Object.keys(files).join(", ")} are in ${folder}\n\n`);
  return spawnSync(process.execPath, ["train.mjs"], { cwd: place, stdio: "inherit" }).status === 0;
}
