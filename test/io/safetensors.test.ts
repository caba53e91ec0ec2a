/** The safetensors format: round trips, files of other writers, and everything a broken or hostile file may claim. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FormatError, ValueError } from "../../lib/base/errors.js";
import { philox4x32 } from "../../lib/base/philox.js";
import { decodeElements, encodeElements } from "../../lib/io/elements.js";
import { writeFileAtomic } from "../../lib/io/files.js";
import { encodeSafetensors, parseSafetensors, type RawTensor, type SafetensorsType, safetensorsTypes } from "../../lib/io/safetensors.js";

const bytesOf = (array: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number }) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A file with this header text and this many bytes of data, whether or not the two fit. */
function file(header: string | object, dataBytes = 0, claimed?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const entry = (shape: unknown, begin: unknown, end: unknown, dtype: unknown = "F32") => ({ dtype, shape, data_offsets: [begin, end] });

describe("round trip", () => {
  it("keeps names, shapes, dtypes, bytes and metadata of every type", () => {
    const tensors = (Object.keys(safetensorsTypes) as SafetensorsType[]).map((dtype, k): [string, RawTensor] => [
      `layer.${k}.${dtype}`,
      { dtype, shape: [3, 1], data: Uint8Array.from({ length: 3 * safetensorsTypes[dtype] }, (_, i) => (i * 7 + k) % 256) },
    ]);
    const odd: [string, RawTensor][] = [
      ["scalar", { dtype: "F32", shape: [], data: new Uint8Array(4).fill(1) }],
      ["none", { dtype: "F64", shape: [2, 0, 3], data: new Uint8Array(0) }],
      ['"quoted" \\ ∇ \n 7', { dtype: "U8", shape: [1], data: Uint8Array.of(9) }],
      ["7", { dtype: "U8", shape: [1], data: Uint8Array.of(8) }],
    ];
    const all = [...tensors, ...odd];
    const { tensors: read, metadata } = parseSafetensors(encodeSafetensors(all, { format: "nabla", note: 'ü "∇"' }));
    expect(metadata).toEqual({ format: "nabla", note: 'ü "∇"' });
    expect(read).toEqual(new Map(all));
  });

  it("gives the same bytes whatever the order, and aligned data", () => {
    const a: [string, RawTensor] = ["a", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }];
    const b: [string, RawTensor] = ["b", { dtype: "F64", shape: [1], data: new Uint8Array(8) }];
    const bytes = encodeSafetensors([a, b]);
    expect(bytes).toEqual(encodeSafetensors([b, a]));
    for (const { data, dtype } of parseSafetensors(bytes).tensors.values()) expect(data.byteOffset % safetensorsTypes[dtype]).toBe(0);
  });

  it("of nothing is an empty file", () => {
    expect(parseSafetensors(encodeSafetensors([]))).toEqual({ tensors: new Map(), metadata: {} });
  });

  it("reads what is laid out as the format's own description has it, header unpadded and inside a larger buffer", () => {
    const plain = file({ t: entry([1, 2], 0, 8), __metadata__: { k: "v" } }, 8);
    const larger = new Uint8Array(plain.length + 3);
    larger.set(plain, 3);
    const { tensors, metadata } = parseSafetensors(larger.subarray(3));
    expect(tensors.get("t")).toEqual({ dtype: "F32", shape: [1, 2], data: new Uint8Array(8) });
    expect(metadata).toEqual({ k: "v" });
  });

  it.each<[string, () => unknown]>([
    ["a reserved name", () => encodeSafetensors([["__metadata__", { dtype: "U8", shape: [], data: new Uint8Array(1) }]])],
    ["data that do not fill the shape", () => encodeSafetensors([["a", { dtype: "F32", shape: [2], data: new Uint8Array(4) }]])],
    ["a name given twice", () => encodeSafetensors(["a", "a"].map((name) => [name, { dtype: "U8", shape: [0], data: new Uint8Array(0) }]))],
  ])("refuses to write %s", (_, write) => {
    expect(write).toThrow(ValueError);
  });
});

