/** Variables as users meet them. */
import { isFloat } from "../base/dtype.js";
import { DTypeError, ShapeError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sameShape } from "../base/shape.js";
import { node, sourceNode } from "../graph/op.js";
import type { Update } from "../graph/signature.js";
import type { Tensor } from "../graph/tensor.js";
import { currentTrace, dependsOn, type RunAction, readVariable } from "../graph/trace.js";
import { Variable as BaseVariable, type VariableOptions } from "../graph/variable.js";
import { asTensor, type TensorLike } from "../ops/convert.js";
import type { DTypeOptions } from "../ops/create.js";
import { snapshotOp } from "../ops/elementwise.js";
import { tensor } from "./create.js";
import { evaluate } from "./evaluate.js";

/**
 * A named place whose value is assigned. `value` is a tensor that stands for the current value; wherever a tensor is
 * expected the variable itself will do.
 */
export class Variable extends BaseVariable {
  /** Made not to be trained, as running averages are: no parameter, not even a frozen one. */
  readonly isBuffer: boolean;
  private mayTrain: boolean;

  constructor(initial: Tensor, { name = "", trainable = true }: VariableOptions = {}) {
    // A node of its own, so that the storage belongs to the variable alone.
    super(node(snapshotOp, [initial], initial.shape, initial.dtype), name);
    this.mayTrain = trainable && isFloat(initial.dtype);
    this.isBuffer = !this.mayTrain;
  }

  /** The current value as a tensor; stale once the variable is assigned. */
  get value(): Tensor {
    return readVariable(this);
  }

  /** Whether optimizers may change it. Compiled functions notice a change. */
  get trainable(): boolean {
    return dependsOn(() => this.mayTrain);
  }

  set trainable(trainable: boolean) {
    if (trainable && !isFloat(this.dtype))
      throw new DTypeError(`a variable of dtype ${this.dtype} cannot be trained`, { op: "trainable", inputs: [this.dtype] });
    this.mayTrain = trainable;
  }

  /** Sets the value: at once, or, inside a compiled function, when the step runs. */
  assign(value: TensorLike): void {
    assignAll([[this, value]]);
  }

  override toString(): string {
    return `Variable ${this.name === "" ? "" : `${this.name} `}${format(this.shape)} ${this.dtype}`;
  }
}

/** A variable that starts with the given value. */
export function variable(initial: TensorLike, options: VariableOptions & DTypeOptions = {}): Variable {
  optionsOf("variable", options, ["name", "trainable", "dtype"]);
  return new Variable(tensor(initial, { dtype: options.dtype }), options);
}

/** Assigns several variables and computes `also`, all in one run; inside a compiled function, when the step runs. Counts as `action` does. */
export function assignAll(pairs: readonly (readonly [Variable, TensorLike])[], also: readonly Tensor[] = [], action?: RunAction): void {
  const updates = pairs.map(([target, given]): readonly [Variable, Tensor] => {
    const value = asTensor("assign", given, target.dtype);
    if (value.dtype !== target.dtype) {
      throw new DTypeError(
        `assign(${target}, ${format(value.shape)} ${value.dtype}): dtypes differ; cast the value: x.cast("${target.dtype}")`,
        {
          op: "assign",
          inputs: [target.dtype, value.dtype],
        },
      );
    }
    if (!sameShape(value.shape, target.shape)) {
      throw new ShapeError(`assign(${target}, ${format(value.shape)}): the value must have the variable's shape ${format(target.shape)}`, {
        op: "assign",
        inputs: [target.shape, value.shape],
      });
    }
    return [target, value];
  });
  const trace = currentTrace();
  if (trace !== null) {
    for (const [target, value] of updates) trace.assigned.set(target, value);
    for (const x of also) trace.demanded.add(x);
    if (action !== undefined) trace.onRun.push(action);
    return;
  }
  const run = evaluate(
    also.filter(({ source }) => source === null), // a loss may be the variable itself
    updates.map(([target, value]) => update(target, value)),
  );
  if (action === undefined || run === null) return;
  action.submitted();
  run.device.settled(run.ticket).catch(action.failed);
}

/** The assignment of `value` as the compiler takes it: the target is the variable's own source, even inside a trace. */
export function update(target: BaseVariable, value: Tensor): Update {
  target.read ??= sourceNode({ kind: "variable", variable: target, version: target.version }, target.shape, target.dtype);
  return { target: target.read, value };
}
