/** Losses give PyTorch's numbers and gradients, also where exp() would overflow; and never broadcast. */
import { gradients, losses, type Tensor, tensor, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";
import { expectGolden, type GoldenArray, golden, toTensor } from "../golden/read.js";

interface LossCase {
  readonly loss: "crossEntropy" | "bceWithLogits" | "mse";
  readonly reduction: "mean" | "sum" | "none";
  readonly x: GoldenArray;
  readonly target: GoldenArray;
  readonly y: GoldenArray;
  readonly gy: GoldenArray;
  readonly gx: GoldenArray;
}

const title = ({ loss, reduction, x }: LossCase) => `${loss}, ${reduction}, [${x.shape}]`;

eachDevice("losses", () => {
  it.each(golden<LossCase>("losses").map((sample) => [title(sample), sample] as const))("%s", async (_, sample) => {
    const isClasses = sample.loss === "crossEntropy";
    const compute = (x: Tensor) =>
      losses[sample.loss](x, toTensor(sample.target, isClasses ? "i32" : "f64"), { reduction: sample.reduction });
    const x = toTensor(sample.x);
    await expectGolden(compute(x), sample.y);
    const [gx] = gradients(compute(x).mul(toTensor(sample.gy)).sum(), [x]);
    await expectGolden(gx, sample.gx);
  });

  it("take the mean by default", async () => {
    expect(await losses.mse(tensor([1, 2]), [2, 4]).item()).toBe(2.5);
  });

  it("of bytes as labels are those of integers", async () => {
    const logits = tensor([[1, 2, 3]]);
    const loss = (dtype: "u8" | "i32") => losses.crossEntropy(logits, tensor([2], { dtype })).item();
    expect(await loss("u8")).toBe(await loss("i32"));
  });

  it("stay exact in f32 where they are small", async () => {
    const confident = losses.bceWithLogits(tensor([20, -20]), tensor([1, 0]), { reduction: "none" });
    for (const value of await confident.data()) expect(value / Math.log1p(Math.exp(-20))).toBeCloseTo(1, 5);
  });

  it("of labels out of range fail when they are computed", async () => {
    const loss = losses.crossEntropy(zeros([2, 3]), tensor([0, 3], { dtype: "i32" }));
    await expect(loss.item()).rejects.toMatchObject({ code: "ERR_INDEX", op: "crossEntropy" });
  });
});

describe("losses refuse", () => {
  const labels = (shape: number[], dtype: Tensor["dtype"] = "i32") => zeros(shape, { dtype });

  it.each<[string, () => unknown, string, string, string]>([
    ["[n, 1] against [n]", () => losses.mse(zeros([4, 1]), zeros([4])), "ERR_SHAPE", "mse", "target.reshape([4, 1])"],
    ["[n] against a scalar", () => losses.mse(zeros([4]), 0), "ERR_SHAPE", "mse", "its own target"],
    ["[n, 1] against [n]", () => losses.bceWithLogits(zeros([4, 1]), zeros([4])), "ERR_SHAPE", "bceWithLogits", "targets.reshape([4, 1])"],
    ["labels [n, 1]", () => losses.crossEntropy(zeros([4, 3]), labels([4, 1])), "ERR_SHAPE", "crossEntropy", "labels.reshape([4])"],
    ["too few labels", () => losses.crossEntropy(zeros([4, 3]), labels([3])), "ERR_SHAPE", "crossEntropy", "one label per row"],
    ["one-hot labels", () => losses.crossEntropy(zeros([4, 3]), zeros([4, 3])), "ERR_DTYPE", "crossEntropy", "labels.argmax(-1)"],
    ["floating labels", () => losses.crossEntropy(zeros([4, 3]), zeros([4])), "ERR_DTYPE", "crossEntropy", 'labels.cast("i32")'],
    ["a scalar logit", () => losses.crossEntropy(0, labels([])), "ERR_SHAPE", "crossEntropy", "[..., classes]"],
    ["integer logits", () => losses.crossEntropy(labels([4, 3]), labels([4])), "ERR_DTYPE", "crossEntropy", "x.cast"],
    ["mixed dtypes", () => losses.mse(zeros([4]), zeros([4], { dtype: "f64" })), "ERR_DTYPE", "mse", 'target.cast("f32")'],
    ["integer targets", () => losses.bceWithLogits(zeros([4]), labels([4])), "ERR_DTYPE", "bceWithLogits", 'targets.cast("f32")'],
    ["unknown reductions", () => losses.mse([1], [1], { reduction: "toString" as never }), "ERR_VALUE", "mse", "mean, sum, none"],
  ])("%s", (_, run, code, op, mend) => {
    expect(run).toThrow(expect.objectContaining({ code, op, message: expect.stringContaining(mend) }));
  });
});
