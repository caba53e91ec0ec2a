/** One network beside stages learnt apart: both curves from one script. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runExample } from "./run.js";

it("end-to-end", async () => {
  const out = await mkdtemp(join(tmpdir(), "nabla-end-to-end-"));
  const lines = await runExample("end-to-end", "--most", "320", "--steps", "10", "--tested", "40", "--out", out);
  const rows = lines.flatMap((line) => /^ *(\d+) +([\d.]+) % +([\d.]+) %$/.exec(line)?.slice(1).map(Number) ?? []);
  expect(rows.filter((_, i) => i % 3 === 0)).toEqual([20, 40, 80, 160, 320]);
  for (const share of rows.filter((_, i) => i % 3 > 0)) expect(share).toBeLessThanOrEqual(100);
  const svg = readFileSync(join(out, "curves.svg"), "utf8");
  for (const name of ["end to end", "pipeline"]) expect(svg).toContain(`>${name}</text>`);
  expect(svg.match(/<path/g)).toHaveLength(2);
  await rm(out, { recursive: true });
});
