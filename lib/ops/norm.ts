/** Means and variances, and what is standardised by them: the arithmetic of batch, layer, group, instance and RMS norm. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { broadcast, format, normalizeAxes, type Shape, sameShape, sizeOf } from "../base/shape.js";
import { defineOp, type Lowered, node } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import type { View } from "../runtime/program.js";
import { constant, floating, pair, show, type TensorLike } from "./convert.js";
import { ones, onesLike, zeros, zerosLike } from "./create.js";
import { add, div, mul, neg, sqrt, square, sub } from "./elementwise.js";
import { axesOf, expand, mean, type ReduceOptions, type Run, reduceNames, runSizes, runsOf, spread, sumTo } from "./reduce.js";
import { reshape } from "./views.js";

// Both are made by one kernel in one pass over memory; the ops that users see show its halves and have the gradients.

/** [2, …]: the means over a run of neighbouring axes, then the variances. */
const momentsOp = defineOp<"x", Run>({
  name: "moments",
  inputs: ["x"],
  vjp: { x: null },
  lowering: { kind: "kernel", kernel: "moments", attrs: runSizes, received: "moments" },
});

/** One half of what `momentsOp` made. */
const half = (index: number) => ({
  kind: "view" as const,
  view: ({ buffer, offset, shape, strides }: View): View => ({
    buffer,
    offset: offset + index * strides[0],
    shape: shape.slice(1),
    strides: strides.slice(1),
  }),
});

const meanOp = defineOp<"both" | "x", Run>({
  name: "meanOfMoments",
  inputs: ["both", "x"],
  vjp: { both: null, x: (gy, { x, from, to }) => spread(mul(gy, constant(1 / sizeOf(x.shape.slice(from, to)), x.dtype)), x, { from, to }) },
  lowering: half(0),
});

const varianceOp = defineOp<"both" | "x" | "center", Run>({
  name: "varianceOfMoments",
  inputs: ["both", "x", "center"],
  vjp: {
    both: null,
    // Not the x − mean of other gradients: the difference costs less than keeping one of the size of x for both.
    x: (gy, { x, center, from, to }) => {
      const share = mul(gy, constant(-2 / sizeOf(x.shape.slice(from, to)), x.dtype));
      return mul(spread(share, x, { from, to }), sub(spread(center, x, { from, to }), x));
    },
    center: null, // Σ (x − mean) = 0
  },
  lowering: half(1),
});

function momentsOfRun(x: Tensor, run: Run): { mean: Tensor; variance: Tensor } {
  const shape = [...x.shape.slice(0, run.from), ...x.shape.slice(run.to)];
  const both = node(momentsOp, [x], [2, ...shape], x.dtype, run);
  const center = node(meanOp, [both, x], shape, x.dtype, run);
  return { mean: center, variance: node(varianceOp, [both, x, center], shape, x.dtype, run) };
}

/** Mean and variance over axes (default all), the variance dividing by n; in one pass, and exact far from zero too. */
export function moments(value: TensorLike, options: ReduceOptions = {}): { mean: Tensor; variance: Tensor } {
  optionsOf("moments", options, reduceNames);
  const x = floating("moments", value);
  const axes = normalizeAxes("moments", options.axis, x.shape);
  let center = x;
  let spreads = zerosLike(x);
  let gone = 0;
  // One run of neighbouring axes after the other. The variance of all is the mean of the variances plus that of the means.
  for (const run of runsOf(axes).reverse()) {
    const [from, to] = [run.from - gone, run.to - gone];
    const next = momentsOfRun(center, { from, to });
    spreads = gone === 0 ? next.variance : add(mean(spreads, { axis: axesOf({ from, to }) }), next.variance);
    center = next.mean;
    gone += to - from;
  }
  const shape = x.shape.flatMap((n, i) => (!axes.includes(i) ? [n] : options.keepDims ? [1] : []));
  return { mean: reshape(center, shape), variance: reshape(spreads, shape) };
}

/** Mean squared distance from the mean; `correction` 1 divides by n − 1 (default 0). */
export function variance(value: TensorLike, options: ReduceOptions & { correction?: number } = {}): Tensor {
  const { correction = 0, ...over } = optionsOf("variance", options, [...reduceNames, "correction"]);
  const x = floating("variance", value);
  const count = normalizeAxes("variance", options.axis, x.shape).reduce((n, axis) => n * x.shape[axis], 1);
  const { variance: biased } = moments(x, over);
  return correction === 0 ? biased : mul(biased, constant(count / (count - correction), x.dtype));
}