describe("hostile files", () => {
  const sound = { a: entry([2], 0, 8) };
  it.each<[string, Uint8Array, RegExp]>([
    ["nothing", new Uint8Array(0), /has 0 bytes/],
    ["half a length", new Uint8Array(7), /has 7 bytes/],
    ["a header longer than the file", file(sound, 8, 10_000n), /claims 10000 bytes/],
    ["a header of 2⁶⁴ − 1 bytes", file(sound, 8, 2n ** 64n - 1n), /claims 18446744073709551615 bytes/],
    ["a header of no bytes", file("", 8), /not a JSON object/],
    ["a list", file("[]"), /not a JSON object/],
    ["a number", file("17"), /not a JSON object/],
    ["JSON that stops", file('{"a":'), /not JSON/],
    ["bytes that are not UTF-8", Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0xfe, 0x7d), /not JSON in UTF-8/],
    ["a hundred thousand brackets", file(`{"a":${"[".repeat(100_000)}`), /not JSON/],
    [
      "the same tensor twice",
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      /"a" twice/,
    ],
    [
      "the same tensor twice, one escaped",
      file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
      /"a" twice/,
    ],
    ["a field twice", file('{"a":{"dtype":"U8","dtype":"F64","shape":[1],"data_offsets":[0,1]}}', 1), /"dtype" twice/],
    ["a tensor named __proto__", file('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1), /__proto__/],
    ["fields from a prototype", file('{"a":{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}', 1), /__proto__/],
    ["a metadata key __proto__", file('{"__metadata__":{"__proto__":"x"}}'), /__proto__/],
    ["an entry that is a number", file({ a: 3 }), /"a": its entry is not an object/],
    ["an entry that is null", file({ a: null }), /"a": its entry is not an object/],
    ["no dtype", file({ a: { shape: [1], data_offsets: [0, 4] } }, 4), /dtype is not one of/],
    ["an unknown dtype", file({ a: entry([1], 0, 4, "F31") }, 4), /dtype is not one of/],
    ["a dtype named after a method", file({ a: entry([1], 0, 4, "toString") }, 4), /dtype is not one of/],
    ["a shape that is a number", file({ a: entry(1, 0, 4) }, 4), /shape is not a list/],
    ["a negative dimension", file({ a: entry([-1], 0, 4) }, 4), /shape is not a list/],
    ["two negative dimensions", file({ a: entry([-1, -1], 0, 4) }, 4), /shape is not a list/],
    ["half a dimension", file({ a: entry([0.5, 2], 0, 4) }, 4), /shape is not a list/],
    ["a dimension past 2⁵³", file('{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}', 4), /shape is not a list/],
    ["a huge shape", file({ a: entry([2 ** 40, 2 ** 40], 0, 4) }, 4), /takes 4\.8\d*e\+24 bytes but has 4/],
    ["a shape whose size wraps around 2⁶⁴ to 4", file({ a: entry([2 ** 31, 2 ** 31, 2], 0, 4, "U8") }, 4), /bytes but has 4/],
    ["too small a shape", file({ a: entry([1], 0, 8) }, 8), /takes 4 bytes but has 8/],
    ["offsets past the end", file({ a: entry([2], 0, 8) }, 7), /\[0, 8\] do not lie within the 7 bytes/],
    ["offsets in reverse", file({ a: entry([2], 8, 0) }, 8), /\[8, 0\] do not lie within/],
    ["negative offsets", file({ a: entry([2], -8, 0) }, 8), /two whole numbers/],
    ["three offsets", file({ a: { dtype: "U8", shape: [1], data_offsets: [0, 1, 2] } }, 2), /two whole numbers/],
    ["offsets that are strings", file({ a: entry([2], "0", "8") }, 8), /two whole numbers/],
    ["tensors that overlap", file({ a: entry([2], 0, 8), b: entry([2], 4, 12) }, 12), /"b" start at byte 4, inside/],
    ["tensors in the same place", file({ a: entry([2], 0, 8), b: entry([2], 0, 8) }, 8), /start at byte 0, inside/],
    ["a gap", file({ a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12), /bytes 4 to 8 of the data belong to no tensor/],
    ["data after the last tensor", file(sound, 9), /bytes too many/],
    ["metadata that is a list", file({ __metadata__: [] }), /not an object/],
    ["metadata that is not text", file({ __metadata__: { a: 1 } }), /"a" is not a string/],
  ])("%s", (_, bytes, message) => {
    expect(() => parseSafetensors(bytes)).toThrow(FormatError);
    expect(() => parseSafetensors(bytes)).toThrow(message);
  });

  it("every truncation of a sound file is refused", () => {
    const whole = encodeSafetensors([["w", { dtype: "F32", shape: [4], data: new Uint8Array(16) }]], { a: "b" });
    for (let n = 0; n < whole.length; n++) expect(() => parseSafetensors(whole.slice(0, n))).toThrow(FormatError);
  });

  it("any flipped bits give a FormatError or a file whose header is true of its bytes", () => {
    const shapes = [[4], [2, 3], [], [0, 5]];
    const whole = encodeSafetensors(
      shapes.map((shape, k) => [`t${k}`, { dtype: "F32", shape, data: new Uint8Array(4 * shape.reduce((n, d) => n * d, 1)) }]),
      { made: "by nabla" },
    );
    const headerEnd = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));
    let refused = 0;
    const tries = 5000;
    for (let seed = 0; seed < tries; seed++) {
      const bytes = whole.slice();
      const [where, bits, again, more] = philox4x32([seed, 0, 0, 0], [2, 0]);
      bytes[where % headerEnd] ^= 1 + (bits % 255);
      if (seed % 2 === 1) bytes[again % headerEnd] ^= 1 + (more % 255);
      try {
        for (const { dtype, shape, data } of parseSafetensors(bytes).tensors.values()) {
          expect(data.length).toBe(shape.reduce((n, d) => n * d, safetensorsTypes[dtype]));
        }
      } catch (error) {
        if (!(error instanceof FormatError)) throw new Error(`seed ${seed}: ${error}`);
        refused++;
      }
    }
    // Flips inside names and metadata leave a sound file; most others do not.
    expect(refused).toBeGreaterThan(tries / 2);
    expect(refused).toBeLessThan(tries);
  });
});

