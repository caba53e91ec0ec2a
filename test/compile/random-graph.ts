/** Random graphs: values of one shape, grown from leaves by every op of the table and by chains that the compiler joins. */
import { concat, grad, type ScanOptions, scan, type Tensor, where } from "nabla";
import { isFloat } from "../../lib/base/dtype.js";
import { sizeOf } from "../../lib/base/shape.js";
import { Draw } from "../ops/draw.js";
import { Call, opNames, rowOf } from "../ops/properties.js";

const shape = [5, 5];

/** The first elements of `x` in another shape and dtype, padded with a constant if it has too few. */
function fitted(x: Tensor, like: { shape: readonly number[]; dtype: Tensor["dtype"] }): Tensor {
  const [have, want] = [sizeOf(x.shape), sizeOf(like.shape)];
  const row = x.reshape([have]);
  const cut = have >= want ? row.slice([0], [want]) : row.pad([[0, want - have]], { value: 1 });
  return cut.reshape(like.shape).cast(like.dtype);
}

/** Numbers of moderate size: NaN, infinities and large ones would soon be everywhere. */
const tamed = (x: Tensor): Tensor => where(x.abs().lt(100), x, 0.5);

/** A loop over the rows of `xs` that reads both its carry and a value from outside, after other values have come and gone. */
const looped = (start: Tensor, xs: Tensor, outside: Tensor, options?: ScanOptions) =>
  scan(
    ([c], [row]) => {
      const next = c.matmul(outside.tanh()).add(row).tanh();
      return { carry: [next.add(outside.mul(0.1))], y: [next.softmax().matmul(c).mean({ axis: 0 })] };
    },
    [start],
    [xs],
    options,
  );

/** Chains that the compiler fuses, loops, views and what cannot be one, gradients. */
const chains: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a, b) => a.add(b),
  (a, b) => a.mul(b).tanh(),
  (a, b) => where(a.gt(b), a, b.neg()),
  (a) => a.transpose(),
  (a, b) => a.flip(0).add(b),
  (a, b) => a.matmul(b).mul(0.2),
  (a, b) => a.transpose().matmul(b).add(a).relu(),
  (a, b) => a.sum({ axis: 0 }).mul(0.1).add(b),
  (a, b) => a.mean({ axis: 1, keepDims: true }).add(b),
  (a, b) => a.max({ axis: 0, keepDims: true }).sub(b),
  (a) => a.softmax(),
  (a, b) => concat([a.slice([0, 0], [2, 5]), b.slice([2, 0])]),
  (a) => a.reshape([25]).flip(0).reshape([5, 5]),
  (a, b) => a.cast("i32").mul(b.cast("i32")).div(3).add(1).cast(a.dtype),
  (a, b) => a.mul(9).cast("u8").sub(b.mul(9).cast("u8")).mul(2).cast(a.dtype),
  (a, b) => a.gt(0).logicalAnd(b.gt(0)).cast(a.dtype).sub(b),
  (a, b) => looped(a, b, a).carry[0],
  (a, b) => looped(b, a, b, { reverse: true }).y[0],
  (a, b) => grad((x) => looped(x, b, x).y[0].mul(a).sum())(a),
  (a, b) => grad((x) => x.matmul(b.tanh()).sigmoid().mul(b).sum())(a),
  (a, b) => grad((x) => a.mul(x).softmax().square().sum())(b),
];

/**
 * Grows `count` values from the leaves, newest first; `observe` sees each new one. With `continuous`, small differences between
 * values stay small: no rounding, no comparisons.
 */
export function grow(seed: number, leaves: readonly Tensor[], count: number, observe: (x: Tensor) => Tensor, continuous = false): Tensor[] {
  const draw = new Draw(seed);
  const all = [...leaves];
  const { dtype } = all[0];
  const pick = () => all[Math.floor(draw.next() * draw.next() * all.length)];
  const names = opNames.filter((name) => !continuous || (rowOf(name).order ?? 2) === 2);
  const steady = continuous ? chains.filter((chain) => !/cast|\.gt/.test(String(chain))) : chains;
  const fromTable = (): Tensor => {
    const name = draw.pick(names);
    const { dtypes = ["f32", "f64"] } = rowOf(name);
    const call = new Call(name, draw.whole(0, 2 ** 30), dtypes.includes(dtype) ? dtype : draw.pick(dtypes.filter((own) => !isFloat(own))));
    const y = call.apply(call.args.map((arg) => (arg.isFree ? fitted(pick(), arg) : arg.view(arg.leaf()))));
    return tamed(fitted(y.cast(dtype), { shape, dtype }));
  };
  for (let i = 0; i < count; i++) {
    const [a, b] = [pick(), pick()];
    all.unshift(observe(draw.coin() ? fromTable() : draw.pick(steady)(a, b)));
  }
  return all;
}
