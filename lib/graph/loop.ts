/**
 * Loops in the graph: a body that is run `length` times with carried state. One node, one body, however many iterations.
 *
 * A loop node's inputs are [initial carries, scanned inputs, constants]; its results are picked by number:
 * [final carries, stacked outputs, histories]. History j holds carry j as it was at the start of each iteration; it is only
 * kept where something (the gradient) picks it.
 */
import { defineVariadicOp, node, type Op, sourceNode } from "./op.js";
import { type Graph, graphOf, hashGraph, Signature } from "./signature.js";
import type { Tensor } from "./tensor.js";
import { topological } from "./walk.js";

export class LoopBody {
  readonly graph: Graph;
  readonly hash: number;
  private readonly signature: Signature;

  constructor(
    /** Stand-ins: carries, one slice of each scanned input, constants. */
    readonly args: readonly Tensor[],
    /** New carries, then what is stacked. */
    readonly outputs: readonly Tensor[],
    readonly carries: number,
    readonly scanned: number,
    readonly length: number,
    /** Iterations take and stack slices from the last to the first. */
    readonly reverse: boolean,
  ) {
    this.graph = graphOf(outputs, []);
    this.hash = hashGraph(this.graph) ^ (length * 8 + carries * 2 + (reverse ? 1 : 0));
    this.signature = new Signature(this.graph);
  }

  sameAs(other: unknown): boolean {
    if (!(other instanceof LoopBody)) return false;
    const { carries, scanned, length, reverse, outputs } = this;
    if (other.carries !== carries || other.scanned !== scanned || other.length !== length || other.reverse !== reverse) return false;
    topological(outputs);
    topological(other.outputs);
    return this.signature.matches(other.graph);
  }

  toJSON(): string {
    return `loop ${this.hash} ×${this.length}`;
  }
}

/** A stand-in for an argument of a traced function. */
export function argument(index: number, like: { shape: readonly number[]; dtype: Tensor["dtype"] }): Tensor {
  return sourceNode({ kind: "argument", index }, like.shape, like.dtype);
}

/** The same computation with some nodes replaced; nodes that do not depend on replaced ones are shared. */
export function substitute(roots: readonly Tensor[], replacement: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const made = new Map<Tensor, Tensor>();
  for (const x of topological(roots)) {
    const given = replacement.get(x);
    if (given !== undefined) {
      made.set(x, given);
      continue;
    }
    const inputs = x.inputs.map((input) => made.get(input)!);
    made.set(x, inputs.every((input, i) => input === x.inputs[i]) ? x : node(x.op, inputs, x.shape, x.dtype, x.attrs));
  }
  return roots.map((root) => made.get(root)!);
}

/**
 * Cuts a body loose from its surroundings: whatever it uses that does not depend on `args` becomes a further argument, a
 * constant of the loop, computed once outside.
 */
export function closeOver(args: readonly Tensor[], outputs: readonly Tensor[]): { args: Tensor[]; outputs: Tensor[]; constants: Tensor[] } {
  const order = topological(outputs);
  const inside = new Set<Tensor>(args);
  for (const x of order) if (x.inputs.some((input) => inside.has(input))) inside.add(x);
  const constants: Tensor[] = [];
  const standIns: Tensor[] = [];
  const replacement = new Map<Tensor, Tensor>();
  const cut = (x: Tensor) => {
    if (inside.has(x) || replacement.has(x)) return;
    if (x.inputs.length === 0 && x.source === null) {
      // Literals are copied, so that no node belongs to two graphs and walks of one leave the other alone.
      replacement.set(x, node(x.op, x.inputs, x.shape, x.dtype, x.attrs));
      return;
    }
    const standIn = argument(args.length + constants.length, x);
    replacement.set(x, standIn);
    standIns.push(standIn);
    constants.push(x);
  };
  for (const x of order) if (inside.has(x)) x.inputs.forEach(cut);
  outputs.forEach(cut);
  return { args: [...args, ...standIns], outputs: substitute(outputs, replacement), constants };
}

export const pickOp: Op = defineVariadicOp({ name: "pick", vjp: null, lowering: { kind: "pick" } });

/** One result of a loop node. */
export function pick(loop: Tensor, index: number, shape: readonly number[], dtype: Tensor["dtype"]): Tensor {
  return node(pickOp, [loop], shape, dtype, { index });
}
