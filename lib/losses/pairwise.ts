/** A family of losses: a number for each element of a prediction and its target. */
import { checkOptions } from "../base/options.js";
import { asTensor, floating, type TensorLike } from "../ops/convert.js";
import type { Tensor } from "../tensor/index.js";
import { checkAlike, guarded, type LossOptions, lossNames, reduce } from "./reduction.js";

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

/** The loss of this formula, with options of its `own` beside those of all losses. Prediction and target: one shape and dtype → scalar, or that shape with reduction "none". */
export function pairwise<Options extends LossOptions>(
  op: string,
  names: readonly [string, string],
  own: readonly string[],
  formula: (prediction: Tensor, target: Tensor, options: Options) => Tensor,
  harmless = 0,
): (prediction: TensorLike, target: TensorLike, options?: Options) => Tensor {
  const all = [...lossNames, ...own];
  return (prediction, target, options = {} as Options) => {
    checkOptions(op, options, all);
    const [x, t] = operands(op, { [names[0]]: prediction, [names[1]]: target }, options, harmless);
    return reduce(op, formula(x, t, options), options);
  };
}
