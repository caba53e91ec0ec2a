/** Who can be measured, how each is started, and which settings of it are tried: the best one counts. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { compileProgram } from "../harness/native.mjs";
import { isSimple } from "../workloads.mjs";

/**
 * @import { Kernel } from "../kernels.mjs"
 * @import { Workload } from "../workloads.mjs"
 */

/**
 * @typedef {object} Setting one way to start a contender
 * @property {string} label
 * @property {string} command
 * @property {string[]} args
 * @property {Record<string, string>} env
 *
 * @typedef {object} Contender
 * @property {string} name
 * @property {() => string | null} absent null, or what is missing and how to get it
 * @property {(threads: number, workload?: Workload | Kernel) => Setting[]} settings none where the workload is not its own
 * @property {boolean} hasEventLoop
 * @property {boolean} hasThreads it computes on as many threads as it is told
 * @property {boolean} isLibrary something is imported, and operations are written one by one
 * @property {string[]} [packages] folders that it needs at run time
 */

const path = (/** @type {string} */ file) => fileURLToPath(new URL(file, import.meta.url));
const require = createRequire(import.meta.url);

/**
 * @param {Pick<Contender, "name" | "absent" | "packages" | "hasThreads">} who
 * @param {string} file
 * @param {{ args?: string[], env?: Record<string, string>, does?: (workload: Workload | Kernel) => boolean }} start
 * @returns {Contender}
 */
const javaScript = (who, file, { args = [], env = {}, does = (workload) => "layers" in workload && isSimple(workload) }) => ({
  ...who,
  hasEventLoop: true,
  isLibrary: true,
  settings: (threads, workload) =>
    workload === undefined || does(workload)
      ? [{ label: "", command: process.execPath, args: [path(file), ...args], env: { ...env, NABLA_THREADS: String(threads) } }]
      : [],
});

const built = () => {
  try {
    readFileSync(path("../../dist/index.js"));
    return null;
  } catch {
    return "dist/ is missing: run npm run build";
  }
};

const installed = (/** @type {string} */ name) => () => {
  try {
    require.resolve(name);
    return null;
  } catch {
    return `${name} is not installed: run bench/setup`;
  }
};

/** Dense networks; its Adam takes a minute for a step. */
const isBrainJs = (/** @type {Workload | Kernel} */ workload) =>
  "layers" in workload &&
  workload.optimizer?.kind === "sgd" &&
  workload.layers.every(({ kind }) => ["linear", "relu", "tanh"].includes(kind));

const predicts = (/** @type {Workload | Kernel} */ workload) => "layers" in workload && workload.optimizer === undefined;

/** Debian's interpreter, which sees Debian's packages; another one on the PATH may not. */
const python = "/usr/bin/python3";
const hasAvx512 = () => readFileSync("/proc/cpuinfo", "utf8").includes(" avx512f");

/** @type {Contender} */
const pytorch = {
  name: "pytorch",
  hasEventLoop: false,
  hasThreads: true,
  isLibrary: true,
  absent: () => (spawnSync(python, ["-c", "import torch"]).status === 0 ? null : "python3-torch is not installed: run bench/setup"),
  settings(threads, workload) {
    /** @type {Record<string, string>} */
    const tuned = hasAvx512() ? { ATEN_CPU_CAPABILITY: "avx512", OPENBLAS_CORETYPE: "SkylakeX" } : {};
    const base = { OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) };
    // glibc's largest threshold: freed blocks up to 32 MiB stay mapped, and stepping does not spend its time in page faults.
    const kept = { MALLOC_MMAP_THRESHOLD_: String(2 ** 25), MALLOC_TRIM_THRESHOLD_: String(2 ** 36) };
    const pinned = { ...base, ...tuned, ...kept, OMP_PROC_BIND: "true", OMP_PLACES: "cores" };
    const setting = (/** @type {string} */ label, /** @type {string} */ layout, /** @type {Record<string, string>} */ env) => ({
      label,
      command: python,
      args: [path("pytorch.py"), layout],
      env,
    });
    const settings = [setting("tuned", "contiguous", pinned), setting("defaults", "contiguous", base)];
    if (workload !== undefined && "op" in workload && ["gemm", "conv"].includes(workload.op)) return []; // its own libraries are peers
    const hasImages = workload !== undefined && ("op" in workload ? "c" in workload.size : workload.input.length === 4);
    if (workload !== undefined && predicts(workload)) settings.push(setting("frozen graph", "frozen", pinned));
    return hasImages ? [...settings, setting("channels last", "channels_last", pinned)] : settings;
  },
};

