/** Metrics over arrays of predictions: scikit-learn's numbers, and cases worked out by hand. */
import { metrics } from "nabla";
import { describe, expect, it } from "vitest";
import { golden } from "../golden/read.js";

type Scores = { precision: number; recall: number; f: number };
type Case =
  | ({ kind: "classes"; classes: number; predicted: number[]; actual: number[]; each: (Scores & { support: number })[] } & Partial<
      Record<"binary" | "macro" | "weighted" | "micro", Scores>
    >)
  | {
      kind: "ranking";
      labels: number[];
      scores: number[];
      fpr: number[];
      tpr: number[];
      area: number;
      precision: number[];
      recall: number[];
      averagePrecision: number;
    }
  | { kind: "regression"; predicted: number[]; actual: number[]; scores: Record<string, number> };

function expectClose(actual: unknown, expected: unknown, at = ""): void {
  if (typeof expected === "number") expect(actual as number, at).toBeCloseTo(expected, 12);
  else {
    expect(Object.keys(actual as object), at).toEqual(Object.keys(expected as object));
    for (const [key, value] of Object.entries(expected as object))
      expectClose((actual as Record<string, unknown>)[key], value, `${at}.${key}`);
  }
}

describe("as scikit-learn computes them:", () => {
  for (const one of golden<Case>("metrics")) {
    if (one.kind === "classes") {
      const { classes, predicted, actual, each } = one;
      it(`precision, recall and F of ${classes} classes`, () => {
        expectClose(metrics.classScores(predicted, actual, { classes, beta: 2 }), each);
        for (const average of ["binary", "macro", "weighted", "micro"] as const) {
          const expected = one[average];
          if (expected === undefined) continue;
          const options = { average, classes };
          const f = metrics.fScore(predicted, actual, options);
          expectClose(
            { precision: metrics.precision(predicted, actual, options), recall: metrics.recall(predicted, actual, options), f },
            expected,
          );
        }
        const usual = classes === 2 ? one.binary : one.macro;
        expectClose(metrics.fScore(predicted, actual, { classes }), usual?.f);
      });
    } else if (one.kind === "ranking") {
      it(`curves over ${one.scores.length} scores`, () => {
        const roc = metrics.rocCurve(one.scores, one.labels);
        expectClose([...roc.falsePositiveRate], one.fpr);
        expectClose([...roc.truePositiveRate], one.tpr);
        expectClose(roc.area, one.area);
        const { precision, recall, averagePrecision } = metrics.precisionRecallCurve(one.scores, one.labels);
        expectClose(averagePrecision, one.averagePrecision);
        // scikit-learn leaves out what lies behind full recall.
        expectClose(precision.slice(0, one.precision.length), one.precision);
        expectClose(recall.slice(0, one.recall.length), one.recall);
      });
    } else {
      it("errors of predicted numbers", () => expectClose(metrics.regressionScores(one.predicted, one.actual), one.scores));
    }
  }
});

