/** Axes with round numbers on them. */
import { escape } from "./svg.js";

const size = { width: 420, height: 420, top: 36, right: 16, bottom: 44, left: 60 };

interface Axis {
  /** The numbers at its ends. */
  readonly range: readonly [number, number];
  /** Where a number lies, in pixels. */
  readonly at: (value: number) => number;
}

/** A frame with grid lines and numbers around values, and where values lie in it. */
export function axes(xs: readonly number[], ys: readonly number[], labels: { xLabel: string; yLabel: string }) {
  const [xTicks, yTicks] = [xs, ys].map((values) => ticks(Math.min(...values), Math.max(...values)));
  const [right, bottom] = [size.width - size.right, size.height - size.bottom];
  const x = axis(xTicks, size.left, right);
  const y = axis(yTicks, bottom, size.top);
  const frame = [
    ...xTicks.flatMap((tick) => [
      `<line x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${size.top}" y2="${bottom}" stroke="#ddd"/>`,
      `<text x="${x.at(tick)}" y="${bottom + 16}" text-anchor="middle">${label(tick)}</text>`,
    ]),
    ...yTicks.flatMap((tick) => [
      `<line x1="${size.left}" x2="${right}" y1="${y.at(tick)}" y2="${y.at(tick)}" stroke="#ddd"/>`,
      `<text x="${size.left - 6}" y="${y.at(tick) + 4}" text-anchor="end">${label(tick)}</text>`,
    ]),
    `<text x="${(size.left + right) / 2}" y="${bottom + 36}" text-anchor="middle">${escape(labels.xLabel)}</text>`,
    `<text transform="translate(16 ${(size.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escape(labels.yLabel)}</text>`,
  ];
  return { x, y, frame, size };
}

function axis(marks: readonly number[], from: number, to: number): Axis {
  const range = [marks[0], marks[marks.length - 1]] as const;
  return { range, at: (value) => from + ((value - range[0]) / (range[1] - range[0])) * (to - from) };
}

/** Four to eight round numbers that enclose [low, high]. */
export function ticks(low: number, high: number): number[] {
  if (!(low < high)) {
    const middle = Number.isFinite(low) ? low : 0;
    return [middle - 1, middle, middle + 1];
  }
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough)!;
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** A number in at most four significant digits. */
export const label = (value: number) => String(Number(value.toPrecision(4)));
