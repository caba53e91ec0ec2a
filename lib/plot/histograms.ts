/** Histograms in rows, as SVG: how the values of each layer lie, and how large they are from layer to layer. */
import { optionsOf } from "../base/options.js";
import { colors, escape, svgDocument } from "./svg.js";

/** Values in numbers. */
export interface Histogram {
  /** Counts in equal intervals from min to max. */
  readonly counts: readonly number[];
  readonly min: number;
  readonly max: number;
  /** Root mean square. */
  readonly size: number;
}

export interface HistogramRow {
  readonly name: string;
  /** One for each column. */
  readonly histograms: readonly Histogram[];
}

const cell = { width: 180, height: 44, bars: 26, gap: 24 };
const label = (value: number) => (value === 0 || Math.abs(value) >= 1e-3 ? String(Number(value.toPrecision(3))) : value.toExponential(2));
const sizes = { width: 240, top: 64 };

/**
 * A row of histograms for each name, each from its own least to its greatest value, and beside them the root mean squares of each column, on one
 * logarithmic scale for all rows. What is 0 or not finite has no point there.
 */
export function histograms(columns: readonly string[], rows: readonly HistogramRow[], options: { title?: string } = {}): string {
  const { title = "" } = optionsOf("histograms", options, ["title"]);
  const left = 24 + 7 * Math.max(5, ...rows.map(({ name }) => name.length));
  const scaleLeft = left + columns.length * (cell.width + cell.gap) + 16;
  const bottom = sizes.top + rows.length * cell.height;
  const logs = rows.flatMap(({ histograms }) => histograms.map(({ size }) => Math.log10(size))).filter(Number.isFinite);
  const [low, high] = [Math.floor(Math.min(0, ...logs)), Math.ceil(Math.max(0, ...logs))];
  const every = Math.max(1, Math.ceil((high - low) / 6));
  const decades = Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, i) => low + i * every);
  const x = (log: number) => scaleLeft + ((log - low) / Math.max(high - low, 1)) * sizes.width;
  const y = (row: number) => sizes.top + row * cell.height + cell.bars / 2;

  const text = (left: number, top: number, value: string, how = "") => `<text x="${left}" y="${top}" ${how}>${escape(value)}</text>`;
  const parts = [text(16, 22, title, 'font-size="14" font-weight="bold"'), text(scaleLeft, 48, "root mean square")];
  for (const decade of decades) {
    parts.push(`<line x1="${x(decade)}" x2="${x(decade)}" y1="${sizes.top - 6}" y2="${bottom}" stroke="#ddd"/>`);
    parts.push(text(x(decade), bottom + 16, `1e${decade}`, 'text-anchor="middle"'));
  }
  rows.forEach(({ name }, row) => parts.push(text(16, y(row) + 4, name)));
  columns.forEach((column, k) => {
    const color = colors[k % colors.length];
    const from = left + k * (cell.width + cell.gap);
    parts.push(text(from, 48, column, `fill="${color}"`));
    rows.forEach(({ histograms }, row) => {
      const { counts, min, max } = histograms[k];
      const base = sizes.top + row * cell.height + cell.bars;
      const top = Math.max(1, ...counts);
      const width = cell.width / counts.length;
      const bars = counts.map((count, i) => {
        const height = (count / top) * cell.bars;
        return `M${(from + i * width).toFixed(1)} ${base}v${(-height).toFixed(1)}h${(width - 0.5).toFixed(1)}V${base}z`;
      });
      parts.push(`<path d="${bars.join("")}" fill="${color}"/>`);
      parts.push(`<line x1="${from}" x2="${from + cell.width}" y1="${base}" y2="${base}" stroke="#999"/>`);
      if (!Number.isFinite(min)) return; // no value is finite
      parts.push(text(from, base + 11, label(min), 'font-size="9"'));
      parts.push(text(from + cell.width, base + 11, label(max), 'font-size="9" text-anchor="end"'));
    });
    const points = rows.flatMap(({ histograms }, row): [number, number][] => {
      const log = Math.log10(histograms[k].size);
      return Number.isFinite(log) ? [[x(log), y(row)]] : [];
    });
    const path = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const [px, py] of points) parts.push(`<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3" fill="${color}"/>`);
  });
  return svgDocument(scaleLeft + sizes.width + 24, bottom + 28, parts);
}
