import { inflateSync } from "node:zlib";
import { plot } from "nabla";
import { expect, it } from "vitest";

it("PNG files hold the pixels, row by row, and end as the format says", () => {
  const pixels = Uint8Array.from({ length: 2 * 3 * 3 }, (_, i) => 14 * i);
  const bytes = Buffer.from(plot.encodePng({ width: 3, height: 2, channels: 3, pixels }));
  expect(bytes.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  // IHDR: width, height, 8 bits, colour type 2 (red, green, blue)
  expect(bytes.subarray(8, 29).toString("hex")).toBe(`0000000d${Buffer.from("IHDR").toString("hex")}00000003000000020802000000`);
  expect(bytes.subarray(-8).toString("hex")).toBe("49454e44ae426082"); // IEND and its checksum are the same in every file
  const length = bytes.readUInt32BE(33);
  expect(bytes.subarray(37, 41).toString("latin1")).toBe("IDAT");
  const rows = inflateSync(bytes.subarray(41, 41 + length));
  expect([...rows]).toEqual([0, ...pixels.subarray(0, 9), 0, ...pixels.subarray(9)]);
});

/** Opening and closing tags of an SVG text match. */
function isWellFormed(svg: string): boolean {
  const open: string[] = [];
  for (const [, closing, name, self] of svg.matchAll(/<(\/?)(\w+)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/g)) {
    if (closing) {
      if (open.pop() !== name) return false;
    } else if (!self) open.push(name);
  }
  return open.length === 0 && !/<(?!\/?\w)|&(?!amp;|lt;|gt;|quot;)/.test(svg);
}

it("line charts put every finite value on its place and leave gaps", () => {
  const chart = plot.lineChart([{ title: "loss < 1 & falling", lines: [{ name: "train", values: [3, 2, Number.NaN, 1] }] }]);
  expect(isWellFormed(chart)).toBe(true);
  expect(chart).toContain("loss &lt; 1 &amp; falling");
  const points = [...chart.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
  expect(points).toHaveLength(3);
  const [a, b, c] = points;
  expect(b[1] - a[1]).toBeCloseTo(c[1] - b[1], 6); // 3, 2, 1: equal steps downwards
  expect(c[0] - b[0]).toBeCloseTo(2 * (b[0] - a[0]), 6); // the missing one left room
  expect(chart.match(/d="M[^"]*M[^"]*"/)).not.toBeNull();
});

it("charts of one epoch, of equal values and of nothing are charts", () => {
  for (const values of [[0.5], [2, 2, 2], [], [Number.NaN, Number.POSITIVE_INFINITY]]) {
    const chart = plot.lineChart([{ title: "t", lines: [{ name: "n", values }] }]);
    expect(isWellFormed(chart)).toBe(true);
    expect(chart).not.toMatch(/NaN|Infinity/);
  }
});

it("image grids caption their pictures", () => {
  const picture: plot.Picture = { width: 1, height: 1, channels: 1, pixels: Uint8Array.of(7) };
  const grid = plot.imageGrid([{ picture, caption: "4 read as <9>" }], { columns: 3 });
  expect(isWellFormed(grid)).toBe(true);
  expect(grid).toContain("4 read as &lt;9&gt;");
  expect(grid).toContain(Buffer.from(plot.encodePng(picture)).toString("base64"));
});

it("scatter plots put every point on its place", () => {
  const chart = plot.scatter(
    {
      train: [
        [0, 0],
        [2, 4],
        [1, Number.NaN],
      ],
      test: [[1, 2]],
    },
    { title: "a < b", diagonal: true },
  );
  expect(isWellFormed(chart)).toBe(true);
  expect(chart).toContain("a &lt; b");
  const [origin, far, middle] = [...chart.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
  expect(middle[0]).toBeCloseTo((origin[0] + far[0]) / 2, 0);
  expect(middle[1]).toBeCloseTo((origin[1] + far[1]) / 2, 0);
  expect(far[1]).toBeLessThan(origin[1]); // upwards
  const [, x1, y1, x2, y2] = chart.match(/x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" stroke="#999"/)!.map(Number);
  expect([x2 - x1 > 0, y2 - y1 < 0]).toEqual([true, true]);
  expect(isWellFormed(plot.scatter({}))).toBe(true);
});

it("legends of line charts that do not fit beside the title stand below it, and the chart below them", () => {
  const names = ["constant", "on plateau", "warm-up, cosine", "one cycle", "by hand"];
  const chart = (count: number) =>
    plot.lineChart([{ title: "training loss", lines: names.slice(0, count).map((name) => ({ name, values: [1, 2] })) }]);
  const rowsOf = (svg: string) =>
    [...svg.matchAll(/<text x="([\d.]+)" y="(\d+)" text-anchor="end" fill/g)].map(([, right, y]) => ({ right: Number(right), y }));
  expect(new Set(rowsOf(chart(2)).map(({ y }) => y))).toEqual(new Set(["20"]));
  const entries = rowsOf(chart(5));
  expect(entries.map(({ y }) => y)).toEqual(["20", "20", "36", "36", "36"]);
  entries.forEach(({ right, y }, i) => {
    const next = entries[i + 1];
    if (next?.y === y) expect(right - next.right).toBeGreaterThan(7 * names[i].length);
  });
  const height = (svg: string) => Number(/height="(\d+)"/.exec(svg)![1]);
  expect(height(chart(5)) - height(chart(2))).toBe(16);
});

it("histograms have bars as high as their counts, and points where sizes lie on a logarithmic scale", () => {
  const of = (size: number) => ({ counts: [0, 4, 1, 2], min: -size, max: size, size });
  const empty = { counts: [0, 0, 0, 0], min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, size: Number.NaN };
  const rows = [1, 0.01, 0.0001].map((size, i) => ({ name: `<${i}>`, histograms: [of(size), empty] }));
  const svg = plot.histograms(["values", "nothing"], rows, { title: "three" });
  expect(isWellFormed(svg)).toBe(true);
  const heights = [...svg.match(/<path d="([^"]*)"/)![1].matchAll(/v-?([\d.]+)h/g)].map(([, height]) => Number(height));
  expect(heights.map((height) => (4 * height) / heights[1])).toEqual([0, 4, 1, 2]);
  const xs = [...svg.matchAll(/<circle cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  expect(xs).toHaveLength(3);
  expect(xs[0] - xs[1]).toBeCloseTo(xs[1] - xs[2], 0);
  expect(xs[1]).toBeLessThan(xs[0]);
});

it("graphs have every node below those that feed it, none over another, and a line for each edge", () => {
  const nodes = ["in", "a", "a wider one", "b", "sum", "out <1>"].map((name, i) => ({ lines: [name], kind: i === 4 ? undefined : "k" }));
  const edges = [
    [0, 1],
    [0, 2],
    [2, 3],
    [1, 4],
    [3, 4],
    [0, 4],
    [4, 5],
  ] as const;
  const svg = plot.graph(nodes, edges, { title: "A graph" });
  const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" rx="5" fill="white"/g)].map((found) =>
    found.slice(1).map(Number),
  );
  expect(boxes).toHaveLength(nodes.length);
  for (const [from, to] of edges) expect(boxes[to][1]).toBeGreaterThan(boxes[from][1] + boxes[from][3]);
  for (const [i, [x, y, width, height]] of boxes.entries()) {
    for (const [px, py, other] of boxes.slice(i + 1)) expect(Math.abs(py - y) >= height || px >= x + width || px + other <= x).toBe(true);
  }
  expect(svg.match(/<path /g)).toHaveLength(edges.length);
  expect(svg).toContain("out &lt;1&gt;");
  expect(plot.graph([], [])).toContain("<svg");
});
