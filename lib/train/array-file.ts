/** The arrays of a safetensors file as a data set that stays on disk: what is asked for is read, and nothing else is held in memory. */
import { type FileHandle, open } from "node:fs/promises";
import { FormatError } from "../base/errors.js";
import { sizeOf } from "../base/shape.js";
import { type Batch, Dataset, type HostArray } from "../data/index.js";
import { type ArrayPlace, decodeElements, parseSafetensorsHead, safetensorsHeadSize } from "../io/index.js";

/** Closes files once nobody can ask for their examples any more, and reads that are under way have ended. */
const unreachable = new FinalizationRegistry<FileHandle>((file) => void file.close());

/** The file stays open: it may be removed from its folder meanwhile. */
export class ArrayFile extends Dataset<Batch> {
  readonly length: number;

  private constructor(
    private readonly file: FileHandle,
    private readonly arrays: ReadonlyMap<string, ArrayPlace>,
  ) {
    super();
    const lengths = [...arrays.values()].map(({ shape }) => shape[0]);
    this.length = lengths[0];
    if (this.length === undefined || lengths.some((length) => length !== this.length))
      throw new FormatError(`its arrays have ${lengths.join(", ") || "no"} examples, not one number of them`, { inputs: lengths });
    unreachable.register(this, file);
  }

  /** Null if there is no such file. @throws {FormatError} if it does not hold examples. */
  static async open(path: string): Promise<ArrayFile | null> {
    const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (file === null) return null;
    try {
      const { size } = await file.stat();
      const start = await bytesAt(file, 0, Math.min(size, 8));
      const head = await bytesAt(file, 0, safetensorsHeadSize(start, size));
      return new ArrayFile(file, parseSafetensorsHead(head, size).arrays);
    } catch (cause) {
      await file.close();
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(`${path}: ${cause.message}`, { op: "cacheActivations", inputs: [path], cause });
    }
  }

  async get(indices: ArrayLike<number>): Promise<Batch> {
    this.check(indices);
    const fields = [...this.arrays].map(async ([name, array]) => [name, await this.rows(array, indices)] as const);
    return Object.fromEntries(await Promise.all(fields));
  }

  /** Reads one field alone. */
  override column(name: string): ArrayLike<number> | Promise<ArrayLike<number>> {
    const array = this.arrays.get(name);
    if (array === undefined || sizeOf(array.shape.slice(1)) !== 1) return super.column(name);
    return this.rows(
      array,
      Array.from({ length: this.length }, (_, i) => i),
    ).then(({ data }) => data);
  }

  /** Some rows of an array; neighbours are read at once. */
  private async rows({ dtype, shape, begin, end }: ArrayPlace, indices: ArrayLike<number>): Promise<HostArray> {
    const size = (end - begin) / this.length;
    const data = new Uint8Array(indices.length * size);
    const reads: Promise<void>[] = [];
    for (let row = 0, next = 0; row < indices.length; row = next) {
      next = row + 1;
      while (next < indices.length && indices[next] === indices[next - 1] + 1) next++;
      reads.push(readAt(this.file, data.subarray(row * size, next * size), begin + indices[row] * size));
    }
    await Promise.all(reads);
    const rows = [indices.length, ...shape.slice(1)];
    return { ...decodeElements({ dtype, shape: rows, data }), shape: rows };
  }
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await readAt(file, bytes, position);
  return bytes;
}

/** Fills `into` from a place in a file; a system may read less than it is asked to. */
async function readAt(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new FormatError(`the file ends at byte ${position + done}: it was cut off while it was in use`, {});
    done += bytesRead;
  }
}
