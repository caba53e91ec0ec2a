/**
 * Shows that the tests can fail: plants one fault after another in a clone of the last commit, and demands that the test named beside
 * it, which passes without the fault, fails with it. `node scripts/planted-faults.mjs [part of a name …]` plants some only.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * `edits` replace text that stands in the file exactly once. `test`: what must notice, `native` being a filter of GoogleTest, `vitest` a
 * file and part of a name, `ctest` a pattern of names.
 */
const faults = [
  {
    name: "a doubled gradient",
    file: "lib/ops/rows.ts",
    edits: [["(gy, { y }) => softmaxGradient(gy, y)", "(gy, { y }) => mul(2, softmaxGradient(gy, y))"]],
    test: { vitest: ["test/ops/table.test.ts", "op softmax$"] },
  },
  {
    name: "a tail that is one short",
    file: "native/kernels/rows.cpp",
    edits: [["sweep<T>(smaller(kBlock, n - start), [&]", "sweep<T>(smaller(kBlock, n - start - (n > 8)), [&]"]],
    test: { native: "*RowsTest.Softmax*" },
  },
  {
    name: "a race in the pool of threads",
    file: "native/engine/pool.cpp",
    edits: [
      [
        "if (!share.left.compare_exchange_weak(left, left - 1, std::memory_order_acquire, std::memory_order_relaxed))\n        continue;",
        "share.left.store(left - 1);",
      ],
    ],
    test: { native: "*ThreadPool.ManyTinyJobs*" },
  },
  {
    name: "a memory plan with overlaps",
    file: "lib/compile/memory.ts",
    edits: [["lives[b].first <= lives[a].last)", "lives[b].first < lives[a].last)"]],
    test: { vitest: ["test/compile/random-graphs.test.ts", ""] },
  },
  {
    name: "a stale read",
    file: "lib/tensor/evaluate.ts",
    edits: [["source.version !== source.variable.version", "source.version > source.variable.version"]],
    test: { vitest: ["test/tensor/tensor.test.ts", "refuse stale readings"] },
  },
  {
    name: "a leaked storage",
    file: "native/engine/engine.cpp",
    edits: [["  run.storages.clear();", "  new std::vector<StorageRef>(std::move(run.storages));"]],
    test: { vitest: ["test/runtime/lifetimes.test.ts", "storages go back"] },
  },
  {
    name: "an epilogue that is not fused",
    file: "lib/compile/steps.ts",
    edits: [["if (!user.inputs.includes(host) || !canJoin(step, other, host)) continue;", "if (host.id >= 0) continue;"]],
    test: { vitest: ["test/compile/programs.test.ts", "bias and activation"] },
  },
  {
    name: "a maximum that passes NaN over",
    file: "native/kernels/pool.cpp",
    edits: [["return select(nan, Vec<T>::all(T(kNan)), best);", "return select(nan & ~nan, Vec<T>::all(T(kNan)), best);"]],
    test: { native: "*PoolTest.Maximum*" },
  },
  {
    name: "a weak symbol compiled for AVX-512",
    file: "native/kernels/table.cpp",
    edits: [['#include "kernels.h"', '#include "kernels.h"\n\ninline __attribute__((used)) float twice(float x) { return x + x; }']],
    test: { ctest: "^isa_symbols/" },
  },
  {
    name: "rounding that depends on the thread",
    file: "native/engine/pool.cpp",
    edits: [
      ["#include <chrono>", "#include <cfenv>\n#include <chrono>"],
      ["void Pool::serve(int thread) {", "void Pool::serve(int thread) {\n  std::fesetround(FE_UPWARD);"],
    ],
    test: { native: "*EveryThreadCount*" },
  },
];

const wanted = process.argv.slice(2);
const planted = faults.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const clone = mkdtempSync(join(tmpdir(), "nabla-faults-"));

function run(program, args, limit = 3600) {
  const options = { cwd: clone, encoding: "utf8", env: { ...process.env, CI: "true" }, maxBuffer: 1 << 28, timeout: 1000 * limit };
  return spawnSync(program, args, { ...options, killSignal: "SIGKILL" });
}

