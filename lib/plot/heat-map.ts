/** Numbers over a plane as colours, as SVG: loss surfaces. */
import { encodePng } from "./png.js";
import { escape, svgDocument } from "./svg.js";

export interface HeatMap {
  readonly title: string;
  /** `values[i][j]` at y[i], x[j]; what is not finite stays white. */
  readonly values: readonly (readonly number[])[];
  readonly x: readonly number[];
  readonly y: readonly number[];
}

const size = 320;
const margin = { top: 36, right: 90, bottom: 36, left: 56 };

/** From low to high; even steps of lightness. */
const stops = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
] as const;

function colorOf(share: number): readonly number[] {
  if (!Number.isFinite(share)) return [255, 255, 255];
  const at = share * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  return stops[i].map((from, c) => Math.round(from + (at - i) * (stops[i + 1][c] - from)));
}

/** An SVG file of the values, y growing upwards, with a scale beside it. */
export function heatMap({ title, values, x, y }: HeatMap): string {
  const finite = values.flat().filter(Number.isFinite);
  const [low, high] = [finite.reduce((a, b) => Math.min(a, b), Infinity), finite.reduce((a, b) => Math.max(a, b), -Infinity)];
  const share = (value: number) => (high > low ? (value - low) / (high - low) : value - low);
  const picture = (rows: readonly (readonly number[])[]) => {
    const pixels = Uint8Array.from(rows.flatMap((row) => row.flatMap((value) => colorOf(share(value)))));
    return Buffer.from(encodePng({ width: rows[0].length, height: rows.length, channels: 3, pixels })).toString("base64");
  };
  const image = (left: number, width: number, rows: readonly (readonly number[])[]) =>
    `<image x="${left}" y="${margin.top}" width="${width}" height="${size}" preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,${picture(rows)}"/>`;
  const scale = Array.from({ length: 64 }, (_, i) => [high + ((low - high) * i) / 63]);
  const label = (value: number) => String(Number(value.toPrecision(3)));
  const text = (left: number, top: number, value: string, anchor: string) =>
    `<text x="${left}" y="${top}" text-anchor="${anchor}">${escape(value)}</text>`;
  const [right, bottom] = [margin.left + size, margin.top + size];
  return svgDocument(right + margin.right, bottom + margin.bottom, [
    `<text x="${margin.left}" y="20" font-size="14" font-weight="bold">${escape(title)}</text>`,
    image(margin.left, size, [...values].reverse()),
    image(right + 14, 14, scale),
    text(right + 34, margin.top + 10, label(high), "start"),
    text(right + 34, bottom, label(low), "start"),
    text(margin.left, bottom + 18, label(x[0]), "start"),
    text(right, bottom + 18, label(x[x.length - 1]), "end"),
    text(margin.left - 6, bottom, label(y[0]), "end"),
    text(margin.left - 6, margin.top + 10, label(y[y.length - 1]), "end"),
  ]);
}
