/**
 * A tensor is a node of the graph: what it is computed from, or, once evaluated, where its elements are.
 *
 * An unevaluated tensor owns no memory. Evaluation turns it into a source and drops its inputs, so that the graph
 * behind it can be collected.
 */
import type { DType, TypedArray } from "../base/dtype.js";
import type { Shape } from "../base/shape.js";
import type { Storage, Ticket } from "../runtime/device.js";
import type { Op } from "./op.js";
import type { Variable } from "./variable.js";

/** Static parameters of an op: part of the program's identity. Numbers that vary from run to run are uniforms instead. */
export type Attrs = Readonly<Record<string, unknown>>;
export const noAttrs: Attrs = Object.freeze({});
export const noInputs: readonly Tensor[] = Object.freeze([]);

/** Where the elements of a source are: in JavaScript's memory, unless they are many, until a device needs them; then in a storage. */
export interface Elements {
  host: TypedArray | null;
  storage: Storage | null;
  /** The run that writes `storage`. */
  ticket: Ticket;
  disposed: boolean;
}

/** What a source stands for; `null` on tensors that are still to be computed. */
export type Source =
  | { readonly kind: "data"; readonly elements: Elements }
  /** The value a variable had at `version`. */
  | { readonly kind: "variable"; readonly variable: Variable; readonly version: number }
  /** An argument of a function being traced. */
  | { readonly kind: "argument"; readonly index: number }
  /** A number that is handed to every run. */
  | { readonly kind: "uniform"; readonly read: () => number };

export class Tensor {
  /** Scratch of graph walks: number of the walk that saw this node last, and the node's position in it. */
  walk = 0;
  position = 0;
  /** The line that made this tensor, in debug mode. */
  callSite: Error | null = null;

  constructor(
    /** @internal */ public op: Op,
    /** @internal */ public inputs: readonly Tensor[],
    readonly shape: Shape,
    readonly dtype: DType,
    /** @internal */ public attrs: Attrs,
    /** @internal */ public source: Source | null,
  ) {}
}
