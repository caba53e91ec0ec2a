import {
  ArrayDataset,
  type Callback,
  compile,
  DataLoader,
  type Dataset,
  evaluate,
  fit,
  type LabeledBatch,
  losses,
  metrics,
  nn,
  optim,
  predict,
  setSeed,
  type Tensor,
  tensor,
} from "nabla";
import { expect, it } from "vitest";
import { eachDevice } from "../devices.js";

/** Points of two clouds, a class each; the same on every call. */
function clouds(n: number): Dataset<LabeledBatch> {
  const x = Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(12.9898 * i) + (Math.floor(i / 2) % 2 === 0 ? 1.2 : -1.2));
  const y = Int32Array.from({ length: n }, (_, i) => i % 2);
  return new ArrayDataset({ x: { data: x, shape: [n, 2], dtype: "f32" }, y: { data: y, shape: [n], dtype: "i32" } });
}

function classifier(): nn.Module {
  setSeed(3);
  return nn.sequential(nn.linear(2, 8), nn.tanh(), nn.linear(8, 2));
}

const options = (model: nn.Module) => ({
  loss: losses.crossEntropy,
  optimizer: optim.sgd(model.parameters(), { lr: 0.3, momentum: 0.9 }),
  metrics: { accuracy: metrics.accuracy },
  batchSize: 16,
});

const weights = async (model: nn.Module) => Promise.all(model.parameters().map((p) => p.value.data()));

