/** `npm run fuzz`: the randomised checks with fresh seeds, in turn, until time is up. */
import { describe, it } from "vitest";
import { checkDrawing, opNames } from "./ops/properties.js";
import { firstSeed, fuzzSeconds } from "./seeds.js";

describe.runIf(fuzzSeconds > 0)("fuzz", () => {
  it(
    "goes on without a failure",
    () => {
      const end = performance.now() + 1000 * fuzzSeconds;
      let seed = firstSeed;
      for (; performance.now() < end; seed++) {
        for (const name of opNames) checkDrawing(name, seed);
      }
      console.log(`seeds ${firstSeed} to ${seed - 1}`);
    },
    1000 * (fuzzSeconds + 600),
  );
});
