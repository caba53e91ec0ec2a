/** The cat and non-cat photos, from 0 to 1, and pictures of those a model errs about. */
import { join } from "node:path";
import {
  compile,
  type Dataset,
  data,
  evaluate,
  type LabeledBatch,
  losses,
  metrics,
  type nn,
  optim,
  plot,
  sigmoid,
  type Tensor,
  tensor,
} from "nabla";
import { findData } from "./find-data.js";
import { picture } from "./setting.js";

export const side = 64;

/** x f32 [n, 64·64·3], y f32 [n, 1]: 1 for a cat. */
export async function cats(given: string | undefined): Promise<{ train: Dataset<LabeledBatch>; test: Dataset<LabeledBatch> }> {
  const folder = findData("cats", given);
  const load = async (name: string): Promise<Dataset<LabeledBatch>> => {
    const photos = await data.safetensors(join(folder, `${name}.safetensors`), { x: "images", y: "labels" });
    const unit = (bytes: data.HostArray) => {
      const values = new Float32Array(bytes.data.length);
      for (let i = 0; i < values.length; i++) values[i] = bytes.data[i] / 255;
      return { data: values, shape: [bytes.shape[0], side * side * 3], dtype: "f32" } as const;
    };
    const label = (y: data.HostArray) => ({ data: Float32Array.from(y.data), shape: [y.shape[0], 1], dtype: "f32" }) as const;
    return photos.map(({ x, y }) => ({ x: unit(x), y: label(y) })).cache();
  };
  return { train: await load("train"), test: await load("test") };
}

/**
 * Gradient descent with all photos in every step, a hundred steps between two looks at the test set. The photos are tensors from the start, so
 * that nothing is copied between steps.
 */
export async function descend(
  model: nn.Module,
  { train, test }: Awaited<ReturnType<typeof cats>>,
  { steps, lr }: { steps: number; lr: number },
) {
  const all = await train.get(Array.from({ length: train.length }, (_, i) => i));
  const [x, y] = [all.x, all.y].map(({ data, shape, dtype }) => tensor(data, { shape, dtype }));
  const sgd = optim.sgd(model.parameters(), { lr });
  const step = compile((photos: Tensor, labels: Tensor) => {
    const loss = losses.bceWithLogits(model.forward(photos), labels);
    sgd.minimize(loss);
    return loss;
  });
  const accuracy = async (set: Dataset<LabeledBatch>) =>
    (await evaluate(model, set, { metrics: { accuracy: metrics.binaryAccuracy } })).accuracy;
  const curves = { loss: [] as number[], train: [] as number[], test: [] as number[] };
  for (let i = 0; i < steps; i++) {
    const loss = await step(x, y);
    if (i % 100 !== 99 && i !== steps - 1) continue;
    curves.loss.push(await loss.item());
    curves.train.push(await accuracy(train));
    curves.test.push(await accuracy(test));
  }
  const lines = (["train", "test"] as const).map((name) => ({ name, values: curves[name] }));
  const chart = plot.lineChart(
    [
      { title: "loss", lines: [{ name: "train", values: curves.loss }] },
      { title: "accuracy", lines },
    ],
    { xLabel: "100 steps" },
  );
  return { chart, trainAccuracy: curves.train.at(-1)!, testAccuracy: curves.test.at(-1)! };
}

/** The photos that logits are most wrong about, with what they take for how likely. */
export async function mistakes(logits: Tensor, test: Dataset<LabeledBatch>): Promise<string> {
  const probabilities = await sigmoid(logits).data();
  const { x, y } = await test.get(Array.from({ length: test.length }, (_, i) => i));
  const wrong = Array.from(probabilities, (p, i) => ({ i, p, off: Math.abs(p - y.data[i]) })).filter(({ off }) => off > 0.5);
  wrong.sort((a, b) => b.off - a.off);
  return plot.imageGrid(
    wrong.slice(0, 12).map(({ i, p }) => ({
      picture: picture(x.data.subarray(i * side * side * 3, (i + 1) * side * side * 3), side, side, 3),
      caption: `${y.data[i] === 1 ? "cat" : "no cat"}: ${(100 * p).toFixed(0)} % cat`,
    })),
  );
}
