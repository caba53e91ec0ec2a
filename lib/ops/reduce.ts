/** Summing over axes and repeating along them, each other's adjoint, and the other reductions. */
import { ShapeError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkShape, format, normalizeAxes, normalizeAxis, type Shape, sameShape, sizeOf } from "../base/shape.js";
import { defineOp, type Lowered, node, type Rule } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import { asTensor, constant, floating, show, type TensorLike } from "./convert.js";
import { abs, add, cast, div, eq, exp, log, mul, stopGradient, sub, where } from "./elementwise.js";
import { reshape } from "./views.js";

const expandOp = defineOp({
  name: "expand",
  inputs: ["x"],
  vjp: { x: (gy, { x }) => sumTo(gy, x.shape) },
  lowering: {
    kind: "view",
    view: (input, { shape }) => {
      const lead = shape.length - input.shape.length;
      return { ...input, shape, strides: shape.map((n, i) => (i < lead || input.shape[i - lead] !== n ? 0 : input.strides[i - lead])) };
    },
  },
});

/** x repeated along new leading axes and axes of size 1, without copying. */
export function expand(value: TensorLike, shape: Shape): Tensor {
  const x = asTensor("expand", value);
  checkShape("expand", shape);
  const lead = shape.length - x.shape.length;
  if (lead < 0 || x.shape.some((n, i) => n !== 1 && n !== shape[lead + i])) {
    throw new ShapeError(`expand(${show("x", x)}, ${format(shape)}): only dimensions of size 1 can be repeated`, {
      op: "expand",
      inputs: [x.shape, shape],
    });
  }
  return sameShape(shape, x.shape) ? x : node(expandOp, [x], shape, x.dtype);
}

export interface ReduceOptions {
  /** Axis or axes to reduce; default all. */
  axis?: number | readonly number[];
  /** Keep reduced axes with size 1, so that the result broadcasts against the input. Default false. */
  keepDims?: boolean;
}
export const reduceNames = ["axis", "keepDims"] as const;

// A reduction reads its input through a tile program, so an elementwise chain before it costs nothing.

/** One run of neighbouring axes, from `from` up to but without `to`. */
export type Run = { from: number; to: number };

/** Sorted axes as runs of neighbours, the last first. */
export function runsOf(axes: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (let to = axes.length; to > 0; ) {
    let from = to - 1;
    while (from > 0 && axes[from - 1] === axes[from] - 1) from--;
    runs.push({ from: axes[from], to: axes[to - 1] + 1 });
    to = from;
  }
  return runs;
}

/** The axes of a run. */
export const axesOf = ({ from, to }: Run): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** [outer, n, inner] of a run of axes of the input: what the kernels take. */
export function runSizes({ inputs: [{ shape }], attrs }: Lowered): number[] {
  const { from, to } = attrs as Run;
  return [sizeOf(shape.slice(0, from)), sizeOf(shape.slice(from, to)), sizeOf(shape.slice(to))];
}
const runAttrs =
  (code: number) =>
  (node: Lowered): number[] => [code, ...runSizes(node)];

function defineReduction(name: string, code: number, rule: Rule<"x", Run>): (x: Tensor, options: ReduceOptions) => Tensor {
  const op = defineOp<"x", Run>({
    name,
    inputs: ["x"],
    vjp: { x: rule },
    lowering: { kind: "kernel", kernel: "reduce", attrs: runAttrs(code), prologue: true, ...(name === "sum" && { received: "sums" }) },
  });
  return (x, options) => {
    const { axis, keepDims = false } = optionsOf(name, options, reduceNames);
    const axes = normalizeAxes(name, axis, x.shape);
    let y = x;
    // The kernel reduces one run of neighbouring axes at a time: the last run first, so that earlier axes keep their place.
    for (const run of runsOf(axes)) y = node(op, [y], [...y.shape.slice(0, run.from), ...y.shape.slice(run.to)], x.dtype, run);
    return keepDims
      ? reshape(
          y,
          x.shape.map((n, i) => (axes.includes(i) ? 1 : n)),
        )
      : y;
  };
}

/** A reduced value brought back to the shape it was reduced from. */
export function spread(y: Tensor, x: Tensor, { from, to }: Run): Tensor {
  return expand(
    reshape(
      y,
      x.shape.map((n, i) => (i >= from && i < to ? 1 : n)),
    ),
    x.shape,
  );
}

