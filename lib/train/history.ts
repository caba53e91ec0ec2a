/** What a training has reported: one record an epoch. */
import { writeFileAtomic } from "../io/index.js";
import { lineChart } from "../plot/index.js";

/** Means over an epoch, by name: `loss`, `accuracy`; those of a validation set carry its name in front: `dev.loss`. */
export type Scores = Readonly<Record<string, number>>;

export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Time of the epoch, validation included. */
  readonly seconds: number;
  /** Training throughput, validation not counted. */
  readonly samplesPerSecond: number;
  readonly scores: Scores;
}

export class History {
  readonly epochs: EpochRecord[] = [];

  /** Names of all scores, in the order of their first appearance. */
  get names(): string[] {
    return [...new Set(this.epochs.flatMap(({ scores }) => Object.keys(scores)))];
  }

  /** One score over the epochs; NaN where it is missing. */
  series(name: string): number[] {
    return this.epochs.map(({ scores }) => scores[name] ?? Number.NaN);
  }

  /** Training curves as SVG: a diagram for each score, with a line for training and one for each validation set. */
  toSvg(): string {
    const quantity = (name: string) => name.slice(name.lastIndexOf(".") + 1);
    const set = (name: string) => (name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "train");
    const { names } = this;
    const panels = [...new Set(names.map(quantity))].map((title) => ({
      title,
      lines: names.filter((name) => quantity(name) === title).map((name) => ({ name: set(name), values: this.series(name) })),
    }));
    return lineChart(panels);
  }

  /** Writes {@link toSvg} to a file. */
  async plot(path: string): Promise<void> {
    await writeFileAtomic(path, this.toSvg());
  }
}
