/** Convolution and pooling of images [n, h, w, c]. Each family is closed under differentiation: gradients of gradients are in it. */
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import type { Shape } from "../base/shape.js";
import { defineOp, type KernelLowering, node, type Op, type Rule } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import { floating, fromArray, show, type TensorLike } from "./convert.js";
import { mul } from "./elementwise.js";
import { reshape } from "./views.js";

/** `same`: ⌈size / stride⌉ outputs; `valid`: none; a number: that many cells on each side; a pair: rows, columns. */
export type Padding = "same" | "valid" | number | readonly [number, number];
/** One number for both axes, or rows and columns. */
export type Pair = number | readonly [number, number];

/** Geometry of a sliding window over rows and columns. */
interface Geometry {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number]; // top, left
  readonly dilation: readonly [number, number];
}

const both = (value: Pair): readonly [number, number] => (typeof value === "number" ? [value, value] : value);

/** Rows and columns of an option, checked to be whole numbers ≥ `least`. */
export function wholePair(op: string, name: string, value: Pair, least: number): readonly [number, number] {
  const two = both(value);
  if (!Array.isArray(two) || two.length !== 2 || two.some((n) => !Number.isInteger(n) || n < least)) {
    throw new ValueError(`${op}: ${name} must be a whole number ≥ ${least} or a pair of them but is ${JSON.stringify(value)}`, {
      op,
      inputs: [value],
    });
  }
  return two;
}

interface WindowOptions {
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  /** Whether a last window may reach over the border, as long as it begins before it. */
  readonly ceilMode?: boolean;
}

/** The options of a sliding window as pairs, checked; `padding` is null for "same", which depends on the image. */
export function checkWindow(op: string, { stride, padding, dilation }: WindowOptions) {
  if (typeof padding === "string" && padding !== "same" && padding !== "valid") {
    throw new ValueError(`${op}: padding must be "same", "valid", a number or a pair but is "${padding as string}"`, { op });
  }
  return {
    stride: wholePair(op, "stride", stride, 1),
    padding: padding === "same" ? null : wholePair(op, "padding", padding === "valid" ? 0 : padding, 0),
    dilation: wholePair(op, "dilation", dilation, 1),
  };
}

/** Output size and geometry of a window of `size` cells over x's rows and columns. */
function slide(
  op: string,
  x: Tensor,
  size: readonly [number, number],
  options: WindowOptions,
): { geometry: Geometry; out: [number, number] } {
  const { stride, padding, dilation } = checkWindow(op, options);
  const extent = [0, 1].map((i) => dilation[i] * (size[i] - 1) + 1);
  const before: [number, number] = [0, 0];
  const out: [number, number] = [0, 0];
  for (const i of [0, 1]) {
    const cells = x.shape[1 + i];
    if (padding === null) {
      out[i] = Math.ceil(cells / stride[i]);
      before[i] = Math.floor(Math.max((out[i] - 1) * stride[i] + extent[i] - cells, 0) / 2);
    } else {
      before[i] = padding[i];
      const steps = (cells + 2 * padding[i] - extent[i]) / stride[i];
      out[i] = Math.floor(steps) + 1;
      if (options.ceilMode === true && !Number.isInteger(steps) && out[i] * stride[i] < cells + padding[i]) out[i]++;
    }
    if (out[i] < 1) {
      throw new ShapeError(
        `${op}(${show("x", x)}): a window of ${extent[0]}×${extent[1]} does not fit into ${x.shape[1]}×${x.shape[2]} with padding ${JSON.stringify(options.padding)}; pad more or use a smaller window`,
        { op, inputs: [x.shape, size] },
      );
    }
  }
  return { geometry: { stride, padding: before, dilation }, out };
}

function image(op: string, value: TensorLike): Tensor {
  const x = floating(op, value);
  if (x.shape.length !== 4) {
    const hint = x.shape.length === 3 ? "; a single image needs a batch axis: x.expandDims(0)" : "";
    throw new ShapeError(`${op}(${show("x", x)}): expected images [n, h, w, c]${hint}`, { op, inputs: [x.shape] });
  }
  return x;
}

type ConvAttrs = Geometry & { groups: number; direct: boolean };

const convLowering = (kernel: string): KernelLowering => ({
  kind: "kernel",
  kernel,
  epilogue: true,
  attrs: ({ attrs }) => {
    const { stride, padding, dilation, groups, direct } = attrs as unknown as ConvAttrs;
    return [...stride, ...padding, ...dilation, groups, direct ? 1 : 0];
  },
});

const settings = ({ stride, padding, dilation, groups, direct }: ConvAttrs): ConvAttrs => ({ stride, padding, dilation, groups, direct });

const convOp = defineOp<"x" | "w", ConvAttrs>({
  name: "conv2d",
  inputs: ["x", "w"],
  vjp: {
    x: (gy, at) => convInputGrad(gy, at.w, at.x.shape, settings(at)),
    w: (gy, at) => convFilterGrad(at.x, gy, at.w.shape, settings(at)),
  },
  lowering: convLowering("conv2d"),
});

