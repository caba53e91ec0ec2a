/** nabla through its public API; NABLA_DEVICE and NABLA_THREADS say on what. */
import { largestPlan } from "../harness/plan.mjs";
import { labels } from "../workloads.mjs";
import { serve } from "./serve.mjs";

/** Steps submitted before the first is awaited: the loop that `fit` runs. */
const ahead = 2;

/** @typedef {import("../../lib/index.js").Tensor} Tensor */
/** @typedef {import("../../lib/nn/index.js").Module} Model */

/**
 * @import { Kernel } from "../kernels.mjs"
 * @import { Workload } from "../workloads.mjs"
 * @typedef {typeof import("../../lib/index.js")} Library
 */

/** @type {import("./serve.mjs").Contender<Library, Workload | Kernel>} */
const contender = {
  load: () => import(new URL("../../dist/index.js", import.meta.url).href),

  async prepare(library, workload) {
    if ("op" in workload) return (await import("./nabla-kernels.mjs")).prepareKernel(workload);
    library.setSeed(0);
    const model = workload.architecture === undefined ? build(library.nn, workload.layers) : await named(workload.architecture.nabla);
    return workload.optimizer === undefined ? preparePrediction(library, model, workload) : prepareTraining(library, model, workload);
  },

  express({ ones }, ops, runs) {
    const one = ones([4, 8]);
    let h = one;
    for (let i = 0; i < ops; i++) h = h.add(one);
    return runs ? h.ready() : null;
  },
};

/**
 * An architecture of `nabla/models`, without auxiliary classifiers.
 * @param {string} name
 * @returns {Promise<Model>}
 */
async function named(name) {
  const models = await import(new URL("../../dist/models/index.js", import.meta.url).href);
  return models[name](["googlenet", "inceptionV3"].includes(name) ? { auxiliary: false } : {});
}

/**
 * @param {Library} library
 * @param {Model} model
 * @param {Workload} workload
 * @returns {import("./serve.mjs").Training}
 */
function prepareTraining({ compile, losses, nn, optim, randn, tensor }, model, { input, loss, outputs, optimizer }) {
  const { kind, ...options } = /** @type {import("../workloads.mjs").Optimizer} */ (optimizer);
  const [batch] = input;
  const x = randn(input, { seed: 0 });
  const y = loss === "crossEntropy" ? tensor(labels(batch, outputs)) : randn([batch, outputs], { seed: 1 });
  const updates = optim[kind](model.parameters(), options);
  const costOf = (/** @type {Tensor} */ inputs, /** @type {Tensor} */ targets) => losses[loss](model.forward(inputs), targets);
  const step = compile((/** @type {Tensor} */ inputs, /** @type {Tensor} */ targets) => {
    const cost = costOf(inputs, targets);
    updates.minimize(cost);
    return cost;
  });
  const check = compile(costOf);
  return {
    parameters: countOf(model),
    async run(steps) {
      const pending = [];
      for (let i = 0; i < steps; i++) {
        pending.push(step(x, y));
        if (pending.length > ahead) await pending.shift();
      }
      for (const result of pending) await result;
    },
    async loss() {
      const drops = [...model.namedModules().values()].filter((part) => part instanceof nn.Dropout);
      for (const part of drops) part.eval();
      const cost = await (await check(x, y)).item();
      for (const part of drops) part.train();
      return cost;
    },
    async plan() {
      const { profile } = /** @type {typeof import("../../lib/profile/index.js")} */ (
        await import(new URL("../../dist/profile/index.js", import.meta.url).href)
      );
      const { records } = await profile(async () => (await step(x, y)).ready());
      return largestPlan(records.map(({ program }) => program));
    },
  };
}

/**
 * Numbers in, numbers out, each request awaited.
 * @param {Library} library
 * @param {Model} model
 * @param {Workload} workload
 * @returns {import("./serve.mjs").Training}
 */
function preparePrediction({ compile, randn, tensor }, model, { input }) {
  model.eval();
  const predict = compile((/** @type {Tensor} */ x) => model.forward(x));
  const numbers = randn(input).dataSync();
  return {
    parameters: countOf(model),
    async run(steps) {
      for (let i = 0; i < steps; i++) {
        const x = tensor(numbers, { shape: input });
        const y = await predict(x);
        await y.data();
        x.dispose();
        y.dispose();
      }
    },
  };
}

/**
 * @param {Library["nn"]} nn
 * @param {Workload["layers"]} layers
 * @returns {import("../../lib/nn/index.js").Sequential}
 */
function build(nn, layers) {
  return nn.sequential(
    ...layers.map((layer) => {
      switch (layer.kind) {
        case "linear":
          return nn.linear(layer.in, layer.out);
        case "conv2d": {
          const { kernel, padding, stride, groups, bias } = layer;
          return nn.conv2d(layer.in, layer.out, { kernel, padding, stride, groups, bias });
        }
        case "batchNorm":
          return nn.batchNorm(layer.channels);
        case "maxPool2d":
          return nn.maxPool2d(layer.window);
        case "residual":
          return residual(nn, build(nn, layer.main), build(nn, layer.shortcut));
        default:
          return nn[layer.kind]();
      }
    }),
  );
}

/**
 * @param {Library["nn"]} nn
 * @param {import("../../lib/nn/index.js").Sequential} main
 * @param {import("../../lib/nn/index.js").Sequential} shortcut
 */
function residual({ Module }, main, shortcut) {
  class Residual extends Module {
    main = main;
    shortcut = shortcut;
    /** @param {Tensor} x */
    forward(x) {
      return this.main.forward(x).add(this.shortcut.forward(x));
    }
  }
  return new Residual();
}

/** @param {Model} model */
const countOf = (model) => model.parameters().reduce((count, p) => count + p.shape.reduce((a, b) => a * b, 1), 0);

await serve(contender);
