/** C++ programs of the benchmark, compiled when first needed. */
import { execFileSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
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

/** @param {string} file */
function changedAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
