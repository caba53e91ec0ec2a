/** Finding the op that made the first NaN or infinity. */
import { isFloat } from "../base/dtype.js";
import { NablaError } from "../base/errors.js";
import { format } from "../base/shape.js";
import { isDebug, setDebug } from "../graph/op.js";
import { currentTrace, type RunAction, Trace, withTrace } from "../graph/trace.js";
import { topological } from "../graph/walk.js";
import { userLine } from "../tensor/compile.js";
import { compile, stack, type Tensor, type Variable, where } from "../tensor/index.js";
import { collectTensors } from "../tensor/tree.js";

/** A computation gave NaN or an infinity. */
export class NumericsError extends NablaError {
  override readonly code = "ERR_NUMERICS";
}

/** What belongs to one traced form of the function: no plain object, so that `compile` hands it through. */
class StepRecord {
  constructor(
    readonly suspects: readonly { readonly text: string; readonly inputs: readonly number[] }[],
    readonly actions: readonly RunAction[],
  ) {}
}

/** Stands for the inputs of what comes from outside. */
const given = -1;

/**
 * `compile` for finding out where NaN and infinities come from: the same function, which throws a {@link NumericsError} naming the op that made the first of
 * them from finite numbers, and the line that wrote it. The step in which it happens assigns nothing. Every value of the step is looked at, which
 * takes several times as long.
 * @example const step = checkNumerics((x: Tensor, y: Tensor) => { …; optimizer.minimize(loss); return loss; });
 * @throws NumericsError from the promise of a call. An infinity that is given (a mask of −∞) is nobody's fault.
 */
export function checkNumerics<Args extends readonly unknown[], Result>(fn: (...args: Args) => Result): (...args: Args) => Promise<Result> {
  const step = compile((...args: Args) => {
    const was = isDebug();
    const inner = new Trace();
    setDebug(true);
    let result: Result;
    try {
      result = withTrace(inner, () => fn(...args));
    } finally {
      setDebug(was);
    }
    const outer = currentTrace()!;
    outer.guards.push(...inner.guards);
    outer.onRun.push(...inner.onRun);
    const roots: Tensor[] = [];
    collectTensors(result, roots, () => {});
    const order = topological([...roots, ...inner.demanded, ...inner.assigned.values()]).filter(
      ({ dtype, op }) => isFloat(dtype) && op.lowering.kind !== "loop",
    );
    const places = new Map(order.map((x, i) => [x, i]));
    const suspects = order.map((x) => ({
      text: `${x.op.name}(${x.inputs.map(({ shape }) => format(shape)).join(", ")}) → ${format(x.shape)}${userLine(x)}`,
      inputs: x.inputs.length === 0 ? [given] : x.inputs.flatMap((input) => places.get(input) ?? []),
    }));
    // 0 where all is finite, 1 with an infinity, 2 with a NaN.
    const states = order.map((x) => {
      const isNaN = x.ne(x).cast("f32").max();
      const isInfinite = x.abs().eq(Number.POSITIVE_INFINITY).cast("f32").max();
      return isNaN.mul(2).maximum(isInfinite);
    });
    const flags = stack(states);
    const isFine = [...inner.assigned.values()].map((value) => value.sub(value).eq(0).cast("f32").min());
    const ok = isFine.length === 0 ? null : stack(isFine).min().eq(1);
    for (const [target, value] of inner.assigned) (target as Variable).assign(where(ok!, value, (target as Variable).value));
    return { result, flags, ok, record: new StepRecord(suspects, inner.onRun) };
  });
  return async (...args) => {
    const { result, flags, ok, record } = await step(...args);
    const { suspects, actions } = record;
    const states = await flags.data();
    const culprit = suspects.findIndex(
      ({ inputs }, i) => states[i] > 0 && !inputs.includes(given) && inputs.every((input) => states[input] < states[i]),
    );
    if (culprit < 0 && (ok === null || Boolean(await ok.item()))) return result;
    for (const { failed } of actions) failed(); // nothing was assigned
    if (culprit < 0) {
      throw new NumericsError("checkNumerics: new values of variables are not finite because an argument or a variable was not", {
        op: "checkNumerics",
      });
    }
    const what = states[culprit] === 2 ? "NaN" : "an infinity";
    throw new NumericsError(`checkNumerics: ${suspects[culprit].text} made ${what} from inputs that had none`, {
      op: "checkNumerics",
      inputs: [suspects[culprit].text],
    });
  };
}