describe("by hand:", () => {
  it("F of two classifiers", () => {
    expect(metrics.fMeasure(0.95, 0.9)).toBeCloseTo(0.924, 3);
    expect(metrics.fMeasure(0.98, 0.85)).toBeCloseTo(0.91, 3);
    expect(metrics.fMeasure(0, 0)).toBe(0);
  });

  it("averages over groups count each group alike", () => {
    const right = [1, 1, 1, 0, 1, 0];
    const table = metrics.byGroup(["us", "us", "us", "us", "in", "in"], (rows) => rows.reduce((sum, i) => sum + right[i], 0) / rows.length);
    expect(table).toEqual({ groups: [{ group: "us", count: 4, value: 0.75 }, { group: "in", count: 2, value: 0.5 }], average: 0.625 }); // biome-ignore format: a table
  });

  it("an operating point allows so many false alarms in a day", () => {
    const scores = [9, 8, 7, 6, 5, 4, 3];
    const labels = [1, 0, 1, 1, 0, 1, 0];
    const at = (perDay: number) => metrics.operatingPoint(scores, labels, { hours: 24, maxFalseAlarmsPerHour: perDay / 24 });
    expect(at(1)).toEqual({ threshold: 6, recall: 0.75, falseAlarmsPerHour: 1 / 24 });
    expect(at(0)).toEqual({ threshold: 9, recall: 0.25, falseAlarmsPerHour: 0 });
    expect(metrics.operatingPoint([1, 2], [1, 0], { hours: 1, maxFalseAlarmsPerHour: 0 })).toEqual({
      threshold: Number.POSITIVE_INFINITY,
      recall: 0,
      falseAlarmsPerHour: 0,
    });
  });

  it("calibration", () => {
    const { error, bins } = metrics.calibration([0.95, 0.85, 0.55, 1], [1, 0, true, 1], { bins: 2 });
    expect(bins[0]).toEqual({ count: 0, confidence: Number.NaN, accuracy: Number.NaN });
    expect(bins[1].accuracy).toBe(0.75);
    expect(error).toBeCloseTo((0.95 + 0.85 + 0.55 + 1 - 3) / 4, 12);
  });

  it("r² of the mean is 0, of the truth 1", () => {
    expect(metrics.regressionScores([2, 2, 2], [1, 2, 3]).r2).toBe(0);
    expect(metrics.regressionScores([1, 2, 3], [1, 2, 3]).r2).toBe(1);
  });
});

describe("select", () => {
  const models = [
    { name: "A", accuracy: 90, ms: 80 },
    { name: "B", accuracy: 92, ms: 95 },
    { name: "C", accuracy: 95, ms: 1500 },
  ];

  it("optimises one metric under the constraints on others", () => {
    expect(metrics.select(models, { maximize: "accuracy", subjectTo: { ms: { max: 100 } } }).name).toBe("B");
    expect(metrics.select(models, { maximize: "accuracy" }).name).toBe("C");
    expect(metrics.select(models, { minimize: "ms", subjectTo: { accuracy: { min: 92 } } }).name).toBe("B");
    expect(metrics.select(models, { maximize: "accuracy", subjectTo: { ms: { max: 95 } } }).name).toBe("B");
  });

  it("says what each model misses if none will do", () => {
    expect(() => metrics.select(models, { maximize: "accuracy", subjectTo: { ms: { max: 50 }, accuracy: { min: 91 } } })).toThrow(
      /none of 3 models.*model 0: ms is 80, not at most 50, accuracy is 90, not at least 91/s,
    );
  });
});

describe("arrays of metrics refuse", () => {
  it.each<[string, () => unknown, string]>([
    ["other lengths", () => metrics.precision([0, 1], [0]), "ERR_SHAPE"],
    ["nothing", () => metrics.fScore([], []), "ERR_SHAPE"],
    ["binary scores of three classes", () => metrics.recall([2], [0], { average: "binary" }), "ERR_VALUE"],
    ["labels that are no labels", () => metrics.rocCurve([0.1, 0.2], [0, 2]), "ERR_VALUE"],
    ["positives alone", () => metrics.rocCurve([0.1, 0.2], [1, 1]), "ERR_VALUE"],
    ["NaN scores", () => metrics.precisionRecallCurve([0.1, Number.NaN], [1, 0]), "ERR_VALUE"],
    ["no bins", () => metrics.calibration([0.5], [1], { bins: 0 }), "ERR_VALUE"],
    ["no hours", () => metrics.operatingPoint([1, 2], [1, 0], { hours: 0, maxFalseAlarmsPerHour: 1 }), "ERR_VALUE"],
    ["no models", () => metrics.select([] as { a: number }[], { maximize: "a" }), "ERR_VALUE"],
    ["a NaN metric", () => metrics.select([{ a: Number.NaN }], { maximize: "a" }), "ERR_VALUE"],
    ["no groups", () => metrics.byGroup([], () => 0), "ERR_VALUE"],
  ])("%s", (_, run, code) => {
    expect(run).toThrow(expect.objectContaining({ code }));
  });
});
