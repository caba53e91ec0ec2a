/** What is being traced: a trace collects the assignments of a function and the outside facts its program depends on. */
import { TraceError } from "../base/errors.js";
import type { Shape } from "../base/shape.js";
import { sourceNode } from "./op.js";
import type { Tensor } from "./tensor.js";
import type { Variable } from "./variable.js";

/** A fact of the outside world that a trace relied upon: training mode, whether a parameter is frozen. */
export interface Guard {
  readonly read: () => unknown;
  readonly seen: unknown;
}

/** What JavaScript does once a run has been submitted, and what takes that back when the run turns out to have failed. */
export interface RunAction {
  readonly submitted: () => void;
  readonly failed: () => void;
}

export class Trace {
  /** Last value assigned to each variable, in order of first assignment. */
  readonly assigned = new Map<Variable, Tensor>();
  /** Computed with every run even if nobody looks at them: losses, whose kernels find bad labels. */
  readonly demanded = new Set<Tensor>();
  readonly guards: Guard[] = [];
  /** What JavaScript keeps with every run: step counts. */
  readonly onRun: RunAction[] = [];
}

let current: Trace | null = null;

/** The trace in progress, or null outside of compiled functions. */
export function currentTrace(): Trace | null {
  return current;
}

/** Runs `body` while `trace` collects; nesting restores the outer trace. */
export function withTrace<T>(trace: Trace, body: () => T): T {
  const outer = current;
  current = trace;
  try {
    return body();
  } finally {
    current = outer;
  }
}

/**
 * Reads a fact that shapes the graph. A compiled function is traced again when the fact changes; read such facts
 * through this function wherever a `forward` branches on them.
 */
export function dependsOn<T>(read: () => T): T {
  const seen = read();
  current?.guards.push({ read, seen });
  return seen;
}

/** Throws if a function is being traced: values do not exist then. */
export function refuseWhileTracing(what: string): void {
  if (current !== null) {
    throw new TraceError(
      `${what} inside a compiled function: it is being traced, values do not exist yet; return the tensor from the function and read it outside`,
      { op: what },
    );
  }
}

/** The tensor that stands for a variable's value, here and now. */
export function readVariable(variable: Variable): Tensor {
  const assigned = current?.assigned.get(variable);
  if (assigned !== undefined) return assigned;
  variable.read ??= sourceNode({ kind: "variable", variable, version: variable.version }, variable.shape, variable.dtype);
  return variable.read;
}

/** A number that is read anew for every run: learning rates, step counts. Its value is not part of the program. */
export function uniform(read: () => number, dtype: "f32" | "f64" | "i32" | "u8" = "f32"): Tensor {
  return sourceNode({ kind: "uniform", read }, scalarShape, dtype);
}

const scalarShape: Shape = Object.freeze([]);
