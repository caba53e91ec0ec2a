/** Line charts as SVG: training curves. */
import { optionsOf } from "../base/options.js";
import { label, ticks } from "./axes.js";
import { colors, escape, svgDocument } from "./svg.js";

export interface Line {
  readonly name: string;
  /** Values at 1, 2, 3 …; what is not finite leaves a gap. */
  readonly values: readonly number[];
}

/** One diagram: lines that share their axes. */
export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

const width = 420;
const height = 280;
const margin = { top: 36, right: 16, bottom: 40, left: 60 };
const rowHeight = 16;
/** Lines of more values than that are drawn without a dot for each. */
const mostDots = 60;

/** Panels side by side, as an SVG file. `xLabel` names the horizontal axis. */
export function lineChart(panels: readonly Panel[], options: { xLabel?: string } = {}): string {
  const { xLabel = "epoch" } = optionsOf("lineChart", options, ["xLabel"]);
  const legends = panels.map(legendOf);
  const room = rowHeight * Math.max(0, ...legends.flatMap((legend) => legend.map(({ row }) => row)));
  const drawn = panels.map((panel, i) => `<g transform="translate(${i * width} 0)">${drawPanel(panel, legends[i], room, xLabel)}</g>`);
  return svgDocument(width * Math.max(panels.length, 1), height + room, drawn);
}

interface LegendEntry {
  /** Where its name ends. */
  readonly right: number;
  /** 0 is that of the title. */
  readonly row: number;
}

/** The names of lines from the right to the left, beside the title and, where there is no room, below it. */
function legendOf({ title, lines }: Panel): LegendEntry[] {
  const edge = width - margin.right;
  let [row, right, least] = [0, edge, margin.left + 8.5 * title.length + 12];
  return lines.map(({ name }) => {
    const size = 7.5 * name.length;
    if (right - size < least) [row, right, least] = [row + 1, edge, margin.left - 40];
    const entry = { right, row };
    right -= size + 12;
    return entry;
  });
}

function drawPanel({ title, lines }: Panel, legend: readonly LegendEntry[], room: number, xLabel: string): string {
  const top = margin.top + room;
  const count = Math.max(1, ...lines.map(({ values }) => values.length));
  const finite = lines.flatMap(({ values }) => values.filter(Number.isFinite));
  const yTicks = ticks(Math.min(...finite), Math.max(...finite));
  const [low, high] = [yTicks[0], yTicks[yTicks.length - 1]];
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const x = (k: number) => margin.left + (count === 1 ? 0.5 : (k - 1) / (count - 1)) * inner.width;
  const y = (value: number) => top + (1 - (value - low) / (high - low)) * inner.height;
  const bottom = top + inner.height;

  const parts = [`<text x="${margin.left}" y="20" font-size="14" font-weight="bold">${escape(title)}</text>`];
  for (const tick of yTicks) {
    parts.push(`<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>`);
    parts.push(`<text x="${margin.left - 6}" y="${y(tick) + 4}" text-anchor="end">${label(tick)}</text>`);
  }
  const every = Math.ceil(count / 10);
  for (let k = 1; k <= count; k += every) parts.push(`<text x="${x(k)}" y="${bottom + 16}" text-anchor="middle">${k}</text>`);
  parts.push(`<text x="${margin.left + inner.width / 2}" y="${bottom + 34}" text-anchor="middle">${escape(xLabel)}</text>`);

  lines.forEach(({ name, values }, i) => {
    const color = colors[i % colors.length];
    parts.push(`<path d="${path(values, x, y)}" fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round"/>`);
    if (values.length <= mostDots)
      values.forEach((value, k) => {
        if (Number.isFinite(value)) parts.push(`<circle cx="${x(k + 1)}" cy="${y(value)}" r="2.5" fill="${color}"/>`);
      });
    const { right, row } = legend[i];
    parts.push(`<text x="${right}" y="${20 + row * rowHeight}" text-anchor="end" fill="${color}">${escape(name)}</text>`);
  });
  return parts.join("\n");
}

function path(values: readonly number[], x: (k: number) => number, y: (value: number) => number): string {
  let pen = "M";
  const steps = values.map((value, i) => {
    if (!Number.isFinite(value)) {
      pen = "M";
      return "";
    }
    const step = `${pen}${x(i + 1).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
    return step;
  });
  return steps.join("");
}
