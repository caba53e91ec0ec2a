/** Directed graphs without cycles as SVG: what stands in which layer of a network, and what feeds what. */
import { optionsOf } from "../base/options.js";
import { colors, escape, svgDocument } from "./svg.js";

export interface GraphNode {
  /** The first line is bold. */
  readonly lines: readonly string[];
  /** Nodes of one kind have one colour; those of none are small and grey. */
  readonly kind?: string;
}

/** From the node of one number to that of another, which comes later in the list. */
export type GraphEdge = readonly [from: number, to: number];

const sizes = { line: 14, pad: 8, letter: 6.3, bold: 6.9, gapX: 18, gapY: 26, bend: 14, margin: 16, top: 40 };

/** A node or, where an edge passes a row, a bend of it. */
interface Place {
  readonly node: number | null;
  readonly width: number;
  readonly above: Place[];
  readonly below: Place[];
  x: number;
}

/**
 * Nodes in rows, each below all that feed it; edges lead down, past what lies between. Rows are ordered so that few edges cross, by medians of
 * neighbours. Source: Sugiyama, Tagawa & Toda 1981.
 */
export function graph(nodes: readonly GraphNode[], edges: readonly GraphEdge[], options: { title?: string } = {}): string {
  const { title = "" } = optionsOf("graph", options, ["title"]);
  const rowOf = nodes.map(() => 0);
  const feeds = nodes.map((): number[] => []);
  for (const [from, to] of edges) feeds[to].push(from);
  nodes.forEach((_, k) => {
    rowOf[k] = Math.max(0, ...feeds[k].map((from) => rowOf[from] + 1));
  });
  const rows: Place[][] = Array.from({ length: Math.max(0, ...rowOf.map((row) => row + 1)) }, () => []);
  const places = nodes.map(({ lines }, k) => {
    const letters = Math.max(...lines.map((line, i) => line.length * (i === 0 ? sizes.bold : sizes.letter)), 0);
    const place: Place = { node: k, width: letters + 2 * sizes.pad, above: [], below: [], x: 0 };
    rows[rowOf[k]].push(place);
    return place;
  });
  const paths = edges.map(([from, to]) => {
    const path = [places[from]];
    for (let row = rowOf[from] + 1; row < rowOf[to]; row++) {
      const bend: Place = { node: null, width: sizes.bend, above: [], below: [], x: 0 };
      rows[row].push(bend);
      path.push(bend);
    }
    path.push(places[to]);
    for (let i = 1; i < path.length; i++) {
      path[i - 1].below.push(path[i]);
      path[i].above.push(path[i - 1]);
    }
    return path;
  });
  order(rows);
  const left = Math.min(0, ...rows.flat().map(({ x, width }) => x - width / 2));
  const right = Math.max(0, ...rows.flat().map(({ x, width }) => x + width / 2));
  for (const place of rows.flat()) place.x += sizes.margin - left;

  const heightOf = ({ node }: Place) => (node === null ? 0 : nodes[node].lines.length * sizes.line + sizes.pad);
  const heights = rows.map((row) => Math.max(0, ...row.map(heightOf)));
  const tops: number[] = [];
  heights.reduce((y, height, row) => {
    tops[row] = y;
    return y + height + sizes.gapY;
  }, sizes.top);
  const middle = (row: number) => tops[row] + heights[row] / 2;

  const kinds = [...new Set(nodes.flatMap(({ kind }) => kind ?? []))];
  const body = [`<text x="${sizes.margin}" y="24" font-size="14" font-weight="bold">${escape(title)}</text>`];
  for (const path of paths) {
    const first = rowOf[path[0].node!];
    const points = path.flatMap((place, i): [number, number][] => {
      const row = first + i;
      const half = heightOf(place) / 2;
      if (i === 0) return [[place.x, middle(row) + half]];
      if (i === path.length - 1) return [[place.x, middle(row) - half]];
      return [
        [place.x, tops[row]],
        [place.x, tops[row] + heights[row]],
      ];
    });
    const steps = points.slice(1).map(([x, y], i) => {
      const [px, py] = points[i];
      const half = (y - py) / 2;
      return px === x
        ? `L${x.toFixed(1)} ${y.toFixed(1)}`
        : `C${px.toFixed(1)} ${(py + half).toFixed(1)} ${x.toFixed(1)} ${(y - half).toFixed(1)} ${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const [[x, y]] = points;
    body.push(`<path d="M${x.toFixed(1)} ${y.toFixed(1)}${steps.join("")}" fill="none" stroke="#888"/>`);
  }
  places.forEach((place, k) => {
    const { lines, kind } = nodes[k];
    const color = kind === undefined ? "#777" : colors[kinds.indexOf(kind) % colors.length];
    const [width, height] = [place.width, heightOf(place)];
    const [x, y] = [place.x - width / 2, middle(rowOf[k]) - height / 2];
    const box = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height}" rx="5"`;
    body.push(`<rect ${box} fill="white"/><rect ${box} fill="${color}" fill-opacity="0.12" stroke="${color}"/>`);
    lines.forEach((line, i) => {
      const style = i === 0 ? `font-size="12" font-weight="bold"` : `font-size="11" fill="#444"`;
      const top = y + sizes.pad / 2 + (i + 0.8) * sizes.line;
      body.push(`<text x="${place.x.toFixed(1)}" y="${top.toFixed(1)}" text-anchor="middle" ${style}>${escape(line)}</text>`);
    });
  });
  const width = Math.max(right - left + 2 * sizes.margin, 2 * sizes.margin + title.length * 8);
  const bottom = rows.length === 0 ? sizes.top : tops[rows.length - 1] + heights[rows.length - 1];
  return svgDocument(Math.ceil(width), Math.ceil(bottom + sizes.margin), body);
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

/** Gives every place its x: rows in the order of their neighbours' medians, then each place as near to them as those beside it allow. */
function order(rows: Place[][]): void {
  const pack = (row: Place[]) => {
    const total = row.reduce((sum, { width }) => sum + width + sizes.gapX, -sizes.gapX);
    let x = -total / 2;
    for (const place of row) {
      place.x = x + place.width / 2;
      x += place.width + sizes.gapX;
    }
  };
  rows.forEach(pack);
  for (let sweep = 0; sweep < 6; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      const wanted = new Map(row.map((place) => [place, neighbours(place, down) ?? place.x]));
      row.sort((a, b) => wanted.get(a)! - wanted.get(b)!);
      pack(row);
    }
  }
  for (let sweep = 0; sweep < 8; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse())
      settle(
        row,
        row.map((place) => neighbours(place, down) ?? place.x),
      );
  }
}

