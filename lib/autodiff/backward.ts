/** Reverse-mode differentiation: walks the graph backwards and builds the graph of the gradients, which is differentiable again. */
import { isFloat } from "../base/dtype.js";
import { sameShape } from "../base/shape.js";
import type { RuleContext } from "../graph/op.js";
import type { Attrs, Tensor } from "../graph/tensor.js";
import { topological } from "../graph/walk.js";
import { add } from "../ops/elementwise.js";
import { sumTo } from "../ops/reduce.js";

/**
 * Cotangents of `wrt` given the cotangents of `outputs` (vector–Jacobian product); null where no output depends on it.
 */
export function backward(outputs: readonly Tensor[], cotangents: readonly Tensor[], wrt: readonly Tensor[]): (Tensor | null)[] {
  const order = topological(outputs);
  const needed = new Array<boolean>(order.length).fill(false);
  const targets = new Set(wrt);
  order.forEach((y, i) => {
    needed[i] = targets.has(y) || (isFloat(y.dtype) && y.inputs.some((x) => needed[x.position]));
  });

  const gradients = new Array<Tensor | null>(order.length).fill(null);
  const accumulate = (x: Tensor, gx: Tensor) => {
    const sum = gradients[x.position];
    gradients[x.position] = sum === null ? gx : add(sum, gx);
  };
  // Rules build new nodes but never walk the graph, so positions stay valid; loops, which do, get copies of their own.
  const positions = order.map((y) => y.inputs.map((x) => x.position));
  outputs.forEach((y, i) => accumulate(y, cotangents[i]));

  for (let i = order.length - 1; i >= 0; i--) {
    const y = order[i];
    const gy = gradients[i];
    if (gy === null || !needed[i] || (targets.has(y) && y.inputs.length === 0)) continue;
    let context: RuleContext<string, Attrs> | null = null;
    y.inputs.forEach((x, k) => {
      const at = positions[i][k];
      if (!needed[at] || !isFloat(x.dtype)) return;
      let gx: Tensor;
      if (y.op.manyRule !== null) {
        gx = y.op.manyRule(gy, y, k);
      } else {
        const rule = y.op.rules[y.op.inputNames[k]];
        if (!rule) return;
        context ??= ruleContext(y);
        gx = rule(gy, context);
      }
      if (y.op.broadcasts && !sameShape(gx.shape, x.shape)) gx = sumTo(gx, x.shape);
      const sum = gradients[at];
      gradients[at] = sum === null ? gx : add(sum, gx);
    });
  }
  const found = new Map(order.map((y, i) => [y, gradients[i]]));
  return wrt.map((x) => found.get(x) ?? null);
}

function ruleContext(y: Tensor): RuleContext<string, Attrs> {
  const context: Record<string, unknown> = { ...y.attrs, y };
  y.op.inputNames.forEach((name, k) => {
    context[name] = y.inputs[k];
  });
  return context as RuleContext<string, Attrs>;
}
