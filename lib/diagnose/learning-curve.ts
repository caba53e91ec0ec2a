/** How scores change with the amount of data: of one model, or of several ways to do the same task beside each other. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { label, ticks } from "../plot/axes.js";
import { colors, escape, svgDocument } from "../plot/svg.js";
import { figure, type Section, table } from "../report/index.js";

/** Trains on so many examples and resolves to a score, or to several by name: `{ train, dev }`. */
export type Contender = (size: number, seed: number) => Promise<number | Readonly<Record<string, number>>>;

export interface LearningCurveOptions {
  /** Numbers of examples, growing. */
  readonly sizes: readonly number[];
  /** Trainings for each, with seeds of their own; the mean is drawn. Default 1. */
  readonly repeats?: number;
  /** What the scores are, for the picture. Default "error". */
  readonly score?: string;
  /** Told of each training that has ended. */
  readonly onPoint?: (name: string, size: number, seed: number) => void;
}

export class LearningCurve {
  constructor(
    readonly sizes: readonly number[],
    /** By name, and for each size the score of each repeat. */
    readonly scores: Readonly<Record<string, readonly (readonly number[])[]>>,
    private readonly score: string,
  ) {}

  /** Means over the repeats, a number for each size. */
  means(name: string): number[] {
    return this.scores[name].map((values) => values.reduce((a, b) => a + b, 0) / values.length);
  }

  toSvg(): string {
    return draw(this, this.score);
  }

  sections(): Section[] {
    const names = Object.keys(this.scores);
    const columns = names.map((name) => {
      const means = this.means(name);
      return { title: name, value: (_: number, i: number) => means[i] };
    });
    return [
      {
        title: `${this.score} by the amount of data`,
        body: [figure(this.toSvg()), table(this.sizes, [{ title: "examples", value: (size) => size }, ...columns])],
      },
    ];
  }
}

/**
 * Trains each contender on growing amounts of data.
 * @example const curve = await learningCurve({ "end to end": …, pipeline: … }, { sizes: [500, 1000, 2000, 4000], repeats: 3 });
 */
export async function learningCurve(
  contenders: Readonly<Record<string, Contender>>,
  options: LearningCurveOptions,
): Promise<LearningCurve> {
  const { sizes, repeats = 1, score = "error", onPoint } = optionsOf("learningCurve", options, ["sizes", "repeats", "score", "onPoint"]);
  if (sizes.length === 0 || sizes.some((size, i) => !(size > (sizes[i - 1] ?? 0)))) {
    throw new ValueError(`learningCurve: sizes must grow from above 0 but are ${sizes.join(", ")}`, {
      op: "learningCurve",
      inputs: [sizes],
    });
  }
  const scores: Record<string, number[][]> = {};
  for (const [at, size] of sizes.entries()) {
    for (let seed = 0; seed < repeats; seed++) {
      for (const [name, train] of Object.entries(contenders)) {
        const result = await train(size, seed);
        const named =
          typeof result === "number" ? { [name]: result } : prefixed(result, Object.keys(contenders).length > 1 ? `${name}: ` : "");
        for (const [key, value] of Object.entries(named)) {
          scores[key] ??= sizes.map(() => []);
          scores[key][at].push(value);
        }
        onPoint?.(name, size, seed);
      }
    }
  }
  return new LearningCurve(sizes, scores, score);
}

const prefixed = (values: Readonly<Record<string, number>>, prefix: string) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));

const width = 520;
const height = 320;
const margin = { top: 44, right: 20, bottom: 48, left: 60 };

/** Sizes at even distances, whatever they are: usually each is a multiple of the one before. */
function draw(curve: LearningCurve, score: string): string {
  const { sizes, scores } = curve;
  const all = Object.values(scores).flat(2).filter(Number.isFinite);
  const marks = ticks(Math.min(...all), Math.max(...all));
  const [low, high] = [marks[0], marks[marks.length - 1]];
  const bottom = height - margin.bottom;
  const x = (i: number) => margin.left + ((i + 0.5) / sizes.length) * (width - margin.left - margin.right);
  const y = (value: number) => bottom - ((value - low) / (high - low)) * (bottom - margin.top);
  const parts = [
    ...marks.flatMap((mark) => [
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(mark)}" y2="${y(mark)}" stroke="#ddd"/>`,
      `<text x="${margin.left - 6}" y="${y(mark) + 4}" text-anchor="end">${label(mark)}</text>`,
    ]),
    ...sizes.map((size, i) => `<text x="${x(i)}" y="${bottom + 18}" text-anchor="middle">${size.toLocaleString("en")}</text>`),
    `<text x="${(margin.left + width - margin.right) / 2}" y="${bottom + 38}" text-anchor="middle">training examples</text>`,
    `<text x="${margin.left}" y="18" font-size="14" font-weight="bold">${escape(score)}</text>`,
  ];
  Object.entries(scores).forEach(([name, values], k) => {
    const color = colors[k % colors.length];
    const path = curve.means(name).map((value, i) => `${i === 0 ? "M" : "L"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`);
    parts.push(`<path d="${path.join("")}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const [i, repeats] of values.entries())
      for (const value of repeats)
        parts.push(`<circle cx="${x(i).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3" fill="${color}" fill-opacity="0.6"/>`);
    parts.push(`<text x="${margin.left + 8 + k * 130}" y="36" fill="${color}">${escape(name)}</text>`);
  });
  return svgDocument(width, height, parts);
}
