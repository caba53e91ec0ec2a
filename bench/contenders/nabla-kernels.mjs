/** Single operations in nabla: what each is, written with its ops, and how one is run many times by one program. */

/**
 * @import { Tensor } from "../../lib/index.js"
 * @import { Kernel } from "../kernels.mjs"
 * @typedef {typeof import("../../lib/index.js")} Library
 *
 * @typedef {object} Written
 * @property {Tensor[]} args
 * @property {(...args: Tensor[]) => Tensor | Tensor[]} f traced by `compile`
 */

/** @param {string} file */
const internal = (file) => import(new URL(`../../dist/${file}`, import.meta.url).href);
/** @type {{ backward: typeof import("../../lib/autodiff/backward.js").backward }} */
const { backward } = await internal("autodiff/backward.js");
/** @type {{ currentDevice: typeof import("../../lib/tensor/devices.js").currentDevice }} */
const { currentDevice } = await internal("tensor/devices.js");

/** @type {Record<string, (library: Library, kernel: Kernel) => Written>} */
const written = {
  gemm: ({ matmul, randn }, { size: { m, n, k } }) => ({ args: [randn([m, k]), randn([k, n])], f: (a, b) => matmul(a, b) }),

  conv({ conv2d, randn }, { pass, size: { n, c, h, k, r, s, p, g, o } }) {
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
};

/** Seconds of work in one run of a program, so that its submission does not show. */
const secondsOfRun = 5e-3;
/** Rates that no machine of today doubles by much, to guess how long an operation takes. */
const guess = { flops: 200e9, bytes: 100e9 };

/**
 * A program of just this operation, whose instructions are repeated until a run takes some milliseconds: a kernel after the
 * other on the same operands, as in a loop around a peer's function, with nabla's own hand-over between them.
 * @param {Library} library
 * @param {Kernel} kernel
 * @returns {Promise<import("./serve.mjs").Training>}
 */
export async function prepareKernel(library, kernel) {
  const { args, f } = written[kernel.op](library, kernel);
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
