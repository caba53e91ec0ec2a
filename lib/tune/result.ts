/** What a search has found, as a table, as a picture, as a page. */
import { ValueError } from "../base/errors.js";
import { writeFileAtomic } from "../io/index.js";
import { label } from "../plot/axes.js";
import { colors, escape, svgDocument } from "../plot/svg.js";
import { type Column, figure, page, type Section, table } from "../report/index.js";
import { type Params, quantile, type Space, shareOf } from "./space.js";
import type { Trial } from "./store.js";

type BestTrial<S extends Space> = Trial & { readonly params: Params<S>; readonly value: number };

export class SearchResult<S extends Space = Space> {
  /** The best of those that finished. */
  readonly best: BestTrial<S>;

  /** @throws {ValueError} if no trial finished. */
  constructor(
    op: string,
    readonly space: S,
    readonly goal: "maximize" | "minimize",
    /** By number. */
    readonly trials: readonly Trial[],
  ) {
    const [best] = this.ranked();
    if (best?.state !== "finished") {
      const why = trials.find(({ error }) => error !== null)?.error ?? "all are stopped";
      throw new ValueError(`${op}: none of ${trials.length} trials finished: ${why}`, { op });
    }
    this.best = best as BestTrial<S>;
  }

  /** All trials, those that finished first, the best first. */
  ranked(): Trial[] {
    const sign = this.goal === "maximize" ? 1 : -1;
    const order = { finished: 0, stopped: 1, running: 2, failed: 3 };
    return [...this.trials].sort((a, b) => order[a.state] - order[b.state] || sign * ((b.value ?? Number.NaN) - (a.value ?? Number.NaN)));
  }

  /** The best trials, a line each. */
  toString(): string {
    const names = Object.keys(this.space);
    const rows = this.ranked().slice(0, 10);
    const lines = rows.map(({ number, value, state, params }) => [
      String(number),
      show(value),
      state,
      ...names.map((name) => show(params[name])),
    ]);
    const all = [["trial", "score", "state", ...names], ...lines];
    const widths = all[0].map((_, k) => Math.max(...all.map((line) => line[k].length)));
    return all.map((line) => line.map((cell, k) => cell.padStart(widths[k])).join("  ")).join("\n");
  }

  /** Parallel coordinates: an axis for each parameter and one for the score, a line for each trial that has one. */
  toSvg(): string {
    return parallelCoordinates(this);
  }

  /** Parts of a page: the picture and the table of all trials. */
  sections(): Section[] {
    const parameters = Object.keys(this.space).map((name): Column<Trial> => ({ title: name, value: ({ params }) => cell(params[name]) }));
    const columns: Column<Trial>[] = [
      { title: "trial", value: ({ number }) => number },
      { title: "score", value: ({ value }) => value },
      { title: "state", value: ({ state, error }) => (error === null ? state : `failed: ${error.split("\n")[0]}`) },
      ...parameters,
      { title: "spent", value: ({ reports }) => reports.at(-1)?.spent ?? null },
      { title: "seconds", value: ({ seconds }) => seconds },
    ];
    return [
      { title: "Where good values lie", body: figure(this.toSvg(), "a line a trial; the better its score, the darker and later drawn") },
      { title: `${this.trials.length} trials`, body: table(this.ranked(), columns) },
    ];
  }

  /** Writes a page of it, in one file. */
  async save(path: string): Promise<void> {
    await writeFileAtomic(path, page("Search", this.sections()));
  }
}

const cell = (value: unknown): string | number => (typeof value === "number" ? value : String(value));
const show = (value: unknown): string => (typeof value === "number" ? label(value) : value === null ? "" : String(value));

const spacing = 130;
const height = 320;
const margin = { top: 50, bottom: 20, left: 84 };

function parallelCoordinates({ space, goal, trials }: SearchResult): string {
  const scored = trials.filter(({ value }) => value !== null && Number.isFinite(value));
  const values = scored.map(({ value }) => value!);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const worstFirst = [...scored].sort((a, b) => (goal === "maximize" ? 1 : -1) * (a.value! - b.value!));
  const y = (share: number) => height - margin.bottom - share * (height - margin.bottom - margin.top);
  const names = Object.keys(space);
  const axes = [
    ...names.map((name) => {
      const parameter = space[name];
      const marks =
        parameter.kind === "choice"
          ? parameter.values.map((value) => [shareOf(parameter, value), String(value)] as const)
          : [...new Set([0, 0.25, 0.5, 0.75, 1].map((share) => quantile(parameter, share)))].map(
              (value) => [shareOf(parameter, value), show(value)] as const,
            );
      return { name, marks, at: ({ params }: Trial) => shareOf(parameter, params[name]) };
    }),
    {
      name: "score",
      marks: [0, 0.5, 1].map((share) => [share, label(low + share * (high - low))] as const),
      at: ({ value }: Trial) => (high > low ? (value! - low) / (high - low) : 0.5),
    },
  ];
  const x = (k: number) => margin.left + k * spacing;
  const lines = worstFirst.map((trial, rank) => {
    const path = axes.map(({ at }, k) => `${k === 0 ? "M" : "L"}${x(k)} ${y(at(trial)).toFixed(1)}`).join("");
    const opacity = (0.08 + 0.82 * ((rank + 1) / worstFirst.length) ** 4).toFixed(2);
    const title = `trial ${trial.number}: ${show(trial.value)}`;
    return `<path d="${path}" fill="none" stroke="${colors[0]}" stroke-width="1.5" stroke-opacity="${opacity}"><title>${title}</title></path>`;
  });
  const drawn = axes.flatMap(({ name, marks }, k) => [
    `<text x="${x(k)}" y="22" text-anchor="middle" font-weight="bold">${escape(name)}</text>`,
    `<line x1="${x(k)}" x2="${x(k)}" y1="${margin.top}" y2="${height - margin.bottom}" stroke="#888"/>`,
    ...marks.map(
      ([share, text]) =>
        `<text x="${x(k) - 6}" y="${y(share) + 4}" text-anchor="end" fill="#333" stroke="white" stroke-width="3" paint-order="stroke">${escape(text)}</text>`,
    ),
  ]);
  return svgDocument(margin.left + (axes.length - 1) * spacing + 40, height, [...lines, ...drawn]);
}
