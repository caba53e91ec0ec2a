/** TensorFlow.js, its plain JavaScript backend (`cpu`) or its WebAssembly one (`wasm`), in tf.* operations under `tf.tidy`. */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { labels } from "../workloads.mjs";
import { serve } from "./serve.mjs";

/** Not called `require`, so that types are checked where the peers are not installed. */
const load = createRequire(import.meta.url);
const backend = process.argv[2];

/** @typedef {any} Tf */
/** @typedef {any} Tensor */

/** @type {import("./serve.mjs").Contender<Tf>} */
const contender = {
  async load() {
    const tf = load("@tensorflow/tfjs");
    if (backend === "wasm") {
      const wasm = load("@tensorflow/tfjs-backend-wasm");
      wasm.setWasmPaths(`${dirname(load.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
    }
    if (!(await tf.setBackend(backend))) throw new Error(`the ${backend} backend did not start`);
    await tf.ready();
    return tf;
  },

  prepare(tf, { input, layers, loss, outputs, optimizer }) {
    const [batch] = input;
    const x = tf.randomNormal(input, 0, 1, "float32", 0);
    const y =
      loss === "crossEntropy"
        ? tf.oneHot(labels(batch, outputs), outputs).toFloat()
        : tf.randomNormal([batch, outputs], 0, 1, "float32", 1);

    /** @type {Tensor[]} */
    const parameters = [];
    const uniform = (/** @type {number[]} */ shape, /** @type {number} */ fanIn) => {
      const bound = 1 / Math.sqrt(fanIn);
      const parameter = tf.variable(tf.randomUniform(shape, -bound, bound, "float32", 2 + parameters.length));
      parameters.push(parameter);
      return parameter;
    };
    /** @type {((h: Tensor) => Tensor)[]} */
    const forward = layers.map((layer) => {
      switch (layer.kind) {
        case "linear": {
          const [w, b] = [uniform([layer.in, layer.out], layer.in), uniform([layer.out], layer.in)];
          return (h) => h.matMul(w).add(b);
        }
        case "conv2d": {
          const fanIn = layer.in * layer.kernel ** 2;
          const [w, b] = [uniform([layer.kernel, layer.kernel, layer.in, layer.out], fanIn), uniform([layer.out], fanIn)];
          return (h) => tf.conv2d(h, w, 1, layer.padding, "NHWC", 1, "floor").add(b);
        }
        case "maxPool2d":
          return (h) => tf.maxPool(h, layer.window, layer.window, "valid");
        case "flatten":
          return (h) => h.reshape([batch, -1]);
        case "relu":
          return (h) => h.relu();
        case "tanh":
          return (h) => h.tanh();
        default:
          throw new Error(`there is no layer ${/** @type {{ kind: string }} */ (layer).kind} here`);
      }
    });
    const count = parameters.reduce((sum, p) => sum + p.size, 0);
    const apply = (/** @type {Tensor} */ input) => forward.reduce((value, layer) => layer(value), input);
    if (optimizer === undefined) {
      const numbers = x.dataSync();
      return {
        parameters: count,
        run(steps) {
          for (let i = 0; i < steps; i++) tf.tidy(() => apply(tf.tensor(numbers, input)).dataSync());
        },
      };
    }
    const cost = () => {
      const h = apply(x);
      return loss === "crossEntropy" ? tf.losses.softmaxCrossEntropy(y, h) : tf.losses.meanSquaredError(y, h);
    };
    const { kind, lr } = optimizer;
    const updates = kind === "adam" ? tf.train.adam(lr) : tf.train.sgd(lr);
    let last = Number.NaN;
    return {
      parameters: count,
      run(steps) {
        for (let i = 1; i < steps; i++) tf.tidy(() => updates.minimize(cost, false, parameters));
        tf.tidy(() => {
          [last] = updates.minimize(cost, true, parameters).dataSync();
        });
      },
      loss: () => last,
    };
  },

  express(tf, ops) {
    tf.tidy(() => {
      const one = tf.ones([4, 8]);
      let h = one;
      for (let i = 0; i < ops; i++) h = h.add(one);
    });
  },
};

await serve(contender);
