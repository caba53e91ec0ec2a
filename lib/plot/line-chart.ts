/** Line charts as SVG: training curves. */
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
/** Lines of more values than that are drawn without a dot for each. */
const mostDots = 60;

/** Panels side by side, as an SVG file. `xLabel` names the horizontal axis. */
export function lineChart(panels: readonly Panel[], { xLabel = "epoch" } = {}): string {
  const drawn = panels.map((panel, i) => `<g transform="translate(${i * width} 0)">${drawPanel(panel, xLabel)}</g>`);
  return svgDocument(width * Math.max(panels.length, 1), height, drawn);
}

function drawPanel({ title, lines }: Panel, xLabel: string): string {
  const count = Math.max(1, ...lines.map(({ values }) => values.length));
  const finite = lines.flatMap(({ values }) => values.filter(Number.isFinite));
  const yTicks = ticks(Math.min(...finite), Math.max(...finite));
  const [low, high] = [yTicks[0], yTicks[yTicks.length - 1]];
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const x = (k: number) => margin.left + (count === 1 ? 0.5 : (k - 1) / (count - 1)) * inner.width;
  const y = (value: number) => margin.top + (1 - (value - low) / (high - low)) * inner.height;
  const bottom = margin.top + inner.height;

  const parts = [`<text x="${margin.left}" y="20" font-size="14" font-weight="bold">${escape(title)}</text>`];
  for (const tick of yTicks) {
    parts.push(`<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>`);
    parts.push(`<text x="${margin.left - 6}" y="${y(tick) + 4}" text-anchor="end">${label(tick)}</text>`);
  }
  const every = Math.ceil(count / 10);
  for (let k = 1; k <= count; k += every) parts.push(`<text x="${x(k)}" y="${bottom + 16}" text-anchor="middle">${k}</text>`);
  parts.push(`<text x="${margin.left + inner.width / 2}" y="${bottom + 34}" text-anchor="middle">${escape(xLabel)}</text>`);

  let legend = width - margin.right;
  lines.forEach(({ name, values }, i) => {
    const color = colors[i % colors.length];
    parts.push(`<path d="${path(values, x, y)}" fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round"/>`);
    if (values.length <= mostDots)
      values.forEach((value, k) => {
        if (Number.isFinite(value)) parts.push(`<circle cx="${x(k + 1)}" cy="${y(value)}" r="2.5" fill="${color}"/>`);
      });
    parts.push(`<text x="${legend}" y="20" text-anchor="end" fill="${color}">${escape(name)}</text>`);
    legend -= 7 * name.length + 12;
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
