/** Arrays in files: safetensors and IDX, whole, as data sets. */
import { readFile } from "node:fs/promises";
import { DataError, FormatError } from "../base/errors.js";
import { decodeElements, parseSafetensors } from "../io/index.js";
import type { Batch, HostArray } from "./batch.js";
import { ArrayDataset } from "./dataset.js";
import { parseIdx } from "./idx.js";

/** A file's bytes. Throws {@link DataError} if it cannot be read. */
export async function readBytes(op: string, path: string): Promise<Uint8Array> {
  try {
    const { buffer, byteOffset, byteLength } = await readFile(path);
    return new Uint8Array(buffer, byteOffset, byteLength); // the methods of a Buffer differ
  } catch (cause) {
    throw new DataError(`${op}: ${path} cannot be read: ${(cause as Error).message}`, { op, inputs: [path], cause });
  }
}

/**
 * The arrays of a safetensors file as a data set, examples on the first axis. `fields`: what each is called in the file, by the name of
 * its field; by default all of them under their own names.
 * @example const cats = await safetensors("cats/train.safetensors", { x: "images", y: "labels" }); // the arrays' own dtypes
 * @throws {FormatError} if the file is none, or has no such array.
 */
export async function safetensors<const F extends Readonly<Record<string, string>>>(
  path: string,
  fields?: F,
): Promise<ArrayDataset<{ readonly [K in keyof F]: HostArray } & Batch>> {
  const { tensors } = parseSafetensors(await readBytes("safetensors", path));
  const wanted = fields ?? Object.fromEntries([...tensors.keys()].map((name) => [name, name]));
  const arrays = Object.entries<string>(wanted).map(([field, name]): [string, HostArray] => {
    const raw = tensors.get(name);
    if (raw === undefined) {
      throw new FormatError(`safetensors: ${path} has no array "${name}"; it has ${[...tensors.keys()].join(", ")}`, {
        op: "safetensors",
        inputs: [path, name],
      });
    }
    return [field, { ...decodeElements(raw), shape: raw.shape }];
  });
  return new ArrayDataset(Object.fromEntries(arrays) as { readonly [K in keyof F]: HostArray } & Batch);
}

/** The array of an IDX file of bytes, the format of MNIST: u8. @throws {FormatError} if the file is none. */
export async function idx(path: string): Promise<HostArray> {
  const { shape, data } = parseIdx(await readBytes("idx", path), path);
  return { data, shape, dtype: "u8" };
}
