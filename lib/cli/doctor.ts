/** `npx nabla doctor`: the machine, what nabla makes of it, and two seconds of proof. */
import { cpus, freemem, totalmem } from "node:os";
import { NablaError } from "../base/errors.js";
import { checkGradients } from "../debug/index.js";
import { mse } from "../losses/index.js";
import { conv2d, flatten, linear, sequential, tanh } from "../nn/index.js";
import { nativeInfo } from "../runtime/native.js";
import { getDevice, randn } from "../tensor/index.js";
import type { Given } from "./index.js";
import { fastest, product } from "./timing.js";
import { version } from "./version.js";

const size = 1024;
const gigabytes = (bytes: number) => Number((bytes / 2 ** 30).toFixed(1));

/** Prints a line for each fact; false if gradients are wrong or the native binary does not load. */
export async function doctor({ json }: Given): Promise<boolean> {
  const limit = process.constrainedMemory(); // of the container; absurdly large, or 0, where there is none
  const total = limit > 0 ? Math.min(totalmem(), limit) : totalmem();
  const machine = {
    nabla: version,
    node: `${process.versions.node} (${process.platform} ${process.arch})`,
    processor: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} logical cores`,
    memory: `${gigabytes(total)} GiB, ${gigabytes(Math.min(freemem(), total))} GiB free`,
    device: getDevice(),
    gpu: "none is used: this version computes on the processor",
  };
  let kernels: Record<string, unknown>;
  let isWell = true;
  try {
    const { isa, isas, threads } = nativeInfo();
    const { verdict, relativeError } = await gradients();
    const seconds = await fastest(product(size), 1.5);
    isWell = verdict === "great";
    kernels = {
      kernels: `${isa} of ${isas.join(", ")}; ${threads} threads`,
      gradients: `${verdict}: differ from differences by ${relativeError.toExponential(1)}`,
      product: `${size}×${size}: ${((2 * size ** 3) / seconds / 1e9).toFixed(0)} GFLOP/s`,
    };
  } catch (error) {
    if (!(error instanceof NablaError)) throw error;
    isWell = false;
    kernels = { problem: error.message };
  }
  const facts = { ...machine, ...kernels, verdict: isWell ? "all is well" : "something is wrong" };
  if (json) process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
  else for (const [name, value] of Object.entries(facts)) process.stdout.write(`${name.padEnd(12)}${value}\n`);
  return isWell;
}

/** Of a small network with a convolution. */
function gradients() {
  const model = sequential(conv2d(2, 3, { kernel: 3 }), tanh(), flatten(), linear(48, 2));
  const [x, y] = [randn([4, 6, 6, 2], { seed: 1 }), randn([4, 2], { seed: 2 })];
  return checkGradients(model, { x, y }, { loss: (batch) => mse(model.forward(batch.x), batch.y) });
}
