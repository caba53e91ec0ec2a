/** Whole architectures at the size of their papers: milliseconds an image, of predictions one by one and 16 at once, and of training steps. */
import { compare } from "../harness/compare.mjs";
import { figureOf, together } from "../harness/together.mjs";
import { rows } from "./memory.mjs";

/** nabla's name, torchvision's, edge of the images, parameters. @type {[string, string, number, number][]} */
const architectures = [
  ["alexnet", "alexnet", 224, 61_100_840],
  ["vgg16", "vgg16", 224, 138_357_544],
  ["resnet18", "resnet18", 224, 11_689_512],
  ["resnet50", "resnet50", 224, 25_557_032],
  ["googlenet", "googlenet", 224, 6_624_904],
  ["inceptionV3", "inception_v3", 299, 23_834_568],
  ["mobilenetV2", "mobilenet_v2", 224, 3_504_872],
  ["mobilenetV3Small", "mobilenet_v3_small", 224, 2_542_856],
  ["mobilenetV3Large", "mobilenet_v3_large", 224, 5_483_032],
  ["efficientnetB0", "efficientnet_b0", 224, 5_288_548],
  ["densenet121", "densenet121", 224, 7_978_856],
  ["convnextTiny", "convnext_tiny", 224, 28_589_128],
  ["vitB16", "vit_b_16", 224, 86_567_656],
];

/** @type {{ kind: "sgd", lr: number }} */
const optimizer = { kind: "sgd", lr: 0.001 };
const tasks = {
  "forward 1": { batch: 1 },
  "forward 16": { batch: 16 },
  "training 16": { batch: 16, optimizer },
  "memory 16": { batch: 16, optimizer },
};

/** @type {Map<string, import("../workloads.mjs").Workload>} */
const workloads = new Map(
  architectures.flatMap(([nabla, torchvision, size, parameters]) =>
    Object.entries(tasks).map(([task, { batch, ...rest }]) => [
      `${nabla}/${task}`,
      {
        input: [batch, size, size, 3],
        architecture: { nabla, torchvision },
        layers: [],
        loss: "crossEntropy",
        outputs: 1000,
        parameters,
        ...rest,
      },
    ]),
  ),
);

export const cases = [...workloads.keys()];

/**
 * Those that have these models, and of PyTorch's settings the two that are best on them: every one costs a process and a model.
 * @param {import("../contenders/index.mjs").Contender[]} contenders
 * @param {boolean} predicts
 */
const rivals = (contenders, predicts) =>
  contenders
    .filter(({ name }) => ["nabla", "pytorch", ...(predicts ? ["onnxruntime"] : [])].includes(name))
    .map((one) => {
      if (one.name !== "pytorch") return one;
      const labels = ["channels last", predicts ? "frozen graph" : "tuned"];
      /** @type {typeof one.settings} */
      const settings = (threads, workload) => one.settings(threads, workload).filter(({ label }) => labels.includes(label));
      return { ...one, settings };
    });

/** @param {import("../run.mjs").Session} session */
export async function* run({ cases: chosen, contenders, threads, rounds, seconds }) {
  for (const name of chosen) {
    const workload = /** @type {import("../workloads.mjs").Workload} */ (workloads.get(name));
    const able = rivals(contenders, workload.optimizer === undefined);
    if (name.includes("memory")) {
      yield* rows({ suite: "models", case: name }, workload, { contenders: able, threads, seconds });
      continue;
    }
    const what = { suite: "models", case: name, threads, metric: "time", unit: "ms an image" };
    const results = await together(able, { workload, threads, rounds, seconds });
    const field = results.map((result) => ({ peer: result.peer, measured: figureOf(result, (ms) => ms / workload.input[0]) }));
    const own = field.find(({ peer }) => peer === "nabla")?.measured ?? { value: null };
    for (const { peer, measured } of field) if (peer !== "nabla") yield compare(what, { own, peer, other: measured });
  }
}
