/** Activations of the frozen part of a model, computed once and kept on disk: training the rest then costs only the rest. */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { allocate } from "../base/dtype.js";
import { ValueError } from "../base/errors.js";
import { sizeOf } from "../base/shape.js";
import { ArrayDataset, type Batch, DataLoader, type Dataset, type HostArray } from "../data/index.js";
import { decodeElements, encodeElements, encodeSafetensors, parseSafetensors, writeFileAtomic } from "../io/index.js";
import type { Module } from "../nn/index.js";
import { compile, type Tensor } from "../tensor/index.js";
import { modeSwitch, runAhead, toTensor } from "./batches.js";

export interface CacheActivationsOptions {
  /** Where the files lie; it is made if it is not there. */
  folder: string;
  /** Says which data these are, if you know: then they need not be read to see whether they have changed. */
  dataKey?: string;
  /** Default 256. */
  batchSize?: number;
  /** Stops between batches: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * The examples of `dataset` with x replaced by what `frozen` makes of it in evaluation mode; other fields stay. The result is held in
 * memory and in a file named after a hash of the network, its weights and the data: when one of them changes it is computed anew.
 *
 * ```ts
 * const features = await cacheActivations(model.freeze().body, train, { folder: "runs/activations" });
 * await fit(head, features, { loss, optimizer: optim.adam(head.parameters()), epochs: 50 });
 * ```
 *
 * @throws {ValueError} if a parameter of `frozen` may still be trained: activations would not follow it.
 */
export async function cacheActivations<B extends Batch & { readonly x: HostArray }>(
  frozen: Module,
  dataset: Dataset<B>,
  { folder, dataKey, batchSize = 256, signal }: CacheActivationsOptions,
): Promise<Dataset<B>> {
  const op = "cacheActivations";
  const trainable = [...frozen.namedParameters()].find(([, parameter]) => parameter.trainable);
  if (trainable !== undefined)
    throw new ValueError(
      `${op}: the parameter ${trainable[0]} may be trained, and its activations would not follow; freeze it: model.freeze()`,
      {
        op,
        inputs: [trainable[0]],
      },
    );
  const loader = new DataLoader(dataset, { batchSize });
  const file = join(folder, `${await keyOf(frozen, dataKey ?? dataset, signal)}.safetensors`);
  const kept = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (kept !== null) {
    const { tensors } = parseSafetensors(kept);
    return new ArrayDataset(
      Object.fromEntries([...tensors].map(([name, raw]) => [name, { ...decodeElements(raw), shape: raw.shape }])) as B & Batch,
    );
  }

  const evaluating = modeSwitch(frozen, false);
  const forward = compile((x: Tensor) => frozen.forward(x));
  const fields: Record<string, HostArray> = {};
  let at = 0;
  await runAhead(
    loader,
    ({ x }) => evaluating(() => forward(toTensor(x))),
    async (y, batch) => {
      const rows = { ...batch, x: { data: await y.data(), shape: y.shape, dtype: y.dtype } };
      for (const [name, { data, shape, dtype }] of Object.entries<HostArray>(rows)) {
        const size = sizeOf(shape.slice(1));
        fields[name] ??= { data: allocate(dtype, dataset.length * size), shape: [dataset.length, ...shape.slice(1)], dtype };
        fields[name].data.set(data, at * size);
      }
      at += y.shape[0];
    },
    signal,
  );
  await mkdir(folder, { recursive: true });
  await writeFileAtomic(
    file,
    encodeSafetensors(Object.entries(fields).map(([name, { data, shape, dtype }]) => [name, encodeElements(dtype, shape, data)] as const)),
  );
  return new ArrayDataset(fields as unknown as B);
}

/** A hash of what the activations depend on. */
async function keyOf(frozen: Module, data: string | Dataset<Batch>, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256").update(inspect(frozen, { depth: null }));
  const add = (name: string, shape: readonly number[], { buffer, byteOffset, byteLength }: ArrayBufferView) =>
    hash.update(`|${name} ${shape}|`).update(new Uint8Array(buffer, byteOffset, byteLength));
  for (const [name, value] of Object.entries(frozen.stateDict())) add(`${name} ${value.dtype}`, value.shape, await value.data());
  if (typeof data === "string") hash.update(`|key ${data}`);
  else {
    for await (const batch of new DataLoader(data, { batchSize: 256 })) {
      // Always of one size: the hash must not depend on where batches end.
      signal?.throwIfAborted();
      for (const [name, { data: elements, shape, dtype }] of Object.entries(batch)) add(`${name} ${dtype}`, shape, elements);
    }
  }
  return hash.digest("hex").slice(0, 32);
}