/**
 * A peer in C++, built against a package of Debian's; its workloads are arguments of the program.
 * @param {string} name
 * @param {string} library
 * @param {string} package_
 * @param {(threads: number, kernel: Kernel) => { label: string, args: string[], env: Record<string, string> }[]} settings
 * @returns {Contender}
 */
function cPlusPlus(name, library, package_, settings) {
  const program = () => compileProgram(name, path(`${name}.cpp`), [library]);
  return {
    name,
    hasEventLoop: false,
    hasThreads: true,
    isLibrary: false,
    absent() {
      try {
        program();
        return null;
      } catch (error) {
        const { stderr = "" } = /** @type {{ stderr?: Buffer }} */ (error);
        return `${package_} or a C++ compiler is not installed: run bench/setup; ${String(stderr).split("\n")[0]}`;
      }
    },
    settings: (threads, workload) =>
      workload !== undefined && "op" in workload ? settings(threads, workload).map((setting) => ({ ...setting, command: program() })) : [],
  };
}

const onednn = cPlusPlus("onednn", "-ldnnl", "libdnnl-dev", (threads, { op, pass = "", size }) => {
  const env = { OMP_NUM_THREADS: String(threads), OMP_PROC_BIND: "true", OMP_PLACES: "cores" };
  const { m, n, k, c, h, r, s, p, g } = size;
  if (op === "conv") return [{ label: "", args: [op, pass, ...[n, c, h, k, r, s, p, g].map(String)], env }];
  if (op !== "gemm") return [];
  const products = { plain: "row-major", any: "packed beforehand" };
  return Object.entries(products).map(([layout, label]) => ({ label, args: [op, layout, ...[m, n, k].map(String)], env }));
});

const openblas = cPlusPlus("openblas", "-lopenblas", "libopenblas-dev", (threads, { op, size: { m, n, k } }) => {
  if (op !== "gemm") return [];
  /** @type {Record<string, string>} */
  const tuned = hasAvx512() ? { OPENBLAS_CORETYPE: "SkylakeX" } : {};
  const env = { ...tuned, OPENBLAS_NUM_THREADS: String(threads), OMP_NUM_THREADS: String(threads) };
  const args = [m, n, k].map(String);
  const withOpenMp = "/usr/lib/x86_64-linux-gnu/openblas-openmp";
  const pinned = { ...env, LD_LIBRARY_PATH: withOpenMp, OMP_PROC_BIND: "true", OMP_PLACES: "cores" };
  const settings = [{ label: "own threads", args, env }];
  return threads > 1 && existsSync(withOpenMp) ? [...settings, { label: "OpenMP", args, env: pinned }] : settings;
});

/** The library itself, and what it is compared with. */
export const nabla = javaScript({ name: "nabla", hasThreads: true, absent: built }, "nabla.mjs", {
  env: { NABLA_DEVICE: "cpu" },
  does: () => true,
});
/** @type {Contender[]} */
export const peers = [
  javaScript({ name: "reference", hasThreads: false, absent: built }, "nabla.mjs", { env: { NABLA_DEVICE: "reference" } }),
  javaScript(
    { name: "tfjs-cpu", hasThreads: false, packages: [path("../node_modules/@tensorflow")], absent: installed("@tensorflow/tfjs") },
    "tfjs.mjs",
    { args: ["cpu"] },
  ),
  javaScript({ name: "tfjs-wasm", hasThreads: false, absent: installed("@tensorflow/tfjs-backend-wasm") }, "tfjs.mjs", { args: ["wasm"] }),
  javaScript(
    {
      name: "onnxruntime",
      hasThreads: true,
      packages: ["node", "common"].map((part) => path(`../node_modules/onnxruntime-${part}`)),
      absent: installed("onnxruntime-node"),
    },
    "onnxruntime.mjs",
    { does: (work) => predicts(work) || ("op" in work && (work.op === "gemm" || (work.op === "conv" && work.pass === "forward"))) },
  ),
  javaScript(
    {
      name: "brainjs",
      hasThreads: false,
      packages: ["brain.js", "gpu.js", "acorn", "thaw.js"].map((part) => path(`../node_modules/${part}`)),
      absent: installed("brain.js"),
    },
    "brainjs.mjs",
    { does: isBrainJs },
  ),
  pytorch,
  onednn,
  openblas,
];
