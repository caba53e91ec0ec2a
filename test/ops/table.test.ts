/** Every op has every property of `properties.ts`, for a few drawings; `npm run fuzz` draws on. */
import { describe, expect, it } from "vitest";
import { opTable } from "../../lib/graph/op.js";
import { topological } from "../../lib/graph/walk.js";
import { nativeInfo } from "../../lib/runtime/native.js";
import { fixedSeeds } from "../seeds.js";
import { Call, checkDrawing, checkRow, opNames, rowOf } from "./properties.js";

it("the instruction set is the one asked for", () => {
  const { isa, isas } = nativeInfo();
  expect(isa).toBe(process.env.NABLA_ISA ?? isas.at(-1));
});

describe("on every device and thread count, in every dtype,", () => {
  for (const name of opNames) {
    it(`op ${name}`, async () => {
      checkRow(name);
      for (const seed of fixedSeeds(4)) await checkDrawing(name, seed);
    });
  }
});

it("the table reaches every op of the graph", () => {
  const reached = new Set(
    opNames.flatMap((name) =>
      [1, 2, 3, 4].flatMap((seed) => topological(new Call(name, seed, (rowOf(name).dtypes ?? ["f64"])[0]).derivatives())),
    ),
  );
  const names = new Set([...reached].map(({ op }) => op.name));
  expect([...opTable.keys()].filter((name) => !names.has(name))).toEqual([]);
});