/** (x − mean) · scale; mean and scale are of one shape, which broadcasts against x. */
const scaledOp = defineOp({
  name: "standardize",
  inputs: ["x", "mean", "scale"],
  vjp: {
    x: (gy, { scale }) => mul(gy, scale),
    // What is the same along the axes that are summed stands before the sum, which others need as it is.
    mean: (gy, { scale }) => neg(mul(scale, sumTo(gy, scale.shape))),
    scale: (gy, { x, mean, scale }) => sumTo(mul(gy, sub(x, mean)), scale.shape),
  },
  lowering: { kind: "tile", emit: (tile, [x, center, scale]) => tile.step("mul", tile.step("sub", x, center), scale) },
});

export interface NormOptions {
  /** Factor on the result, broadcast against it. Default none. */
  weight?: TensorLike;
  /** Added to the result in the end, broadcast against it. Default none. */
  bias?: TensorLike;
  /** Added to what is under the root. Default 1e-5. */
  eps?: number;
}
const normNames = ["weight", "bias", "eps"] as const;

/** Throws unless eps ≥ 0. */
export function checkEps(op: string, eps: number): void {
  if (!(eps >= 0)) throw new ValueError(`${op}: eps must be a number ≥ 0 but is ${eps}`, { op, inputs: [eps] });
}

/** 1 / √(x + eps). */
const inverseRoot = (x: Tensor, eps: number): Tensor => div(constant(1, x.dtype), sqrt(add(x, constant(eps, x.dtype))));

/** (x − mean) / √(variance + eps) · weight + bias; all others broadcast against x. */
export function standardize(value: TensorLike, centerLike: TensorLike, varianceLike: TensorLike, options: NormOptions = {}): Tensor {
  const op = "standardize";
  const { weight, bias, eps = 1e-5 } = optionsOf(op, options, normNames);
  checkEps(op, eps);
  const x = floating(op, value);
  const operand = (name: string, given: TensorLike): Tensor => {
    const [, y] = pair(op, x, given);
    if (fits(y.shape, x.shape)) return y;
    throw new ShapeError(`${op}(${show("x", x)}, ${show(name, y)}): the ${name} must broadcast against x`, {
      op,
      inputs: [x.shape, y.shape],
    });
  };
  const center = operand("mean", centerLike);
  const root = inverseRoot(operand("variance", varianceLike), eps);
  const scale = weight === undefined ? root : mul(root, operand("weight", weight));
  const shape = broadcast(center.shape, scale.shape)!;
  const y = node(scaledOp, [x, expand(center, shape), expand(scale, shape)], x.shape, x.dtype);
  return bias === undefined ? y : add(y, operand("bias", bias));
}

/** The factor and the offset that do for every x what `standardize` does: worth it where the averages do not come from x itself. */
export function standardizing(center: Tensor, variance: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number) {
  const root = inverseRoot(variance, eps);
  const scale = weight === null ? root : mul(root, weight);
  const shift = mul(center, scale);
  return { scale, shift: bias === null ? neg(shift) : sub(bias, shift) };
}

/** Whether `shape` broadcasts to `target` without stretching it. */
function fits(shape: Shape, target: Shape): boolean {
  const both = broadcast(shape, target);
  return both !== null && sameShape(both, target);
}

type RowsAttrs = { centered: 0 | 1; eps: number };

const rowsOf = (kernel: string) => ({
  kind: "kernel" as const,
  kernel,
  attrs: ({ attrs }: Lowered) => [(attrs as RowsAttrs).centered],
  epilogue: true,
});

/** The axes of `x` that those of `weight` stand for, to be kept with size 1. */
const rowAxes = (x: Tensor, weight: Tensor) => ({
  axis: weight.shape.map((_, i) => x.shape.length - weight.shape.length + i),
  keepDims: true,
});

/** The standardised values z = (x − m) · r of rows and their scales r. */
function standardized(x: Tensor, weight: Tensor, { centered, eps }: RowsAttrs): { z: Tensor; r: Tensor } {
  const over = rowAxes(x, weight);
  if (centered === 0) {
    const r = inverseRoot(mean(square(x), over), eps);
    return { z: mul(x, r), r };
  }
  const { mean: center, variance } = moments(x, over);
  const r = inverseRoot(variance, eps);
  return { z: mul(sub(x, center), r), r };
}

/** z · weight + bias. `epsilon` is `eps` as the kernel takes it. */
const rowsOp = defineOp<"x" | "weight" | "bias" | "epsilon", RowsAttrs>({
  name: "layerNorm",
  inputs: ["x", "weight", "bias", "epsilon"],
  vjp: {
    x: (gy, { x, weight, centered, eps }) => rowsGradient(x, weight, gy, { centered, eps }),
    weight: (gy, { x, weight, centered, eps }) => sumTo(mul(gy, standardized(x, weight, { centered, eps }).z), weight.shape),
    bias: (gy, { bias }) => sumTo(gy, bias.shape),
    epsilon: null,
  },
  lowering: rowsOf("layer_norm"),
});

