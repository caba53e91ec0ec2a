/** What layers share: their parameters, checks of their sizes and inputs, and how they print. */
import { isFloat } from "../base/dtype.js";
import { DTypeError, describe, ShapeError, ValueError } from "../base/errors.js";
import { format, type Shape, sameShape, sizeOf } from "../base/shape.js";
import { type DType, type FloatDType, Tensor, Variable, variable } from "../tensor/index.js";
import { type Initializer, uniform, zeros } from "./init.js";
import type { AnyModule } from "./module.js";

/** Options of layers that multiply by a weight and add a bias. */
export interface WeightOptions {
  /** Whether to add a bias. Default true. */
  bias?: boolean;
  /** Default f32. */
  dtype?: FloatDType;
  /** Initial weight; the bias is 0 then. Default: both uniform in ±1 / √fan-in, as in PyTorch. */
  init?: Initializer;
  /** Initial bias, for a shape [out], where it is not what `init` says. */
  biasInit?: Initializer;
}

export const weightNames = ["bias", "dtype", "init", "biasInit"] as const;

/** Throws unless `value` is a whole number ≥ 1. */
export function checkSize(op: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new ValueError(`${op}: ${name} must be a whole number ≥ 1 but is ${typeof value === "number" ? value : describe(value)}`, {
      op,
      inputs: [value],
    });
  }
}

/** Refuses what is no tensor, naming the module. */
export function checkTensor(op: string, module: AnyModule, x: unknown): void {
  if (x instanceof Tensor || x instanceof Variable) return;
  const isArray = Array.isArray(x) || ArrayBuffer.isView(x) || typeof x === "number";
  const mend = isArray ? "make one: tensor(x)" : x instanceof Promise ? "await it" : "of an array of a batch: tensor(x.data, x)";
  throw new ValueError(`${module} (x: ${describe(x)}): expected a tensor; ${mend}`, { op, inputs: [x] });
}

/** Refuses an input that is no tensor, or of another dtype than the layer's, or of a shape that has a problem, naming the layer. */
export function checkInput(op: string, layer: AnyModule, x: Tensor, dtype: DType, problemOf: (shape: Shape) => string | null): void {
  checkTensor(op, layer, x);
  const problem = problemOf(x.shape);
  if (problem === null && x.dtype === dtype) return;
  const call = `${layer} (x: ${format(x.shape)}${x.dtype === "f32" ? "" : ` ${x.dtype}`})`;
  if (problem !== null) throw new ShapeError(`${call}: ${problem}`, { op, inputs: [x.shape] });
  throw new DTypeError(`${call}: the layer is ${dtype}, the input ${x.dtype}; cast the input: x.cast("${dtype}")`, {
    op,
    inputs: [x.dtype, dtype],
  });
}

/**
 * Weight and bias [out] of a layer; by default out is the weight's last axis, and fan-in the product of all others. Without `init` both are uniform in
 * ±1 / √fan-in: PyTorch's default, which is He's with slope √5.
 */
export function weightAndBias(
  op: string,
  shape: Shape,
  options: WeightOptions,
  { fanIn = sizeOf(shape.slice(0, -1)), out = shape.at(-1)! } = {},
): { weight: Variable; bias: Variable | null } {
  const { bias = true, dtype = "f32", init, biasInit } = options;
  if (!isFloat(dtype)) throw new DTypeError(`${op}: dtype must be f32 or f64 but is ${dtype}`, { op, inputs: [dtype] });
  const bound = 1 / Math.sqrt(fanIn);
  const usual = uniform({ low: -bound, high: bound });
  const weight = (init ?? usual)(shape, { dtype });
  if (!sameShape(weight.shape, shape) || weight.dtype !== dtype) {
    const expected = `${format(shape)} ${dtype}`;
    throw new ShapeError(`${op}: init gave ${format(weight.shape)} ${weight.dtype} where the weight is ${expected}`, {
      op,
      inputs: [shape, weight.shape],
    });
  }
  const initialBias = biasInit ?? (init === undefined ? usual : zeros());
  return { weight: variable(weight), bias: bias ? variable(initialBias([out], { dtype })) : null };
}

/** A layer as it was asked for: `Conv2d(1, 6, { kernel: 5 })`. Functions among the options are left out. */
export function showCall(name: string, args: readonly unknown[], options: object = {}): string {
  const settings = Object.entries(options).filter(([, value]) => value !== undefined && typeof value !== "function");
  const shown = args.map((arg) => JSON.stringify(arg));
  if (settings.length > 0) shown.push(`{ ${settings.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ")} }`);
  return `${name}(${shown.join(", ")})`;
}
