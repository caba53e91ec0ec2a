/**
 * Packs nabla and installs the package as a user does: in an empty folder, with lifecycle scripts off and neither compiler nor CMake on
 * the PATH. Then a network is trained with it, every entry point is imported and required, and TypeScript checks a program against it.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makePackage } from "./package.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const mostBytes = 5e6; // of the native binary

/** Throws unless it holds. */
function verify(holds, sentence) {
  if (!holds) throw new Error(`smoke: ${sentence}`);
}

/** Runs a program and gives back what it printed; throws, with all that it said, if it fails. */
function run(program, args, options) {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", ...options });
  if (status !== 0) throw new Error(`smoke: ${program} ${args.join(" ")}: ${error ?? signal ?? status}\n${stdout}${stderr}`);
  return stdout;
}

/** A PATH where only Node and npm are found. */
function barePath(folder) {
  mkdirSync(folder);
  const npm = (process.env.PATH ?? "").split(delimiter).map((path) => join(path, "npm"));
  const found = npm.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  verify(found, "npm is not on the PATH");
  symlinkSync(realpathSync(found), join(folder, "npm"));
  symlinkSync(process.execPath, join(folder, "node"));
  for (const tool of ["cc", "c++", "g++", "gcc", "clang", "cmake", "make", "python3"])
    verify(spawnSync(tool, ["--version"], { env: { PATH: folder } }).error?.code === "ENOENT", `${tool} is still found`);
  return folder;
}

const training = `
import { compile, losses, nn, optim, randn, setSeed, stats, tensor } from "nabla";

setSeed(1);
const model = nn.sequential(nn.linear(8, 16), nn.relu(), nn.linear(16, 3));
const adam = optim.adam(model.parameters(), { lr: 0.02 });
const step = compile((x, y) => {
  const loss = losses.crossEntropy(model.forward(x), y);
  adam.minimize(loss);
  return loss;
});
const x = randn([30, 8], { seed: 2 });
const y = tensor(Int32Array.from({ length: 30 }, (_, i) => i % 3));
const first = await (await step(x, y)).item();
for (let i = 0; i < 100; i++) await step(x, y);
const last = await (await step(x, y)).item();
if (!(last < first / 4)) throw new Error(\`the loss went from \${first} to \${last}\`);
console.log(\`a network trained on \${stats().isa}: loss \${first.toFixed(3)} → \${last.toFixed(3)}\`);
`;

const typed = `
import { type Tensor, compile, nn, optim, losses } from "nabla";
import { linear } from "nabla/nn";

const model: nn.Module = nn.sequential(linear(2, 2), nn.tanh());
const sgd = optim.sgd(model.parameters(), { lr: 0.1 });
export const step = compile((x: Tensor, y: Tensor): Tensor => {
  const loss = losses.mse(model.forward(x), y);
  sgd.minimize(loss);
  return loss;
});
export const chained = (x: Tensor): number => x.add(1).relu().shape.length;
// @ts-expect-error: tensors have no such method, nor have those that methods return
export const missing = (x: Tensor) => x.add(1).plough();
// @ts-expect-error: a learning rate is a number
optim.sgd(model.parameters(), { lr: "fast" });
`;

const tarball = makePackage();
const place = mkdtempSync(join(tmpdir(), "nabla-smoke-"));
try {
  const env = { ...process.env, PATH: barePath(join(place, "bin")) };
  for (const name of Object.keys(env)) if (/^(npm_config_ignore|CXX?$|CMAKE)/i.test(name)) delete env[name];
  const home = join(place, "project");
  mkdirSync(home);
  writeFileSync(join(home, "package.json"), '{ "private": true, "type": "module" }\n');
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", tarball], { cwd: home, env });

  const installed = join(home, "node_modules", "nabla");
  const files = readdirSync(installed, { recursive: true }).map(String);
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  verify(manifest.scripts === undefined, `the package has scripts: ${Object.keys(manifest.scripts ?? {})}`);
  verify(
    !files.some((file) => /\.(gyp|gypi|cpp|h)$/.test(file)),
    "the package holds sources of C++, or binding.gyp, which npm would build",
  );
  verify(!files.some((file) => file.startsWith("dist/examples")), "the package holds what is none of its own");
  const locked = JSON.parse(readFileSync(join(home, "package-lock.json"), "utf8")).packages;
  for (const [path, { hasInstallScript }] of Object.entries(locked)) verify(!hasInstallScript, `${path} has an install script`);
  const binaries = files.filter((file) => file.endsWith(".node"));
  verify(binaries.length > 0, "the package holds no native binary");
  for (const file of binaries) {
    const { size } = statSync(join(installed, file));
    console.log(`${file}: ${(size / 1e6).toFixed(2)} MB`);
    verify(size < mostBytes, `${file} takes more than ${mostBytes / 1e6} MB`);
  }
  const unpacked = files.reduce((sum, file) => sum + statSync(join(installed, file)).size, 0);
  console.log(
    `package: ${(statSync(tarball).size / 1e6).toFixed(2)} MB, unpacked ${(unpacked / 1e6).toFixed(2)} MB in ${files.length} files`,
  );

  writeFileSync(join(home, "train.mjs"), training);
  process.stdout.write(run("node", ["train.mjs"], { cwd: home, env }));
  const entries = Object.keys(manifest.exports).map((path) => path.replace(/^\./, "nabla"));
  for (const entry of entries) {
    if (!entry.endsWith(".json")) run("node", ["--input-type=module", "-e", `await import("${entry}")`], { cwd: home, env });
    run("node", ["--input-type=commonjs", "-e", `require("${entry}")`], { cwd: home, env });
  }
  console.log(`imported and required: ${entries.join(", ")}`);

  writeFileSync(join(home, "typed.ts"), typed);
  const types = dirname(dirname(fileURLToPath(import.meta.resolve("@types/node/package.json"))));
  const options = ["--noEmit", "--strict", "--skipLibCheck", "false", "--module", "node20", "--target", "es2022"];
  const lib = ["--lib", "es2023,esnext.disposable", "--typeRoots", types, "--types", "node", "typed.ts"];
  run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, ...lib], { cwd: home });
  console.log("a typed program checks against its declarations");
} finally {
  rmSync(place, { recursive: true, force: true });
}
