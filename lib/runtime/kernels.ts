/** The list of kernels: what docs/kernels.md says of operand counts, as data that devices and their checks share. */

export interface KernelSignature {
  /** Inputs and outputs of the kernel's own, without those of a prologue or epilogue; a tile has an output for each of its stores. */
  readonly inputs: number;
  readonly outputs: number;
  readonly attrs: number;
  /** What a tile is to the kernel: all of its work, the computation of its input, an optional step after its work. */
  readonly tile: "whole" | "prologue" | "epilogue" | "none";
  /** Takes a tile in the place of its first input. */
  readonly prologue: boolean;
  /** Element types of the own operands and the tile: one floating type; the same but for one i32 index; any. */
  readonly dtypes: "float" | "indexed" | "any";
  /** Own inputs may have any strides. */
  readonly strided: boolean;
  /** May find bad data while running. */
  readonly fallible: boolean;
}

const kernel = (inputs: number, attrs: number, more: Partial<KernelSignature> = {}): KernelSignature => ({
  inputs,
  outputs: 1,
  attrs,
  tile: "none",
  prologue: false,
  dtypes: "float",
  strided: false,
  fallible: false,
  ...more,
});

export const kernels = {
  tile: kernel(0, 0, { outputs: 0, tile: "whole", dtypes: "any" }),
  reduce: kernel(0, 4, { outputs: 0, tile: "prologue" }),
  arg_reduce: kernel(1, 4, { dtypes: "indexed" }),
  copy: kernel(1, 0, { strided: true, dtypes: "any" }),
  gemm: kernel(2, 0, { strided: true, tile: "epilogue", prologue: true }),
  conv2d: kernel(2, 8, { tile: "epilogue", prologue: true }),
  conv2d_input_grad: kernel(2, 8, { tile: "epilogue" }),
  conv2d_filter_grad: kernel(2, 8, { tile: "epilogue", prologue: true }),
  max_pool2d: kernel(1, 6, { tile: "epilogue" }),
  max_pool2d_scatter: kernel(2, 6, { tile: "epilogue" }),
  max_pool2d_gather: kernel(2, 6, { tile: "epilogue" }),
  avg_pool2d: kernel(1, 7, { tile: "epilogue" }),
  avg_pool2d_grad: kernel(1, 7, { tile: "epilogue" }),
  softmax: kernel(1, 0),
  log_softmax: kernel(1, 0),
  cross_entropy: kernel(2, 0, { dtypes: "indexed", fallible: true }),
  cross_entropy_grad: kernel(2, 0, { dtypes: "indexed", fallible: true, tile: "epilogue" }),
  moments: kernel(1, 3),
  layer_norm: kernel(4, 1, { tile: "epilogue" }),
  layer_norm_grad: kernel(4, 1, { tile: "epilogue" }),
  gather_rows: kernel(2, 0, { dtypes: "any", fallible: true }),
  scatter_add_rows: kernel(2, 0, { dtypes: "indexed", fallible: true }),
  random: kernel(0, 3),
};

export type KernelName = keyof typeof kernels;

/** Whether a kernel of that name exists; `loop` and `end` are marks, not kernels. */
export function isKernelName(name: string): name is KernelName {
  return Object.hasOwn(kernels, name);
}
