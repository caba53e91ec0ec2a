/** `npx nabla inspect FILE`: what a safetensors file holds; of a checkpoint, also how far the training had come. */
import { readFile } from "node:fs/promises";
import { format } from "../base/shape.js";
import { parseSafetensors } from "../io/index.js";
import type { Given } from "./index.js";
import { columns } from "./text.js";
import { trainingOf } from "./training.js";

export async function inspectFile({ words: [path], json }: Given): Promise<boolean> {
  const { tensors, metadata } = parseSafetensors(await readFile(path));
  const rows = [...tensors].map(([name, { dtype, shape, data }]) => ({ name, dtype, shape, bytes: data.length }));
  const elements = rows.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const training = trainingOf(metadata);
  const rest = Object.fromEntries(Object.entries(metadata).filter(([, text]) => training === null || !text.startsWith('{"version"')));
  if (json) {
    process.stdout.write(`${JSON.stringify({ tensors: rows, elements, bytes, metadata: rest, training }, null, 2)}\n`);
    return true;
  }
  const lines = columns(
    ["name", "dtype", "shape", "bytes"],
    rows.map((row) => [row.name, row.dtype, format(row.shape), row.bytes.toLocaleString("en")]),
  );
  lines.push(`${rows.length} tensors, ${elements.toLocaleString("en")} elements, ${bytes.toLocaleString("en")} bytes`);
  for (const [key, text] of Object.entries(rest)) lines.push(`${key}: ${text}`);
  if (training !== null) {
    const { epoch, batch, step } = training.position;
    lines.push("", `a checkpoint of a training: epoch ${epoch}, batch ${batch}, step ${step}`);
    for (const [name, value] of Object.entries(training.config)) lines.push(`  ${name}: ${JSON.stringify(value)}`);
    const last = training.history.at(-1);
    if (last !== undefined) lines.push(`  scores of epoch ${last.epoch}: ${JSON.stringify(last.scores)}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  return true;
}
