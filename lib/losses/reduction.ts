/** What losses share: checks of their arguments, and from a loss of each example to one number. */
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import { format, sameShape } from "../base/shape.js";
import { show } from "../ops/convert.js";
import type { Tensor } from "../tensor/index.js";

const reductions = {
  mean: (x: Tensor) => x.mean(),
  sum: (x: Tensor) => x.sum(),
  none: (x: Tensor) => x,
} as const;

export interface LossOptions {
  /** `mean` or `sum` over all examples, or `none`: the loss of each. Default `mean`. */
  reduction?: keyof typeof reductions;
}

export function reduce(op: string, perExample: Tensor, { reduction = "mean" }: LossOptions): Tensor {
  if (!Object.hasOwn(reductions, reduction)) {
    throw new ValueError(`${op}: reduction must be ${Object.keys(reductions).join(", ")} but is "${reduction}"`, {
      op,
      inputs: [reduction],
    });
  }
  return reductions[reduction](perExample);
}

/** Refuses operands that would be broadcast or converted: [n, 1] against [n] would compare all with all. */
export function checkAlike(op: string, [nameA, a]: readonly [string, Tensor], [nameB, b]: readonly [string, Tensor]): void {
  const call = `${op}(${show(nameA, a)}, ${show(nameB, b)})`;
  if (!sameShape(a.shape, b.shape)) {
    const squeezed = (x: Tensor) => x.shape.filter((n) => n !== 1);
    const mend = sameShape(squeezed(a), squeezed(b))
      ? `reshape one: ${nameB}.reshape(${format(a.shape)})`
      : "each element needs its own target";
    throw new ShapeError(`${call}: shapes differ: ${format(a.shape)} and ${format(b.shape)} are not broadcast in a loss; ${mend}`, {
      op,
      inputs: [a.shape, b.shape],
    });
  }
  if (a.dtype !== b.dtype) {
    throw new DTypeError(`${call}: dtypes differ: ${a.dtype} and ${b.dtype}; cast one: ${nameB}.cast("${a.dtype}")`, {
      op,
      inputs: [a.dtype, b.dtype],
    });
  }
}
