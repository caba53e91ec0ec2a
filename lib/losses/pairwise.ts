/** A family of losses: a number for each element of a prediction and its target. */
import { asTensor, floating, type TensorLike } from "../ops/convert.js";
import type { Tensor } from "../tensor/index.js";
import { checkAlike, guarded, type LossOptions, reduce } from "./reduction.js";

/** Operands of the first one's dtype, all of one shape, harmless where the mask is false. */
export function operands(op: string, named: Readonly<Record<string, TensorLike>>, options: LossOptions, harmless = 0): Tensor[] {
  const [[firstName, firstLike], ...others] = Object.entries(named);
  const first = floating(op, firstLike);
  const rest = others.map(([name, value]) => {
    const x = asTensor(op, value, first.dtype);
    checkAlike(op, [firstName, first], [name, x]);
    return x;
  });
  return [first, ...rest].map((x) => guarded(op, options, x, harmless));
}

/** The loss of this formula. Prediction and target: one shape and dtype → scalar, or that shape with reduction "none". */
export function pairwise<Options extends LossOptions>(
  op: string,
  names: readonly [string, string],
  formula: (prediction: Tensor, target: Tensor, options: Options) => Tensor,
  harmless = 0,
): (prediction: TensorLike, target: TensorLike, options?: Options) => Tensor {
  return (prediction, target, options = {} as Options) => {
    const [x, t] = operands(op, { [names[0]]: prediction, [names[1]]: target }, options, harmless);
    return reduce(op, formula(x, t, options), options);
  };
}
