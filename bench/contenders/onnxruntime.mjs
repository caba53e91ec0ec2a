/** ONNX Runtime for Node.js: predictions, and single operations, handed to it as ONNX files. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onnxKernel, onnxModel } from "./onnx.mjs";
import { serve } from "./serve.mjs";

/** Not called `require`, so that types are checked where the peers are not installed. */
const load = createRequire(import.meta.url);

/**
 * A model of torchvision's, as PyTorch exports it.
 * @param {{ torchvision: string }} architecture
 * @param {number[]} shape
 */
function exported({ torchvision }, shape) {
  const folder = mkdtempSync(join(tmpdir(), "nabla-bench-"));
  try {
    const file = join(folder, "model.onnx");
    const options = ["googlenet", "inception_v3"].includes(torchvision) ? "aux_logits=False, init_weights=True" : "";
    const program = `import torch, torchvision
model = torchvision.models.${torchvision}(${options}).eval()
torch.onnx.export(model, torch.zeros(${shape.join(", ")}), "${file}", opset_version=14, input_names=["x"], output_names=["y"])`;
    execFileSync("/usr/bin/python3", ["-c", program], { stdio: ["ignore", "ignore", "inherit"] });
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @type {import("./serve.mjs").Contender<any, import("../workloads.mjs").Workload | import("../kernels.mjs").Kernel>} */
const contender = {
  load: () => load("onnxruntime-node"),

  async prepare({ InferenceSession, Tensor }, work) {
    const start = (/** @type {Buffer} */ model) =>
      InferenceSession.create(model, {
        intraOpNumThreads: Number(process.env.NABLA_THREADS),
        interOpNumThreads: 1,
        graphOptimizationLevel: "all",
      });
    const sizeOf = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1);
    const random = (/** @type {number[]} */ shape) => Float32Array.from({ length: sizeOf(shape) }, Math.random);
    if ("op" in work) {
      const { model, input, output } = onnxKernel(work);
      const session = await start(model);
      const feeds = { x: new Tensor("float32", random(input), input) };
      const fetches = { y: new Tensor("float32", new Float32Array(sizeOf(output)), output) };
      return {
        async run(steps) {
          for (let i = 0; i < steps; i++) await session.run(feeds, fetches);
        },
      };
    }
    const [batch, ...rest] = work.input;
    const shape = rest.length === 3 ? [batch, rest[2], rest[0], rest[1]] : work.input;
    const session = await start(
      work.architecture === undefined ? onnxModel(work.input, work.layers, work.outputs) : exported(work.architecture, shape),
    );
    const x = random(shape);
    return {
      parameters: work.parameters, // checked by the shapes in the file
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
