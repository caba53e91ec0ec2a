/** Metrics in pieces are those over all at once, and scikit-learn's. */
import { metrics } from "nabla";
import { expect, it } from "vitest";
import { golden } from "../golden/read.js";

type Numbers = number[];
type Case =
  | { kind: "classes"; classes: number; predicted: Numbers; actual: Numbers; macro: { precision: number; recall: number; f: number } }
  | { kind: "ranking"; labels: Numbers; scores: Numbers; area: number; averagePrecision: number }
  | { kind: "regression"; predicted: Numbers; actual: Numbers; scores: Record<string, number> };

/** Pieces of 1, 2, 3 … examples, and an empty one. */
function pieces(a: Numbers, b: Numbers): [Numbers, Numbers][] {
  const parts: [Numbers, Numbers][] = [[[], []]];
  for (let at = 0, size = 1; at < a.length; at += size++) parts.push([a.slice(at, at + size), b.slice(at, at + size)]);
  return parts;
}

it("in pieces they are scikit-learn's numbers", () => {
  const seen = new Set<string>();
  for (const one of golden<Case>("metrics")) {
    seen.add(one.kind);
    if (one.kind === "classes") {
      const stream = metrics.streamedClasses(one.classes, { average: "macro" });
      stream.update([0], [0]);
      stream.reset();
      for (const part of pieces(one.predicted, one.actual)) stream.update(...part);
      const { accuracy, matrix, each, precision, recall, f } = stream.result();
      expect(matrix).toEqual(metrics.confusionMatrix(one.predicted, one.actual, one.classes));
      expect(each).toEqual(metrics.classScores(one.predicted, one.actual, { classes: one.classes }));
      expect(accuracy).toBeCloseTo(one.predicted.filter((k, i) => k === one.actual[i]).length / one.actual.length, 12);
      for (const [name, value] of Object.entries({ precision, recall, f })) expect(value).toBeCloseTo(one.macro[name as "f"], 12);
    } else if (one.kind === "ranking") {
      const stream = metrics.streamedRanking();
      for (const part of pieces(one.scores, one.labels)) stream.update(...part);
      const { roc, precisionRecall } = stream.result();
      expect(roc).toEqual(metrics.rocCurve(one.scores, one.labels));
      expect(roc.area).toBeCloseTo(one.area, 12);
      expect(precisionRecall.averagePrecision).toBeCloseTo(one.averagePrecision, 12);
    } else {
      const stream = metrics.streamedRegression();
      for (const part of pieces(one.predicted, one.actual)) stream.update(...part);
      for (const [name, value] of Object.entries(stream.result())) expect(value, name).toBeCloseTo(one.scores[name], 12);
    }
  }
  expect([...seen].sort()).toEqual(["classes", "ranking", "regression"]);
});

it("what is refused changes nothing, and nothing has no score", () => {
  const stream = metrics.streamedClasses(3);
  expect(() => stream.result()).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
  stream.update([0, 1], [0, 2]);
  const before = stream.result();
  expect(() => stream.update([1, 1], [1, 3])).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  expect(() => stream.update([1], [1, 2])).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
  expect(stream.result()).toEqual(before);
  expect(() => metrics.streamedClasses(3, { average: "binary" })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  for (const empty of [metrics.streamedRegression(), metrics.streamedRanking(), metrics.streamedMean()]) {
    expect(() => empty.result()).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
  }
});

it("a mean weighs", () => {
  const mean = metrics.streamedMean();
  mean.update([1, 2, 3]);
  expect(mean.result()).toBe(2);
  mean.update([10], [2]);
  expect(mean.result()).toBe(26 / 5);
});

it("alarms are events, misses, or false: rates an hour constrain a choice", () => {
  const rates = metrics.detectionRates([10.2, 10.4, 50, 99.6, 300], [10, 100, 200], { seconds: 7200 });
  expect(rates).toEqual({
    hits: 2,
    misses: 1,
    falseAlarms: 3,
    recall: 2 / 3,
    precision: 2 / 5,
    falseAlarmsPerHour: 1.5,
    missesPerHour: 0.5,
  });
  expect(metrics.detectionRates([10.1, 9.9], [10.3, 9.7], { seconds: 3600 }).hits).toBe(2);
  expect(metrics.detectionRates([10.6], [10], { seconds: 3600 }).hits).toBe(0);
  expect(() => metrics.detectionRates([], [], { seconds: 0 })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));

  // At most one false alarm in 24 hours of audio.
  const day = { seconds: 24 * 3600 };
  const detectors = [
    { name: "eager", ...metrics.detectionRates([5, 100, 2000, 3000], [100, 2000, 3000], { ...day, seconds: 12 * 3600 }) },
    { name: "calm", ...metrics.detectionRates([5, 100, 2000], [100, 2000, 3000], day) },
    { name: "deaf", ...metrics.detectionRates([100], [100, 2000, 3000], day) },
  ];
  expect(metrics.select(detectors, { maximize: "recall", subjectTo: { falseAlarmsPerHour: { max: 1 / 24 } } }).name).toBe("calm");
});
