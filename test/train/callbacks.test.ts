/** Callbacks act at the epochs at which their rules say so, and files hold what the history holds. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ArrayDataset,
  type Callback,
  checkpoint,
  csvLogger,
  DataLoader,
  Dataset,
  earlyStopping,
  evaluate,
  fit,
  History,
  jsonLogger,
  type LabeledBatch,
  losses,
  lrFinder,
  metrics,
  nn,
  optim,
  overfitOneBatch,
  plotter,
  reduceOnPlateau,
  setSeed,
  type TrainingState,
  tensor,
} from "nabla";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nabla-train-"));
});
afterAll(() => rm(folder, { recursive: true }));

function points(n: number, extra: object = {}): Dataset<LabeledBatch> {
  const x = Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(12.9898 * i) + (Math.floor(i / 2) % 2 === 0 ? 1.2 : -1.2));
  const y = Int32Array.from({ length: n }, (_, i) => i % 2);
  return new ArrayDataset({ x: { data: x, shape: [n, 2], dtype: "f32" }, y: { data: y, shape: [n], dtype: "i32" }, ...extra });
}

const linear = () => {
  setSeed(3);
  return nn.linear(2, 2);
};

/** Plays scores of `dev.loss` to callbacks, as a training would; gives the epoch at which it ended. */
async function play(callbacks: Callback[], scores: number[], optimizer = optim.sgd(linear().parameters(), { lr: 1 }), model = linear()) {
  const history = new History();
  let stopped = false;
  const stop = () => {
    stopped = true;
  };
  const state = { model, optimizer, history, epochs: scores.length, isDone: true, stop };
  for (const callback of callbacks) await callback.onTrainBegin?.(state as unknown as TrainingState);
  let epoch = 0;
  const rates: number[] = [];
  for (const score of scores) {
    const record = { epoch: ++epoch, seconds: 1, samplesPerSecond: 1, scores: { "dev.loss": score, "dev.accuracy": -score } };
    for (const p of model.parameters()) p.assign(p.value.mul(0).add(epoch));
    history.epochs.push(record);
    for (const callback of callbacks) await callback.onEpochEnd?.(state as unknown as TrainingState, record);
    rates.push(optimizer.lr);
    if (stopped) break;
  }
  for (const callback of callbacks) await callback.onTrainEnd?.(state as unknown as TrainingState);
  return { epoch, rates, model };
}

describe("early stopping", () => {
  it.each([
    [{ monitor: "dev.loss" }, [5, 4, 4, 3], 3],
    [{ monitor: "dev.loss", patience: 1 }, [5, 4, 4, 3, 3.5, 3.4, 1], 6],
    [{ monitor: "dev.accuracy", patience: 2 }, [1, 2, 2, 2, 2], 4],
    [{ monitor: "dev.accuracy", mode: "min" }, [1, 2, 1], 3],
    [{ monitor: "dev.loss", minDelta: 0.5 }, [5, 4, 3.6, 3], 3],
    [{ monitor: "dev.loss" }, [5, Number.NaN, 3], 2],
    [{ monitor: "dev.loss", patience: 5 }, [3, 2, 1], 3],
  ] as const)("%j of %j ends with epoch %i", async (options, scores, last) => {
    expect((await play([earlyStopping(options)], [...scores])).epoch).toBe(last);
  });

  it("gives back the weights of the best epoch, but not after a failure", async () => {
    const weight = async (model: nn.Module) => (await model.parameters()[0].value.data())[0];
    const scores = [5, 3, 2, 4, 4];
    const best = await play([earlyStopping({ monitor: "dev.loss", patience: 1, restoreBest: true })], scores);
    expect([best.epoch, await weight(best.model)]).toEqual([5, 3]);
    const failing = earlyStopping({ monitor: "dev.loss", patience: 1, restoreBest: true });
    const aborted = await play([{ ...failing, onTrainEnd: (state) => failing.onTrainEnd?.({ ...state, isDone: false }) }], scores);
    expect(await weight(aborted.model)).toBe(5);
  });

  it("refuses scores that there are not, and bad options", async () => {
    await expect(play([earlyStopping({ monitor: "test.loss" })], [1])).rejects.toMatchObject({ code: "ERR_VALUE", op: "earlyStopping" });
    for (const make of [
      () => earlyStopping({ patience: -1 }),
      () => earlyStopping({ minDelta: -1 }),
      () => earlyStopping({ mode: "up" as never }),
      () => reduceOnPlateau({ factor: 1 }),
      () => reduceOnPlateau({ cooldown: -1 }),
      () => checkpoint("x", { everySteps: 0.5 }),
      () => checkpoint("x", { everySeconds: -1 }),
    ])
      expect(make).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });
});

