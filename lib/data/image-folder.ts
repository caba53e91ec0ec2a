/** Folders of pictures: a folder a class, read by the package sharp when they are asked for. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError, FormatError, ShapeError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, type Shape, sameShape, sizeOf } from "../base/shape.js";
import type { HostArray, LabeledBatch } from "./batch.js";
import { Dataset } from "./dataset.js";
import { optional } from "./optional.js";
import { toUnit } from "./pictures.js";

export interface ImageFolderOptions {
  /** Height and width that pictures are brought to, or one number for both. Default: as they are; then all must have one size. */
  size?: number | readonly [height: number, width: number];
  /** How a picture of other proportions fills that size: cut off, with bars, or stretched. Default "cover". */
  fit?: "cover" | "contain" | "fill";
  /** One channel of grey instead of red, green and blue. Default false. */
  grey?: boolean;
  /** f32 from 0 to 1, or the bytes as they are. Default f32. */
  dtype?: "f32" | "u8";
}

const endings = /\.(jpe?g|png|webp|gif|avif|tiff?|svg)$/i;

/** Pictures x [n, height, width, channels], y i32 [n] the number of the class. */
export class ImageFolder extends Dataset<LabeledBatch> {
  private constructor(
    /** Names of the classes: of the folders, sorted. */
    readonly classes: readonly string[],
    /** The files, class by class. */
    readonly files: readonly string[],
    private readonly labels: Int32Array,
    private readonly read: (file: string) => Promise<HostArray>,
    private readonly dtype: "f32" | "u8",
  ) {
    super();
  }

  /** See {@link imageFolder}. */
  static async open(folder: string, options: ImageFolderOptions = {}): Promise<ImageFolder> {
    const { size, fit = "cover", grey = false, dtype = "f32" } = optionsOf("imageFolder", options, ["size", "fit", "grey", "dtype"]);
    const { default: sharp } = await optional<typeof import("sharp")>("imageFolder", "pictures", "sharp");
    const byName = (a: string, b: string) => (a < b ? -1 : 1);
    const found: [string, string[]][] = [];
    for (const name of (await entries(folder, true)).sort(byName)) {
      const files = (await entries(join(folder, name), false)).filter((file) => endings.test(file)).sort(byName);
      if (files.length > 0) found.push([name, files.map((file) => join(folder, name, file))]);
    }
    if (found.length === 0)
      throw new DataError(`imageFolder: ${folder} has no folders with pictures; expected one for each class, named after it`, {
        op: "imageFolder",
        inputs: [folder],
      });
    const [height, width] = typeof size === "object" ? size : [size, size];
    const read = async (file: string): Promise<HostArray> => {
      try {
        const image = sharp(await readFile(file)) // from a name it takes half as much again: it looks at the file several times
          .rotate()
          .flatten({ background: "white" })
          .toColourspace(grey ? "b-w" : "srgb");
        if (height !== undefined) image.resize(width, height, { fit, kernel: "cubic" });
        const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
        return { data, shape: [info.height, info.width, info.channels], dtype: "u8" };
      } catch (cause) {
        throw new FormatError(`imageFolder: ${file}: ${(cause as Error).message}`, { op: "imageFolder", inputs: [file], cause });
      }
    };
    return new ImageFolder(
      found.map(([name]) => name),
      found.flatMap(([, files]) => files),
      Int32Array.from(found.flatMap(([, files], label) => files.map(() => label))),
      read,
      dtype,
    );
  }

  get length(): number {
    return this.files.length;
  }

  async get(indices: ArrayLike<number>): Promise<LabeledBatch> {
    this.check(indices);
    const pictures = await Promise.all(Array.from(indices, (i) => this.read(this.files[i])));
    const shape: Shape = pictures[0]?.shape ?? [0, 0, 0];
    const data = new Uint8Array(pictures.length * sizeOf(shape));
    for (const [k, picture] of pictures.entries()) {
      if (!sameShape(picture.shape, shape)) {
        const [a, b] = [0, k].map((at) => `${this.files[indices[at]]} is ${format(pictures[at].shape)}`);
        throw new ShapeError(`imageFolder: ${a} but ${b}; bring them to one size: { size: [224, 224] }`, {
          op: "imageFolder",
          inputs: [shape, picture.shape],
        });
      }
      data.set(picture.data, k * sizeOf(shape));
    }
    const x: HostArray = { data, shape: [pictures.length, ...shape], dtype: "u8" };
    return {
      x: this.dtype === "f32" ? toUnit(x) : x,
      y: { data: Int32Array.from(indices, (i) => this.labels[i]), shape: [indices.length], dtype: "i32" },
    };
  }

  /** The labels are known without opening a picture. */
  override column(name: string): ArrayLike<number> | Promise<ArrayLike<number>> {
    return name === "y" ? this.labels : super.column(name);
  }
}

/**
 * The pictures in the folders of `folder`, each named after a class. Decoding runs on threads of the package `sharp`, beside the event
 * loop; what is decoded can be kept: `(await imageFolder(…, { dtype: "u8" })).cache()`.
 * @example const photos = await imageFolder("cats/", { size: [64, 64] }); // x f32 [n, 64, 64, 3]
 * @throws {DataError} if there are no pictures, or sharp is not installed. @throws {FormatError} when a file that is no picture is fetched.
 */
export function imageFolder(folder: string, options?: ImageFolderOptions): Promise<ImageFolder> {
  return ImageFolder.open(folder, options);
}

async function entries(folder: string, folders: boolean): Promise<string[]> {
  try {
    const all = await readdir(folder, { withFileTypes: true });
    return all.filter((entry) => (folders ? entry.isDirectory() : !entry.isDirectory())).map(({ name }) => name);
  } catch (cause) {
    throw new DataError(`imageFolder: ${folder} cannot be read: ${(cause as Error).message}`, {
      op: "imageFolder",
      inputs: [folder],
      cause,
    });
  }
}
