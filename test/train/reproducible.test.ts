import { ArrayDataset, fit, type LabeledBatch, losses, nn, optim, rand, setSeed, setThreads } from "nabla";
import { afterAll, expect, it } from "vitest";
import { testedDevices } from "../devices.js";

/** Pictures of noise with a bright row, whose number is the class. */
function pictures(n: number): ArrayDataset<LabeledBatch> {
  const x = rand([n, 12, 12, 1], { seed: 9 }).dataSync() as Float32Array;
  const y = Int32Array.from({ length: n }, (_, i) => (5 * i) % 12);
  y.forEach((row, i) => void x.fill(2, i * 144 + row * 12, i * 144 + (row + 1) * 12));
  return new ArrayDataset({ x: { data: x, shape: [n, 12, 12, 1], dtype: "f32" }, y: { data: y, shape: [n], dtype: "i32" } });
}

async function train(make: (parameters: ReturnType<nn.Module["parameters"]>) => optim.Optimizer) {
  setSeed(4);
  const model = nn.sequential(
    nn.conv2d(1, 6, { kernel: 5, padding: "same" }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(6, 8, { kernel: 3 }),
    nn.relu(),
    nn.avgPool2d(2),
    nn.flatten(),
    nn.linear(32, 24),
    nn.tanh(),
    nn.linear(24, 12),
  );
  const history = await fit(model, pictures(300), {
    loss: losses.crossEntropy,
    optimizer: make(model.parameters()),
    epochs: 2,
    batchSize: 64,
    seed: 2,
  });
  const weights = await Promise.all(model.parameters().map((p) => p.value.data()));
  return { weights, losses: history.series("loss") };
}

afterAll(() => setThreads(2));

it.runIf(testedDevices.includes("cpu"))("training gives the same bits on every run and for any number of threads", async () => {
  for (const make of [
    (parameters: ReturnType<nn.Module["parameters"]>) => optim.adam(parameters, { lr: 0.01 }),
    (parameters: ReturnType<nn.Module["parameters"]>) => optim.sgd(parameters, { lr: 0.1, momentum: 0.9, nesterov: true }),
  ]) {
    setThreads(1);
    const first = await train(make);
    expect(first.losses[1]).toBeLessThan(first.losses[0]);
    expect(await train(make)).toEqual(first);
    for (const threads of [2, 3, 5]) {
      setThreads(threads);
      expect(await train(make)).toEqual(first);
    }
  }
});
