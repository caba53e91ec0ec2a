/** Small pictures in rows with a caption under each, as SVG: misread digits, filters, patches. */
import { optionsOf } from "../base/options.js";
import { encodePng, type Picture } from "./png.js";
import { escape, svgDocument } from "./svg.js";

export interface Captioned {
  readonly picture: Picture;
  readonly caption: string;
}

const gap = 12;
const captionHeight = 20;

/** An SVG file of pictures, each drawn `size` pixels wide and high without smoothing. */
export function imageGrid(entries: readonly Captioned[], options: { columns?: number; size?: number } = {}): string {
  const { columns = 6, size = 112 } = optionsOf("imageGrid", options, ["columns", "size"]);
  const cell = { width: size + gap, height: size + captionHeight + gap };
  const rows = Math.ceil(entries.length / columns);
  const body = entries.map(({ picture, caption }, i) => {
    const x = gap + (i % columns) * cell.width;
    const y = gap + Math.floor(i / columns) * cell.height;
    const data = Buffer.from(encodePng(picture)).toString("base64");
    return [
      `<image x="${x}" y="${y}" width="${size}" height="${size}" style="image-rendering:pixelated" href="data:image/png;base64,${data}"/>`,
      `<text x="${x + size / 2}" y="${y + size + 15}" text-anchor="middle">${escape(caption)}</text>`,
    ].join("\n");
  });
  return svgDocument(gap + Math.min(columns, Math.max(entries.length, 1)) * cell.width, gap + rows * cell.height, body);
}
