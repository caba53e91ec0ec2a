/** Scatter plots as SVG: what was predicted against what is. */
import { optionsOf } from "../base/options.js";
import { axes, label } from "./axes.js";
import { colors, escape, svgDocument } from "./svg.js";

export interface ScatterOptions {
  readonly title?: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** Draw the line y = x. Default false. */
  readonly diagonal?: boolean;
}

/** Points (x, y) of one or several groups, each group in a colour of its own, as an SVG file. Points that are not finite are left out. */
export function scatter(
  groups: Readonly<Record<string, readonly (readonly [x: number, y: number])[]>>,
  options: ScatterOptions = {},
): string {
  const {
    title = "",
    xLabel = "x",
    yLabel = "y",
    diagonal = false,
  } = optionsOf("scatter", options, ["title", "xLabel", "yLabel", "diagonal"]);
  const drawn = Object.entries(groups).map(([name, points]) => ({ name, points: points.filter((point) => point.every(Number.isFinite)) }));
  const all = drawn.flatMap(({ points }) => points);
  const [xs, ys] = [0, 1].map((k) => (diagonal ? all.flat() : all.map((point) => point[k])));
  const { x, y, frame, size } = axes(xs, ys, { xLabel, yLabel });
  const parts = [`<text x="${size.left}" y="20" font-size="14" font-weight="bold">${escape(title)}</text>`, ...frame];
  if (diagonal) {
    const [low, high] = x.range;
    parts.push(`<line x1="${x.at(low)}" y1="${y.at(low)}" x2="${x.at(high)}" y2="${y.at(high)}" stroke="#999" stroke-dasharray="4 4"/>`);
  }
  let legend = size.width - size.right;
  drawn.forEach(({ name, points }, i) => {
    const color = colors[i % colors.length];
    for (const [px, py] of points)
      parts.push(
        `<circle cx="${x.at(px).toFixed(1)}" cy="${y.at(py).toFixed(1)}" r="3" fill="${color}" fill-opacity="0.6"><title>${label(px)}, ${label(py)}</title></circle>`,
      );
    parts.push(`<text x="${legend}" y="20" text-anchor="end" fill="${color}">${escape(name)}</text>`);
    legend -= 7 * name.length + 12;
  });
  return svgDocument(size.width, size.height, parts);
}
