/**
 * The networks every contender trains, as data: each contender builds its own best form of these layers.
 *
 * Inputs are drawn from N(0, 1) and class targets uniformly, once, and are the same for all steps.
 *
 * @typedef {{ kind: "linear", in: number, out: number }
 *   | { kind: "conv2d", in: number, out: number, kernel: number, padding: number }
 *   | { kind: "maxPool2d", window: number }
 *   | { kind: "flatten" } | { kind: "relu" } | { kind: "tanh" }} Layer
 * @typedef {{ kind: "sgd" | "adam", lr: number }} Optimizer
 * @typedef {object} Workload
 * @property {number[]} input batch first, images NHWC
 * @property {Layer[]} layers
 * @property {"crossEntropy" | "mse"} loss
 * @property {number} outputs classes of a cross-entropy, features of a squared error
 * @property {Optimizer} [optimizer] none where the network only predicts
 * @property {number} parameters how many numbers are learnt; every contender's model is checked against it
 */

/** @returns {Layer} */
const linear = (/** @type {number} */ inputs, /** @type {number} */ outputs) => ({ kind: "linear", in: inputs, out: outputs });
/** @returns {Layer} */
const conv2d = (/** @type {number} */ inputs, /** @type {number} */ outputs, /** @type {number} */ kernel, padding = 0) => ({
  kind: "conv2d",
  in: inputs,
  out: outputs,
  kernel,
  padding,
});
/** @type {Layer} */
const maxPool2d = { kind: "maxPool2d", window: 2 };
/** @type {Layer} */
const relu = { kind: "relu" };
/** @type {Layer} */
const tanh = { kind: "tanh" };
/** @type {Layer} */
const flatten = { kind: "flatten" };

/** @type {Optimizer} */
const sgd = { kind: "sgd", lr: 0.01 };
/** @type {Optimizer} */
const adam = { kind: "adam", lr: 1e-3 };

/** @type {Omit<Workload, "optimizer">} */
const mlp = {
  input: [128, 784],
  layers: [linear(784, 512), relu, linear(512, 512), relu, linear(512, 10)],
  loss: "crossEntropy",
  outputs: 10,
  parameters: 669_706,
};

/** @type {Omit<Workload, "optimizer">} */
const lenet5 = {
  input: [128, 28, 28, 1],
  layers: [
    ...[conv2d(1, 6, 5, 2), relu, maxPool2d],
    ...[conv2d(6, 16, 5), relu, maxPool2d, flatten],
    ...[linear(400, 120), relu, linear(120, 84), relu, linear(84, 10)],
  ],
  loss: "crossEntropy",
  outputs: 10,
  parameters: 61_706,
};

/** Whole networks that are trained. @type {Record<string, Workload & { optimizer: Optimizer }>} */
export const workloads = {
  mlp_sgd: { ...mlp, optimizer: sgd },
  mlp_adam: { ...mlp, optimizer: adam },
  lenet5_sgd: { ...lenet5, optimizer: sgd },
  lenet5_adam: { ...lenet5, optimizer: adam },
  tiny_mlp: { input: [4, 8], layers: [linear(8, 8), tanh, linear(8, 8)], loss: "mse", outputs: 8, optimizer: sgd, parameters: 144 },
};

/** Cases of the suites that train real networks. */
export const cases = Object.keys(workloads).filter((name) => name !== "tiny_mlp");

/** Networks that predict, with the batch in the name. @type {Record<string, Workload>} */
export const inference = Object.fromEntries(
  Object.entries({ mlp, lenet5 }).flatMap(([name, network]) =>
    [1, 32].map((batch) => [`${name}/batch ${batch}`, { ...network, input: [batch, ...network.input.slice(1)] }]),
  ),
);

/**
 * Class labels, uniform, the same on every run (a linear congruential generator; Knuth, TAOCP 2, 3.3.4, table 1).
 * @param {number} count
 * @param {number} classes
 */
export function labels(count, classes) {
  let state = 0;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * classes);
  });
}

/**
 * Multiply-adds of each layer that has any, forward, for one sample.
 * @param {Workload} workload
 */
function multiplyAdds({ input: [, height, width], layers }) {
  return layers.flatMap((layer) => {
    switch (layer.kind) {
      case "conv2d":
        height += 2 * layer.padding - layer.kernel + 1;
        width += 2 * layer.padding - layer.kernel + 1;
        return [height * width * layer.kernel ** 2 * layer.in * layer.out];
      case "maxPool2d":
        height = Math.floor(height / layer.window);
        width = Math.floor(width / layer.window);
        return [];
      case "linear":
        return [layer.in * layer.out];
      default:
        return [];
    }
  });
}

/**
 * Floating-point operations of a prediction, two to a multiply-add.
 * @param {Workload} workload
 */
export const forwardFlops = (workload) => 2 * workload.input[0] * multiplyAdds(workload).reduce((a, b) => a + b, 0);

/**
 * Floating-point operations that one training step cannot do without: those of each layer forward, for its weights' gradient, and
 * for its input's gradient except in the first layer.
 * @param {Workload} workload
 */
export const stepFlops = (workload) => 3 * forwardFlops(workload) - 2 * workload.input[0] * multiplyAdds(workload)[0];
