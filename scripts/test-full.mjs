/**
 * `npm run test:full [part of a name …]`: what takes too long for every change. Goes on after a failure; a table at the end. A stage
 * whose tools are missing counts as failed. What each of them said lies in build-full/.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, openSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const logs = join(root, "build-full");
const jobs = String(availableParallelism());

/** Commands that configure, build and run the native tests in a folder. */
const native = (folder, options, env = {}) => [
  ["cmake", "-S", ".", "-B", folder, "-DNABLA_TESTS=ON", ...options],
  ["cmake", "--build", folder, "--parallel", jobs],
  [env, "ctest", "--test-dir", folder, "--output-on-failure", "--parallel", jobs],
];

const libraryOf = (name) => spawnSync("g++", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout?.trim();

/** Makes Node load the addon of build-asan. Node itself leaks by design, and allocates more than it frees at once. */
const addonUnderAsan = () => {
  const folder = join(logs, "asan"); // node-gyp-build looks for build/Release in it
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  symlinkSync(join(root, "build-asan"), join(folder, "build"));
  return {
    NABLA_PREBUILD: folder,
    LD_PRELOAD: `${libraryOf("libasan.so")}:${libraryOf("libubsan.so")}`,
    NABLA_PATIENCE: "6",
    ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=8",
    UBSAN_OPTIONS: "print_stacktrace=1",
  };
};

const isas = () => {
  const { isas } = createRequire(import.meta.url)("node-gyp-build")(root).info();
  return isas.slice(0, -1);
};

/** By name: the tools needed, and what is run, one after the other, until one fails; environment variables may stand before a command. */
const stages = {
  "native tests under AddressSanitizer and UBSan": {
    commands: () => native("build-asan", ["-DNABLA_SANITIZE=address,undefined"], { NABLA_FUZZ: "300000" }),
  },
  "native tests under ThreadSanitizer": { commands: () => native("build-tsan", ["-DNABLA_SANITIZE=thread"]) },
  "the addon under AddressSanitizer and UBSan": {
    commands: () => {
      const parts = ["test/runtime", "test/train", "test/optim", "test/tensor", "test/compile"];
      return [
        ["cmake", "--build", "build-asan", "--parallel", jobs, "--target", "nabla"],
        ["npm", "run", "build"],
        [addonUnderAsan(), "npx", "vitest", "run", "--project", "nabla", "--testTimeout", "600000", ...parts],
      ];
    },
  },
  "native tests of arm64, emulated": {
    needs: ["aarch64-linux-gnu-g++", "qemu-aarch64-static"],
    commands: () => native("build-arm64", ["-DCMAKE_TOOLCHAIN_FILE=scripts/arm64.cmake"]),
  },
  "npm test on other instruction sets": {
    commands: () => isas().map((isa) => [{ NABLA_ISA: isa }, "npx", "vitest", "run", "--testTimeout", "600000"]),
  },
  "npm test on one thread": { commands: () => [[{ NABLA_THREADS: "1" }, "npm", "test"]] },
  "long lifetimes": { commands: () => [[{ NABLA_LONG: "1" }, "npx", "vitest", "run", "test/runtime/lifetimes.test.ts"]] },
  "trainings killed and resumed": { commands: () => [[{ NABLA_LONG: "1" }, "npx", "vitest", "run", "test/train/resume.test.ts"]] },
  "a search on MNIST, killed and resumed": { commands: () => [[{ NABLA_LONG: "1" }, "npx", "vitest", "run", "test/tune"]] },
  "wrong labels among all of MNIST": { commands: () => [[{ NABLA_LONG: "1" }, "npx", "vitest", "run", "test/diagnose"]] },
  "every architecture beside torchvision": {
    commands: () => [[{ NABLA_LONG: "1" }, "npx", "vitest", "run", "--testTimeout", "600000", "test/models"]],
  },
  "npx nabla bench": {
    commands: () => [
      ["npm", "run", "build"],
      ["node", "dist/cli/index.js", "bench"],
    ],
  },
  "fuzzing of the validator of programs": {
    needs: ["clang++-19"],
    commands: () => {
      const corpus = join(logs, "corpus");
      mkdirSync(corpus);
      return [
        ["cmake", "-S", ".", "-B", "build-fuzz", "-DNABLA_FUZZ=ON", "-DCMAKE_CXX_COMPILER=clang++-19"],
        ["cmake", "--build", "build-fuzz", "--parallel", jobs, "--target", "nabla_program_fuzzer"],
        [{ NABLA_CORPUS: corpus }, "build-fuzz/nabla_program_fuzzer", "-runs=0"],
        ["build-fuzz/nabla_program_fuzzer", "-max_total_time=300", "-timeout=60", "-max_len=4096", `-artifact_prefix=${logs}/`, corpus],
      ];
    },
  },
  "fuzzing of ops and programs": { commands: () => [["npm", "run", "fuzz", "--", "300"]] },
  "planted faults": { commands: () => [["npm", "run", "faults"]] },
};

const wanted = process.argv.slice(2);
rmSync(logs, { recursive: true, force: true });
mkdirSync(logs);
const rows = [];
for (const [name, { needs = [], commands }] of Object.entries(stages)) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
  const began = performance.now();
  const missing = needs.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  let result = missing.length > 0 ? `needs ${missing.join(", ")}` : "passed";
  if (missing.length === 0) {
    console.log(`== ${name}`);
    const log = join(logs, `${name.replaceAll(/\W+/g, "-")}.log`);
    const out = openSync(log, "w");
    for (const command of commands()) {
      const [env, program, ...args] = typeof command[0] === "string" ? [{}, ...command] : command;
      const { status } = spawnSync(program, args, { cwd: root, stdio: ["ignore", out, out], env: { ...process.env, CI: "true", ...env } });
      if (status === 0) continue;
      result = "FAILED";
      console.log(
        `${readFileSync(log, "utf8").split("\n").slice(-60).join("\n")}\n${[program, ...args].join(" ")} failed; all of it: ${log}`,
      );
      break;
    }
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`== ${name}: ${result}, ${seconds} s`);
  rows.push({ stage: name, result, seconds });
}
console.table(rows);
process.exit(rows.every(({ result }) => result === "passed") ? 0 : 1);
