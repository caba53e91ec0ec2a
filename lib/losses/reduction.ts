/** What losses share: checks of their arguments, masks, and from a loss of each example to one number. */
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import { format, type Shape, sameShape } from "../base/shape.js";
import { asTensor, show, type TensorLike } from "../ops/convert.js";
import { type Tensor, where } from "../tensor/index.js";

const reductions = ["mean", "sum", "none"] as const;

/** Options of every loss. */
export interface LossOptions {
  /**
   * `mean`: Σ w·loss / Σ w over all that the mask lets count (without weights w = 1), 0 if there is nothing; `sum`: Σ w·loss; `none`:
   * w·loss of each. Default `mean`.
   */
  reduction?: (typeof reductions)[number];
  /** How much each example counts: of the shape of the losses, or of its leading axes, [n] for losses [n, …]. Default 1. */
  weights?: TensorLike;
  /**
   * Where true (or not 0), an example counts; where false it adds exactly 0 to the loss and to every gradient, whatever stands there: NaN for
   * an unknown label will do. Shapes as of `weights`. Default: all count.
   */
  mask?: TensorLike;
}
export const lossNames = ["reduction", "weights", "mask"] as const;

/** `value` with axes of size 1 behind its own, so that it goes with the leading axes of `shape`. */
function leading(op: string, name: string, value: Tensor, shape: Shape): Tensor {
  if (value.shape.length > shape.length || value.shape.some((n, i) => n !== 1 && n !== shape[i])) {
    throw new ShapeError(
      `${op}: ${name} ${format(value.shape)} do not go with losses ${format(shape)}; give one for each, or for each row`,
      {
        op,
        inputs: [value.shape, shape],
      },
    );
  }
  return value.reshape([...value.shape, ...shape.slice(value.shape.length).map(() => 1)]);
}

const maskFor = (op: string, mask: TensorLike, shape: Shape): Tensor => leading(op, "mask", asTensor(op, mask).cast("bool"), shape);

/** x with a harmless value where the mask says that it does not count: what is computed from it stays finite there, derivatives too. */
export function guarded(op: string, { mask }: LossOptions, x: Tensor, harmless = 0): Tensor {
  return mask === undefined ? x : where(maskFor(op, mask, x.shape), x, harmless);
}

/** Losses of examples as the options want them; `shares`: weights that are in the losses already and count for the mean. */
export function reduce(op: string, losses: Tensor, options: LossOptions, shares?: Tensor): Tensor {
  const { reduction = "mean", weights, mask } = options;
  if (!reductions.includes(reduction)) {
    throw new ValueError(`${op}: reduction must be ${reductions.join(", ")} but is "${reduction}"`, { op, inputs: [reduction] });
  }
  const { shape, dtype } = losses;
  const counts = mask === undefined ? null : maskFor(op, mask, shape);
  const only = (x: Tensor) => (counts === null ? x : where(counts, x, 0));
  const own = weights === undefined ? null : only(leading(op, "weights", asTensor(op, weights, dtype).cast(dtype), shape));
  const weighted = only(own === null ? losses : losses.mul(own));
  if (reduction === "none") return weighted;
  if (reduction === "sum") return weighted.sum();
  const all = own === null ? shares : shares === undefined ? own : own.mul(shares);
  const total = all === undefined ? counts?.cast(dtype) : only(all);
  if (total === undefined) return losses.mean();
  const sum = total.expand(shape).sum();
  return weighted.sum().div(where(sum.eq(0), 1, sum));
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

/** Throws unless `value` is a number ≥ `least` and ≤ `most`. */
export function checkNumber(op: string, name: string, value: number, least: number, most = Number.POSITIVE_INFINITY): void {
  if (!(value >= least && value <= most)) {
    const range = most === Number.POSITIVE_INFINITY ? `≥ ${least}` : `from ${least} to ${most}`;
    throw new ValueError(`${op}: ${name} must be ${range} but is ${value}`, { op, inputs: [value] });
  }
}
