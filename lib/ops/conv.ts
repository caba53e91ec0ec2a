/** Convolution and pooling of images [n, h, w, c]. Each family is closed under differentiation: gradients of gradients are in it. */
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import { checkOptions, optionsOf } from "../base/options.js";
import type { Shape } from "../base/shape.js";
import { defineOp, type KernelLowering, type Lowered, node, type Op, type Rule } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import { convTakesPrologue } from "../runtime/prologue.js";
import { floating, fromArray, show, type TensorLike } from "./convert.js";
import { mul } from "./elementwise.js";
import { reshape } from "./views.js";

/** `same`: ⌈size / stride⌉ outputs; `valid`: none; a number: that many cells on each side; several: for each axis. */
export type PaddingOf<Size> = "same" | "valid" | Size;
/** One number for both axes, or rows and columns. */
export type Pair = number | readonly [number, number];
/** One number for all axes, or depth, rows and columns. */
export type Triple = number | readonly [number, number, number];
export type Padding = PaddingOf<Pair>;
type Sizes = readonly number[];

/** What operands of so many spatial axes are called. */
const layouts = [
  null,
  { x: "signals [n, l, c]", one: "signal", w: "filters [r, c / groups, k]" },
  { x: "images [n, h, w, c]", one: "image", w: "filters [r, s, c / groups, k]" },
  { x: "volumes [n, d, h, w, c]", one: "volume", w: "filters [q, r, s, c / groups, k]" },
] as const;
export type Rank = 1 | 2 | 3;
export const layoutOf = (rank: Rank) => layouts[rank];

/** Geometry of a sliding window: a number for each spatial axis. */
export interface Geometry {
  readonly stride: Sizes;
  readonly padding: Sizes; // before the first cell
  readonly dilation: Sizes;
}

/** An option as a number for each of `rank` axes, checked to be whole numbers ≥ `least`. */
export function wholes(op: string, name: string, value: number | Sizes, least: number, rank: number): Sizes {
  const all = typeof value === "number" ? new Array<number>(rank).fill(value) : value;
  if (!Array.isArray(all) || all.length !== rank || all.some((n) => !Number.isInteger(n) || n < least)) {
    const several = rank === 1 ? "" : rank === 2 ? " or a pair of them" : ` or ${rank} of them`;
    throw new ValueError(`${op}: ${name} must be a whole number ≥ ${least}${several} but is ${JSON.stringify(value)}`, {
      op,
      inputs: [value],
    });
  }
  return all;
}

export interface WindowOptions {
  readonly stride: number | Sizes;
  readonly padding: PaddingOf<number | Sizes>;
  readonly dilation: number | Sizes;
  /** Whether a last window may reach over the border, as long as it begins before it. */
  readonly ceilMode?: boolean;
}

/** The options of a sliding window for each axis, checked; `padding` is null for "same", which depends on the image. */
export function checkWindow(op: string, { stride, padding, dilation }: WindowOptions, rank: number) {
  if (typeof padding === "string" && padding !== "same" && padding !== "valid") {
    throw new ValueError(`${op}: padding must be "same", "valid", a number or one for each axis but is "${padding as string}"`, { op });
  }
  return {
    stride: wholes(op, "stride", stride, 1, rank),
    padding: padding === "same" ? null : wholes(op, "padding", padding === "valid" ? 0 : padding, 0, rank),
    dilation: wholes(op, "dilation", dilation, 1, rank),
  };
}

/** How many cells a window spans along each axis. */
export const extents = (size: Sizes, dilation: Sizes): number[] => size.map((n, i) => dilation[i] * (n - 1) + 1);

/** Output size and geometry of a window of `size` cells over x's spatial axes. */
export function slide(op: string, x: Tensor, size: Sizes, options: WindowOptions): { geometry: Geometry; out: number[] } {
  const { stride, padding, dilation } = checkWindow(op, options, size.length);
  const extent = extents(size, dilation);
  const cells = x.shape.slice(1, -1);
  const before: number[] = [];
  const out = cells.map((n, i) => {
    if (padding === null) {
      const count = Math.ceil(n / stride[i]);
      before[i] = Math.floor(Math.max((count - 1) * stride[i] + extent[i] - n, 0) / 2);
      return count;
    }
    before[i] = padding[i];
    const steps = (n + 2 * padding[i] - extent[i]) / stride[i];
    const count = Math.floor(steps) + 1;
    return options.ceilMode === true && !Number.isInteger(steps) && count * stride[i] < n + padding[i] ? count + 1 : count;
  });
  if (out.some((n) => n < 1)) {
    throw new ShapeError(
      `${op}(${show("x", x)}): a window of ${extent.join("×")} does not fit into ${cells.join("×")} with padding ${JSON.stringify(options.padding)}; pad more or use a smaller window`,
      { op, inputs: [x.shape, size] },
    );
  }
  return { geometry: { stride, padding: before, dilation }, out };
}

