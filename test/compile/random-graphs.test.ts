/** Whole programs: however a random graph is compiled, and whatever shares memory, its results keep their bits. */
import { describe, it } from "vitest";
import { testedDevices } from "../devices.js";
import { fixedSeeds } from "../seeds.js";
import { checkDevicesAgree, checkGraph, checkUpdates } from "./properties.js";

describe("random graphs", () => {
  for (const device of testedDevices) {
    for (const dtype of ["f32", "f64"] as const) {
      it(`keep their bits on ${device}, ${dtype}`, async () => {
        for (const seed of fixedSeeds(12)) await checkGraph(device, dtype, seed);
      });
    }
    it(`assign variables as if one after another on ${device}`, async () => {
      for (const seed of fixedSeeds(12)) await checkUpdates(device, seed);
    });
  }
  it("are the same on all devices, but for rounding", async () => {
    for (const seed of fixedSeeds(12)) await checkDevicesAgree(seed);
  });
});
