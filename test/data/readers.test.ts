/** Readers: files written here in each format, broken ones, and real ones where they are. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { tableFromArrays, tableToIPC } from "apache-arrow";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  arrow,
  csv,
  DataLoader,
  datasets,
  idx,
  imageFolder,
  jsonLines,
  parquet,
  safetensors,
  type TableStream,
} from "../../lib/data/index.js";
import { optional } from "../../lib/data/optional.js";
import { encodeElements, encodeSafetensors } from "../../lib/io/index.js";
import { encodePng } from "../../lib/plot/index.js";
import { collect, upTo } from "./numbered.js";
import { describeWithData } from "./real.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nabla-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function put(name: string, contents: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, contents);
  return path;
}

const houses = `rooms,price,town\n3,100.5,"Aix, old"\n,200,Bath\n5,NA,"Aix, old"\n4,300,\n`;
const rows = [
  { rooms: 3, price: 100.5, town: "Aix, old" },
  { rooms: null, price: 200, town: "Bath" },
  { rooms: 5, price: null, town: "Aix, old" },
  { rooms: 4, price: 300, town: null },
];
const column = (name: "rooms" | "price" | "town") => rows.map((row) => row[name]);

describe("one table in every format", () => {
  const formats: [string, () => Promise<TableStream>][] = [
    ["CSV", async () => csv(await put("houses.csv", houses))],
    [
      "CSV, compressed, other delimiter, no header",
      async () =>
        csv(
          await put(
            "houses.csv.gz",
            gzipSync(
              `a comment\n${houses
                .replaceAll("Aix, old", "Aix; old")
                .replace(/^.*\n/, "")
                .replaceAll(/,(?! )/g, ";")
                .replaceAll("Aix; old", "Aix, old")}`,
            ),
          ),
          {
            delimiter: ";",
            skipLines: 1,
            header: ["rooms", "price", "town"],
          },
        ),
    ],
    ["JSON lines", async () => jsonLines(await put("houses.jsonl", rows.map((row) => JSON.stringify(row)).join("\n\n")))],
    [
      "Parquet",
      async () => {
        const data = (["rooms", "price", "town"] as const).map((name) => ({
          name,
          data: column(name),
          type: name === "town" ? ("STRING" as const) : ("DOUBLE" as const),
        }));
        return parquet(await put("houses.parquet", new Uint8Array(parquetWriteBuffer({ columnData: data, rowGroupSize: 3 }))));
      },
    ],
    [
      "Arrow",
      async () =>
        arrow(
          await put(
            "houses.arrow",
            tableToIPC(tableFromArrays({ rooms: column("rooms"), price: column("price"), town: column("town") }), "file"),
          ),
        ),
    ],
  ];

  it.each(formats)("%s", async (_, make) => {
    const stream = await make();
    const table = await stream.read();
    const all = table.get(upTo(4));
    expect(all.rooms).toEqual({ data: Float32Array.of(3, Number.NaN, 5, 4), shape: [4], dtype: "f32" });
    expect([...all.price.data]).toEqual([100.5, 200, Number.NaN, 300]);
    expect(all.town).toEqual({ data: Int32Array.of(0, 1, 0, -1), shape: [4], dtype: "i32" });
    expect(table.schema.get("town")).toEqual({ kind: "category", categories: ["Aix, old", "Bath"] });

    const features = table.features({ target: "price" });
    expect(features.names).toEqual(["rooms", "town=Aix, old", "town=Bath"]);
    const { x, y } = await features.get([3, 0, 1]);
    expect(x).toEqual({ data: Float32Array.of(4, 0, 0, 3, 1, 0, Number.NaN, 0, 1), shape: [3, 3], dtype: "f32" });
    expect(y).toEqual({ data: Float32Array.of(300, 100.5, 200), shape: [3, 1], dtype: "f32" });
  });

  it("streams the same rows, once it knows the categories", async () => {
    const path = await put("stream.csv", houses);
    await expect(collect(csv(path))).rejects.toMatchObject({
      code: "ERR_VALUE",
      message: expect.stringMatching(/"town" holds categories.*read\(\)/),
    });
    const stream = csv(path, { categories: { town: ["Bath", "Aix, old"] } });
    const batches = await collect(new DataLoader(stream.features({ target: "town", columns: ["rooms"] }), { batchSize: 3 }));
    expect(batches.map(({ x, y }) => [[...x.data], [...y.data], y.dtype])).toEqual([
      [[3, Number.NaN, 5], [1, 0, 1], "i32"],
      [[4], [-1], "i32"],
    ]);
  });

  it("in pieces, when there are many rows", async () => {
    const path = await put(
      "many.csv",
      `i,half\n${upTo(3000)
        .map((i) => `${i},${i / 2}`)
        .join("\n")}\n`,
    );
    expect((await collect(csv(path))).map(({ i }) => i.shape[0])).toEqual([1024, 1024, 952]);
    const sum = (await csv(path, { dtype: "f64" }).read()).column("half") as Float64Array;
    expect([sum.constructor, sum.reduce((a, b) => a + b)]).toEqual([Float64Array, (2999 * 3000) / 4]);
  });
});

describe("columns", () => {
  it("hold what they are told to", async () => {
    const path = await put("types.csv", "class,flag\n10,x\n9,?\n10,-\n");
    const table = await csv(path, { types: { class: "category" }, missing: ["-"], categories: { flag: ["?", "x"] } }).read();
    expect(table.schema.get("class")).toEqual({ kind: "category", categories: ["9", "10"] });
    expect([[...(table.column("class") as number[])], [...(table.column("flag") as number[])]]).toEqual([
      [1, 0, 1],
      [1, 0, -1],
    ]);
  });

  it("of booleans, big integers and dates are numbers", async () => {
    const at = new Date("2026-01-02T03:04:05Z");
    const path = await put(
      "kinds.parquet",
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: "ok", data: [true, false], type: "BOOLEAN" },
            { name: "big", data: [2n, 3n], type: "INT64" },
            { name: "at", data: [at, at], type: "TIMESTAMP" },
          ],
        }),
      ),
    );
    const { ok, big, at: dates } = (await parquet(path, { dtype: "f64" }).read()).get([0, 1]);
    expect([[...ok.data], [...big.data], dates.data[0]]).toEqual([[1, 0], [2, 3], at.getTime()]);
  });

  it.each<[string, string, () => TableStream | Promise<TableStream>, RegExp]>([
    ["a file that is not there", "ERR_DATA", () => csv("absent.csv"), /absent.csv cannot be read/],
    ["lines of different lengths", "ERR_FORMAT", async () => csv(await put("ragged.csv", "a,b\n1,2\n3\n")), /ragged.csv/],
    [
      "half a gzip file",
      "ERR_FORMAT",
      async () => csv(await put("half.csv.gz", gzipSync(houses.repeat(99)).subarray(0, 60))),
      /half.csv.gz/,
    ],
    ["no rows", "ERR_DATA", async () => csv(await put("empty.csv", "a,b\n")), /no rows/],
    ["unknown columns", "ERR_VALUE", async () => csv(await put("h2.csv", houses), { types: { pool: "number" } }), /no column "pool"/],
    [
      "texts where numbers are wanted",
      "ERR_FORMAT",
      async () => csv(await put("h3.csv", houses), { types: { town: "number" } }),
      /row 1: "Aix, old" in column "town" is no number/,
    ],
    [
      "unknown categories",
      "ERR_FORMAT",
      async () => csv(await put("h4.csv", houses), { categories: { town: ["Bath"] } }),
      /row 1.*none of the categories Bath/,
    ],
    ["what is no JSON", "ERR_FORMAT", async () => jsonLines(await put("bad.jsonl", '{"a": 1}\n{"a": \n')), /line 2 is no JSON object/],
    ["JSON lists", "ERR_FORMAT", async () => jsonLines(await put("list.jsonl", '{"a": [1, 2]}\n')), /lists or objects/],
    ["what is no Parquet", "ERR_FORMAT", async () => parquet(await put("bad.parquet", "x".repeat(50))), /bad.parquet/],
    ["what is no Arrow", "ERR_DATA", async () => arrow(await put("bad.arrow", "")), /no rows/],
  ])("refuse %s", async (_, code, make, message) => {
    await expect((await make()).read()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("that are no target are told apart", async () => {
    const table = await csv(await put("h5.csv", houses)).read();
    expect(() => table.features({ target: "pool" })).toThrow(/no column "pool"; the columns are rooms, price, town/);
    expect(() => table.features({ target: ["town", "price"] })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
    expect((await table.features({ target: ["rooms", "price"], columns: ["town"] }).get([0])).y.shape).toEqual([1, 2]);
  });
});

it("a package that is missing is named, with the command that installs it", async () => {
  await expect(optional("parquet", "Parquet files", "not-a-package-of-anyone")).rejects.toMatchObject({
    code: "ERR_DATA",
    message:
      "parquet: Parquet files are read by the package not-a-package-of-anyone, which is not installed; run `npm install not-a-package-of-anyone`",
  });
});

describe("image folders", () => {
  const flat = (width: number, height: number, rgb: number[]) =>
    encodePng({ width, height, channels: 3, pixels: Uint8Array.from(upTo(width * height).flatMap(() => rgb)) });

  it("have a class for each folder", async () => {
    await put("photos/dog/b.png", flat(4, 2, [0, 255, 0]));
    await put("photos/dog/a.PNG", flat(4, 2, [255, 0, 0]));
    await put("photos/cat/1.png", flat(4, 2, [51, 102, 0]));
    await put("photos/cat/readme.txt", "no picture");
    await put("photos/stray.png", flat(1, 1, [0, 0, 0]));
    const photos = await imageFolder(join(folder, "photos"));
    expect([photos.classes, photos.length]).toEqual([["cat", "dog"], 3]);
    expect([...(photos.column("y") as Int32Array)]).toEqual([0, 1, 1]);
    const { x, y } = await photos.get([2, 0]);
    expect([x.shape, [...y.data]]).toEqual([
      [2, 2, 4, 3],
      [1, 0],
    ]);
    expect([...x.data.subarray(0, 3), ...x.data.subarray(24, 27)]).toEqual([0, 1, 0, 51 / 255, 102 / 255, 0].map(Math.fround));
    const small = await imageFolder(join(folder, "photos"), { size: [3, 5], grey: true, dtype: "u8", fit: "fill" });
    expect((await small.get([1])).x).toMatchObject({ shape: [1, 3, 5, 1], dtype: "u8" });
    const grey = (await small.get([1])).x.data[0];
    expect(grey).toBeGreaterThan(50); // red is darker than white and lighter than black
    expect(grey).toBeLessThan(130);
  });

  it("say what is wrong with them", async () => {
    await expect(imageFolder(join(folder, "nowhere"))).rejects.toMatchObject({ code: "ERR_DATA" });
    await put("hollow/cat/readme.txt", "");
    await expect(imageFolder(join(folder, "hollow"))).rejects.toMatchObject({
      code: "ERR_DATA",
      message: expect.stringMatching(/a folder|one for each class/),
    });
    await put("mixed/a/1.png", flat(4, 2, [1, 2, 3]));
    await put("mixed/a/2.png", flat(2, 2, [1, 2, 3]));
    await put("mixed/b/3.png", "no picture at all");
    const mixed = await imageFolder(join(folder, "mixed"));
    await expect(mixed.get([0, 1])).rejects.toMatchObject({
      code: "ERR_SHAPE",
      message: expect.stringMatching(/2\.png is \[2, 2, 3\]; .*size/),
    });
    await expect(mixed.get([2])).rejects.toMatchObject({ code: "ERR_FORMAT", message: expect.stringMatching(/3\.png/) });
  });
});

describe("arrays", () => {
  it("of safetensors files are fields", async () => {
    const file = encodeSafetensors([
      ["images", encodeElements("u8", [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6))],
      ["labels", encodeElements("i32", [2], Int32Array.of(7, 8))],
    ]);
    const path = await put("arrays.safetensors", file);
    const { x, y } = (await safetensors(path, { x: "images", y: "labels" })).get([1]);
    expect([[...x.data], x.dtype, [...y.data]]).toEqual([[4, 5, 6], "u8", [8]]);
    expect(Object.keys((await safetensors(path)).get([0])).sort()).toEqual(["images", "labels"]);
    await expect(safetensors(path, { x: "pictures" })).rejects.toMatchObject({
      code: "ERR_FORMAT",
      message: expect.stringMatching(/it has labels, images|it has images, labels/),
    });
    await expect(safetensors(join(folder, "no"))).rejects.toMatchObject({ code: "ERR_DATA" });
  });

  it("of IDX files are bytes", async () => {
    expect(await idx(await put("a.idx", Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 5, 6, 7)))).toEqual({
      data: Uint8Array.of(5, 6, 7),
      shape: [3],
      dtype: "u8",
    });
  });
});

describe("CIFAR", () => {
  /** A record whose red plane counts up, green is 7 and blue 9. */
  const record = (...labels: number[]) =>
    Uint8Array.from([...labels, ...upTo(1024).map((i) => i % 256), ...new Array(1024).fill(7), ...new Array(1024).fill(9)]);

  it("10 has five training files and a label, 100 one file and two labels", async () => {
    for (const name of ["data_batch_1", "data_batch_2", "test_batch"]) await put(`c10/${name}.bin`, Buffer.concat([record(3), record(4)]));
    const { train, test } = await datasets.cifar10(join(folder, "c10"));
    expect([train.length, test.length, [...(train.column("y") as Int32Array)]]).toEqual([4, 2, [3, 4, 3, 4]]);
    const { x } = await train.get([1]);
    expect([x.shape, [...x.data.subarray(6, 9)]]).toEqual([[1, 32, 32, 3], [2 / 255, 7 / 255, 9 / 255].map(Math.fround)]);
    for (const name of ["train", "test"]) await put(`c100/${name}.bin`, record(3, 88));
    expect([...((await datasets.cifar100(join(folder, "c100"))).test.column("y") as Int32Array)]).toEqual([88]);
    await expect(datasets.cifar10(join(folder, "c100"))).rejects.toMatchObject({ code: "ERR_FORMAT" });
    await expect(datasets.cifar10(join(folder, "nowhere"))).rejects.toMatchObject({ code: "ERR_DATA" });
  });
});

