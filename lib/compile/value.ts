/** The compiler's own view of a graph: values, simplified as they are captured, free of tensors. */
import type { DType, FloatDType } from "../base/dtype.js";
import { rowMajor, type Shape, sameShape, sizeOf } from "../base/shape.js";
import type { Op } from "../graph/op.js";
import type { Graph } from "../graph/signature.js";
import type { Attrs, Source } from "../graph/tensor.js";
import type { View } from "../runtime/program.js";

/** A strided window on a value that is computed or given as a whole. */
export interface Window {
  readonly base: Value;
  readonly offset: number;
  readonly shape: Shape;
  readonly strides: readonly number[];
}

export interface Value {
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Value[];
  readonly attrs: Attrs;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Set on sources: what it is, and the node's position in the captured graph. */
  readonly source: { readonly kind: Source["kind"]; readonly position: number /** Of an argument. */; readonly index: number } | null;
  /** Where its elements are; computed values are their own window. */
  readonly window: Window;
}

export interface Captured {
  readonly values: readonly Value[];
  readonly outputs: readonly Value[];
  readonly updates: readonly { readonly target: Value; readonly value: Value }[];
}

/** True if the window shows its elements one after another, in row-major order. */
export function isContiguous({ shape, strides }: { shape: Shape; strides: readonly number[] }): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== step) return sizeOf(shape) === 0;
    step *= shape[i];
  }
  return true;
}

/** True if the window is the transpose of its base, a matrix. */
function isTransposed({ base, offset, shape, strides }: Window): boolean {
  const [m, n] = shape;
  return shape.length === 2 && sameShape(base.shape, [n, m]) && offset === 0 && strides[0] === 1 && strides[1] === m;
}

/** True if the window is the whole of its base, element by element. */
export function isWhole(window: Window): boolean {
  return window.offset === 0 && isContiguous(window) && sizeOf(window.shape) === sizeOf(window.base.shape);
}

/** Whether a kernel makes little of much (gradients of filters), so that it runs as soon as it can, and what it needs can leave. */
export function makesLittle({ inputs, shape }: Value): boolean {
  return inputs.some((x) => sizeOf(x.shape) >= 2 * sizeOf(shape));
}

/** Whether it is computed element by element. */
export function isTile({ op }: Value): boolean {
  return op.lowering.kind === "tile";
}

/** The elementwise value that the kernel of `host` may compute as it reads it, in the place of its first input; null if there is none. */
export function prologueOf(host: Value): Value | null {
  const { lowering } = host.op;
  if (lowering.kind !== "kernel" || lowering.takesPrologue?.(host) !== true) return null;
  const [{ window }, ...others] = host.inputs;
  const { base } = window;
  if (!isTile(base) || others.some((x) => x.window.base === base)) return null;
  return isWhole(window) || isTransposed(window) ? base : null;
}

/** What an output of the step that computes a value's input may receive instead of what its own kernel makes of that. */
export function receivedBy({ op: { lowering } }: Value): "sums" | "moments" | null {
  return (lowering.kind === "kernel" && lowering.received) || null;
}

/** A number known to the program or handed to each run: never stored, always part of the tile that uses it. */
export function isScalar(value: Value): boolean {
  return value.op.lowering.kind === "constant" || value.source?.kind === "uniform";
}

/** Whether all elements are `number`, spread over a shape or not. */
const isConstant = ({ window: { base } }: Value, number: number): boolean =>
  base.op.lowering.kind === "constant" && base.attrs.value === number;

/** What tile arithmetic a value needs. Integers are computed in f64, which holds every i32 exactly. */
export function tileDType({ op, dtype, inputs }: Value): FloatDType {
  const all = [dtype, ...inputs.map((x) => x.dtype)];
  if (all.includes("f64")) return "f64";
  if (op.name === "cast" && all.includes("f32")) return "f32";
  return all.includes("i32") ? "f64" : "f32";
}

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
};

/** Arithmetic on constants, done now in the precision of the program. */
function fold(op: Op, inputs: readonly Value[], dtype: DType): { op: Op; value: number } | null {
  const compute = arithmetic[op.name];
  if (compute === undefined || (dtype !== "f32" && dtype !== "f64")) return null;
  const [a, b] = inputs;
  if (a.op.lowering.kind !== "constant" || b.op.lowering.kind !== "constant") return null;
  const round = dtype === "f32" ? Math.fround : Number;
  return { op: a.op, value: round(compute(round(a.attrs.value as number), round(b.attrs.value as number))) };
}

/** Collects values; equal ones are made once. */
export class Values {
  readonly list: Value[] = [];
  private readonly known = new Map<string, Value>();

