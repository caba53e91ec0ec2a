/** Gradients as users ask for them: of functions, or of a loss with regard to variables. */
import { backward } from "../autodiff/backward.js";
import { isFloat } from "../base/dtype.js";
import { DTypeError, describe, ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sizeOf } from "../base/shape.js";
import { node } from "../graph/op.js";
import { Tensor } from "../graph/tensor.js";
import { readVariable } from "../graph/trace.js";
import { Variable } from "../graph/variable.js";
import { asTensor, type TensorLike } from "../ops/convert.js";
import { onesLike, zerosLike } from "../ops/create.js";
import { snapshotOp, stopGradient } from "../ops/elementwise.js";

/** Gradients of a scalar `loss` with regard to tensors or variables; zeros where the loss does not depend on one. */
export function gradients(loss: Tensor, wrt: readonly (Tensor | Variable)[]): Tensor[] {
  checkLoss("gradients", loss);
  const targets = wrt.map((x) => (x instanceof Variable ? readVariable(x) : x));
  return backward([loss], [onesLike(loss)], targets).map((g, i) => g ?? zerosLike(targets[i]));
}

/** Throws unless `loss` is a floating scalar. */
export function checkLoss(op: string, loss: unknown): asserts loss is Tensor {
  if (!(loss instanceof Tensor)) throw new ValueError(`${op}: the loss must be a tensor but is ${describe(loss)}`, { op, inputs: [loss] });
  if (sizeOf(loss.shape) !== 1) {
    throw new ShapeError(
      `${op}: gradients are of a scalar, but the loss has shape ${format(loss.shape)}; reduce it first: loss.mean() or loss.sum()`,
      {
        op,
        inputs: [loss.shape],
      },
    );
  }
  if (!isFloat(loss.dtype))
    throw new DTypeError(`${op}: gradients are of f32 or f64, but the loss is ${loss.dtype}`, { op, inputs: [loss.dtype] });
}

export interface GradOptions {
  /** Positions of the arguments to differentiate by; default the first. */
  argnums?: number | readonly number[];
}

/** Arguments as nodes of their own: what the function takes from elsewhere counts as constant. */
function differentiable(op: string, args: readonly TensorLike[], argnums: readonly number[]): Tensor[] {
  return args.map((arg, i) => {
    const x = asTensor(op, arg);
    if (!argnums.includes(i)) return x;
    if (!isFloat(x.dtype))
      throw new DTypeError(`${op}: argument ${i} is ${x.dtype}; gradients are by f32 or f64`, { op, inputs: [x.dtype] });
    return node(snapshotOp, [x], x.shape, x.dtype);
  });
}

type ScalarFunction = (...args: Tensor[]) => Tensor;

/** The gradient of a scalar function of tensors, itself a function that can be differentiated again. */
export function grad(f: ScalarFunction, options?: { argnums?: number }): (...args: TensorLike[]) => Tensor;
export function grad(f: ScalarFunction, options: { argnums: readonly number[] }): (...args: TensorLike[]) => Tensor[];
export function grad(f: ScalarFunction, options: GradOptions = {}): (...args: TensorLike[]) => Tensor | Tensor[] {
  const { argnums = 0 } = optionsOf("grad", options, ["argnums"]);
  const gradient = valueAndGradOf("grad", f, argnums);
  return (...args) => {
    const { gradients: all } = gradient(...args);
    return typeof argnums === "number" ? all[0] : all;
  };
}

export interface ValueAndGradients {
  readonly value: Tensor;
  readonly gradients: Tensor[];
}

/** A loss with its gradients by variables or tensors; or, of a function, the function of both. */
export function valueAndGrad(loss: Tensor, wrt: readonly (Tensor | Variable)[]): ValueAndGradients;
export function valueAndGrad(f: ScalarFunction, options?: GradOptions): (...args: TensorLike[]) => ValueAndGradients;
export function valueAndGrad(
  subject: Tensor | ScalarFunction,
  how: readonly (Tensor | Variable)[] | GradOptions = {},
): ValueAndGradients | ((...args: TensorLike[]) => ValueAndGradients) {
  if (subject instanceof Tensor) return { value: subject, gradients: gradients(subject, how as readonly (Tensor | Variable)[]) };
  const { argnums = 0 } = optionsOf("valueAndGrad", how as GradOptions, ["argnums"]);
  return valueAndGradOf("valueAndGrad", subject, argnums);
}

function valueAndGradOf(op: string, f: ScalarFunction, argnums: number | readonly number[]): (...args: TensorLike[]) => ValueAndGradients {
  const positions = typeof argnums === "number" ? [argnums] : argnums;
  return (...args) => {
    const missing = positions.find((i) => !(i in args));
    if (missing !== undefined)
      throw new ValueError(`${op}: asked for the gradient by argument ${missing}, but ${args.length} were given`, {
        op,
        inputs: [argnums],
      });
    const xs = differentiable(op, args, positions);
    const value = f(...xs);
    checkLoss(op, value);
    return {
      value,
      gradients: gradients(
        value,
        positions.map((i) => xs[i]),
      ),
    };
  };
}

/** What `body` computes, through which no gradient flows. */
export function noGrad<T extends Tensor | readonly Tensor[]>(body: () => T): T {
  const result: Tensor | readonly Tensor[] = body();
  return (result instanceof Tensor ? stopGradient(result) : result.map((x) => stopGradient(x))) as T;
}