describeWithData("cifar10-subset", "the CIFAR-10 subset", (path) => {
  it("has 4 660 and 932 photos of ten classes", async () => {
    const { train, test } = await datasets.cifar10(path);
    expect([train.length, test.length]).toEqual([4660, 932]);
    expect(new Set(train.column("y") as Int32Array)).toEqual(new Set(upTo(10)));
  });
});

describeWithData("cats", "the cats", (path) => {
  it("are 209 photos to train on, 72 of cats, and 50 to test, 33 of cats", async () => {
    const cats = async (name: string) => [
      ...((await safetensors(join(path, name), { x: "images", y: "labels" })).column("y") as Uint8Array),
    ];
    const [train, test] = [await cats("train.safetensors"), await cats("test.safetensors")];
    const sum = (values: number[]) => values.reduce((a, b) => a + b);
    expect([train.length, sum(train), test.length, sum(test)]).toEqual([209, 72, 50, 33]);
  });
});

describeWithData("sklearn", "scikit-learn's tables", (path) => {
  it("are read with their heads", async () => {
    const iris = await csv(join(path, "iris.csv"), {
      skipLines: 1,
      header: ["sepal length", "sepal width", "petal length", "petal width", "species"],
      types: { species: "category" },
    }).read();
    const { x, y } = await iris.features({ target: "species" }).get([0, 149]);
    expect([[...x.data].map((v) => Math.round(10 * v)), [...y.data]]).toEqual([
      [51, 35, 14, 2, 59, 30, 51, 18],
      [0, 2],
    ]);
    const digits = await csv(join(path, "digits.csv.gz"), { header: false }).read();
    expect([digits.length, digits.schema.size]).toEqual([1797, 65]);
    const boston = await csv(join(path, "boston_house_prices.csv"), { skipLines: 1 }).read();
    expect([boston.length, [...boston.schema.keys()].at(-1)]).toEqual([506, "MEDV"]);
  });
});
