/** Walking the graph: every node after all of its inputs, without recursion (graphs are deep). */
import type { Tensor } from "./tensor.js";

let walks = 0;

/** All nodes that the roots are computed from, roots included, each after its inputs; `position` is set to the place in the list. */
export function topological(roots: readonly Tensor[]): Tensor[] {
  const walk = ++walks;
  const order: Tensor[] = [];
  const stack: Tensor[] = [];
  for (let r = roots.length - 1; r >= 0; r--) stack.push(roots[r]);
  while (stack.length > 0) {
    const tensor = stack[stack.length - 1];
    if (tensor.walk === walk) {
      // Seen before: entered (position −1), so all inputs are done by now; or done.
      stack.pop();
      if (tensor.position === -1) {
        tensor.position = order.length;
        order.push(tensor);
      }
      continue;
    }
    tensor.walk = walk;
    tensor.position = -1;
    const { inputs } = tensor;
    for (let i = inputs.length - 1; i >= 0; i--) if (inputs[i].walk !== walk) stack.push(inputs[i]);
  }
  return order;
}