/** A batch of signals, images or volumes, channels last. */
export function spatial(op: string, value: TensorLike, rank: Rank): Tensor {
  const x = floating(op, value);
  if (x.shape.length !== rank + 2) {
    const { x: expected, one } = layoutOf(rank);
    const hint = x.shape.length === rank + 1 ? `; a single ${one} needs a batch axis: x.expandDims(0)` : "";
    throw new ShapeError(`${op}(${show("x", x)}): expected ${expected}${hint}`, { op, inputs: [x.shape] });
  }
  return x;
}

export type ConvAttrs = Geometry & { groups: number; direct: boolean };

const attrsOf = ({ attrs }: Lowered): number[] => {
  const { stride, padding, dilation, groups, direct } = attrs as unknown as ConvAttrs;
  return [...stride, ...padding, ...dilation, groups, direct ? 1 : 0];
};
const convLowering = (kernel: string): KernelLowering => ({ kind: "kernel", kernel, epilogue: true, attrs: attrsOf });

const settings = ({ stride, padding, dilation, groups, direct }: ConvAttrs): ConvAttrs => ({ stride, padding, dilation, groups, direct });

const convOp = defineOp<"x" | "w", ConvAttrs>({
  name: "conv2d",
  inputs: ["x", "w"],
  vjp: {
    x: (gy, at) => convInputGrad(gy, at.w, at.x.shape, settings(at)),
    w: (gy, at) => convFilterGrad(at.x, gy, at.w.shape, settings(at)),
  },
  lowering: {
    ...convLowering("conv2d"),
    takesPrologue: (y) => convTakesPrologue(y.inputs[0].shape, y.inputs[1].shape, y.shape, attrsOf(y)),
  },
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
  lowering: {
    ...convLowering("conv2d_filter_grad"),
    takesPrologue: (w) => convTakesPrologue(w.inputs[0].shape, w.shape, w.inputs[1].shape, attrsOf(w)),
  },
});

export const conv = (x: Tensor, w: Tensor, shape: Shape, attrs: ConvAttrs): Tensor => node(convOp, [x, w], shape, x.dtype, { ...attrs });
export const convInputGrad = (gy: Tensor, w: Tensor, shape: Shape, attrs: ConvAttrs): Tensor =>
  node(convInputGradOp, [gy, w], shape, gy.dtype, { ...attrs });
const convFilterGrad = (x: Tensor, gy: Tensor, shape: Shape, attrs: ConvAttrs): Tensor =>
  node(convFilterGradOp, [x, gy], shape, x.dtype, { ...attrs });

export interface ConvOptions<Size = number> {
  /** Default 1. */
  stride?: Size;
  /** Default "valid" (none). */
  padding?: PaddingOf<Size>;
  /** Distance between filter cells. Default 1. */
  dilation?: Size;
  /** Channels are split into this many groups that do not see each other. Default 1. */
  groups?: number;
  /**
   * How sums are computed, gradients included. `auto`, the default: f32 windows of 3 × 3 at stride 1 by Winograd's F(4 × 4, 3 × 3) where that
   * is faster, with rounding errors about five times those of direct sums, and a NaN or an infinity spreading to the 4 × 4 results around
   * it. `direct`: always term by term.
   */
  algorithm?: "auto" | "direct";
}
export const convNames = ["stride", "padding", "dilation", "groups", "algorithm"] as const;
export const transposedNames = [...convNames, "outputPadding"] as const;
export type Conv2dOptions = ConvOptions<Pair>;

/** The operands of a convolution or of its transpose, which has filters from its result's channels to its input's, checked. */
export function checkConv(
  op: string,
  input: TensorLike,
  filter: TensorLike,
  options: ConvOptions<unknown>,
  rank: Rank,
  transposed = false,
) {
  checkOptions(op, options, transposed ? transposedNames : convNames);
  const { groups = 1, algorithm = "auto" } = options;
  const x = spatial(op, input, rank);
  const w = floating(op, filter);
  const context = { op, inputs: [x.shape, w.shape] };
  const call = `${op}(${show("x", x)}, ${show("w", w)})`;
  if (x.dtype !== w.dtype)
    throw new DTypeError(`${call}: dtypes differ: ${x.dtype} and ${w.dtype}; cast one: w.cast("${x.dtype}")`, context);
  if (w.shape.length !== rank + 2) throw new ShapeError(`${call}: expected ${layoutOf(rank).w}`, context);
  const [depth, k] = w.shape.slice(-2);
  const channels = x.shape[rank + 1];
  const fits = channels === (transposed ? k : depth * groups);
  if (!Number.isInteger(groups) || groups < 1 || k % groups !== 0 || !fits) {
    const rule = transposed
      ? `${channels} input channels need filters whose last axis is ${channels}, a number divisible by ${groups}, but they have ${depth} and ${k}`
      : `${channels} input channels need filters of ${channels} / ${groups} channels and a number of filters divisible by ${groups}, but they have ${depth} and ${k}`;
    throw new ShapeError(`${call}: ${rule}`, context);
  }
  if (algorithm !== "auto" && algorithm !== "direct")
    throw new ValueError(`${op}: algorithm must be "auto" or "direct" but is ${JSON.stringify(algorithm)}`, context);
  return { x, w, groups, direct: algorithm === "direct" };
}

