/**
 * `npm run package`: makes nabla-<version>.tgz, the package that is published. It holds dist/, the binaries of prebuilds/ (where there is
 * none for this platform, one is built), and a package.json without scripts, so that installing it runs nothing at all.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stage = join(root, "build-package");

/** What only a clone needs of package.json. `private` keeps `npm publish` from publishing the clone itself. */
const ofTheClone = ["private", "scripts", "devDependencies", "gypfile", "binary"];

/** Builds and packs; the path of the package. */
export function makePackage() {
  for (const folder of [stage, join(root, "dist")]) rmSync(folder, { recursive: true, force: true }); // nothing old is published
  npm(root, "run", "build");
  mkdirSync(stage);
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of ["prebuilds", ...manifest.files.filter((name) => !name.startsWith("!"))]) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(stage, name), { recursive: true });
  }
  if (!existsSync(join(stage, "prebuilds", `${process.platform}-${process.arch}`))) buildBinary();
  for (const key of ofTheClone) delete manifest[key];
  writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  npm(stage, "pack", "--ignore-scripts", "--pack-destination", root);
  return join(root, `${manifest.name}-${manifest.version}.tgz`);
}

/** node-gyp wipes build/ of the folder it works in, so it gets one of its own. */
function buildBinary() {
  const work = join(stage, "gyp");
  mkdirSync(work);
  for (const name of ["native", "binding.gyp", "package.json"]) cpSync(join(root, name), join(work, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(work, "node_modules"), "junction");
  process.env.JOBS ??= String(availableParallelism());
  // Node's own headers where they lie beside it: nothing is downloaded then.
  const prefix = dirname(dirname(process.execPath));
  if (existsSync(join(prefix, "include", "node", "node_api.h"))) process.env.npm_config_nodedir ??= prefix;
  npm(root, "run", "prebuilds", "--", "--cwd", work, "--out", stage);
  rmSync(work, { recursive: true });
}

/** Runs npm in a folder, and shows what it said only if it fails. */
function npm(cwd, ...args) {
  const { status, stdout, stderr, error } = spawnSync("npm", args, { cwd, encoding: "utf8", shell: process.platform === "win32" });
  if (status !== 0) throw new Error(`npm ${args.join(" ")} failed: ${error ?? stdout + stderr}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(makePackage());
