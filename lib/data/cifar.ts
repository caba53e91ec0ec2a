/**
 * CIFAR-10 and CIFAR-100 in their binary version: a record is a label (CIFAR-100: two, coarse and fine) and 3 × 1024 bytes, the red, green
 * and blue planes of 32 × 32 pixels. Source: cs.toronto.edu/~kriz/cifar.html.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DataError, FormatError } from "../base/errors.js";
import type { LabeledBatch } from "./batch.js";
import type { Dataset } from "./dataset.js";
import { readBytes } from "./files.js";
import type { TrainAndTest } from "./mnist.js";
import { picturesInMemory } from "./pictures.js";

const side = 32;
const plane = side * side;

/** Photos of ten classes in `folder`: `data_batch_1.bin` … (or `train.bin`) and `test_batch.bin` (or `test.bin`). x f32 [n, 32, 32, 3], y i32 [n]. */
export function cifar10(folder = "data/cifar-10-batches-bin"): Promise<TrainAndTest> {
  return load("cifar10", folder, 1);
}

/** Photos of a hundred classes in `folder`: `train.bin` and `test.bin`. x f32 [n, 32, 32, 3], y i32 [n] the fine label. */
export function cifar100(folder = "data/cifar-100-binary"): Promise<TrainAndTest> {
  return load("cifar100", folder, 2);
}

async function load(op: string, folder: string, labelBytes: number): Promise<TrainAndTest> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const part = async (pattern: RegExp): Promise<Dataset<LabeledBatch>> => {
    const files = names.filter((name) => pattern.test(name)).sort();
    if (files.length === 0)
      throw new DataError(
        `${op}: ${folder} holds no file like ${pattern.source}; it is the binary version of cs.toronto.edu/~kriz/cifar.html that is read`,
        {
          op,
          inputs: [folder],
        },
      );
    return decode(op, await Promise.all(files.map(async (name) => [name, await readBytes(op, join(folder, name))] as const)), labelBytes);
  };
  const [train, test] = await Promise.all([part(/^(data_batch_\d+|train)\.bin$/), part(/^test(_batch)?\.bin$/)]);
  return { train, test };
}

function decode(op: string, files: readonly (readonly [string, Uint8Array])[], labelBytes: number): Dataset<LabeledBatch> {
  const record = labelBytes + 3 * plane;
  for (const [name, { length }] of files) {
    if (length === 0 || length % record !== 0)
      throw new FormatError(`${op}: ${name} has ${length} bytes, which are not whole records of ${record}`, { op, inputs: [name, length] });
  }
  const n = files.reduce((sum, [, { length }]) => sum + length / record, 0);
  const pixels = new Uint8Array(n * 3 * plane);
  const labels = new Int32Array(n);
  let i = 0;
  for (const [, bytes] of files) {
    for (let start = 0; start < bytes.length; start += record, i++) {
      labels[i] = bytes[start + labelBytes - 1];
      for (let channel = 0; channel < 3; channel++) {
        const from = start + labelBytes + channel * plane;
        for (let p = 0; p < plane; p++) pixels[(i * plane + p) * 3 + channel] = bytes[from + p];
      }
    }
  }
  return picturesInMemory(pixels, [n, side, side, 3], labels);
}