const convInputGradOp = defineOp<"gy" | "w", ConvAttrs>({
  name: "conv2dInputGrad",
  inputs: ["gy", "w"],
  vjp: {
    gy: (g, at) => conv(g, at.w, at.gy.shape, settings(at)),
    w: (g, at) => convFilterGrad(g, at.gy, at.w.shape, settings(at)),
  },
  lowering: convLowering("conv2d_input_grad"),
});

const convFilterGradOp = defineOp<"x" | "gy", ConvAttrs>({
  name: "conv2dFilterGrad",
  inputs: ["x", "gy"],
  vjp: {
    x: (g, at) => convInputGrad(at.gy, g, at.x.shape, settings(at)),
    gy: (g, at) => conv(at.x, g, at.gy.shape, settings(at)),
  },
  lowering: convLowering("conv2d_filter_grad"),
});

const conv = (x: Tensor, w: Tensor, shape: Shape, attrs: ConvAttrs): Tensor => node(convOp, [x, w], shape, x.dtype, { ...attrs });
const convInputGrad = (gy: Tensor, w: Tensor, shape: Shape, attrs: ConvAttrs): Tensor =>
  node(convInputGradOp, [gy, w], shape, gy.dtype, { ...attrs });
const convFilterGrad = (x: Tensor, gy: Tensor, shape: Shape, attrs: ConvAttrs): Tensor =>
  node(convFilterGradOp, [x, gy], shape, x.dtype, { ...attrs });

export interface Conv2dOptions {
  /** Default 1. */
  stride?: Pair;
  /** Default "valid" (none). */
  padding?: Padding;
  /** Distance between filter cells. Default 1. */
  dilation?: Pair;
  /** Channels are split into this many groups that do not see each other. Default 1. */
  groups?: number;
  /**
   * How sums are computed, gradients included. `auto`, the default: f32 windows of 3 × 3 at stride 1 by Winograd's F(4 × 4, 3 × 3) where that
   * is faster, with rounding errors about five times those of direct sums, and a NaN or an infinity spreading to the 4 × 4 results around
   * it. `direct`: always term by term.
   */
  algorithm?: "auto" | "direct";
}

/**
 * Two-dimensional cross-correlation. x: [n, h, w, c], w: [r, s, c / groups, k] → [n, h', w', k] with
 * h' = ⌊(h + 2p − d(r − 1) − 1) / stride⌋ + 1.
 */
export function conv2d(
  input: TensorLike,
  filter: TensorLike,
  { stride = 1, padding = "valid", dilation = 1, groups = 1, algorithm = "auto" }: Conv2dOptions = {},
): Tensor {
  const x = image("conv2d", input);
  const w = floating("conv2d", filter);
  const context = { op: "conv2d", inputs: [x.shape, w.shape] };
  if (x.dtype !== w.dtype)
    throw new DTypeError(
      `conv2d(${show("x", x)}, ${show("w", w)}): dtypes differ: ${x.dtype} and ${w.dtype}; cast one: w.cast("${x.dtype}")`,
      context,
    );
  if (w.shape.length !== 4)
    throw new ShapeError(`conv2d(${show("x", x)}, ${show("w", w)}): expected filters [r, s, c / groups, k]`, context);
  const [r, s, depth, k] = w.shape;
  if (!Number.isInteger(groups) || groups < 1 || k % groups !== 0 || depth * groups !== x.shape[3]) {
    throw new ShapeError(
      `conv2d(${show("x", x)}, ${show("w", w)}): ${x.shape[3]} input channels need filters of ${x.shape[3]} / ${groups} channels and a number of filters divisible by ${groups}, but they have ${depth} and ${k}`,
      context,
    );
  }
  if (algorithm !== "auto" && algorithm !== "direct")
    throw new ValueError(`conv2d: algorithm must be "auto" or "direct" but is ${JSON.stringify(algorithm)}`, context);
  const { geometry, out } = slide("conv2d", x, [r, s], { stride, padding, dilation });
  return conv(x, w, [x.shape[0], ...out, k], { ...geometry, groups, direct: algorithm === "direct" });
}

type PoolAttrs = Geometry & { window: readonly [number, number] };

const poolLowering = (kernel: string, extra: readonly number[] = []): KernelLowering => ({
  kind: "kernel",
  kernel,
  epilogue: true,
  attrs: ({ attrs }) => {
    const { window, stride, padding } = attrs as unknown as PoolAttrs;
    return [...window, ...stride, ...padding, ...extra];
  },
});

const poolSettings = ({ window, stride, padding, dilation }: PoolAttrs): PoolAttrs => ({ window, stride, padding, dilation });

const maxPoolOp = defineOp<"x", PoolAttrs>({
  name: "maxPool2d",
  inputs: ["x"],
  vjp: { x: (gy, at) => node(maxPoolScatterOp, [at.x, gy], at.x.shape, gy.dtype, { ...poolSettings(at) }) },
  lowering: poolLowering("max_pool2d"),
});

