/** From a model's errors on several sets to what is wrong with it, and what to do next. Source: Ng, "Machine Learning Yearning", 2018. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";

/** Error rates, all in the same unit: percent, or fractions with a `tolerance` to match. */
export interface ErrorRates {
  /** Of people, or of several groups of them: the lowest stands for the least that is possible (Bayes error). Default 0. */
  readonly human?: number | readonly number[];
  /** On what was learnt from. */
  readonly train: number;
  /** On examples like those, which were not learnt from: tells variance from data mismatch. */
  readonly trainDev?: number;
  /** On the set by which models are chosen. */
  readonly dev: number;
  /** On a set by which nothing is chosen. */
  readonly test?: number;
}

export type Problem = "avoidable bias" | "variance" | "data mismatch" | "overfitting to dev";

/** The distance between two error rates, which has one cause. */
export interface Gap {
  readonly problem: Problem;
  /** Null if a rate that it needs was not given, or, for bias, if the model is better than people. */
  readonly size: number | null;
  /** Whether it is large enough to be worked on. */
  readonly isLarge: boolean;
  /** What usually helps, the first first. */
  readonly moves: readonly string[];
}

export interface Diagnosis {
  /** The proxy for the least possible error. */
  readonly bayesError: number;
  /** Avoidable bias, variance, data mismatch, overfitting to dev; the sum of those known is the last error less the first. */
  readonly gaps: readonly Gap[];
  /** Problems that are large enough to be worked on, the largest first. */
  readonly problems: readonly Problem[];
  /** The whole as sentences. */
  toString(): string;
}

const moves: Readonly<Record<Problem, readonly string[]>> = {
  "avoidable bias": [
    "train a larger network",
    "train longer, or with a better optimizer (momentum, Adam) and learning-rate schedule",
    "try another architecture or other hyperparameters",
    "take away regularisation",
  ],
  variance: [
    "train on more data, or augment them",
    "regularise: weight decay, dropout, early stopping",
    "try another architecture or other hyperparameters, a smaller network last",
  ],
  "data mismatch": [
    "look at what distinguishes errors on dev from the training set",
    "collect training data that resemble dev, or synthesise them, from more than a few sources",
    "move some of dev's kind of data into the training set",
  ],
  "overfitting to dev": ["enlarge the dev set, or draw it anew", "choose among fewer models by it"],
};

/**
 * Finds what keeps a model from being better: each step from one error to the next has its own cause. A gap counts as a problem if it
 * is larger than `tolerance` (default 1.5, for rates in percent).
 * @example diagnose({ human: 4, train: 7, trainDev: 10, dev: 12, test: 12 }) // bias 3, variance 3, mismatch 2, overfitting 0
 * @throws ValueError if a rate is negative or no number.
 */
export function diagnose(errors: ErrorRates, options: { tolerance?: number } = {}): Diagnosis {
  const { tolerance = 1.5 } = optionsOf("diagnose", options, ["tolerance"]);
  const { human = 0, train, trainDev, dev, test } = optionsOf("diagnose", errors, ["human", "train", "trainDev", "dev", "test"]);
  const groups = typeof human === "number" ? [human] : human;
  const rates = { train, trainDev, dev, test, tolerance };
  for (const [name, rate] of [...Object.entries(rates), ...groups.map((rate) => ["human", rate] as const)]) {
    if (rate === undefined ? name === "train" || name === "dev" : !(rate >= 0 && rate < Number.POSITIVE_INFINITY)) {
      throw new ValueError(`diagnose: ${name} must be a number ≥ 0 but is ${rate}`, { op: "diagnose", inputs: [rate] });
    }
  }
  if (groups.length === 0) throw new ValueError("diagnose: human is an empty list; leave it out if nothing is known", { op: "diagnose" });
  const bayesError = Math.min(...groups);

  const gap = (problem: Problem, from: number | undefined, to: number | undefined): Gap => {
    const size = from === undefined || to === undefined ? null : Number((to - from).toPrecision(12));
    return { problem, size, isLarge: size !== null && size > tolerance, moves: moves[problem] };
  };
  const bias = gap("avoidable bias", bayesError, train < bayesError ? undefined : train);
  const gaps = [
    bias,
    gap("variance", train, trainDev ?? dev),
    gap("data mismatch", trainDev, trainDev === undefined ? undefined : dev),
    gap("overfitting to dev", dev, test),
  ];
  const large = gaps.filter(({ isLarge }) => isLarge).sort((a, b) => b.size! - a.size!);
  return {
    bayesError,
    gaps,
    problems: large.map(({ problem }) => problem),
    toString: () => describe(gaps, large, bayesError, train),
  };
}

function describe(gaps: readonly Gap[], large: readonly Gap[], bayesError: number, train: number): string {
  const sizes = gaps.map(({ problem, size }) => `  ${problem.padEnd(20)}${size ?? "unknown"}`);
  const beaten =
    train < bayesError
      ? [
          `The model's training error (${train}) is below people's (${bayesError}): how much bias is left is unknown; compare with better people.`,
        ]
      : [];
  const advice =
    large.length === 0
      ? ["No gap is large. If the model disappoints nevertheless, it is measured by the wrong data or the wrong metric."]
      : large.map(({ problem, moves }) => `Against ${problem}: ${moves.join("; ")}.`);
  return [...sizes, ...beaten, ...advice].join("\n");
}
