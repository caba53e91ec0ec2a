/** `npm run fuzz`: the randomised checks with fresh seeds, in turn, until time is up. */
import { it } from "vitest";
import { checkDevicesAgree, checkGraph, checkUpdates } from "./compile/properties.js";
import { checkVariables } from "./compile/variables.js";
import { testedDevices } from "./devices.js";
import { checkDrawing, opNames } from "./ops/properties.js";
import { firstSeed, fuzzSeconds } from "./seeds.js";

/** Everything there is to check with one seed. */
async function checkAll(seed: number): Promise<void> {
  for (const name of opNames) await checkDrawing(name, seed);
  for (const device of testedDevices) {
    for (const dtype of ["f32", "f64"] as const) await checkGraph(device, dtype, seed);
    await checkUpdates(device, seed);
    await checkVariables(device, seed);
  }
  await checkDevicesAgree(seed);
}

it(
  "no failure",
  async () => {
    const end = performance.now() + 1000 * fuzzSeconds;
    let seed = firstSeed;
    for (; performance.now() < end; seed++) await checkAll(seed);
    console.log(`seeds ${firstSeed} to ${seed - 1}`);
  },
  1000 * (fuzzSeconds + 600),
);