  source(op: Op, source: Source, position: number, shape: Shape, dtype: DType): Value {
    const index = source.kind === "argument" ? source.index : -1;
    return this.push({ op, inputs: [], attrs: {}, shape, dtype, source: { kind: source.kind, position, index } });
  }

  /** The value of `op`, simplified: an equal value made before, or something cheaper that is exactly the same. */
  make(op: Op, inputs: readonly Value[], attrs: Attrs, shape: Shape, dtype: DType): Value {
    const [x, y] = inputs;
    const untouched = x !== undefined && sameShape(shape, x.shape) && dtype === x.dtype;
    if (
      untouched &&
      (op.name === "identity" || op.name === "stopGradient" || op.name === "cast" || op.name === "reshape" || op.name === "expand")
    )
      return x;
    if (untouched && (op.name === "mul" || op.name === "div") && isConstant(y, 1)) return x;
    if (op.name === "mul" && isConstant(x, 1) && sameShape(shape, y.shape)) return y;
    if (op.name === "neg" && x.op === op) return x.inputs[0];
    const folded = fold(op, inputs, dtype);
    if (folded !== null) return this.make(folded.op, [], { value: folded.value }, shape, dtype);

    if (op.lowering.kind === "loop") return this.push({ op, inputs, attrs, shape, dtype, source: null });
    const key = `${op.name}|${dtype}|${shape}|${inputs.map((v) => v.id)}|${JSON.stringify(attrs, plainly)}`;
    let value = this.known.get(key);
    if (value === undefined) {
      value = this.push({ op, inputs, attrs, shape, dtype, source: null });
      this.known.set(key, value);
    }
    return value;
  }

  private push(parts: Omit<Value, "id" | "window">): Value {
    const value = { ...parts, id: this.list.length } as { -readonly [K in keyof Value]: Value[K] };
    value.window = this.windowOf(value);
    this.list.push(value);
    return value;
  }

  private windowOf(value: Value): Window {
    const { op, inputs, shape } = value;
    if (op.lowering.kind === "view") {
      const { base, offset, strides, shape: from } = inputs[0].window;
      const view: View | null = op.lowering.view({ buffer: 0, offset, shape: from, strides }, value);
      if (view !== null) return { base, offset: view.offset, shape: view.shape, strides: view.strides };
      // Strides cannot say it: the input is copied, then shown.
      const copy = this.copied(inputs[0]);
      const shown = op.lowering.view({ buffer: 0, offset: 0, shape: copy.shape, strides: rowMajor(copy.shape) }, value);
      if (shown === null) throw new Error(`${op.name}: no view of a contiguous input`);
      return { base: copy, offset: shown.offset, shape: shown.shape, strides: shown.strides };
    }
    return { base: value, offset: 0, shape, strides: rowMajor(shape) };
  }

  /** The same elements as a value of their own, row-major. */
  copied(value: Value): Value {
    return this.make(copyOp, [value], {}, value.shape, value.dtype);
  }
}

// Numbers that JSON would lose keep their identity in keys.
function plainly(_: string, value: unknown): unknown {
  return typeof value === "number" && !(Number.isFinite(value) && !Object.is(value, -0))
    ? `#${Object.is(value, -0) ? "-0" : value}`
    : value;
}

/** A row-major copy, made where a kernel cannot take strides. Not an op of the graph. */
export const copyOp: Op = {
  name: "copy",
  inputNames: ["x"],
  rules: {},
  manyRule: null,
  resultsRule: null,
  broadcasts: false,
  lowering: { kind: "kernel", kernel: "copy", strided: true },
};

/** Captures a graph: simplified, common parts shared, what no result needs left out. */
export function capture({ order, outputs, updates }: Graph): Captured {
  const values = new Values();
  const valueAt: Value[] = order.map((): Value => undefined as never);
  for (const tensor of order) {
    const { op, inputs, attrs, shape, dtype, source, position } = tensor;
    if (source !== null) {
      valueAt[position] = values.source(op, source, position, shape, dtype);
      continue;
    }
    const args = inputs.map((x) => valueAt[x.position]);
    const { lowering } = op;
    const ready =
      lowering.kind === "loop" || (lowering.kind === "kernel" && !lowering.strided && !lowering.prologue && !lowering.uniforms)
        ? args.map((x) => (isContiguous(x.window) ? x : values.copied(x)))
        : args;
    valueAt[position] = values.make(op, ready, attrs, shape, dtype);
  }
  return {
    values: values.list,
    outputs: outputs.map((x) => valueAt[x.position]),
    updates: updates.map(({ target, value }) => {
      const assigned = valueAt[value.position];
      // The old value of another variable is copied first: that one may change in the same program.
      return {
        target: valueAt[target.position],
        value: assigned.window.base.source?.kind === "variable" ? values.copied(assigned) : assigned,
      };
    }),
  };
}
