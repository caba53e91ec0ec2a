/** `npm run bench -- report FILE…`: tables and pictures from result files, written below the marker of docs/benchmarks.md. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bars, isMet } from "./bars.mjs";
import { ratioChart } from "./harness/chart.mjs";
import { figure } from "./harness/compare.mjs";
import { geometricMean, groupBy, readResults } from "./harness/results.mjs";

/** @import { Line } from "./harness/compare.mjs" */

const page = new URL("../docs/benchmarks.md", import.meta.url);
const images = new URL("../docs/images/", import.meta.url);
const marker = "<!-- results: written by npm run bench -- report, from here to the end -->";

/** What a suite is called; those that are here have a picture if many cases have a ratio. @type {Record<string, string>} */
const titles = {
  train: "Training steps",
  inference: "Predictions, one request after the other",
  gemm: "Matrix products, M×N×K",
  conv: "Convolutions",
  elementwise: "Elementwise, reductions, softmax, optimizers",
  norm: "Normalization",
  pool: "Pooling",
  memory: "Memory of training",
  overhead: "Overhead",
  eventloop: "Event loop",
};
const leastCasesOfPicture = 4;

/**
 * Writes the page and its pictures.
 * @param {readonly string[]} files
 */
export function report(files) {
  const { markdown, pictures } = resultsOf(readResults(files));
  const text = readFileSync(page, "utf8");
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`${fileURLToPath(page)} has no line ${marker}`);
  mkdirSync(images, { recursive: true });
  for (const [name, svg] of pictures) writeFileSync(new URL(name, images), svg);
  writeFileSync(page, `${text.slice(0, at)}${marker}\n\n${markdown}`);
  return fileURLToPath(page);
}

/**
 * @param {readonly Line[]} lines
 * @returns {{ markdown: string, pictures: Map<string, string> }}
 */
export function resultsOf(lines) {
  const pictures = new Map();
  const parts = [`Measured on: ${[...new Set(lines.map(({ machine }) => machine))].join("; ")}.`, barsTable(lines), meansTable(lines)];
  for (const [suite, title] of Object.entries(titles)) {
    const own = lines.filter((line) => line.suite === suite);
    if (own.length === 0) continue;
    parts.push(`### ${title}`);
    const compared = own.filter(({ ratio, peer }) => ratio !== null && peer !== "peak");
    const threads = Math.max(...compared.map((line) => line.threads));
    const rows = groupBy(
      compared.filter((line) => line.threads === threads),
      ({ case: name, metric }) =>
        suite === "train" || suite === "conv" ? name : [name, ...(suite === "overhead" ? [metric] : [])].join(", "),
    );
    if (rows.size >= leastCasesOfPicture) {
      const points = (/** @type {Line[]} */ found) => found.map(({ peer, ratio }) => ({ peer: String(peer), ratio: Number(ratio) }));
      const name = `bench-${suite}.svg`;
      const picture = ratioChart(
        `${title}, ${threads} threads`,
        [...rows].map(([label, found]) => ({ name: label, points: points(found) })),
      );
      pictures.set(name, picture);
      parts.push(`![${title}: how many times better nabla is than each peer](images/${name})`);
    }
    parts.push(suiteTable(own));
  }
  return { markdown: `${parts.join("\n\n")}\n`, pictures };
}

/** @param {readonly Line[]} lines */
function barsTable(lines) {
  const rows = bars.map((bar) => {
    const line = lines.find((one) => Object.entries(bar.of).every(([key, value]) => one[/** @type {keyof Line} */ (key)] === value));
    const met = isMet(bar, line);
    const [asked, found] =
      bar.below === undefined
        ? [`≥ ${figure(bar.times ?? 0)} ×`, line?.ratio == null ? "–" : `${figure(line.ratio)} ×`]
        : [`< ${bar.below} ${line?.unit ?? ""}`, line?.value == null ? "–" : `${figure(line.value)} ${line.unit}`];
    return [bar.title, asked, found, met === null ? "not measured" : met ? "met" : "**missed**"];
  });
  return `### What was set out to reach\n\n${table(["what", "bar", "found", ""], rows)}`;
}

/** How nabla does on average, by suite and peer. @param {readonly Line[]} lines */
function meansTable(lines) {
  const compared = lines.filter(({ ratio, peer }) => ratio !== null && peer !== "peak");
  const rows = [...groupBy(compared, ({ suite, threads, peer }) => `${suite}|${threads}|${peer}`).values()].map((group) => {
    const ratios = group.map(({ ratio }) => Number(ratio));
    const [{ suite, threads, peer }] = group;
    const won = ratios.filter((ratio) => ratio >= 1).length;
    return [suite, String(threads), String(peer), `${figure(geometricMean(ratios))} ×`, `${won} of ${ratios.length}`];
  });
  return `### On average\n\n${table(["suite", "threads", "peer", "nabla is better, geometric mean", "wins"], rows)}`;
}

/** A line for each case, a column for each peer. @param {readonly Line[]} lines */
function suiteTable(lines) {
  const peers = [...new Set(lines.flatMap(({ peer }) => (peer === null || peer === "peak" ? [] : [peer])))];
  const hasRoof = lines.some(({ roof }) => roof !== null);
  const rows = [...groupBy(lines, (line) => [line.case, line.threads, line.metric].join("|")).values()].map((group) => {
    const [{ case: name, threads, metric, unit, value, noise, roof }] = group;
    const cells = peers.map((peer) => {
      const line = group.find((one) => one.peer === peer);
      if (line === undefined) return "";
      if (line.peerValue === null) return "cannot";
      return line.ratio === null ? figure(line.peerValue) : `${figure(line.peerValue)} (${figure(line.ratio)} ×)`;
    });
    const own = value === null ? "–" : figure(value) + (noise == null ? "" : ` ± ${(100 * noise).toFixed(0)} %`);
    const bound = hasRoof ? [roof === null ? "" : `${(100 * roof).toFixed(0)} %`] : [];
    return [name, String(threads), `${metric}, ${unit}`, own, ...bound, ...cells];
  });
  const notes = new Set(
    lines.flatMap(({ case: name, value, peerValue, note }) => ((value === null || peerValue === null) && note ? [`${name}: ${note}`] : [])),
  );
  const titles = ["case", "threads", "metric", "nabla", ...(hasRoof ? ["of the roof"] : []), ...peers];
  return [table(titles, rows), ...[...notes].map((note) => `- ${note}`)]
    .join("\n\n")
    .replaceAll("\n\n- ", "\n- ")
    .replace("|\n- ", "|\n\n- ");
}

/**
 * A table of Markdown.
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