describe("elements", () => {
  const raw = (
    dtype: SafetensorsType,
    array: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number; length: number },
  ): RawTensor => ({
    dtype,
    shape: [array.length],
    data: bytesOf(array),
  });

  it("decode half precisions exactly", () => {
    const half = decodeElements(raw("F16", Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0x3555)));
    expect(half.dtype).toBe("f32");
    expect([...half.data]).toEqual([1, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0.333251953125]);
    expect(decodeElements(raw("F16", Uint16Array.of(0x7e00))).data[0]).toBeNaN();
    expect([...decodeElements(raw("BF16", Uint16Array.of(0x3f80, 0xc040, 0x7f80))).data]).toEqual([1, -3, Number.POSITIVE_INFINITY]);
  });

  it("narrow wide integers, with a check", () => {
    expect(decodeElements(raw("I64", BigInt64Array.of(-5n, 2147483647n)))).toEqual({ dtype: "i32", data: Int32Array.of(-5, 2147483647) });
    expect(decodeElements(raw("I8", Int8Array.of(-5, 5))).data).toEqual(Int32Array.of(-5, 5));
    expect(decodeElements(raw("U16", Uint16Array.of(65535))).data).toEqual(Int32Array.of(65535));
    // Node's readFile gives a Buffer, whose slices share their bytes and are not aligned.
    const shared = Buffer.from(new Uint8Array(Float32Array.of(0, 1, 2, 3).buffer)).subarray(4, 12);
    expect(decodeElements({ dtype: "F32", shape: [2], data: shared }).data).toEqual(Float32Array.of(1, 2));
    expect(() => decodeElements(raw("I64", BigInt64Array.of(2n ** 31n)))).toThrow(FormatError);
    expect(() => decodeElements(raw("U64", BigUint64Array.of(2n ** 53n + 1n)))).toThrow(FormatError);
    expect(() => decodeElements(raw("U32", Uint32Array.of(2 ** 31)))).toThrow(FormatError);
  });

  it("read data that no typed array could be laid over, and survive a round trip", () => {
    const bytes = new Uint8Array(9);
    bytes.set(bytesOf(Float32Array.of(1.5, -2)), 1);
    expect(decodeElements({ dtype: "F32", shape: [2], data: bytes.subarray(1) })).toEqual({ dtype: "f32", data: Float32Array.of(1.5, -2) });
    for (const [dtype, data] of [
      ["f32", Float32Array.of(1, 2)],
      ["f64", Float64Array.of(1, 2)],
      ["i32", Int32Array.of(1, 2)],
      ["bool", Uint8Array.of(1, 0)],
    ] as const) {
      expect(decodeElements(encodeElements(dtype, [2], data))).toEqual({ dtype, data });
    }
  });
});

const cats = fileURLToPath(new URL("../../../shared/data/cats", import.meta.url));
describe.skipIf(!existsSync(cats))(
  `the cat photos in ../shared/data/cats${existsSync(cats) ? "" : " (SKIPPED: the folder is not there)"}`,
  () => {
    it.each([
      ["train", 209, 72],
      ["test", 50, 33],
    ])("read: %s, %i photos, %i of cats", async (name, photos, ofCats) => {
      const found = (await readdir(cats)).find((file) => file.includes(name) && file.endsWith(".safetensors"));
      const { tensors } = parseSafetensors(await readFile(join(cats, found!)));
      expect(tensors.get("images")).toMatchObject({ dtype: "U8", shape: [photos, 64, 64, 3] });
      expect(tensors.get("labels")?.data.reduce((sum, label) => sum + label, 0)).toBe(ofCats);
    });
  },
);

describe("writeFileAtomic", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "nabla-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it("replaces a file and leaves nothing beside it", async () => {
    const path = join(folder, "model.safetensors");
    await writeFile(path, "old");
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
  });

  it("leaves the old contents and nothing beside them when it fails", async () => {
    const path = join(folder, "taken");
    await writeFile(join(folder, "inside"), "old");
    // A folder cannot be replaced by a file: the last step fails.
    await mkdir(path);
    await expect(writeFileAtomic(path, "new")).rejects.toThrow();
    expect((await readdir(folder)).sort()).toEqual(["inside", "taken"]);
    await expect(writeFileAtomic(join(folder, "absent", "file"), "new")).rejects.toMatchObject({ code: "ENOENT" });
  });
});
