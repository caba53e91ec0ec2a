/** How values are distributed: counts, and small drawings of them. */
import { label } from "../plot/axes.js";
import { colors, escape, svgDocument } from "../plot/svg.js";

export interface Histogram {
  /** Of the finite values; 0 if there are none. */
  readonly low: number;
  readonly high: number;
  /** In bins of equal width from low to high. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
}

/** Counts finite values in `bins` bins. */
export function histogramOf(values: ArrayLike<number>, bins = 30): Histogram {
  let [low, high, sum, squares, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
    sum += value;
    squares += value * value;
    count++;
  }
  const counts = new Array<number>(bins).fill(0);
  if (count === 0) return { low: 0, high: 0, counts, count, sum, squares };
  const scale = high > low ? bins / (high - low) : 0;
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    if (Number.isFinite(value)) counts[Math.min(bins - 1, Math.floor((value - low) * scale))]++;
  }
  return { low, high, counts, count, sum, squares };
}

const [width, height, columns] = [200, 90, 3];

/** Histograms in rows, each with its name and range, as SVG. */
export function drawHistograms(named: ReadonlyMap<string, Histogram>): string {
  const drawn = [...named].map(([name, { low, high, counts }], i) => {
    const most = Math.max(1, ...counts);
    const bar = (width - 20) / counts.length;
    const bars = counts.map((count, k) => {
      const tall = (48 * count) / most;
      return `<rect x="${(k * bar).toFixed(1)}" y="${(68 - tall).toFixed(1)}" width="${bar.toFixed(1)}" height="${tall.toFixed(1)}" fill="${colors[0]}"/>`;
    });
    const place = `translate(${(i % columns) * width + 10} ${Math.floor(i / columns) * height})`;
    const range = `<text y="82" font-size="10">${label(low)}</text><text x="${width - 20}" y="82" font-size="10" text-anchor="end">${label(high)}</text>`;
    return `<g transform="${place}"><text y="14">${escape(name)}</text>${bars.join("")}${range}</g>`;
  });
  return svgDocument(columns * width, Math.max(1, Math.ceil(named.size / columns)) * height, drawn);
}