/**
 * Two-dimensional cross-correlation. x: [n, h, w, c], w: [r, s, c / groups, k] → [n, h', w', k] with
 * h' = ⌊(h + 2p − d(r − 1) − 1) / stride⌋ + 1.
 */
export function conv2d(input: TensorLike, filter: TensorLike, options: Conv2dOptions = {}): Tensor {
  const { x, w, ...rest } = checkConv("conv2d", input, filter, options, 2);
  const { stride = 1, padding = "valid", dilation = 1 } = options;
  const { geometry, out } = slide("conv2d", x, w.shape.slice(0, 2), { stride, padding, dilation });
  return conv(x, w, [x.shape[0], ...out, w.shape[3]], { ...geometry, ...rest });
}

export type PoolAttrs = Geometry & { window: Sizes };

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

export interface PoolOptions<Size = number> {
  /** Default: the window, so that windows do not overlap. */
  stride?: Size;
  /** Default "valid" (none). Padding never wins a maximum. */
  padding?: PaddingOf<Size>;
  /** Sizes are rounded up: a last window that reaches over the border counts if it begins before the padding does. Default false. */
  ceilMode?: boolean;
}
export const poolNames = ["stride", "padding", "ceilMode"] as const;
export type Pool2dOptions = PoolOptions<Pair>;
/** `countPad`: padding counts as zeros (default true); cells beyond it, where `ceilMode` lets windows reach, never count. */
export type AvgPoolOptions<Size = number> = PoolOptions<Size> & { countPad?: boolean };
export const avgPoolNames = [...poolNames, "countPad"] as const;

/** Pooling of signals, images or volumes, its options checked. */
export function checkPool<Size extends number | Sizes>(
  op: string,
  input: TensorLike,
  window: Size,
  options: PoolOptions<Size>,
  rank: Rank,
) {
  const x = spatial(op, input, rank);
  const size = wholes(op, "window", window, 1, rank);
  const { stride = window, padding = "valid", ceilMode } = options;
  const { geometry, out } = slide(op, x, size, { stride, padding, dilation: 1, ceilMode });
  return { x, attrs: { ...geometry, window: size }, out };
}

/** Largest values in windows of images. */
export const maxOfWindows = (x: Tensor, attrs: PoolAttrs, [h, w]: Sizes): Tensor =>
  node(maxPoolOp, [x], [x.shape[0], h, w, x.shape[3]], x.dtype, { ...attrs });

/** Largest value in each window. x: [n, h, w, c] → [n, h', w', c]. */
export function maxPool2d(input: TensorLike, window: Pair, options: Pool2dOptions = {}): Tensor {
  optionsOf("maxPool2d", options, poolNames);
  const { x, attrs, out } = checkPool("maxPool2d", input, window, options, 2);
  return maxOfWindows(x, attrs, out);
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
function overhang(x: Tensor, { window, stride, padding }: PoolAttrs, out: number, i: number): Tensor | null {
  const end = x.shape[1 + i] + padding[i];
  const ratios = Array.from({ length: out }, (_, k) => window[i] / Math.min(window[i], end - (k * stride[i] - padding[i])));
  return ratios.at(-1)! > 1 ? reshape(fromArray("avgPool2d", ratios, x.dtype), i === 0 ? [out, 1, 1] : [out, 1]) : null;
}

/** Means of windows of images. */
export function meanOfWindows(
  x: Tensor,
  attrs: PoolAttrs,
  out: Sizes,
  { countPad = true, ceilMode, padding }: AvgPoolOptions<unknown>,
): Tensor {
  const y = node(countPad ? avgPoolOp : avgPoolInsideOp, [x], [x.shape[0], ...out, x.shape[3]], x.dtype, { ...attrs });
  if (ceilMode !== true || padding === "same" || !countPad) return y;
  return out.reduce((all: Tensor, n, i) => {
    const ratio = overhang(x, attrs, n, i);
    return ratio === null ? all : mul(all, ratio);
  }, y);
}

/** Mean of each window. x: [n, h, w, c] → [n, h', w', c]. */
export function avgPool2d(input: TensorLike, window: Pair, options: AvgPoolOptions<Pair> = {}): Tensor {
  optionsOf("avgPool2d", options, avgPoolNames);
  const { x, attrs, out } = checkPool("avgPool2d", input, window, options, 2);
  return meanOfWindows(x, attrs, out, options);
}
