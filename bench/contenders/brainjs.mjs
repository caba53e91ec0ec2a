/**
 * brain.js: dense networks in plain JavaScript. It learns after every example, from squared errors, and has one activation for all layers,
 * the last too; sigmoid, its default, stands for ReLU, with which these networks diverge here.
 */
import { createRequire } from "node:module";
import { labels } from "../workloads.mjs";
import { serve } from "./serve.mjs";

/** Not called `require`, so that types are checked where the peers are not installed. */
const load = createRequire(import.meta.url);

/** Normally distributed (Box and Muller 1958). */
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** @type {import("./serve.mjs").Contender<any>} */
const contender = {
  load: () => load("brain.js"),

  prepare({ NeuralNetwork }, { input, layers, loss, outputs, optimizer }) {
    const [batch, inputs] = input;
    const dense = layers.filter((layer) => layer.kind === "linear");
    const isTanh = layers.some(({ kind }) => kind === "tanh");
    const net = new NeuralNetwork({
      activation: isTanh ? "tanh" : "sigmoid",
      learningRate: optimizer?.lr,
      momentum: Number.MIN_VALUE, // 0 is refused
    });
    net.sizes = [inputs, ...dense.map((layer) => layer.out)];
    net.initialize();
    const classes = labels(batch, outputs);
    const examples = Array.from({ length: batch }, (_, i) => ({
      input: Float32Array.from({ length: inputs }, normal),
      output: Float32Array.from({ length: outputs }, (_, k) => (loss === "crossEntropy" ? Number(classes[i] === k) : normal())),
    }));
    const step = (/** @type {boolean} */ wantsError) => examples.reduce((sum, one) => sum + (net.trainPattern(one, wantsError) ?? 0), 0);
    let last = Number.NaN;
    return {
      parameters: dense.reduce((sum, layer) => sum + layer.out * (layer.in + 1), 0),
      run(steps) {
        for (let i = 1; i < steps; i++) step(false);
        last = step(true) / batch;
      },
      loss: () => last,
    };
  },

  express() {
    throw new Error("runs whole networks only");
  },
};

await serve(contender);
