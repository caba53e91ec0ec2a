/** Metrics: counted by hand. */
import { metrics, type Tensor, tensor, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

eachDevice("accuracy", () => {
  const logits = tensor([
    [0, 1, 2],
    [5, 1, 2],
    [0, 3, 2],
    [1, 1, 0],
  ]);

  it("is the fraction of rows whose largest entry is at the label, the first of equals", async () => {
    for (const dtype of ["i32", "u8"] as const) {
      expect(await metrics.accuracy(logits, tensor([2, 0, 0, 0], { dtype })).item()).toBe(0.75);
      expect(await metrics.accuracy(logits, tensor([2, 0, 0, 1], { dtype })).item()).toBe(0.5);
    }
  });

  it("takes rows in any arrangement", async () => {
    const labels = tensor([2, 0, 0, 0], { dtype: "i32" });
    expect(await metrics.accuracy(logits.reshape([2, 2, 3]), labels.reshape([2, 2])).item()).toBe(0.75);
    expect(await metrics.accuracy(logits.at(0), tensor(2, { dtype: "i32" })).item()).toBe(1);
  });

  it("of one logit is which side of the threshold it is on", async () => {
    const scores = tensor([-1, 0.2, 0.7, 0]);
    expect(await metrics.binaryAccuracy(scores, [0, 1, 1, 1]).item()).toBe(0.75);
    expect(await metrics.binaryAccuracy(scores, [0, 0, 1, 0], { threshold: 0.5 }).item()).toBe(1);
    expect(await metrics.binaryAccuracy(scores.expandDims(1), tensor([[false], [true], [true], [false]])).item()).toBe(1);
  });
});

eachDevice("weighted metrics", () => {
  const logits = tensor([
    [0, 1, 2],
    [5, 1, 2],
    [0, 3, 2],
    [1, 1, 0],
  ]);
  const labels = tensor([2, 1, 1, 1], { dtype: "i32" }); // right, wrong, right, wrong: of equals the first counts

  it("count each example as often as its weight says: Σ w·[ŷ ≠ y] / Σ w", async () => {
    const weights = [1, 100, 10, 1];
    expect(await metrics.errorRate(logits, labels).item()).toBe(0.5);
    expect(await metrics.errorRate(logits, labels, { weights }).item()).toBeCloseTo(101 / 112, 6);
    expect(await metrics.accuracy(logits, labels, { weights }).item()).toBeCloseTo(11 / 112, 6);
    expect(await metrics.binaryAccuracy([1, -1], [1, 1], { weights: [3, 1] }).item()).toBe(0.75);
  });

  it("are of what the mask lets count, 0 of nothing", async () => {
    expect(await metrics.accuracy(logits, labels, { mask: [true, true, false, false] }).item()).toBe(0.5);
    expect(await metrics.errorRate(logits, labels, { mask: [0, 1, 0, 0], weights: [5, 6, 7, 8] }).item()).toBe(1);
    expect(await metrics.accuracy(logits, labels, { mask: [0, 0, 0, 0] }).item()).toBe(0);
  });

  it("of the k largest", async () => {
    const top = (k: number, options = {}) => metrics.topKAccuracy(logits, labels, k, options).item();
    expect(await top(1)).toBe(await metrics.accuracy(logits, labels).item());
    expect(await top(2)).toBe(0.75);
    expect(await top(3)).toBe(1);
    expect(await top(2, { weights: [1, 7, 1, 1] })).toBeCloseTo(0.3, 6);
    expect(await metrics.topKAccuracy([[Number.NaN, 1]], [0], 2).item()).toBe(0);
  });
});

describe("accuracy refuses", () => {
  const labels = (shape: number[], dtype: Tensor["dtype"] = "i32") => zeros(shape, { dtype });

  it.each<[string, () => unknown, string, string]>([
    ["one column", () => metrics.accuracy(zeros([4, 1]), labels([4])), "ERR_SHAPE", "metrics.binaryAccuracy"],
    ["no column", () => metrics.accuracy(zeros([4]), labels([4])), "ERR_SHAPE", "metrics.binaryAccuracy"],
    ["labels [n, 1]", () => metrics.accuracy(zeros([4, 3]), labels([4, 1])), "ERR_SHAPE", "labels.reshape([4])"],
    ["one-hot labels", () => metrics.accuracy(zeros([4, 3]), zeros([4, 3])), "ERR_DTYPE", "labels.argmax(-1)"],
    ["weights of others", () => metrics.errorRate(zeros([4, 3]), labels([4]), { weights: [1] }), "ERR_SHAPE", "weights [1]"],
    ["more than there are", () => metrics.topKAccuracy(zeros([4, 3]), labels([4]), 4), "ERR_VALUE", "from 1 to 3"],
    ["[n, 1] against [n]", () => metrics.binaryAccuracy(zeros([4, 1]), zeros([4])), "ERR_SHAPE", "targets.reshape([4, 1])"],
  ])("%s", (_, run, code, mend) => {
    expect(run).toThrow(expect.objectContaining({ code, message: expect.stringContaining(mend) }));
  });
});

describe("the confusion matrix", () => {
  it("counts true classes in rows, predictions in columns", () => {
    expect(metrics.confusionMatrix(Int32Array.of(0, 1, 1, 2, 0), [0, 1, 0, 2, 2], 4)).toEqual([
      [1, 1, 0, 0],
      [0, 1, 0, 0],
      [1, 0, 1, 0],
      [0, 0, 0, 0],
    ]);
    expect(metrics.confusionMatrix([], [], 1)).toEqual([[0]]);
  });

  it.each<[string, number[], number[], number, string]>([
    ["lengths that differ", [0, 1], [0], 2, "ERR_SHAPE"],
    ["predictions out of range", [2], [0], 2, "ERR_VALUE"],
    ["labels out of range", [0], [-1], 2, "ERR_VALUE"],
    ["fractions", [0.5], [0], 2, "ERR_VALUE"],
    ["no number of classes", [0], [0], Number.NaN, "ERR_VALUE"],
  ])("refuses %s", (_, predicted, actual, classes, code) => {
    expect(() => metrics.confusionMatrix(predicted, actual, classes)).toThrow(expect.objectContaining({ code, op: "confusionMatrix" }));
  });
});