/** G(w, g) = r · P(w · g), where P takes what rows have in common with 1 and z out of them. */
const rowsGradientOp = defineOp<"x" | "weight" | "gy" | "epsilon", RowsAttrs>({
  name: "layerNormGradient",
  inputs: ["x", "weight", "gy", "epsilon"],
  vjp: {
    // With u the cotangent: −r · (z · mean(u · G) + mean(w · g · z) · G(1, u) + mean(u · z) · G)
    x: (u, { x, weight, gy, y, centered, eps }) => {
      const { z, r } = standardized(x, weight, { centered, eps });
      const along = (a: Tensor, b: Tensor): Tensor => mean(mul(a, b), rowAxes(x, weight));
      const projected = rowsGradient(x, onesLike(weight), u, { centered, eps });
      return neg(mul(r, add(mul(z, along(u, y)), add(mul(projected, along(mul(weight, gy), z)), mul(y, along(u, z))))));
    },
    // r · P is symmetric.
    weight: (u, { x, weight, gy, centered, eps }) => sumTo(mul(gy, rowsGradient(x, onesLike(weight), u, { centered, eps })), weight.shape),
    gy: (u, { x, weight, centered, eps }) => mul(weight, rowsGradient(x, onesLike(weight), u, { centered, eps })),
    epsilon: null,
  },
  lowering: rowsOf("layer_norm_grad"),
});

function rowsGradient(x: Tensor, weight: Tensor, gy: Tensor, attrs: RowsAttrs): Tensor {
  return node(rowsGradientOp, [x, weight, gy, constant(attrs.eps, x.dtype)], x.shape, x.dtype, attrs);
}

/** Throws unless the last axes of `x` are `shape`, and the parameters are of that shape. */
function checkRows(op: string, x: Tensor, shape: Shape, parameters: Record<string, Tensor | null>): void {
  if (shape.length === 0 || sizeOf(shape) === 0 || !sameShape(x.shape.slice(Math.max(0, x.shape.length - shape.length)), shape)) {
    const rule = `the last axes of x must be ${format(shape)}, none of them empty`;
    throw new ShapeError(`${op}(${show("x", x)}, ${format(shape)}): ${rule}`, { op, inputs: [x.shape, shape] });
  }
  for (const [name, parameter] of Object.entries(parameters)) {
    if (parameter === null || sameShape(parameter.shape, shape)) continue;
    throw new ShapeError(`${op}(${show("x", x)}, ${show(name, parameter)}): the ${name} must be ${format(shape)}`, {
      op,
      inputs: [x.shape, parameter.shape],
    });
  }
}

function normalizedRows(
  op: string,
  value: TensorLike,
  shape: Shape,
  centered: 0 | 1,
  options: Required<Pick<NormOptions, "eps">> & NormOptions,
) {
  const { eps } = options;
  const x = floating(op, value);
  checkEps(op, eps);
  const parameter = (given: TensorLike | undefined) => (given === undefined ? null : pair(op, x, given)[1]);
  const [weight, bias] = [parameter(options.weight), parameter(options.bias)];
  checkRows(op, x, shape, { weight, bias });
  const { dtype } = x;
  const inputs = [x, weight ?? ones(shape, { dtype }), bias ?? zeros(shape, { dtype }), constant(eps, dtype)];
  return node(rowsOp, inputs, x.shape, dtype, { centered, eps });
}

/**
 * Each group of last axes of the given shape brought to mean 0 and variance 1, times weight plus bias, both of that shape.
 * Source: Ba, Kiros & Hinton 2016.
 */
export function layerNorm(x: TensorLike, shape: Shape, options: NormOptions = {}): Tensor {
  const { eps = 1e-5 } = optionsOf("layerNorm", options, normNames);
  return normalizedRows("layerNorm", x, shape, 1, { ...options, eps });
}

/**
 * Each group of last axes of the given shape divided by the root of its mean square, times weight, which is of that shape.
 * `eps` is 1e-6 by default. Source: Zhang & Sennrich 2019.
 */
export function rmsNorm(x: TensorLike, shape: Shape, options: Omit<NormOptions, "bias"> = {}): Tensor {
  const { eps = 1e-6, weight } = optionsOf("rmsNorm", options, ["weight", "eps"]);
  return normalizedRows("rmsNorm", x, shape, 0, { weight, eps });
}
