/** Chains: what kernels compute in registers, of one array and numbers of its channels (`native/kernels/chain.h`), as batch norm and ReLU are. */
import { type Shape, sameShape, sizeOf } from "../base/shape.js";
import type { TileOp } from "../runtime/program.js";
import { isScalar, isWhole, type Value } from "./value.js";

const chainOps: ReadonlySet<TileOp> = new Set<TileOp>(["add", "sub", "mul", "maximum", "minimum"]);
/** How many times smaller numbers of channels are than the array. */
const manyTimes = 16;

/** Whether a value is computed element by element, by operations that chains are made of. */
export function isLink(value: Value): boolean {
  const { lowering } = value.op;
  if (lowering.kind !== "tile") return false;
  let is = true;
  const step = (op: TileOp) => {
    is &&= chainOps.has(op);
    return 0;
  };
  lowering.emit(
    { step, constant: () => 0 },
    value.inputs.map(() => 0),
    value,
  );
  return is;
}

/** Whether there is but one number for each channel, the last axis of `shape`, or for all. */
export function isByChannel(x: Value, shape: Shape): boolean {
  const size = sizeOf(x.shape);
  return isScalar(x.window.base) || ((size === 1 || size === x.shape.at(-1)) && size <= shape.at(-1)! && manyTimes * size <= sizeOf(shape));
}

/** The array that a chain, in the order of its links, is made of: of its shape and dtype, as it lies; null if it is no chain of one array. */
export function arrayOf(chain: readonly Value[]): Value | null {
  const [{ dtype, shape }] = chain.slice(-1);
  const inside = new Set(chain);
  const arrays = new Set(chain.flatMap(({ inputs }) => inputs.filter((x) => !inside.has(x) && !isByChannel(x, shape))));
  const [array, ...more] = arrays;
  if (array === undefined || more.length > 0 || !chain.every(isLink)) return null;
  return array.dtype === dtype && isWhole(array.window) && sameShape(array.shape, shape) ? array : null;
}
