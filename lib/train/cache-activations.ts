/** Activations of the frozen part of a model, computed once and kept on disk: training the rest then costs only the rest. */
import { createHash, type Hash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { type Batch, DataLoader, type Dataset, type HostArray } from "../data/index.js";
import { encodeElements, layoutSafetensors, writeFileAtomic } from "../io/index.js";
import type { Module } from "../nn/index.js";
import { compile, type Tensor } from "../tensor/index.js";
import { ArrayFile } from "./array-file.js";
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
 * The examples of `dataset` with x replaced by what `frozen` makes of it in evaluation mode; other fields stay. They are written, a batch at
 * a time, to a file named after hashes of the network, the data and the weights, and read from it as they are asked for, now and the next
 * time: they may be larger than memory; where they are not, `.cache()` keeps what was read. When the data have changed they are computed
 * anew; when the weights have, the file of the weights before is removed.
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
  options: CacheActivationsOptions,
): Promise<Dataset<B>> {
  const op = "cacheActivations";
  const { folder, dataKey, batchSize = 256, signal } = optionsOf(op, options, ["folder", "dataKey", "batchSize", "signal"]);
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
  const place = await placeOf(frozen, dataKey ?? dataset, signal);
  const name = `${place}-${await hashOfWeights(frozen)}.safetensors`;
  const file = join(folder, name);
  const kept = await ArrayFile.open(file);
  if (kept !== null) return kept as Dataset<Batch> as Dataset<B>;

  const evaluating = modeSwitch(frozen, false);
  const forward = compile((x: Tensor) => frozen.forward(x));
  await mkdir(folder, { recursive: true });
  await writeFileAtomic(file, async (out) => {
    let begins: ReadonlyMap<string, number> | null = null;
    let at = 0;
    await runAhead(
      loader,
      ({ x }) => evaluating(() => forward(toTensor(x))),
      async (y, batch) => {
        const rows = Object.entries<HostArray>({ ...batch, x: { data: await y.data(), shape: y.shape, dtype: y.dtype } });
        const raw = rows.map(([field, { dtype, shape, data }]) => [field, encodeElements(dtype, shape, data)] as const);
        if (begins === null) {
          const whole = raw.map(([field, array]) => [field, { ...array, shape: [dataset.length, ...array.shape.slice(1)] }] as const);
          const layout = layoutSafetensors(whole);
          await out.write(layout.head, 0, layout.head.length, 0);
          begins = layout.begins;
        }
        for (const [field, { data, shape }] of raw) {
          await out.write(data, 0, data.length, begins.get(field)! + at * (data.length / shape[0]));
        }
        at += y.shape[0];
      },
      signal,
    );
  });
  const superseded = (await readdir(folder)).filter((other) => other.startsWith(`${place}-`) && other !== name);
  await Promise.all(superseded.map((other) => rm(join(folder, other), { force: true })));
  return (await ArrayFile.open(file))! as Dataset<Batch> as Dataset<B>;
}

const add = (hash: Hash, name: string, shape: readonly number[], { buffer, byteOffset, byteLength }: ArrayBufferView) =>
  hash.update(`|${name} ${shape}|`).update(new Uint8Array(buffer, byteOffset, byteLength));

/** A hash of the network without its weights, and of the data. */
async function placeOf(frozen: Module, data: string | Dataset<Batch>, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256").update(inspect(frozen, { depth: null }));
  if (typeof data === "string") hash.update(`|key ${data}`);
  else {
    for await (const batch of new DataLoader(data, { batchSize: 256 })) {
      // Always of one size: the hash must not depend on where batches end.
      signal?.throwIfAborted();
      for (const [name, { data: elements, shape, dtype }] of Object.entries(batch)) add(hash, `${name} ${dtype}`, shape, elements);
    }
  }
  return hash.digest("hex").slice(0, 32);
}

async function hashOfWeights(frozen: Module): Promise<string> {
  const hash = createHash("sha256");
  for (const [name, value] of Object.entries(frozen.stateDict())) add(hash, `${name} ${value.dtype}`, value.shape, await value.data());
  return hash.digest("hex").slice(0, 32);
}
