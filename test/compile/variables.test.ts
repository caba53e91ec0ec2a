/** Variables under random use: see `variables.ts`. */
import { describe, it } from "vitest";
import { testedDevices } from "../devices.js";
import { fixedSeeds } from "../seeds.js";
import { checkVariables } from "./variables.js";

describe("variables", () => {
  for (const device of testedDevices) {
    it(`follow a model in plain numbers on ${device}`, async () => {
      for (const seed of fixedSeeds(40)) await checkVariables(device, seed);
    });
  }
});
