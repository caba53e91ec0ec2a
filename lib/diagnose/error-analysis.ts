/** Looking at what a model gets wrong: a sample of errors, tagged with causes, and what each cause is worth. Source: Ng, "Machine Learning Yearning", 2018. */
import { readFile } from "node:fs/promises";
import { FormatError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";
import { writeFileAtomic } from "../io/index.js";
import type { Picture } from "../plot/index.js";
import { page, type Section, table } from "../report/index.js";
import { fromCsv, toCsv } from "./csv.js";

/** An example that the model gets wrong. */
export interface ErrorRow {
  readonly index: number;
  readonly label: string;
  readonly predicted: string;
  readonly tags: readonly string[];
  readonly note: string;
  readonly picture: Picture | null;
}

/** What a cause is worth. */
export interface Cause {
  readonly cause: string;
  /** How many of the examples looked at have it. */
  readonly count: number;
  readonly share: number;
  /** The error if it were solved altogether, in the unit of the error: error · (1 − share). */
  readonly ceiling: number;
  /** The part of the error that it has: error · share. */
  readonly part: number;
}

export interface ErrorAnalysisOptions {
  /** Names of the classes. Default: their numbers. */
  readonly names?: readonly string[];
  /** Errors to look at, drawn at random. Default 100. */
  readonly count?: number;
  /** Decides which. Default 0. */
  readonly seed?: number;
  /** The picture of an example, if it has one. */
  readonly picture?: (index: number) => Picture;
}

const columns = ["index", "label", "predicted", "tags", "note"] as const;
const between = "; ";

export class ErrorAnalysis {
  constructor(
    /** The error of the model on all examples, in percent or as a fraction. */
    readonly error: number,
    public rows: readonly ErrorRow[],
  ) {}

  /**
   * Draws errors to look at. `predicted`, `labels`: class numbers of one length. The error is in percent.
   * @throws {ValueError} if nothing is wrong.
   */
  static sample(predicted: ArrayLike<number>, labels: ArrayLike<number>, options: ErrorAnalysisOptions = {}): ErrorAnalysis {
    const { names, count = 100, seed = 0, picture } = optionsOf("ErrorAnalysis", options, ["names", "count", "seed", "picture"]);
    const wrong = Array.from(labels, (_, i) => i).filter((i) => predicted[i] !== labels[i]);
    if (predicted.length !== labels.length || wrong.length === 0) {
      throw new ValueError(`ErrorAnalysis: ${predicted.length} predictions for ${labels.length} labels, ${wrong.length} of them wrong`, {
        op: "ErrorAnalysis",
        inputs: [predicted.length, labels.length],
      });
    }
    const random = new WordStream(seed);
    for (let i = 0; i < Math.min(count, wrong.length); i++) {
      const j = i + random.below(wrong.length - i);
      [wrong[i], wrong[j]] = [wrong[j], wrong[i]];
    }
    const name = (k: number) => names?.[k] ?? String(k);
    const rows = wrong.slice(0, count).sort((a, b) => a - b);
    return new ErrorAnalysis(
      (100 * wrong.length) / labels.length,
      rows.map((index) => ({
        index,
        label: name(labels[index]),
        predicted: name(predicted[index]),
        tags: [],
        note: "",
        picture: picture?.(index) ?? null,
      })),
    );
  }

  /** Causes, the most frequent first. An example may have several, so shares may add up to more than 1. */
  causes(): Cause[] {
    const all = [...new Set(this.rows.flatMap(({ tags }) => tags))];
    return all
      .map((cause) => {
        const count = this.rows.filter(({ tags }) => tags.includes(cause)).length;
        const share = count / this.rows.length;
        return { cause, count, share, ceiling: this.error * (1 - share), part: this.error * share };
      })
      .sort((a, b) => b.count - a.count);
  }

  /** Sets tags and note of an example. @throws {ValueError} if it is not among the rows. */
  tag(index: number, tags: readonly string[], note = ""): void {
    const at = this.rows.findIndex((row) => row.index === index);
    if (at < 0) throw new ValueError(`tag: example ${index} is not among those looked at`, { op: "tag", inputs: [index] });
    this.rows = this.rows.with(at, { ...this.rows[at], tags: [...new Set(tags)], note });
  }

  /** Writes index, label, predicted, tags (apart by "; ") and note as CSV, to be filled in elsewhere. */
  async writeCsv(path: string): Promise<void> {
    const rows = this.rows.map(({ index, label, predicted, tags, note }) => [index, label, predicted, tags.join(between), note]);
    await writeFileAtomic(path, toCsv([columns, ...rows]));
  }

  /** Takes tags and notes from such a file. @throws {FormatError} if it is another table. */
  async readCsv(path: string): Promise<void> {
    const [head, ...rows] = fromCsv(await readFile(path, "utf8"));
    if (head?.join() !== columns.join()) {
      throw new FormatError(`readCsv: ${path} has columns ${head?.join(", ") ?? "none"}; expected ${columns.join(", ")}`, {
        op: "readCsv",
        inputs: [path],
      });
    }
    for (const [index, , , tags, note] of rows) {
      const each = tags.split(";").map((tag) => tag.trim());
      this.tag(
        Number(index),
        each.filter((tag) => tag !== ""),
        note,
      );
    }
  }

  /** Parts of a page: causes with their ceilings, and the examples with their pictures. */
  sections(): Section[] {
    const untagged = this.rows.filter(({ tags }) => tags.length === 0).length;
    return [
      {
        title: "Causes",
        body: [
          `<p>Error ${Number(this.error.toPrecision(4))} %. ${this.rows.length} errors were looked at, ${untagged} are without a cause.</p>`,
          table(this.causes(), [
            { title: "cause", value: ({ cause }) => cause },
            { title: "examples", value: ({ count }) => count },
            { title: "share, %", value: ({ share }) => 100 * share },
            { title: "error if solved, %", value: ({ ceiling }) => ceiling },
          ]),
        ],
      },
      {
        title: "Errors",
        body: table(this.rows, [
          { title: "example", value: ({ index }) => index },
          { title: "", value: ({ picture }) => picture },
          { title: "label", value: ({ label }) => label },
          { title: "predicted", value: ({ predicted }) => predicted },
          { title: "causes", value: ({ tags }) => tags.join(between) },
          { title: "note", value: ({ note }) => note },
        ]),
      },
    ];
  }

  /** Writes a page of it, in one file. */
  async save(path: string, title = "Error analysis"): Promise<void> {
    await writeFileAtomic(path, page(title, this.sections()));
  }
}
