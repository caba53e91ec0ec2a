/** Reverse-mode differentiation: walks the graph backwards and builds the graph of the gradients, which is differentiable again. */
import { isFloat } from "../base/dtype.js";
import { sameShape } from "../base/shape.js";
import type { RuleContext } from "../graph/op.js";
import type { Attrs, Tensor } from "../graph/tensor.js";
import { topological } from "../graph/walk.js";
import { add } from "../ops/elementwise.js";
import { sumTo } from "../ops/reduce.js";

/**
 * Cotangents of `wrt` given the cotangents of `outputs` (a vector–Jacobian product); null where no output depends on it.
 */
export function backward(outputs: readonly Tensor[], cotangents: readonly Tensor[], wrt: readonly Tensor[]): (Tensor | null)[] {
  const order = topological(outputs);
  const targets = new Set(wrt);
  const needed = new Set<Tensor>();
  for (const y of order) if (targets.has(y) || y.inputs.some((x) => needed.has(x))) needed.add(y);

  const gradients = new Map<Tensor, Tensor>();
  const results = new Map<Tensor, (Tensor | null)[]>();
  const accumulate = (x: Tensor, gx: Tensor) => {
    const sum = gradients.get(x);
    // What was found last is computed first: what comes early is often the cheapest, and can wait until all is there.
    gradients.set(x, sum === undefined ? gx : add(gx, sum));
  };
  outputs.forEach((y, i) => {
    accumulate(y, cotangents[i]);
  });

  for (let i = order.length - 1; i >= 0; i--) {
    const y = order[i];
    if (!needed.has(y)) continue;
    if (y.op.resultsRule !== null) {
      const gys = results.get(y);
      if (gys === undefined) continue;
      y.op.resultsRule(gys, y).forEach((gx, k) => {
        if (gx !== null && needed.has(y.inputs[k])) accumulate(y.inputs[k], gx);
      });
      continue;
    }
    const gy = gradients.get(y);
    if (gy === undefined) continue;
    if (y.op.lowering.kind === "pick") {
      const [loop] = y.inputs;
      const gys = results.get(loop) ?? [];
      results.set(loop, gys);
      const index = y.attrs.index as number;
      while (gys.length <= index) gys.push(null);
      gys[index] = gy;
      continue;
    }
    let context: RuleContext<string, Attrs> | null = null;
    y.inputs.forEach((x, k) => {
      if (!needed.has(x) || !isFloat(x.dtype)) return;
      let gx: Tensor;
      if (y.op.manyRule !== null) {
        gx = y.op.manyRule(gy, y, k);
      } else {
        const rule = y.op.rules[y.op.inputNames[k]];
        if (!rule) return;
        context ??= ruleContext(y);
        gx = rule(gy, context);
      }
      accumulate(x, y.op.broadcasts && !sameShape(gx.shape, x.shape) ? sumTo(gx, x.shape) : gx);
    });
  }
  return wrt.map((x) => gradients.get(x) ?? null);
}

function ruleContext(y: Tensor): RuleContext<string, Attrs> {
  const { attrs, inputs } = y;
  const names = y.op.inputNames;
  const context: Record<string, unknown> = { y };
  for (const name in attrs) context[name] = attrs[name];
  for (let k = 0; k < names.length; k++) context[names[k]] = inputs[k];
  return context as RuleContext<string, Attrs>;
}
