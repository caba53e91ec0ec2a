/**
 * The networks every contender trains, as data: each contender builds its own best form of these layers.
 *
 * Inputs are drawn from N(0, 1) and class targets uniformly, once, and are the same for all steps.
 *
 * @typedef {{ kind: "linear", in: number, out: number }
 *   | { kind: "conv2d", in: number, out: number, kernel: number, padding: number, stride: number, groups: number, bias: boolean }
 *   | { kind: "batchNorm", channels: number }
 *   | { kind: "maxPool2d", window: number }
 *   | { kind: "residual", main: Layer[], shortcut: Layer[] }
 *   | { kind: "flatten" } | { kind: "globalAvgPool2d" } | { kind: "relu" } | { kind: "relu6" } | { kind: "tanh" }} Layer
 * A residual adds what both branches make of its input; a shortcut without layers is the input itself.
 * @typedef {{ kind: "sgd" | "adam", lr: number, momentum?: number, weightDecay?: number }} Optimizer
 * @typedef {object} Workload
 * @property {number[]} input batch first, images NHWC
 * @property {Layer[]} layers
 * @property {"crossEntropy" | "mse"} loss
 * @property {number} outputs classes of a cross-entropy, features of a squared error
 * @property {Optimizer} [optimizer] none where the network only predicts
 * @property {{ nabla: string, torchvision: string }} [architecture] in the place of layers: a model of the libraries' own
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
  stride: 1,
  groups: 1,
  bias: true,
});
/** @type {Layer} */
const maxPool2d = { kind: "maxPool2d", window: 2 };
/** @type {Layer} */
const relu = { kind: "relu" };
/** @type {Layer} */
const tanh = { kind: "tanh" };
/** @type {Layer} */
const flatten = { kind: "flatten" };

/** @type {Layer} */
const relu6 = { kind: "relu6" };
/** @type {Layer} */
const globalAvgPool2d = { kind: "globalAvgPool2d" };

/**
 * A convolution without bias, and batch norm.
 * @param {number} inputs
 * @param {number} outputs
 * @param {number} kernel
 * @param {{ stride?: number, groups?: number }} [options]
 * @returns {Layer[]}
 */
const convNorm = (inputs, outputs, kernel, { stride = 1, groups = 1 } = {}) => [
  { kind: "conv2d", in: inputs, out: outputs, kernel, padding: (kernel - 1) / 2, stride, groups, bias: false },
  { kind: "batchNorm", channels: outputs },
];

/** @type {Optimizer} */
const sgd = { kind: "sgd", lr: 0.01 };
/** @type {Optimizer} */
const adam = { kind: "adam", lr: 1e-3 };
/** @type {Optimizer} */
const sgdm = { kind: "sgd", lr: 0.01, momentum: 0.9, weightDecay: 5e-4 };

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

/**
 * Two basic blocks of He et al. 2016, the first of which may halve the image.
 * @param {number} inputs
 * @param {number} outputs
 * @param {number} stride
 * @returns {Layer[]}
 */
const basicBlocks = (inputs, outputs, stride) =>
  [inputs, outputs].flatMap((from, i) => {
    const step = i === 0 ? stride : 1;
    const main = [...convNorm(from, outputs, 3, { stride: step }), relu, ...convNorm(outputs, outputs, 3)];
    const shortcut = from === outputs && step === 1 ? [] : convNorm(from, outputs, 1, { stride: step });
    return [{ kind: "residual", main, shortcut }, relu];
  });

/** ResNet-18 for small images. @type {Omit<Workload, "optimizer">} */
const resnet18c = {
  input: [64, 32, 32, 3],
  layers: [
    ...[...convNorm(3, 64, 3), relu],
    ...[...basicBlocks(64, 64, 1), ...basicBlocks(64, 128, 2), ...basicBlocks(128, 256, 2), ...basicBlocks(256, 512, 2)],
    ...[globalAvgPool2d, linear(512, 10)],
  ],
  loss: "crossEntropy",
  outputs: 10,
  parameters: 11_173_962,
};

/** Expansion, output channels, repeats, stride: table 2 of Sandler et al. 2018. */
const invertedResiduals = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

/** @returns {Layer[]} */
function bottlenecks() {
  let from = 32;
  return invertedResiduals.flatMap(([expansion, to, repeats, stride]) =>
    Array.from({ length: repeats }, (_, i) => {
      const [inputs, step, wide] = [from, i === 0 ? stride : 1, from * expansion];
      from = to;
      const main = [
        ...(expansion === 1 ? [] : [...convNorm(inputs, wide, 1), relu6]),
        ...[...convNorm(wide, wide, 3, { stride: step, groups: wide }), relu6],
        ...convNorm(wide, to, 1),
      ];
      /** @type {Layer[]} */
      const block = inputs === to && step === 1 ? [{ kind: "residual", main, shortcut: [] }] : main;
      return block;
    }).flat(),
  );
}