/** Runs what must succeed. */
function must(program, ...args) {
  const { status, stdout, stderr, error } = run(program, args);
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${error ?? ""}\n${stdout}${stderr}`);
}

const buildNative = (...targets) => must("cmake", "--build", "build", "--parallel", String(availableParallelism()), "--target", ...targets);

/** Whether the test passed or failed; a build or a test that does not run at all is an error of this script. */
function outcomeOf({ native, vitest, ctest }, { file }) {
  if (native !== undefined || ctest !== undefined) buildNative("nabla_tests");
  if (native !== undefined) {
    const { status, signal, stdout } = run("build/nabla_tests", [`--gtest_filter=${native}`], 120); // a fault may make it hang
    if (signal === null && !/Running [1-9]\d* tests?/.test(stdout)) throw new Error(`no test is called ${native}\n${stdout}`);
    return status === 0 ? "passed" : "failed";
  }
  if (ctest !== undefined) {
    const { status, stdout } = run("ctest", ["--test-dir", "build", "-R", ctest, "--no-tests=error"]);
    if (status !== 0 && !/tests failed out of/.test(stdout)) throw new Error(`no test is called ${ctest}\n${stdout}`);
    return status === 0 ? "passed" : "failed";
  }
  if (file.startsWith("native/")) buildNative("nabla");
  const results = join(clone, "results.json");
  rmSync(results, { force: true });
  const reporters = ["--reporter=json", `--outputFile.json=${results}`];
  const { stdout, stderr } = run("npx", ["vitest", "run", vitest[0], "-t", vitest[1], "--project", "nabla", ...reporters]);
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(results, "utf8"));
    if (numPassedTests + numFailedTests > 0) return numFailedTests === 0 ? "passed" : "failed";
  } catch {
    // Said below.
  }
  throw new Error(`no test ran of ${vitest.join(", ")}\n${stdout}${stderr}`);
}

/** The text with each edit made; throws if the code to change is not there, once. */
function edited(text, { file, name, edits }) {
  return edits.reduce((before, [find, replace]) => {
    const count = before.split(find).length - 1;
    if (count !== 1) throw new Error(`"${name}": ${file} holds ${count} times: ${find}\nThe code has changed; change the fault with it.`);
    return before.replace(find, () => replace);
  }, text);
}

const rows = [];
try {
  for (const fault of planted) edited(readFileSync(join(root, fault.file), "utf8"), fault); // before the long build
  must("git", "clone", "--quiet", "--no-hardlinks", root, clone);
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"), "junction");
  console.log("building a clone …");
  must("cmake", "-S", ".", "-B", "build", "-DNABLA_TESTS=ON");
  buildNative("nabla", "nabla_tests");
  for (const fault of planted) {
    const began = performance.now();
    const path = join(clone, fault.file);
    const sound = readFileSync(path, "utf8");
    let outcomes;
    try {
      const before = outcomeOf(fault.test, fault);
      writeFileSync(path, edited(sound, fault));
      outcomes = [before, outcomeOf(fault.test, fault)];
    } catch (error) {
      outcomes = ["error", "error"];
      console.log(`"${fault.name}": ${error.message}`);
    }
    writeFileSync(path, sound);
    const [key] = Object.keys(fault.test);
    rows.push({
      fault: fault.name,
      in: fault.file,
      test: `${key} ${[fault.test[key]].flat().join(" ")}`,
      without: outcomes[0],
      with: outcomes[1],
      caught: outcomes[0] === "passed" && outcomes[1] === "failed",
      seconds: Math.round((performance.now() - began) / 1000),
    });
    const { caught, seconds } = rows.at(-1);
    console.log(`${caught ? "caught" : "NOT CAUGHT"}: ${fault.name}, ${seconds} s`);
  }
} finally {
  rmSync(clone, { recursive: true, force: true });
}
console.table(rows);
process.exit(rows.every(({ caught }) => caught) ? 0 : 1);
