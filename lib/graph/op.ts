/** What an op is: its name, the gradient rule of each input, and how it is lowered to kernels. Rows of these live in `ops/`. */
import type { DType } from "../base/dtype.js";
import type { Shape } from "../base/shape.js";
import type { TileOp, View } from "../runtime/program.js";
import { type Attrs, noAttrs, noInputs, type Source, Tensor } from "./tensor.js";

/** Emits the steps of a tile program; registers are numbers. */
export interface TileEmitter {
  step(op: TileOp, ...args: number[]): number;
  constant(value: number): number;
}

/** What lowering sees of a node: its shape and attributes, not its history. */
export interface Lowered {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly attrs: Attrs;
  readonly inputs: readonly { readonly shape: Shape; readonly dtype: DType }[];
}

/** How an op becomes part of a program. */
export type Lowering =
  /** Given from outside: data, variables, arguments, uniforms. */
  | { readonly kind: "source" }
  /** A number known when the graph is built (`attrs.value`). */
  | { readonly kind: "constant" }
  /** Computed element by element; inputs broadcast. Returns the result's register. */
  | { readonly kind: "tile"; readonly emit: (tile: TileEmitter, args: readonly number[], node: Lowered) => number }
  /** Another window on the input's elements; null where strides cannot express it (the input is copied first). */
  | { readonly kind: "view"; readonly view: (input: View, node: Lowered) => View | null }
  /** One kernel of the table in docs/kernels.md. */
  | KernelLowering
  /** Inputs copied into windows of a fresh buffer, which is filled with a number first unless the windows cover it (null). */
  | {
      readonly kind: "assemble";
      readonly windows: (output: View, node: Lowered) => readonly View[];
      readonly fill: (node: Lowered) => number | null;
    }
  /** A loop over a body graph, see `graph/loop.ts`. */
  | { readonly kind: "loop" }
  /** One of the results of a loop (`attrs.index`). */
  | { readonly kind: "pick" };

export interface KernelLowering {
  readonly kind: "kernel";
  readonly kernel: string;
  readonly attrs?: (node: Lowered) => readonly number[];
  /** The kernel takes inputs of any strides; otherwise they are made row-major first. */
  readonly strided?: boolean;
  /** The kernel takes an elementwise epilogue on its result. */
  readonly epilogue?: boolean;
  /** The kernel takes its input as a tile program (reductions). */
  readonly prologue?: boolean;
  /** Whether the kernel takes a tile program in the place of its first input. */
  readonly takesPrologue?: (node: Lowered) => boolean;
  /** What an output of the step that computes the input may receive in the kernel's stead, where the run of axes is the first. */
  readonly received?: "sums" | "moments";
  /** The kernel finds bad data while running (labels out of range): updates of variables wait for it. */
  readonly fallible?: boolean;
  /** The inputs are uniforms, whose slots follow the attributes. */
  readonly uniforms?: boolean;
  /** Operands in the rank that the kernel wants; by default as they are. */
  readonly operands?: (inputs: readonly View[], output: View, node: Lowered) => { inputs: readonly View[]; output: View };
}

/** What a gradient rule may use: the inputs and attributes by name, and the result `y`. */
export type RuleContext<Names extends string, A> = { readonly [K in Names]: Tensor } & { readonly y: Tensor } & A;

/** The cotangent of one input from the cotangent `gy` of the result; `null` says "no gradient, on purpose". */
export type Rule<Names extends string, A> = ((gy: Tensor, at: RuleContext<Names, A>) => Tensor) | null;

export interface Op {
  readonly name: string;
  readonly inputNames: readonly string[];
  /** One rule per input name. An op of many alike inputs has one rule for all, which gets the input's position. */
  readonly rules: Readonly<Record<string, Rule<string, Attrs>>>;
  readonly manyRule: ((gy: Tensor, node: Tensor, position: number) => Tensor) | null;
  /** Of an op of several results: the cotangents of all inputs from those of its results, where there are any. */
  readonly resultsRule: ((gys: readonly (Tensor | null)[], node: Tensor) => readonly (Tensor | null)[]) | null;
  readonly lowering: Lowering;
  /** Cotangents arrive in the broadcast shape and are summed back to the input's. */
  readonly broadcasts: boolean;
}

/** All ops by name; names are unique. */
export const opTable = new Map<string, Op>();

/** Defines an op with a fixed number of inputs. Forgetting the rule of an input does not compile. */
export function defineOp<const Names extends string, A extends object = Record<never, never>>(row: {
  name: string;
  inputs: readonly Names[];
  vjp: { readonly [K in NoInfer<Names>]: Rule<NoInfer<Names>, A> };
  lowering: Lowering;
}): Op {
  return register({
    name: row.name,
    inputNames: row.inputs,
    rules: row.vjp as Op["rules"],
    manyRule: null,
    resultsRule: null,
    lowering: row.lowering,
    broadcasts: row.lowering.kind === "tile",
  });
}

/** Defines an op with any number of inputs, all alike (concat), or of several results (loops). */
export function defineVariadicOp(row: { name: string; vjp: Op["manyRule"]; resultsVjp?: Op["resultsRule"]; lowering: Lowering }): Op {
  const { name, vjp, resultsVjp = null, lowering } = row;
  return register({ name, inputNames: [], rules: {}, manyRule: vjp, resultsRule: resultsVjp, lowering, broadcasts: false });
}

function register(op: Op): Op {
  if (opTable.has(op.name)) throw new Error(`op ${op.name} is defined twice`);
  opTable.set(op.name, op);
  return op;
}

/** In debug mode every node remembers the line that made it; see {@link setDebug}. */
let debug = false;

/** Switches the recording of call sites, which costs more than tracing an op. */
export function setDebug(on: boolean): void {
  debug = on;
}

export function isDebug(): boolean {
  return debug;
}

/** A new node of the graph. Shapes and dtypes have been checked by the caller. */
export function node(op: Op, inputs: readonly Tensor[], shape: Shape, dtype: DType, attrs: Attrs = noAttrs): Tensor {
  const tensor = new Tensor(op, inputs, shape, dtype, attrs, null);
  if (debug) tensor.callSite = new Error("written here");
  if (watcher !== null) watcher(tensor);
  return tensor;
}

let watcher: ((made: Tensor) => void) | null = null;

/** What `body` gives, while `watch` is told of every node that is made. */
export function watchNodes<T>(watch: (made: Tensor) => void, body: () => T): T {
  const before = watcher;
  watcher = watch;
  try {
    return body();
  } finally {
    watcher = before;
  }
}

const sourceOp = defineVariadicOp({ name: "source", vjp: null, lowering: { kind: "source" } });

/** A node that is given from outside. */
export function sourceNode(source: Source, shape: Shape, dtype: DType): Tensor {
  return new Tensor(sourceOp, noInputs, shape, dtype, noAttrs, source);
}

/** Turns an evaluated node into a source; what it was computed from can be collected. */
export function becomeSource(tensor: Tensor, source: Source): void {
  tensor.op = sourceOp;
  tensor.inputs = noInputs;
  tensor.attrs = noAttrs;
  tensor.source = source;
}
