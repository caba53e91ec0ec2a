import {
  ArrayDataset,
  type Callback,
  type Dataset,
  evaluate,
  type FitOptions,
  fit,
  type LabeledBatch,
  losses,
  metrics,
  nn,
  optim,
  predict,
  setSeed,
  stats,
} from "nabla";
import { expect, it } from "vitest";
import { eachDevice } from "../devices.js";

function clouds(n: number): Dataset<LabeledBatch> {
  const x = Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(12.9898 * i) + (Math.floor(i / 2) % 2 === 0 ? 1.2 : -1.2));
  const y = Int32Array.from({ length: n }, (_, i) => i % 2);
  return new ArrayDataset({ x: { data: x, shape: [n, 2], dtype: "f32" }, y: { data: y, shape: [n], dtype: "i32" } });
}

/** A data set that calls `onGet` before each batch is handed over. */
function watched(n: number, onGet: () => unknown): Dataset<LabeledBatch> {
  return clouds(n).map(async (batch) => {
    await onGet();
    return batch;
  });
}

/** The moments of a training, each given something to do then: what to train with, and whether the abort comes too late. */
const moments: Record<string, (abort: () => void) => Partial<FitOptions> & { data?: Dataset<LabeledBatch>; isLate?: true }> = {
  "before the start": (abort) => {
    abort();
    return {};
  },
  "when training begins": (abort) => ({ callbacks: [{ onTrainBegin: abort }] }),
  "when an epoch begins": (abort) => ({ callbacks: [{ onEpochBegin: ({ epoch }) => (epoch === 2 ? abort() : undefined) }] }),
  "while a batch is fetched": (abort) => {
    let count = 0;
    return { data: watched(100, () => (++count === 4 ? abort() : undefined)) };
  },
  "while a batch is fetched, by a timer": (abort) => ({
    data: watched(100, () => {
      setTimeout(abort);
      return new Promise((resolve) => setTimeout(resolve, 5));
    }),
  }),
  "after the first batch": (abort) => ({ callbacks: [{ onBatchEnd: ({ batch }) => (batch === 1 ? abort() : undefined) }] }),
  "after the last batch of an epoch": (abort) => ({
    callbacks: [{ onBatchEnd: ({ batch, batches }) => (batch === batches ? abort() : undefined) }],
  }),
  "in the evaluation": (abort) => ({ validation: watched(600, abort) }),
  "in the evaluation of a second set": (abort) => ({ validation: { one: clouds(20), two: watched(20, abort) } }),
  "when an epoch has ended": (abort) => ({ callbacks: [{ onEpochEnd: abort }] }),
  "when the last epoch has ended": (abort) => ({
    callbacks: [{ onEpochEnd: ({ epoch, epochs }) => (epoch === epochs ? abort() : undefined) }],
    isLate: true,
  }),
  "when training has ended": (abort) => ({ callbacks: [{ onTrainEnd: abort }], isLate: true }),
};

eachDevice("fit that is aborted", (device) => {
  it.each(Object.entries(moments))("%s ends in order, and the model works on", async (_, at) => {
    setSeed(3);
    const model = nn.sequential(nn.linear(2, 8), nn.tanh(), nn.linear(8, 2));
    const optimizer = optim.sgd(model.parameters(), { lr: 0.3, momentum: 0.9 });
    const controller = new AbortController();
    const ends: string[] = [];
    const count: Callback = { onTrainBegin: () => void ends.push("begin"), onTrainEnd: () => void ends.push("end") };
    const { data = clouds(100), callbacks = [], isLate, ...given } = at(() => controller.abort(new Error("enough")));
    const options = { loss: losses.crossEntropy, optimizer, epochs: 3, batchSize: 16, metrics: { accuracy: metrics.accuracy } };
    const training = fit(model, data, { ...options, ...given, callbacks: [count, ...callbacks], signal: controller.signal });
    if (isLate) expect((await training).epochs).toHaveLength(3);
    else await expect(training).rejects.toThrow("enough");
    expect(controller.signal.aborted).toBe(true);
    expect(ends).toEqual(["begin", "end"]);
    expect(stats().device).toBe(device);
    expect(stats().runs.pending).toBe(0);
    const steps = optimizer.stepCount;

    expect(model.training).toBe(true);
    expect((await predict(model, clouds(5))).shape).toEqual([5, 2]);
    await expect(fit(model, clouds(20), { ...options, signal: controller.signal })).rejects.toThrow("enough");
    expect(optimizer.stepCount).toBe(steps);
    await fit(model, clouds(200), { ...options, epochs: 4 });
    const { accuracy } = await evaluate(model, clouds(200), { metrics: { accuracy: metrics.accuracy } });
    expect(accuracy).toBeGreaterThan(0.9);
  });
});