// Both are linear in their second input; where the maxima are does not change with x, almost everywhere.
const maxPoolScatterOp: Op = defineOp<"x" | "gy", PoolAttrs>({
  name: "maxPool2dScatter",
  inputs: ["x", "gy"],
  vjp: { x: null, gy: (g, at) => node(maxPoolGatherOp, [at.x, g], at.gy.shape, g.dtype, { ...poolSettings(at) }) },
  lowering: poolLowering("max_pool2d_scatter"),
});

const maxPoolGatherOp: Op = defineOp<"x" | "g", PoolAttrs>({
  name: "maxPool2dGather",
  inputs: ["x", "g"],
  vjp: { x: null, g: (gy, at) => node(maxPoolScatterOp, [at.x, gy], at.x.shape, gy.dtype, { ...poolSettings(at) }) },
  lowering: poolLowering("max_pool2d_gather"),
});

export interface Pool2dOptions {
  /** Default: the window, so that windows do not overlap. */
  stride?: Pair;
  /** Default "valid" (none). Padding never wins a maximum. */
  padding?: Padding;
  /** Sizes are rounded up: a last window that reaches over the border counts if it begins before the padding does. Default false. */
  ceilMode?: boolean;
}

function poolGeometry(op: string, x: Tensor, window: Pair, { stride, padding = "valid", ceilMode }: Pool2dOptions) {
  const size = wholePair(op, "window", window, 1);
  const { geometry, out } = slide(op, x, size, { stride: stride ?? window, padding, dilation: 1, ceilMode });
  return { attrs: { ...geometry, window: size }, shape: [x.shape[0], ...out, x.shape[3]] };
}

/** Largest value in each window. x: [n, h, w, c] → [n, h', w', c]. */
export function maxPool2d(input: TensorLike, window: Pair, options: Pool2dOptions = {}): Tensor {
  const x = image("maxPool2d", input);
  const { attrs, shape } = poolGeometry("maxPool2d", x, window, options);
  return node(maxPoolOp, [x], shape, x.dtype, attrs);
}

/** Average pooling and its adjoint, dividing by the window's size (`countPad`) or by the cells inside the image. */
function defineAvgPool(countPad: boolean) {
  const suffix = countPad ? "" : "Inside";
  const flag = [countPad ? 1 : 0];
  const forwardRule: Rule<"x", PoolAttrs> = (gy, at) => node(backward, [gy], at.x.shape, gy.dtype, { ...poolSettings(at) });
  const backwardRule: Rule<"gy", PoolAttrs> = (g, at) => node(forward, [g], at.gy.shape, g.dtype, { ...poolSettings(at) });
  const forward = defineOp<"x", PoolAttrs>({
    name: `avgPool2d${suffix}`,
    inputs: ["x"],
    vjp: { x: forwardRule },
    lowering: poolLowering("avg_pool2d", flag),
  });
  const backward = defineOp<"gy", PoolAttrs>({
    name: `avgPool2dGrad${suffix}`,
    inputs: ["gy"],
    vjp: { gy: backwardRule },
    lowering: poolLowering("avg_pool2d_grad", flag),
  });
  return forward;
}

const avgPoolOp = defineAvgPool(true);
const avgPoolInsideOp = defineAvgPool(false);

/** For each window along an axis, its size by how much of it is neither beyond the border nor beyond the padding: not 1 in ceil mode only. */
function overhang(x: Tensor, { window, stride, padding }: PoolAttrs, out: number, i: 0 | 1): Tensor | null {
  const end = x.shape[1 + i] + padding[i];
  const ratios = Array.from({ length: out }, (_, k) => window[i] / Math.min(window[i], end - (k * stride[i] - padding[i])));
  return ratios.at(-1)! > 1 ? reshape(fromArray("avgPool2d", ratios, x.dtype), i === 0 ? [out, 1, 1] : [out, 1]) : null;
}

/**
 * Mean of each window. x: [n, h, w, c] → [n, h', w', c]. `countPad`: padding counts as zeros (default true); cells beyond it, where `ceilMode`
 * lets windows reach, never count.
 */
export function avgPool2d(
  input: TensorLike,
  window: Pair,
  { countPad = true, ...options }: Pool2dOptions & { countPad?: boolean } = {},
): Tensor {
  const x = image("avgPool2d", input);
  const { attrs, shape } = poolGeometry("avgPool2d", x, window, options);
  const y = node(countPad ? avgPoolOp : avgPoolInsideOp, [x], shape, x.dtype, attrs);
  if (options.ceilMode !== true || options.padding === "same" || !countPad) return y;
  const ratios = ([0, 1] as const).map((i) => overhang(x, attrs, shape[1 + i], i));
  return ratios.reduce((all: Tensor, ratio) => (ratio === null ? all : mul(all, ratio)), y);
}
