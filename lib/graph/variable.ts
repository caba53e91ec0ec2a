/**
 * A variable: a named place whose value is assigned. Parameters, running averages and optimizer state are variables.
 *
 * Its version counts assignments, so that an expression that read an older value is recognised.
 */
import type { DType } from "../base/dtype.js";
import type { Shape } from "../base/shape.js";
import type { Tensor } from "./tensor.js";

export interface VariableOptions {
  /** Shown in messages; modules set it to the parameter's path. */
  name?: string;
  /** Whether optimizers may change it. Default true. */
  trainable?: boolean;
}

/** State of a variable; the methods users see are added in `tensor/variable.ts`. */
export abstract class Variable {
  readonly shape: Shape;
  readonly dtype: DType;
  name: string;
  /** @internal Number of assignments so far. */
  version = 0;
  /** @internal The tensor whose elements are the current value. Its storage belongs to the variable alone. */
  current: Tensor;
  /** @internal The node that stands for the value at the current version. */
  read: Tensor | null = null;

  constructor(initial: Tensor, name: string) {
    this.shape = initial.shape;
    this.dtype = initial.dtype;
    this.current = initial;
    this.name = name;
  }
}
