/** The same computation in double precision, whatever it was written in: differences of f32 are too coarse to check gradients by. */
import { isFloat } from "../base/dtype.js";
import { argument, LoopBody } from "../graph/loop.js";
import { node } from "../graph/op.js";
import { Trace, withTrace } from "../graph/trace.js";
import { topological } from "../graph/walk.js";
import { type Tensor, uniform, type Variable } from "../tensor/index.js";

/** What `body` computes, as a graph; what it would assign is left alone. */
export function graphOnly<T>(body: () => T): T {
  return withTrace(new Trace(), body);
}

/** `root` with every f32 node as f64, and `values` in the place of the variables. */
export function inDouble(root: Tensor, values: ReadonlyMap<Variable, Tensor>): Tensor {
  const made = new Map<Tensor, Tensor>();
  return retyped([root], made, (x) => {
    const { source } = x;
    if (source?.kind === "variable") return values.get(source.variable as Variable) ?? widened(x);
    if (source?.kind === "uniform" && x.dtype === "f32") return uniform(source.read, "f64");
    return widened(x);
  })[0];
}

const wide = (dtype: Tensor["dtype"]): Tensor["dtype"] => (isFloat(dtype) ? "f64" : dtype);
const widened = (x: Tensor): Tensor => (x.dtype === "f32" ? x.cast("f64") : x);

function retyped(roots: readonly Tensor[], made: Map<Tensor, Tensor>, sourceOf: (x: Tensor) => Tensor): Tensor[] {
  for (const x of topological(roots)) {
    if (made.has(x)) continue;
    const inputs = x.inputs.map((input) => made.get(input)!);
    made.set(x, x.source === null ? node(x.op, inputs, x.shape, wide(x.dtype), attrsOf(x)) : sourceOf(x));
  }
  return roots.map((root) => made.get(root)!);
}

/** Attributes; of a loop, its body is another graph. */
function attrsOf({ attrs }: Tensor): Tensor["attrs"] {
  if (!(attrs.body instanceof LoopBody)) return attrs;
  const { args, outputs, carries, scanned, length, reverse } = attrs.body;
  const standIns = args.map((arg, i) => argument(i, { shape: arg.shape, dtype: wide(arg.dtype) }));
  const inside = retyped(outputs, new Map(args.map((arg, i) => [arg, standIns[i]])), widened);
  return { ...attrs, body: new LoopBody(standIns, inside, carries, scanned, length, reverse) };
}
