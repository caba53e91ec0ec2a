/** Every kernel's plain TypeScript form by name; one that is missing does not compile. */
import type { KernelName } from "../kernels.js";
import { conv2d, conv2d_filter_grad, conv2d_input_grad } from "./conv2d.js";
import { copy } from "./copy.js";
import { gemm } from "./gemm.js";
import { layer_norm, layer_norm_grad, moments } from "./norm.js";
import type { ReferenceKernel } from "./operand.js";
import { avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_gather, max_pool2d_scatter } from "./pool2d.js";
import { random } from "./random.js";
import { arg_reduce, reduce } from "./reduce.js";
import { gather_rows, scatter_add_rows } from "./rows.js";
import { cross_entropy, cross_entropy_grad, log_softmax, softmax } from "./softmax.js";
import { tile } from "./tile.js";

export const table: Readonly<Record<KernelName, ReferenceKernel>> = {
  tile,
  reduce,
  arg_reduce,
  copy,
  gemm,
  conv2d,
  conv2d_input_grad,
  conv2d_filter_grad,
  max_pool2d,
  max_pool2d_scatter,
  max_pool2d_gather,
  avg_pool2d,
  avg_pool2d_grad,
  softmax,
  log_softmax,
  cross_entropy,
  cross_entropy_grad,
  moments,
  layer_norm,
  layer_norm_grad,
  gather_rows,
  scatter_add_rows,
  random,
};
