/** Corrected labels, as a file in which every decision stays: who changed what, from what, to what, and why. */
import { appendFile, readFile } from "node:fs/promises";
import { FormatError, ValueError } from "../base/errors.js";
import type { Dataset, LabeledBatch } from "../data/index.js";

/** One example looked at; `from` and `to` are equal where its label was right. */
export interface Verdict {
  /** The set it is in: "dev", "test". */
  readonly set: string;
  readonly index: number;
  readonly from: number;
  readonly to: number;
  /** Whether the model had agreed with the label: looking at its errors alone favours it. */
  readonly agreed: boolean;
  readonly by: string;
  readonly reason: string;
  /** When, as ISO 8601. */
  readonly at: string;
}

/** What has been looked at in a set. */
export interface Examined {
  readonly set: string;
  readonly examined: number;
  /** Of these, how many the model agreed with. */
  readonly agreed: number;
  readonly changed: number;
  /** Changed, of those that the model agreed with. */
  readonly changedAgreed: number;
}

export class Corrections {
  private constructor(
    readonly path: string,
    private readonly list: Verdict[],
  ) {}

  /** Opens a file of JSON lines, or begins one with the first verdict. @throws {FormatError} if a line is no verdict. */
  static async open(path: string): Promise<Corrections> {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const lines = text.split("\n").filter((line) => line !== "");
    const corrections = new Corrections(path, []);
    for (const [i, line] of lines.entries()) {
      try {
        corrections.take(JSON.parse(line));
      } catch (cause) {
        throw new FormatError(`Corrections: ${path}: line ${i + 1}: ${(cause as Error).message}`, {
          op: "Corrections",
          inputs: [path],
          cause,
        });
      }
    }
    return corrections;
  }

  get verdicts(): readonly Verdict[] {
    return this.list;
  }

  /**
   * Writes a verdict down. A later one on the same example stands beside the earlier, whose `to` it must start from.
   * @throws {ValueError} if it starts from another label.
   */
  async add(verdict: Omit<Verdict, "at">): Promise<void> {
    const whole = { ...verdict, at: new Date().toISOString() };
    this.take(whole);
    await appendFile(this.path, `${JSON.stringify(whole)}\n`);
  }

  private take(verdict: Verdict): void {
    const { set, index, from, to } = verdict;
    if (typeof set !== "string" || ![index, from, to].every(Number.isInteger))
      throw new ValueError(`add: ${JSON.stringify(verdict)} is no verdict`, { op: "add" });
    const before = this.list.findLast((one) => one.set === set && one.index === index);
    if (before !== undefined && before.to !== from) {
      throw new ValueError(`add: example ${index} of ${set} was made ${before.to}, but this verdict starts from ${from}`, {
        op: "add",
        inputs: [index],
      });
    }
    this.list.push(verdict);
  }

  /** What was looked at, set by set. */
  examined(): Examined[] {
    return [...new Set(this.list.map(({ set }) => set))].map((set) => {
      const mine = this.list.filter((one) => one.set === set);
      const changed = mine.filter(({ from, to }) => from !== to);
      const agreed = (some: readonly Verdict[]) => some.filter((one) => one.agreed).length;
      return { set, examined: mine.length, agreed: agreed(mine), changed: changed.length, changedAgreed: agreed(changed) };
    });
  }

  /**
   * The sets with corrected labels. Give all sets that are to stay comparable together, dev and test: correcting one alone would let them
   * drift apart.
   * @throws {ValueError} if one of them was not examined at all, or a label is not what a verdict found.
   */
  apply<Sets extends Readonly<Record<string, Dataset<LabeledBatch>>>>(
    sets: Sets,
  ): { readonly [Name in keyof Sets]: Dataset<LabeledBatch> } {
    const examined = this.examined().map(({ set }) => set);
    const left = Object.keys(sets).find((name) => !examined.includes(name));
    const other = examined.find((name) => !(name in sets));
    if (left !== undefined || other !== undefined) {
      const problem = left === undefined ? `${other} has verdicts but is not given` : `${left} was not examined`;
      throw new ValueError(`apply: ${problem}; correct all sets alike, or they no longer are of one distribution`, {
        op: "apply",
        inputs: [left ?? other],
      });
    }
    const corrected = Object.entries(sets).map(([name, data]) => [name, this.corrected(name, data)]);
    return Object.fromEntries(corrected);
  }

  private corrected(set: string, data: Dataset<LabeledBatch>): Dataset<LabeledBatch> {
    const first = new Map<number, number>();
    const last = new Map<number, number>();
    for (const { index, from, to } of this.list.filter((one) => one.set === set)) {
      if (!first.has(index)) first.set(index, from);
      last.set(index, to);
    }
    return data.map((batch, { indices }) => {
      const labels = batch.y.data.slice();
      for (let i = 0; i < indices.length; i++) {
        const to = last.get(indices[i]);
        if (to === undefined) continue;
        const found = Number(labels[i]);
        if (found !== first.get(indices[i])) {
          throw new ValueError(
            `apply: example ${indices[i]} of ${set} is labelled ${found}, but its verdict found ${first.get(indices[i])}: these are other data`,
            { op: "apply", inputs: [indices[i]] },
          );
        }
        labels[i] = to;
      }
      return { ...batch, y: { ...batch.y, data: labels } };
    });
  }
}