/** @type {Omit<Workload, "optimizer">} */
const mobilenetv2 = {
  input: [16, 64, 64, 3],
  layers: [
    ...[...convNorm(3, 32, 3, { stride: 2 }), relu6],
    ...bottlenecks(),
    ...[...convNorm(320, 1280, 1), relu6, globalAvgPool2d, linear(1280, 100)],
  ],
  loss: "crossEntropy",
  outputs: 100,
  parameters: 2_351_972,
};

/** Configuration D of Simonyan & Zisserman 2015, for small images. @type {Omit<Workload, "optimizer">} */
const vgg16 = {
  input: [8, 64, 64, 3],
  layers: [
    ...[
      [3, 64, 64],
      [64, 128, 128],
      [128, 256, 256, 256],
      [256, 512, 512, 512],
      [512, 512, 512, 512],
    ].flatMap((widths) => [...widths.slice(1).flatMap((to, i) => [conv2d(widths[i], to, 3, 1), relu]), maxPool2d]),
    ...[flatten, linear(2048, 512), relu, linear(512, 512), relu, linear(512, 100)],
  ],
  loss: "crossEntropy",
  outputs: 100,
  parameters: 16_077_732,
};

/** Whole networks that are trained. @type {Record<string, Workload & { optimizer: Optimizer }>} */
export const workloads = {
  mlp_sgd: { ...mlp, optimizer: sgd },
  mlp_adam: { ...mlp, optimizer: adam },
  lenet5_sgd: { ...lenet5, optimizer: sgd },
  lenet5_adam: { ...lenet5, optimizer: adam },
  resnet18c_sgdm: { ...resnet18c, optimizer: sgdm },
  mobilenetv2_sgdm: { ...mobilenetv2, optimizer: sgdm },
  vgg16_sgdm: { ...vgg16, optimizer: sgdm },
  tiny_mlp: { input: [4, 8], layers: [linear(8, 8), tanh, linear(8, 8)], loss: "mse", outputs: 8, optimizer: sgd, parameters: 144 },
};

/** Cases of the suites that train real networks. */
export const cases = Object.keys(workloads).filter((name) => name !== "tiny_mlp");

/** Networks that predict, with the batch in the name. @type {Record<string, Workload>} */
export const inference = Object.fromEntries(
  Object.entries({ mlp, lenet5, resnet18c, mobilenetv2, vgg16 }).flatMap(([name, network]) =>
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

/** Whether a network is a chain of dense layers, convolutions of stride 1, pools and activations: small enough for all peers. */
export const isSimple = (/** @type {Workload} */ { layers }) =>
  layers.every((layer) => !["batchNorm", "residual", "globalAvgPool2d", "relu6"].includes(layer.kind)) && layers.length < 20;

/**
 * Multiply-adds of each layer that has any, forward, for one sample.
 * @param {readonly Layer[]} layers
 * @param {number[]} image its height and width, which are changed to those of the result
 * @returns {number[]}
 */
function multiplyAdds(layers, image) {
  return layers.flatMap((layer) => {
    switch (layer.kind) {
      case "conv2d": {
        const { kernel, padding, stride, groups } = layer;
        for (const d of [0, 1]) image[d] = Math.floor((image[d] + 2 * padding - kernel) / stride) + 1;
        return [(image[0] * image[1] * kernel ** 2 * layer.in * layer.out) / groups];
      }
      case "maxPool2d":
        for (const d of [0, 1]) image[d] = Math.floor(image[d] / layer.window);
        return [];
      case "residual": {
        const shortcut = multiplyAdds(layer.shortcut, [...image]);
        return [...multiplyAdds(layer.main, image), ...shortcut];
      }
      case "linear":
        return [layer.in * layer.out];
      default:
        return [];
    }
  });
}
const addsOf = (/** @type {Workload} */ { input, layers }) => multiplyAdds(layers, input.slice(1, 3));

/**
 * Floating-point operations of a prediction, two to a multiply-add.
 * @param {Workload} workload
 */
export const forwardFlops = (workload) => 2 * workload.input[0] * addsOf(workload).reduce((a, b) => a + b, 0);

/**
 * Floating-point operations that one training step cannot do without: those of each layer forward, for its weights' gradient, and
 * for its input's gradient except in the first layer.
 * @param {Workload} workload
 */
export const stepFlops = (workload) => 3 * forwardFlops(workload) - 2 * workload.input[0] * addsOf(workload)[0];
