/** ONNX Runtime for Node.js: predictions of a network that is handed to it as an ONNX file. */
import { createRequire } from "node:module";
import { onnxModel } from "./onnx.mjs";
import { serve } from "./serve.mjs";

/** Not called `require`, so that types are checked where the peers are not installed. */
const load = createRequire(import.meta.url);

/** @type {import("./serve.mjs").Contender<any>} */
const contender = {
  load: () => load("onnxruntime-node"),

  async prepare({ InferenceSession, Tensor }, { input, layers, outputs, parameters }) {
    const [batch, ...rest] = input;
    const shape = rest.length === 3 ? [batch, rest[2], rest[0], rest[1]] : input;
    const session = await InferenceSession.create(onnxModel(input, layers, outputs), {
      intraOpNumThreads: Number(process.env.NABLA_THREADS),
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
    });
    const x = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, Math.random);
    return {
      parameters, // checked by the shapes in the file
      async run(steps) {
        for (let i = 0; i < steps; i++) (await session.run({ x: new Tensor("float32", x, shape) })).y.data;
      },
    };
  },

  express() {
    throw new Error("runs whole graphs only");
  },
};

await serve(contender);
