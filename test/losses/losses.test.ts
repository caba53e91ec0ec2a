/** Losses give PyTorch's numbers and gradients, also where exp() would overflow; and never broadcast. */
import { gradients, losses, type Tensor, tensor, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";
import { expectGolden, type GoldenArray, golden, toTensor } from "../golden/read.js";

type Typed = GoldenArray & { readonly dtype: Tensor["dtype"] };

interface LossCase {
  readonly loss: Exclude<keyof typeof losses, "prototype">;
  readonly options: Readonly<Record<string, unknown>>;
  readonly inputs: Typed[];
  readonly y: GoldenArray;
  readonly gy: GoldenArray;
  readonly gradients: GoldenArray[];
}

const isTyped = (value: unknown): value is Typed => typeof value === "object" && value !== null && "dtype" in value;
const typed = (value: Typed): Tensor => toTensor(value, value.dtype);

const title = ({ loss, options, inputs: [{ shape }] }: LossCase) => {
  const shown = Object.entries(options).map(([name, value]) => (isTyped(value) ? name : `${name} ${value}`));
  return `${loss} [${shape}], ${shown.join(", ")}`;
};

eachDevice("losses", () => {
  it("of no rows are none, however those lie in memory", async () => {
    const loss = losses.crossEntropy(zeros([3, 0]).transpose(), zeros([0], { dtype: "i32" }), { reduction: "none" });
    expect(await loss.data()).toHaveLength(0);
  });

  it.each(golden<LossCase>("losses").map((sample) => [title(sample), sample] as const))("%s", async (_, sample) => {
    const loss = losses[sample.loss] as (...args: unknown[]) => Tensor;
    const options = Object.fromEntries(
      Object.entries(sample.options).map(([name, value]) => [name, isTyped(value) ? typed(value) : value]),
    );
    const inputs = sample.inputs.map(typed);
    await expectGolden(loss(...inputs, options), sample.y);
    const wrt = sample.gradients.map((_, k) => inputs[k]);
    const gs = gradients(
      loss(...inputs, options)
        .mul(toTensor(sample.gy))
        .sum(),
      wrt,
    );
    for (const [k, g] of gs.entries()) await expectGolden(g, sample.gradients[k]);
  });

  it("take the mean by default", async () => {
    expect(await losses.mse(tensor([1, 2]), [2, 4]).item()).toBe(2.5);
  });

  it("of bytes as labels are those of integers", async () => {
    const logits = tensor([[1, 2, 3]]);
    const loss = (dtype: "u8" | "i32") => losses.crossEntropy(logits, tensor([2], { dtype })).item();
    expect(await loss("u8")).toBe(await loss("i32"));
  });

  it("of arrays of probabilities and of class numbers are told apart by shape", async () => {
    const logits = tensor([[1, 2, 3]]);
    const byLabel = await losses.crossEntropy(logits, [1]).item();
    expect(await losses.crossEntropy(logits, [[0, 1, 0]]).item()).toBeCloseTo(byLabel, 6);
  });

  it("of a probability that is 0 for an impossible class are finite", async () => {
    const logits = tensor([[Number.NEGATIVE_INFINITY, 0, 0]]);
    expect(await losses.crossEntropy(logits, [[0, 0.5, 0.5]]).item()).toBeCloseTo(Math.LN2, 6);
  });

  it("of wrong certainties are 100, as PyTorch has it", async () => {
    const p = tensor([0, 1, 0, 1]);
    const compute = (x: Tensor) => losses.bce(x, [1, 0, 0, 1], { reduction: "none" });
    expect(Array.from(await compute(p).data(), Math.abs)).toEqual([100, 100, 0, 0]);
    const [g] = gradients(compute(p).sum(), [p]);
    expect((await g.data()).every(Number.isFinite)).toBe(true);
  });

  const nothing = Number.NaN;
  const known = (a: number, b: number) => [
    [nothing, a],
    [b, nothing],
  ];
  const masked: Record<string, (x: Tensor, options: losses.LossOptions) => Tensor> = {
    bce: (x, options) => losses.bce(x, known(1, 0), options),
    bceWithLogits: (x, options) => losses.bceWithLogits(x, known(1, 0), { posWeight: 2, ...options }),
    binaryFocal: (x, options) => losses.binaryFocal(x, known(1, 0), options),
    gaussianNll: (x, options) => losses.gaussianNll(x, known(1, 0), x, options),
    hinge: (x, options) => losses.hinge(x, known(1, -1), options),
    huber: (x, options) => losses.huber(x, known(1, 0), options),
    mae: (x, options) => losses.mae(x, known(1, 0), options),
    marginRanking: (x, options) => losses.marginRanking(x, known(1, 0), known(1, -1), options),
    mse: (x, options) => losses.mse(x, known(1, 0), options),
    poissonNll: (x, options) => losses.poissonNll(x, known(1, 2), { full: true, ...options }),
    smoothL1: (x, options) => losses.smoothL1(x, known(1, 0), options),
    squaredHinge: (x, options) => losses.squaredHinge(x, known(1, -1), options),
  };

  it.each(Object.entries(masked))("%s: masked entries add exactly nothing, to the loss and to the gradient", async (_, loss) => {
    const isKnown = tensor([
      [false, true],
      [true, false],
    ]);
    const x = tensor([
      [Number.POSITIVE_INFINITY, 0.3],
      [0.7, Number.NaN],
    ]);
    for (const weights of [undefined, known(2, 3)]) {
      const options = { mask: isKnown, ...(weights === undefined ? {} : { weights }) };
      const each = (await loss(x, { ...options, reduction: "none" }).array()) as number[][];
      expect([each[0][0], each[1][1]]).toEqual([0, 0]);
      const mean = await loss(x, options).item();
      expect(mean).toBeCloseTo((each[0][1] + each[1][0]) / (weights === undefined ? 2 : 5), 6);
      const [g] = gradients(loss(x, options), [x]);
      const data = await g.data();
      expect([Math.abs(data[0]), Math.abs(data[3])]).toEqual([0, 0]);
      expect(Math.abs(data[1] * data[2])).toBeGreaterThan(0);
    }
  });

  it("of rows that are masked add exactly nothing, whatever their label", async () => {
    const x = tensor(
      [
        [1, 2, 3],
        [3, 2, 1],
        [0, 1, 0],
      ],
      { dtype: "f64" },
    );
    const labels = tensor([7, 0, -1], { dtype: "i32" });
    const options = { mask: [false, true, true], ignoreIndex: -1, weights: [2, 3, 5] };
    const only = await losses.crossEntropy(x.slice([1], [2]), tensor([0], { dtype: "i32" })).item();
    for (const compute of [
      (logits: Tensor) => losses.crossEntropy(logits, labels, { ...options, labelSmoothing: 1e-12 }),
      (logits: Tensor) => losses.nll(logits.logSoftmax(), labels, options),
      (logits: Tensor) => losses.focal(logits, labels, { ...options, gamma: 0 }),
    ]) {
      expect(await compute(x).item()).toBeCloseTo(only, 9);
      const [g] = gradients(compute(x), [x]);
      const rows = (await g.array()) as number[][];
      for (const k of [0, 2]) expect(rows[k].map(Math.abs)).toEqual([0, 0, 0]);
      expect(rows[1].every((entry) => entry !== 0)).toBe(true);
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("of masked rows of scores that are %d add exactly nothing", async (broken) => {
    const x = tensor([
      [broken, 1, broken],
      [0.3, -1, 2],
    ]);
    const [mask, labels] = [[false, true], tensor([1, 2], { dtype: "i32" })];
    const each = [
      [0, 0.5, 0.5],
      [0.2, 0.3, 0.5],
    ];
    for (const compute of [
      () => losses.crossEntropy(x, labels, { mask, labelSmoothing: 0.1 }),
      () => losses.crossEntropy(x, tensor([-9, 2], { dtype: "i32" }), { ignoreIndex: -9, classWeights: [1, 2, 3] }),
      () => losses.crossEntropy(x, each, { mask, classWeights: [1, 2, 3] }),
      () => losses.nll(x, labels, { mask }),
      () => losses.focal(x, labels, { mask }),
    ]) {
      expect(Number.isFinite(await compute().item())).toBe(true);
      const [g] = gradients(compute(), [x]);
      const rows = (await g.array()) as number[][];
      expect(rows[0].map(Math.abs)).toEqual([0, 0, 0]);
      expect(rows[1].every(Number.isFinite) && rows[1].some((entry) => entry !== 0)).toBe(true);
    }
  });

  it("of vectors that are masked add exactly nothing", async () => {
    const a = tensor([
      [1, 2],
      [nothing, 0],
    ]);
    const b = tensor([
      [2, -1],
      [0, 0],
    ]);
    const mask = [true, false];
    for (const compute of [
      () => losses.cosineEmbedding(a, b, [1, nothing], { mask }),
      () => losses.tripletMargin(a, b, a.neg(), { mask, margin: 4 }),
      () => losses.klDivergence(a, b.sigmoid(), { mask }),
    ]) {
      expect(Number.isFinite(await compute().item())).toBe(true);
      const [g] = gradients(compute(), [a]);
      const rows = (await g.array()) as number[][];
      expect(rows[1].map(Math.abs)).toEqual([0, 0]);
      expect(rows[0].some((entry) => entry !== 0)).toBe(true);
    }
  });

  it("of nothing are 0", async () => {
    const x = tensor([1, 2]);
    const loss = () => losses.mse(x, [5, 5], { mask: [false, false] });
    expect(await loss().item()).toBe(0);
    expect(await gradients(loss(), [x])[0].array()).toEqual([0, 0]);
  });

  it("of what is right already have a finite gradient, focused on the rest", async () => {
    for (const gamma of [0.5, 1, 2]) {
      const x = tensor([[200, 0]]);
      const loss = () => losses.focal(x, [0], { gamma }).add(losses.binaryFocal(x, [[1, 0]], { gamma }));
      expect((await gradients(loss(), [x])[0].data()).every(Number.isFinite)).toBe(true);
    }
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
    ["one-hot integers", () => losses.crossEntropy(zeros([4, 3]), labels([4, 3])), "ERR_SHAPE", "crossEntropy", "one label per row"],
    ["floating labels", () => losses.crossEntropy(zeros([4, 3]), zeros([4])), "ERR_DTYPE", "crossEntropy", 'labels.cast("i32")'],
    ["a scalar logit", () => losses.crossEntropy(0, labels([])), "ERR_SHAPE", "crossEntropy", "[..., classes]"],
    ["integer logits", () => losses.crossEntropy(labels([4, 3]), labels([4])), "ERR_DTYPE", "crossEntropy", "x.cast"],
    ["mixed dtypes", () => losses.mse(zeros([4]), zeros([4], { dtype: "f64" })), "ERR_DTYPE", "mse", 'target.cast("f32")'],
    ["integer targets", () => losses.bceWithLogits(zeros([4]), labels([4])), "ERR_DTYPE", "bceWithLogits", 'targets.cast("f32")'],
    ["weights of no example", () => losses.mse(zeros([4, 3]), zeros([4, 3]), { weights: [1, 1, 1] }), "ERR_SHAPE", "mse", "weights [3]"],
    ["masks of no example", () => losses.mae(zeros([4]), zeros([4]), { mask: zeros([4, 1]) }), "ERR_SHAPE", "mae", "mask [4, 1]"],
    ["weights of other classes", () => losses.nll(zeros([4, 3]), labels([4]), { classWeights: [1, 2] }), "ERR_SHAPE", "nll", "[3]"],
    ["posWeight of other labels", () => losses.bceWithLogits([[1, 2]], [[1, 0]], { posWeight: [1] }), "ERR_SHAPE", "bceWithLogits", "[1]"],
    ["too much smoothing", () => losses.crossEntropy([[1, 2]], [1], { labelSmoothing: 2 }), "ERR_VALUE", "crossEntropy", "from 0 to 1"],
    ["an ignored probability", () => losses.crossEntropy([[1, 2]], [[0, 1]], { ignoreIndex: 0 }), "ERR_VALUE", "crossEntropy", "mask"],
    ["no width", () => losses.huber([1], [1], { delta: 0 }), "ERR_VALUE", "huber", "delta"],
    ["negative focus", () => losses.focal([[1, 2]], [1], { gamma: -1 }), "ERR_VALUE", "focal", "gamma"],
    ["pairs without a sign", () => losses.cosineEmbedding([[1, 2]], [[1, 2]], 1), "ERR_SHAPE", "cosineEmbedding", "one y for each pair"],
    ["unknown reductions", () => losses.mse([1], [1], { reduction: "toString" as never }), "ERR_VALUE", "mse", "mean, sum, none"],
  ])("%s", (_, run, code, op, mend) => {
    expect(run).toThrow(expect.objectContaining({ code, op, message: expect.stringContaining(mend) }));
  });
});
