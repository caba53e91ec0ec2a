/** Builds what a clone needs to run: the native addon (CMake, through cmake-js), the TypeScript layer and the examples. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The oldest CMake that reads CMakeLists.txt. */
const oldestCMake = [3, 22];

/** Builds whatever is older than its sources, in order. Where it cannot, the process ends with a sentence that says why. */
export async function build() {
  const addon = { folder: "build/Release", extension: ".node", sources: ["native", "CMakeLists.txt"] };
  const library = { folder: "dist", extension: ".js", sources: ["lib", "tsconfig.json", "rolldown.config.mjs"] };
  const examples = { folder: "build/examples", extension: ".js", sources: ["lib", "examples", "tsconfig.json", "tsconfig.examples.json"] };

  if (isStale(addon)) {
    const missing = [missingCompiler(), missingCMake()].filter((sentence) => sentence !== null);
    if (missing.length > 0) stop(missing);
    const jobs = String(availableParallelism());
    await stage(`compiling the native part, ${jobs} jobs`, ["cmake-js/bin/cmake-js", "build", "--parallel", jobs]);
    const now = new Date(); // CMake leaves the addon as it is where a change did not matter
    for (const file of outputs(addon)) utimesSync(file, now, now);
  }
  if (isStale(library)) {
    await stage("compiling the TypeScript part", ["typescript/bin/tsc", "-p", "tsconfig.json"], ["rolldown/bin/cli.mjs", "-c"]);
  }
  if (isStale(examples)) await stage("compiling the examples", ["typescript/bin/tsc", "-p", "tsconfig.examples.json"]);
}

/** Ends the process with sentences instead of a stack trace. */
export function stop(sentences) {
  for (const sentence of sentences) console.error(`nabla: ${sentence}`);
  process.exit(1);
}

/** Whether a source is newer than the newest output, or there is no output. */
function isStale({ sources, ...target }) {
  const built = outputs(target);
  if (built.length === 0) return true;
  const newest = (paths) => Math.max(...paths.map((path) => statSync(path).mtimeMs));
  return newest(sources.flatMap((source) => filesIn(join(root, source)))) > newest(built);
}

function outputs({ folder, extension }) {
  const out = join(root, folder);
  if (!existsSync(out)) return [];
  const names = readdirSync(out).filter((name) => name.endsWith(extension));
  return names.map((name) => join(out, name));
}

function filesIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesIn(join(path, name)));
}

/** Runs tools of node_modules, one after the other; shows one line, and all that a tool said only if it fails. */
async function stage(title, ...commands) {
  const start = performance.now();
  console.log(`nabla: ${title} …`);
  for (const [tool, ...args] of commands) {
    const { code, said } = await run(tool, args);
    if (code === 0) continue;
    process.stderr.write(said);
    stop([`${title} failed; the reason stands above.`]);
  }
  console.log(`nabla: done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

async function run(tool, args) {
  const program = join(root, "node_modules", tool);
  if (!existsSync(program)) {
    stop([`${tool.split("/")[0]}, which builds it, is not installed: run npm install without --omit=dev.`]);
  }
  const child = spawn(process.execPath, [program, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => said.push(chunk));
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, said: Buffer.concat(said) };
}

/** How to get a C++ compiler, and CMake, by platform. */
const mends = {
  linux: ["install g++ (on Debian and Ubuntu: apt install g++)", "install cmake (on Debian and Ubuntu: apt install cmake)"],
  darwin: ["run xcode-select --install", "run brew install cmake"],
};
const [compilerMend, cmakeMend] = mends[process.platform] ?? ["install a C++ compiler", "install it from https://cmake.org/download"];

function missingCompiler() {
  if (process.platform === "win32") return null; // CMake finds Visual Studio, which is not on the PATH
  const candidates = process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"];
  const program = "#include <optional>\nstatic_assert(__cplusplus >= 201703L);\n";
  const compiles = (compiler) => spawnSync(compiler, ["-std=c++17", "-x", "c++", "-fsyntax-only", "-"], { input: program }).status === 0;
  if (candidates.some(compiles)) return null;
  return `needs a C++17 compiler and found none (tried ${candidates.join(", ")}): ${compilerMend}, then run npm install again.`;
}

function missingCMake() {
  const wanted = oldestCMake.join(".");
  const { status, stdout } = spawnSync("cmake", ["--version"], { encoding: "utf8" });
  const version = status === 0 ? /\d+\.\d+[\d.]*/.exec(stdout)?.[0] : undefined;
  if (version === undefined) return `needs CMake ${wanted} or newer and found none: ${cmakeMend}, then run npm install again.`;
  const [major, minor] = version.split(".").map(Number);
  if (major > oldestCMake[0] || (major === oldestCMake[0] && minor >= oldestCMake[1])) return null;
  return `needs CMake ${wanted} or newer and this is ${version}: install a newer one from https://cmake.org/download, then run npm install again.`;
}