/** Where the places above (below) want this one. */
const neighbours = ({ above, below }: Place, down: boolean): number | null => {
  const all = down ? above : below;
  return all.length === 0 ? null : median(all.map(({ x }) => x));
};

/** Moves a row's places to where they are wanted, and those that would overlap to the mean of what they want, together. */
function settle(row: readonly Place[], wanted: readonly number[]): void {
  const blocks: { from: number; offsets: number[]; x: number; sum: number }[] = [];
  row.forEach((place, k) => {
    let block = { from: k, offsets: [0], x: wanted[k], sum: wanted[k] };
    for (let before = blocks.at(-1); before !== undefined; before = blocks.at(-1)) {
      const last = before.from + before.offsets.length - 1;
      const apart = (row[last].width + row[block.from].width) / 2 + sizes.gapX;
      const shift = before.offsets.at(-1)! + apart;
      if (before.x + shift <= block.x) break;
      blocks.pop();
      const offsets = [...before.offsets, ...block.offsets.map((offset) => offset + shift)];
      const sum = before.sum + block.sum - shift * block.offsets.length; // of what each wants, less its offset
      block = { from: before.from, offsets, x: sum / offsets.length, sum };
    }
    blocks.push(block);
    place.x = wanted[k];
  });
  for (const { from, offsets, x } of blocks)
    offsets.forEach((offset, i) => {
      row[from + i].x = x + offset;
    });
}