eachDevice("fit", () => {
  it("does what the loop written by hand does, to the bit", async () => {
    const data = clouds(50);
    const fitted = classifier();
    const history = await fit(fitted, data, { ...options(fitted), epochs: 3, seed: 5 });

    const manual = classifier();
    const { loss, optimizer } = options(manual);
    const step = compile((x: Tensor, y: Tensor) => {
      const cost = loss(manual.forward(x), y);
      optimizer.minimize(cost);
      return cost;
    });
    const loader = new DataLoader(data, { batchSize: 16, shuffle: true, seed: 5 });
    const means: number[] = [];
    for (let epoch = 0; epoch < 3; epoch++) {
      let sum = 0;
      for await (const { x, y } of loader) {
        const cost = await step(tensor(x.data, { shape: x.shape }), tensor(y.data, { shape: y.shape }));
        sum += (await cost.item()) * x.shape[0];
      }
      means.push(sum / 50);
    }
    expect(await weights(fitted)).toEqual(await weights(manual));
    history.series("loss").forEach((value, i) => expect(value).toBeCloseTo(means[i], 6));
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  });

  it("learns, and reports sets of validation under their names", async () => {
    const model = classifier();
    const history = await fit(model, clouds(200), { ...options(model), epochs: 6, validation: { dev: clouds(60), other: clouds(31) } });
    expect(history.names).toEqual(["loss", "accuracy", "dev.loss", "dev.accuracy", "other.loss", "other.accuracy"]);
    const { scores } = history.epochs[5];
    expect(scores.accuracy).toBeGreaterThan(0.9);
    const again = await evaluate(model, clouds(60), { loss: losses.crossEntropy, metrics: { accuracy: metrics.accuracy }, batchSize: 7 });
    expect(scores["dev.accuracy"]).toBe(again.accuracy);
    expect(scores["dev.loss"]).toBeCloseTo(again.loss, 6);
    const single = await fit(model, clouds(20), { ...options(model), validation: clouds(10) });
    expect(single.names).toEqual(["loss", "accuracy", "validation.loss", "validation.accuracy"]);
  });

  it("with debug names the op that made the first NaN and its line, and leaves the weights of the step before", async () => {
    class Logarithms extends nn.Module {
      readonly inner = classifier();
      forward(x: Tensor): Tensor {
        return this.inner.forward(x.log());
      }
    }
    const model = new Logarithms();
    const data = clouds(64).map(({ x, y }, { indices }) => {
      const positive = (x.data as Float32Array).map((value, i) => (indices[i >> 1] === 40 ? -1 : Math.abs(value)));
      return { x: { ...x, data: positive }, y };
    });
    const after: unknown[] = [];
    const callbacks: Callback[] = [{ onBatchEnd: async () => void after.push(await weights(model)) }];
    const failure = await fit(model, data, { ...options(model), debug: true, shuffle: false, callbacks }).catch((error) => error);
    expect(failure).toMatchObject({ code: "ERR_NUMERICS", op: "checkNumerics" });
    expect(failure.message).toMatch(/log\(\[16, 2\]\)[\s\S]*fit\.test\.ts[\s\S]*NaN/);
    expect(after).toHaveLength(2); // examples 32 … 47 are the third batch
    expect(await weights(model)).toEqual(after[1]);
    const sound = { ...options(model), debug: true, epochs: 2 };
    const history = await fit(model, data.take(32), sound);
    expect(history.series("loss")[1]).toBeLessThan(history.series("loss")[0]);
  });

  it("predicts all rows in order, in evaluation mode, of tensors and data sets", async () => {
    const model = classifier();
    const data = clouds(37);
    const { x } = await data.get(Array.from({ length: 37 }, (_, i) => i));
    const all = tensor(x.data, { shape: x.shape });
    const whole = await model.forward(all).data();
    const parts = await predict(model, data, { batchSize: 10 });
    expect(parts.shape).toEqual([37, 2]);
    expect(await parts.data()).toEqual(whole);
    expect(await (await predict(model, all, { batchSize: 5 })).data()).toEqual(whole);
    expect(model.training).toBe(true);
  });

  it("keeps modes apart when predictions are made during a training", async () => {
    const seen: boolean[] = [];
    class Spy extends nn.Module {
      readonly inner = nn.linear(2, 2);
      forward(x: Tensor): Tensor {
        seen.push(this.training);
        return this.training ? this.inner.forward(x) : this.inner.forward(x).mul(0);
      }
    }
    const model = new Spy();
    model.inner.eval();
    const batches: Promise<unknown>[] = [];
    const predicting: Callback = {
      onBatchEnd: ({ batch }) => {
        if (batch < 3) batches.push(predict(model, clouds(8)).then((y) => y.data()));
      },
    };
    const before = await weights(model);
    await fit(model, clouds(200), { ...options(model), callbacks: [predicting] });
    for (const y of await Promise.all(batches)) expect(new Set(y as Float32Array)).toEqual(new Set([0]));
    expect(seen).toContain(true);
    expect(seen).toContain(false);
    expect(await weights(model)).not.toEqual(before); // training used the trained branch
    expect(model.training).toBe(true);
    expect(model.inner.training).toBe(false);
  });

  it("stops between steps when aborted, and the model goes on working", async () => {
    const model = classifier();
    const controller = new AbortController();
    let steps = 0;
    let ended = 0;
    const abortAtFive: Callback = {
      onBatchEnd: () => {
        if (++steps === 5) controller.abort(new Error("enough"));
      },
      onTrainEnd: () => {
        ended++;
      },
    };
    const training = fit(model, clouds(2000), { ...options(model), epochs: 50, callbacks: [abortAtFive], signal: controller.signal });
    await expect(training).rejects.toThrow("enough");
    expect(steps).toBe(5);
    expect(ended).toBe(1);
    await expect(fit(model, clouds(20), { ...options(model), signal: controller.signal })).rejects.toThrow("enough");
    const history = await fit(model, clouds(200), { ...options(model), epochs: 4 });
    expect(history.epochs[3].scores.accuracy).toBeGreaterThan(0.9);
  });

  it("ends early when a callback asks for it", async () => {
    const model = classifier();
    const calls: string[] = [];
    const callback: Callback = {
      onTrainBegin: () => void calls.push("begin"),
      onEpochBegin: ({ epoch }) => void calls.push(`epoch ${epoch}`),
      onEpochEnd: (state, { scores }) => {
        calls.push(`end ${state.epoch} of ${state.epochs}, ${state.seen} of ${state.samples}, ${Object.keys(scores)}`);
        if (state.epoch === 2) state.stop();
      },
      onTrainEnd: () => void calls.push("done"),
    };
    const history = await fit(model, clouds(40), { ...options(model), epochs: 9, callbacks: [callback] });
    expect(history.epochs).toHaveLength(2);
    expect(calls).toEqual([
      "begin",
      "epoch 1",
      "end 1 of 9, 40 of 40, loss,accuracy",
      "epoch 2",
      "end 2 of 9, 40 of 40, loss,accuracy",
      "done",
    ]);
  });

  it("fails with a typed error on bad labels, and the step that failed changes nothing", async () => {
    const model = classifier();
    const before = await weights(model);
    const wrong = new ArrayDataset({
      x: { data: new Float32Array(8), shape: [4, 2], dtype: "f32" },
      y: { data: Int32Array.of(0, 1, 2, 1), shape: [4], dtype: "i32" },
    } as const);
    await expect(fit(model, wrong, options(model))).rejects.toMatchObject({ code: "ERR_INDEX", op: "crossEntropy" });
    expect(await weights(model)).toEqual(before);
    await fit(model, clouds(20), options(model));
  });

  it("refuses what it cannot train", async () => {
    const model = classifier();
    const bad = async (change: object, data: Dataset<LabeledBatch> = clouds(4)) => {
      await expect(fit(model, data, { ...options(model), ...change })).rejects.toMatchObject({ code: "ERR_VALUE" });
    };
    await bad({}, clouds(0));
    await bad({ epochs: -1 });
    await bad({ epochs: 1.5 });
    await bad({ batchSize: 0 });
    await bad({ seed: -1 });
    await bad({ metrics: { loss: metrics.accuracy } });
    await bad({ validation: clouds(0) });
    await expect(evaluate(model, clouds(4), {})).rejects.toMatchObject({ code: "ERR_VALUE" });
    await expect(predict(model, clouds(0))).rejects.toMatchObject({ code: "ERR_SHAPE" });
    const shapes = fit(nn.linear(3, 2), clouds(4), options(model));
    await expect(shapes).rejects.toMatchObject({ code: "ERR_SHAPE" });
    expect((await fit(model, clouds(4), { ...options(model), epochs: 0 })).epochs).toEqual([]);
  });
});