/** The gradient of an extreme goes to the elements that attain it, in equal shares. */
const extremeRule: Rule<"x", Run> = (gy, at) => {
  const winners = cast(eq(at.x, spread(at.y, at.x, at)), at.x.dtype);
  const count = sum(winners, { axis: axesOf(at) });
  return mul(winners, spread(div(gy, count), at.x, at));
};

const sumRun = defineReduction("sum", 0, (gy, at) => spread(gy, at.x, at));
const maxRun = defineReduction("max", 1, extremeRule);
const minRun = defineReduction("min", 2, extremeRule);

/** Sum over axes; integers and bools are summed as f32. */
export function sum(value: TensorLike, options: ReduceOptions = {}): Tensor {
  const x = asTensor("sum", value);
  return sumRun(x.dtype === "f64" ? x : cast(x, "f32"), options);
}

/** Largest element over axes; NaN if any is. */
export function max(value: TensorLike, options: ReduceOptions = {}): Tensor {
  return maxRun(nonEmpty("max", floating("max", value), options), options);
}

/** Smallest element over axes; NaN if any is. */
export function min(value: TensorLike, options: ReduceOptions = {}): Tensor {
  return minRun(nonEmpty("min", floating("min", value), options), options);
}

/** Mean over axes; integers and bools as f32. */
export function mean(value: TensorLike, options: ReduceOptions = {}): Tensor {
  optionsOf("mean", options, reduceNames);
  const x = asTensor("mean", value);
  const count = normalizeAxes("mean", options.axis, x.shape).reduce((n, axis) => n * x.shape[axis], 1);
  const total = sum(x, options);
  return div(total, constant(count, total.dtype));
}

/** log Σ exp x over axes, shifted by the maximum, if that is finite, so that it cannot overflow. */
export function logSumExp(value: TensorLike, options: ReduceOptions = {}): Tensor {
  optionsOf("logSumExp", options, reduceNames);
  const x = floating("logSumExp", value);
  const axes = normalizeAxes("logSumExp", options.axis, x.shape);
  const top = stopGradient(max(x, { axis: axes, keepDims: true })); // the result does not depend on the shift
  const isInfinite = eq(abs(top), constant(Number.POSITIVE_INFINITY, x.dtype));
  const shift = where(isInfinite, constant(0, x.dtype), top);
  const total = log(sum(exp(sub(x, shift)), { axis: axes, keepDims: true }));
  const y = add(total, shift);
  return options.keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, i) => !axes.includes(i)),
      );
}

function nonEmpty(name: string, x: Tensor, { axis }: ReduceOptions): Tensor {
  if (normalizeAxes(name, axis, x.shape).some((k) => x.shape[k] === 0)) {
    throw new ShapeError(`${name}(${show("x", x)}): an empty axis has no extreme`, { op: name, inputs: [x.shape, axis] });
  }
  return x;
}

function defineArg(name: string, code: number): (value: TensorLike, axis?: number) => Tensor {
  const op = defineOp({
    name,
    inputs: ["x"],
    vjp: { x: null },
    lowering: { kind: "kernel", kernel: "arg_reduce", attrs: runAttrs(code) },
  });
  return (value, axis) => {
    const given = floating(name, value);
    const x = axis === undefined ? reshape(given, [sizeOf(given.shape)]) : given;
    const k = normalizeAxis(name, axis ?? 0, x.shape);
    nonEmpty(name, x, { axis: k });
    return node(op, [x], [...x.shape.slice(0, k), ...x.shape.slice(k + 1)], "i32", { from: k, to: k + 1 });
  };
}

/** Position of the largest element along `axis` (default: in the flattened tensor), the first if several; i32. */
export const argmax = defineArg("argmax", 0);
/** Position of the smallest element along `axis` (default: in the flattened tensor), the first if several; i32. */
export const argmin = defineArg("argmin", 1);

/** Sums a broadcast tensor back to the shape it was broadcast from: the adjoint of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((n, i) => (i < lead || (shape[i - lead] === 1 && n !== 1) ? [i] : []));
  return reshape(axes.length > 0 ? sum(x, { axis: axes }) : x, shape);
}
