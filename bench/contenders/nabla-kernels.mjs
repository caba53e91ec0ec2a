/** Single operations in nabla: what each is, written with its ops, and how one is run many times by one program. */
import { buildModules } from "../harness/native.mjs";

/**
 * @import { Tensor } from "../../lib/index.js"
 * @import { Kernel } from "../kernels.mjs"
 * @typedef {typeof import("../../lib/index.js")} Library
 *
 * @typedef {object} Written
 * @property {Tensor[]} args
 * @property {(...args: Tensor[]) => Tensor | Tensor[]} f traced by `compile`
 */

/** The modules of lib/ as they are, as dist/ joins them into one file with only the public names. */
const modules = buildModules();
const internal = (/** @type {string} */ file) => import(`${modules}${file}`);
/** @type {Library} */
const library = await internal("index.js");
/** @type {{ backward: typeof import("../../lib/autodiff/backward.js").backward }} */
const { backward } = await internal("autodiff/backward.js");
/** @type {{ currentDevice: typeof import("../../lib/tensor/devices.js").currentDevice }} */
const { currentDevice } = await internal("tensor/devices.js");

const { add, assignAll, avgPool2d, conv2d, matmul, maxPool2d, nn, optim, permute, randn, softmax, sum, variable } = library;

/**
 * y = f(x) alone, or with the gradient of x for a given one of y.
 * @param {Pick<Kernel, "pass">} kernel
 * @param {(x: Tensor) => Tensor} f
 * @param {number[]} shape of x
 * @param {number[]} [outShape] of y
 * @returns {Written}
 */
function withGradient({ pass }, f, shape, outShape = shape) {
  if (pass === "forward") return { args: [randn(shape)], f };
  return {
    args: [randn(shape), randn(outShape)],
    f(x, gy) {
      const y = f(x);
      return [y, ...backward([y], [gy], [x])].filter((z) => z !== null);
    },
  };
}

/** @returns {(kernel: Kernel) => Written} */
const unary = (/** @type {(x: Tensor) => Tensor} */ f) => (kernel) => {
  const { count, rows, columns } = kernel.size;
  return { args: [randn(count === undefined ? [rows, columns] : [count])], f };
};

/** @returns {(kernel: Kernel) => Written} */
const pooling = (/** @type {(x: Tensor, window: number) => Tensor} */ f) => (kernel) => {
  const { n, h, w, c } = kernel.size;
  return withGradient(kernel, (x) => f(x, 2), [n, h, w, c], [n, h / 2, w / 2, c]);
};

/**
 * The update of one parameter, its gradient being given.
 * @returns {(kernel: Kernel) => Written}
 */
const update = (/** @type {(parameters: any[]) => any} */ make) => (kernel) => {
  const { count } = kernel.size;
  const parameter = variable(randn([count]));
  const optimizer = make([parameter]);
  return {
    args: [randn([count])],
    f(g) {
      assignAll(
        optimizer.slots[0].update(
          g,
          library.uniform(() => optimizer.lr),
        ),
      );
      return [];
    },
  };
};

/** @type {Record<string, (kernel: Kernel) => Written>} */
const written = {
  gemm: ({ size: { m, n, k } }) => ({ args: [randn([m, k]), randn([k, n])], f: (a, b) => matmul(a, b) }),

  conv({ pass, size: { n, c, h, k, r, s, p, g, o } }) {
    const [x, w, gy] = [randn([n, h, h, c]), randn([r, r, c / g, k]), randn([n, o, o, k])];
    const forward = (/** @type {Tensor} */ input, /** @type {Tensor} */ filters) =>
      conv2d(input, filters, { stride: s, padding: p, groups: g });
    if (pass === "forward") return { args: [x, w], f: forward };
    const wrt = pass === "backward-data" ? 0 : 1;
    return {
      args: [x, w, gy],
      f: (...args) => /** @type {Tensor} */ (backward([forward(args[0], args[1])], [args[2]], [args[wrt]])[0]),
    };
  },

  add: ({ size: { count } }) => ({ args: [randn([count]), randn([count])], f: (a, b) => add(a, b) }),
  ...Object.fromEntries(/** @type {const} */ (["relu", "exp", "tanh", "gelu"]).map((op) => [op, unary((x) => library[op](x))])),
  sum: unary((x) => sum(x)),
  sum_axis0: unary((x) => sum(x, { axis: 0 })),
  transpose: unary((x) => permute(x, [1, 0])),
  softmax: unary((x) => softmax(x)),
  softmax_grad: ({ size: { rows, columns } }) => withGradient({ pass: "forward+backward" }, (x) => softmax(x), [rows, columns]),

  sgd: update((parameters) => optim.sgd(parameters, { lr: 0.01 })),
  sgd_momentum: update((parameters) => optim.sgd(parameters, { lr: 0.01, momentum: 0.9 })),
  adam: update((parameters) => optim.adam(parameters, { lr: 1e-3 })),

  layer_norm: ({ size: { rows, columns } }) => {
    const module = nn.layerNorm(columns);
    return { args: [randn([rows, columns])], f: (x) => module.forward(x) };
  },
  batch_norm(kernel) {
    const { n, h, w, c } = kernel.size;
    const module = nn.batchNorm(c);
    return withGradient(kernel, (x) => module.forward(x), [n, h, w, c]);
  },
  max_pool2: pooling(maxPool2d),
  avg_pool2: pooling(avgPool2d),
};

/** Seconds of work in one run of a program, so that its submission does not show. */
const secondsOfRun = 5e-3;
/** Rates that no machine of today doubles by much, to guess how long an operation takes. */
const guess = { flops: 200e9, bytes: 100e9 };

/**
 * A program of just this operation, whose instructions are repeated until a run takes some milliseconds: a kernel after the
 * other on the same operands, as in a loop around a peer's function, with nabla's own hand-over between them.
 * @param {Kernel} kernel
 * @returns {Promise<import("./serve.mjs").Training>}
 */
export async function prepareKernel(kernel) {
  const { args, f } = written[kernel.op](kernel);
  for (const x of args) await x.ready();
  const seconds = Math.max((kernel.flops ?? 0) / guess.flops, (kernel.bytes ?? 0) / guess.bytes);
  const repeats = Math.min(1000, Math.max(1, Math.ceil(secondsOfRun / seconds)));
  const device = currentDevice();
  const prepare = device.prepare.bind(device);
  device.prepare = (program) => prepare({ ...program, instructions: Array.from({ length: repeats }, () => program.instructions).flat() });
  const run = library.compile(f);
  return {
    async run(steps) {
      const runs = Math.max(1, Math.round(steps / repeats));
      /** @type {Promise<Tensor | Tensor[]>[]} */
      const pending = [];
      const finish = async () => {
        const results = await pending.shift();
        for (const x of [results].flat()) x?.dispose(); // so that the next run finds its memory mapped
      };
      for (let i = 0; i < runs; i++) {
        pending.push(run(...args));
        if (pending.length > 1) await finish();
      }
      while (pending.length > 0) await finish();
      return runs * repeats;
    },
  };
}
