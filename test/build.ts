/** Brings dist/ up to date before any test: some start processes and workers, which run what is built. */
import { execFileSync } from "node:child_process";

export function setup() {
  execFileSync("npm", ["run", "build"], { stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" });
}
