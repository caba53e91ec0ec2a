/** `npm run fuzz [seconds] [first seed]`: checks ops and whole programs with fresh seeds, on every instruction set this machine has. */
import { spawnSync } from "node:child_process";

const [seconds = "60", seed = String(Date.now() % 1e9)] = process.argv.slice(2);
console.log(`fuzzing for ${seconds} s from seed ${seed}`);
const { status } = spawnSync("npx", ["vitest", "run"], {
  stdio: "inherit",
  shell: process.platform === "win32",
  env: { ...process.env, NABLA_FUZZ_SECONDS: seconds, NABLA_SEED: seed },
});
process.exit(status ?? 1);
