/** What the benchmark compiles when it is first needed: programs in C++, and the modules of lib/ one by one. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, utimesSync } from "node:fs";
import { arch } from "node:os";
import { fileURLToPath } from "node:url";

const folder = new URL("../results/", import.meta.url);
const headers = [fileURLToPath(new URL("../contenders/serve.h", import.meta.url))];

/**
 * The path of the program made from one source file; throws what the compiler says.
 * @param {string} name
 * @param {string} source
 * @param {string[]} [libraries]
 */
export function compileProgram(name, source, libraries = []) {
  const binary = fileURLToPath(new URL(name, folder));
  const madeAt = changedAt(binary);
  if (![source, ...headers].every((file) => changedAt(file) < madeAt)) {
    mkdirSync(folder, { recursive: true });
    const march = arch() === "x64" ? ["-march=native"] : [];
    const options = ["-std=c++17", "-O3", ...march, "-ffp-contract=fast", "-pthread"];
    execFileSync("c++", [...options, source, ...libraries, "-o", binary], { stdio: "pipe" });
  }
  return binary;
}

const root = new URL("../../", import.meta.url);

/** The modules of lib/, each in a file of its own, as an address; they load the same addon as dist/ does. */
export function buildModules() {
  const stamp = new URL("build-modules/.tsbuildinfo", root);
  const sources = readdirSync(new URL("lib/", root), { recursive: true }).map((name) => new URL(`lib/${name}`, root));
  if (sources.some((file) => changedAt(fileURLToPath(file)) > changedAt(fileURLToPath(stamp)))) {
    const options = ["--outDir", "build-modules", "--emitDeclarationOnly", "false", "--declaration", "false"];
    const tsc = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json", ...options, "--tsBuildInfoFile", "build-modules/.tsbuildinfo"];
    execFileSync(process.execPath, tsc, { cwd: root, stdio: "pipe" });
    utimesSync(stamp, new Date(), new Date());
  }
  return new URL("build-modules/", root).href;
}

/** @param {string} file */
function changedAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