it("the learning rate falls on a plateau, with patience and cooldown, as PyTorch's ReduceLROnPlateau does", async () => {
  const scores = [5, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3];
  // ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0, cooldown=2)
  const { rates } = await play([reduceOnPlateau({ monitor: "dev.loss", factor: 0.5, patience: 1, cooldown: 2 })], scores);
  expect(rates).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]);
  const least = await play([reduceOnPlateau({ monitor: "dev.loss", factor: 0.1, patience: 0, minScale: 0.05 })], [1, 1, 1, 1]);
  expect(least.rates).toEqual([1, 0.1, 0.05, 0.05]);
});

it("files keep the history, each epoch once", async () => {
  const model = linear();
  const optimizer = optim.sgd(model.parameters(), { lr: 0.1 });
  const file = (name: string) => join(folder, "logs", name);
  const history = await fit(model, points(20), {
    loss: losses.crossEntropy,
    optimizer,
    epochs: 3,
    gradNorm: true,
    validation: { "dev,1": points(6) },
    callbacks: [csvLogger(file("log.csv")), jsonLogger(file("log.jsonl")), plotter(file("curves.svg"))],
  });
  const lines = (await readFile(file("log.csv"), "utf8")).trimEnd().split("\n");
  expect(lines[0]).toBe('epoch,seconds,samplesPerSecond,loss,gradNorm,"dev,1.loss"');
  expect(lines.slice(1).map((line) => Number(line.split(",")[4]))).toEqual(history.series("gradNorm"));
  const rows = (await readFile(file("log.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(rows.map(({ loss }) => loss)).toEqual(history.series("loss"));
  expect(await readFile(file("curves.svg"), "utf8")).toContain("gradNorm");
});

eachDevice("trials", () => {
  it("learn one batch by heart, or say that it cannot be learnt, and leave no trace", async () => {
    const model = linear();
    const optimizer = optim.adam(model.parameters(), { lr: 0.3 });
    const [weights, state] = [await model.parameters()[0].value.data(), optimizer.stateDict()];
    const batch = await points(8).get([0, 1, 2, 3, 4, 5, 6, 7]);
    const good = await overfitOneBatch(model, batch, { loss: losses.crossEntropy, optimizer });
    expect(good.isLearnt).toBe(true);
    expect(good.losses.at(-1)).toBeLessThanOrEqual(0.01);
    const contradiction = { x: { ...batch.x, data: new Float32Array(16).fill(1) }, y: batch.y };
    const bad = await overfitOneBatch(model, contradiction, { loss: losses.crossEntropy, optimizer, steps: 40 });
    expect([bad.isLearnt, bad.losses.length]).toEqual([false, 40]);
    expect(await model.parameters()[0].value.data()).toEqual(weights);
    expect(optimizer.stateDict()).toEqual(state);
    await overfitOneBatch(model, batch, { loss: losses.crossEntropy, optimizer, steps: 3, keep: true });
    expect(optimizer.stepCount).toBe(3);
    await expect(overfitOneBatch(model, batch, { loss: losses.crossEntropy, optimizer, steps: 0 })).rejects.toMatchObject({
      code: "ERR_VALUE",
    });
  });

  it("find the rates at which a training works", async () => {
    const model = linear();
    const optimizer = optim.sgd(model.parameters(), { lr: 0.5 });
    const weights = await model.parameters()[0].value.data();
    const options = { loss: losses.crossEntropy, optimizer, from: 1e-4, to: 1e5, steps: 60, batchSize: 16 };
    const { rates, losses: curve, suggestion, plot } = await lrFinder(model, points(100), options);
    expect(rates[0]).toBeCloseTo(1e-4, 12);
    expect(rates[1] / rates[0]).toBeCloseTo(10 ** (9 / 59), 6);
    expect(curve.length).toBeLessThan(60); // it ran away
    expect(suggestion).toBeGreaterThan(1e-3);
    expect(suggestion).toBeLessThan(10);
    expect(optimizer.lr).toBe(0.5);
    expect(await model.parameters()[0].value.data()).toEqual(weights);
    await plot(join(folder, "rates.svg"));
    await expect(lrFinder(model, points(4), { ...options, from: 0 })).rejects.toMatchObject({ code: "ERR_VALUE" });
  });
});

eachDevice("examples that weigh", () => {
  it("count in the loss, its gradient, the metrics and the means", async () => {
    const n = 10;
    const weights = Float32Array.from({ length: n }, (_, i) => (i % 3 === 0 ? 100 : 1));
    const data = points(n, { weights: { data: weights, shape: [n], dtype: "f32" } });
    // The same as repeating examples.
    const repeated = points(n).select([...weights].flatMap((w, i) => Array<number>(w).fill(i)));
    const [model, other] = [linear(), linear()];
    const options = (m: nn.Module) => ({
      loss: losses.crossEntropy,
      optimizer: optim.sgd(m.parameters(), { lr: 0.1 }),
      metrics: { accuracy: metrics.accuracy },
      shuffle: false,
    });
    const weighted = await fit(model, data, { ...options(model), batchSize: n });
    const plain = await fit(other, repeated, { ...options(other), batchSize: repeated.length });
    const [a, b] = await Promise.all([model, other].map((m) => m.parameters()[0].value.data()));
    a.forEach((value, i) => expect(value).toBeCloseTo(b[i], 5));
    for (const score of ["loss", "accuracy"]) expect(weighted.series(score)[0]).toBeCloseTo(plain.series(score)[0], 5);
    // Over batches: Σ w·1[ŷ = y] / Σ w, whatever their sizes.
    const whole = await evaluate(model, data, { metrics: { accuracy: metrics.accuracy }, batchSize: n });
    const parts = await evaluate(model, data, { metrics: { accuracy: metrics.accuracy }, batchSize: 3 });
    expect(parts.accuracy).toBeCloseTo(whole.accuracy, 6);
    const right = metrics.accuracy(
      tensor([
        [2, 1],
        [1, 2],
        [3, 1],
      ]),
      tensor([0, 0, 0], { dtype: "i32" }),
      { weights: [1, 100, 3] },
    );
    expect(await right.item()).toBeCloseTo(4 / 104, 6);
  });

  it("do not count at all where they are masked", async () => {
    const n = 12;
    const counts = Uint8Array.from({ length: n }, (_, i) => (i % 4 === 0 ? 0 : 1));
    const data = points(n, { mask: { data: counts, shape: [n], dtype: "bool" } });
    const some = points(n).select([...counts.keys()].filter((i) => counts[i] === 1));
    const options = { loss: losses.crossEntropy, metrics: { accuracy: metrics.accuracy } };
    const scores = await evaluate(linear(), data, { ...options, batchSize: 5 });
    const expected = await evaluate(linear(), some, options);
    for (const score of ["loss", "accuracy"] as const) expect(scores[score]).toBeCloseTo(expected[score], 6);
  });
});

describe("batches", () => {
  it("of 1000 are 5000 steps of 5 000 000 examples", () => {
    class Many extends Dataset<LabeledBatch> {
      readonly length = 5_000_000;
      get(): LabeledBatch {
        throw new Error("not read");
      }
    }
    expect(new DataLoader(new Many(), { batchSize: 1000 }).length).toBe(5000);
  });

  it.each([
    ["mini-batches, the last of them partial", 4, 3, [4, 4, 2]],
    ["one batch", 10, 1, [10]],
    ["single examples", 1, 10, Array(10).fill(1)],
  ])("%s", async (_, batchSize, steps, sizes) => {
    const model = linear();
    const optimizer = optim.sgd(model.parameters(), { lr: 0.1 });
    const seen: number[] = [];
    let before = 0;
    const watch: Callback = {
      onBatchEnd: (state) => {
        seen.push(state.seen - before);
        before = state.seen;
      },
    };
    await fit(model, points(10), { loss: losses.crossEntropy, optimizer, batchSize, callbacks: [watch] });
    expect([optimizer.stepCount, seen]).toEqual([steps, sizes]);
  });

  it("accumulated four by four train as large ones do", async () => {
    const train = async (batchSize: number, accumulate: number) => {
      const model = linear();
      const optimizer = optim.adam(model.parameters(), { lr: 0.1 });
      const average = optim.ema(model.parameters(), { decay: 0.5 });
      await fit(model, points(64), {
        loss: losses.crossEntropy,
        optimizer,
        batchSize,
        accumulate,
        ema: average,
        epochs: 2,
        shuffle: false,
      });
      return { weights: await model.parameters()[0].value.data(), steps: optimizer.stepCount, averaged: average.count };
    };
    const [small, large] = [await train(4, 4), await train(16, 1)];
    expect([small.steps, small.averaged]).toEqual([large.steps, large.averaged]);
    small.weights.forEach((value, i) => expect(value).toBeCloseTo(large.weights[i], 5));
  });

  it("are measured with averaged weights", async () => {
    const model = linear();
    const average = optim.ema(model.parameters(), { decay: 0.9 });
    const optimizer = optim.sgd(model.parameters(), { lr: 0.1 });
    const history = await fit(model, points(64), { loss: losses.crossEntropy, optimizer, ema: average, validation: points(20) });
    const averaged = await average.use(() => evaluate(model, points(20), { loss: losses.crossEntropy }));
    expect(history.series("validation.loss")).toEqual([averaged.loss]);
    expect((await evaluate(model, points(20), { loss: losses.crossEntropy })).loss).not.toBe(averaged.loss);
  });
});

it("checkpoints keep the best weights and clear away what a killed process has left", async () => {
  const run = join(folder, "best");
  const callback = checkpoint(run, { monitor: "dev.loss" });
  await callback.onTrainBegin?.({} as TrainingState);
  await writeFile(join(run, ".checkpoint.safetensors.123"), "half");
  const { model } = await play([callback], [5, 2, 3]);
  expect(await readdir(run)).toEqual(["best.safetensors"]);
  await model.load(join(run, "best.safetensors"));
  expect((await model.parameters()[0].value.data())[0]).toBe(2);
});
