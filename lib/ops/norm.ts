/** Means and variances, and what is standardised by them: the arithmetic of batch, layer, group, instance and RMS norm. */
import { ShapeError, ValueError } from "../base/errors.js";
import { broadcast, format, normalizeAxes, type Shape, sameShape } from "../base/shape.js";
import { defineOp, node } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import { asTensor, constant, floating, pair, show, type TensorLike } from "./convert.js";
import { add, div, mul, neg, sqrt, square, sub } from "./elementwise.js";
import { expand, mean, type ReduceOptions, sumTo, variance } from "./reduce.js";

/** Mean and variance over axes (default all), the variance dividing by n. The same as `mean` and `variance`, made together. */
export function moments(value: TensorLike, options: ReduceOptions = {}): { mean: Tensor; variance: Tensor } {
  const x = floating("moments", value);
  normalizeAxes("moments", options.axis, x.shape);
  return { mean: mean(x, options), variance: variance(x, options) };
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

/** Throws unless eps ≥ 0. */
export function checkEps(op: string, eps: number): void {
  if (!(eps >= 0)) throw new ValueError(`${op}: eps must be a number ≥ 0 but is ${eps}`, { op, inputs: [eps] });
}

/** 1 / √(x + eps). */
const inverseRoot = (x: Tensor, eps: number): Tensor => div(constant(1, x.dtype), sqrt(add(x, constant(eps, x.dtype))));

/** (x − mean) / √(variance + eps) · weight + bias; all others broadcast against x. */
export function standardize(
  value: TensorLike,
  centerLike: TensorLike,
  varianceLike: TensorLike,
  { weight, bias, eps = 1e-5 }: NormOptions = {},
): Tensor {
  const op = "standardize";
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

/** Whether `shape` broadcasts to `target` without stretching it. */
function fits(shape: Shape, target: Shape): boolean {
  const both = broadcast(shape, target);
  return both !== null && sameShape(both, target);
}

/** Axes of `x` that end in `shape`; throws where they do not, or where a parameter has another shape. */
function trailing(op: string, x: Tensor, shape: Shape, parameters: Record<string, TensorLike | undefined>): number[] {
  const lead = x.shape.length - shape.length;
  if (shape.length === 0 || lead < 0 || !sameShape(x.shape.slice(lead), shape)) {
    throw new ShapeError(`${op}(${show("x", x)}, ${format(shape)}): the last axes of x must be ${format(shape)}`, {
      op,
      inputs: [x.shape, shape],
    });
  }
  for (const [name, given] of Object.entries(parameters)) {
    if (given === undefined) continue;
    const parameter = asTensor(op, given, x.dtype);
    if (!sameShape(parameter.shape, shape)) {
      throw new ShapeError(`${op}(${show("x", x)}, ${show(name, parameter)}): the ${name} must be ${format(shape)}`, {
        op,
        inputs: [x.shape, parameter.shape],
      });
    }
  }
  return shape.map((_, i) => lead + i);
}

/**
 * Each group of last axes of the given shape brought to mean 0 and variance 1, times weight plus bias, both of that shape.
 * Source: Ba, Kiros & Hinton 2016.
 */
export function layerNorm(value: TensorLike, shape: Shape, options: NormOptions = {}): Tensor {
  const x = floating("layerNorm", value);
  const { weight, bias, eps = 1e-5 } = options;
  checkEps("layerNorm", eps);
  const axis = trailing("layerNorm", x, shape, { weight, bias });
  const { mean: center, variance: spread } = moments(x, { axis, keepDims: true });
  return affine("layerNorm", mul(sub(x, center), inverseRoot(spread, eps)), options);
}

/**
 * Each group of last axes of the given shape divided by the root of its mean square, times weight, which is of that shape.
 * `eps` is 1e-6 by default. Source: Zhang & Sennrich 2019.
 */
export function rmsNorm(value: TensorLike, shape: Shape, options: Omit<NormOptions, "bias"> = {}): Tensor {
  const x = floating("rmsNorm", value);
  const { weight, eps = 1e-6 } = options;
  checkEps("rmsNorm", eps);
  const axis = trailing("rmsNorm", x, shape, { weight });
  return affine("rmsNorm", mul(x, inverseRoot(mean(square(x), { axis, keepDims: true }), eps)), options);
}

/** x · weight + bias, where there are any. */
function affine(op: string, x: Tensor, { weight, bias }: NormOptions): Tensor {
  const scaled = weight === undefined ? x : mul(x, pair(op, x, weight)[1]);
  return bias === undefined ? scaled : add(scaled, pair(op, x, bias)[1]);
}
