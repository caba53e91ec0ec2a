/** What all examples share: options of the command line, a folder for what is made, pictures out of bytes. */
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { plot } from "nabla";

const text = (byDefault?: string) => ({ type: "string" as const, default: byDefault });

/** The numbers an example may be told, by name, with --data (the folder of data sets) and --out (for what is made, default runs/NAME). */
export function setting<const N extends Readonly<Record<string, number>>>(name: string, numbers: N) {
  const own = Object.fromEntries(Object.entries(numbers).map(([option, value]) => [option, text(String(value))]));
  const { values }: { values: Record<string, unknown> } = parseArgs({ options: { ...own, data: text(), out: text(join("runs", name)) } });
  const out = String(values.out);
  mkdirSync(out, { recursive: true });
  return {
    ...(Object.fromEntries(Object.keys(numbers).map((option) => [option, Number(values[option])])) as { readonly [K in keyof N]: number }),
    /** The folder of data sets, if one was given. */
    data: values.data as string | undefined,
    /** The path of a file among what is made. */
    file: (base: string) => join(out, base),
    /** Writes a picture, and says where. */
    draw: async (base: string, svg: string) => {
      await writeFile(join(out, base), svg);
      console.log(`picture: ${join(out, base)}`);
    },
  };
}

/** Pixels from 0 to 1 as a picture. */
export function picture(pixels: ArrayLike<number>, width: number, height: number, channels: 1 | 3): plot.Picture {
  return { width, height, channels, pixels: Uint8Array.from(pixels, (value) => Math.round(255 * Math.min(Math.max(value, 0), 1))) };
}

/** Weights as a picture: grey where they are 0, brighter above, darker below. */
export function weightsPicture(weights: ArrayLike<number>, width: number, height: number, channels: 1 | 3): plot.Picture {
  const values = Array.from(weights);
  const largest = Math.max(...values.map(Math.abs)) || 1;
  return picture(
    values.map((w) => 0.5 + w / (2 * largest)),
    width,
    height,
    channels,
  );
}

export const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
