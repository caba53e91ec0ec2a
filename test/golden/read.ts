/** The golden numbers that generate.py wrote: a JSON object a line. */
import { readFileSync } from "node:fs";
import { type Tensor, tensor } from "nabla";
import { expect } from "vitest";

export interface GoldenArray {
  readonly shape: number[];
  readonly data: number[];
}

export function golden<Case>(name: string): Case[] {
  const text = readFileSync(new URL(`${name}.jsonl`, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

export function toTensor({ shape, data }: GoldenArray, dtype: Tensor["dtype"] = "f64"): Tensor {
  return tensor(Float64Array.from(data), { shape, dtype });
}

/** Every element within `tolerance` of the golden one, relative to it or to 1. */
export async function expectGolden(x: Tensor, { shape, data }: GoldenArray, tolerance = 1e-9): Promise<void> {
  expect(x.shape).toEqual(shape);
  const got = await x.data();
  const worst = data.reduce((error, value, i) => Math.max(error, Math.abs(got[i] - value) / Math.max(1, Math.abs(value))), 0);
  expect(got.some(Number.isNaN)).toBe(false);
  expect(worst).toBeLessThan(tolerance);
}
