/** The methods of tensors: every op as `x.op(…)`, reading values, and how tensors print. */
import { inspect } from "node:util";
import type { DType, TypedArray } from "../base/dtype.js";
import { ShapeError } from "../base/errors.js";
import { format, type Shape, sizeOf } from "../base/shape.js";
import { Tensor } from "../graph/tensor.js";
import type { TensorLike } from "../ops/convert.js";
import * as ops from "../ops/index.js";
import type { ReduceOptions } from "../ops/reduce.js";
import { dispose, read, readNow, ready } from "./evaluate.js";

export type { Tensor }; // keeps the import in the declarations, from which the augmentation below hides it

/** Nested arrays of numbers, as deep as the tensor has axes. */
export type Nested = number | boolean | Nested[];

const methods = {
  add(this: Tensor, b: TensorLike): Tensor {
    return ops.add(this, b);
  },
  sub(this: Tensor, b: TensorLike): Tensor {
    return ops.sub(this, b);
  },
  mul(this: Tensor, b: TensorLike): Tensor {
    return ops.mul(this, b);
  },
  div(this: Tensor, b: TensorLike): Tensor {
    return ops.div(this, b);
  },
  pow(this: Tensor, b: TensorLike): Tensor {
    return ops.pow(this, b);
  },
  mod(this: Tensor, b: TensorLike): Tensor {
    return ops.mod(this, b);
  },
  maximum(this: Tensor, b: TensorLike): Tensor {
    return ops.maximum(this, b);
  },
  minimum(this: Tensor, b: TensorLike): Tensor {
    return ops.minimum(this, b);
  },
  eq(this: Tensor, b: TensorLike): Tensor {
    return ops.eq(this, b);
  },
  ne(this: Tensor, b: TensorLike): Tensor {
    return ops.ne(this, b);
  },
  lt(this: Tensor, b: TensorLike): Tensor {
    return ops.lt(this, b);
  },
  le(this: Tensor, b: TensorLike): Tensor {
    return ops.le(this, b);
  },
  gt(this: Tensor, b: TensorLike): Tensor {
    return ops.gt(this, b);
  },
  ge(this: Tensor, b: TensorLike): Tensor {
    return ops.ge(this, b);
  },
  logicalAnd(this: Tensor, b: TensorLike): Tensor {
    return ops.logicalAnd(this, b);
  },
  logicalOr(this: Tensor, b: TensorLike): Tensor {
    return ops.logicalOr(this, b);
  },
  logicalNot(this: Tensor): Tensor {
    return ops.logicalNot(this);
  },
  /** `a` where this (bool) is true, else `b`. */
  where(this: Tensor, a: TensorLike, b: TensorLike): Tensor {
    return ops.where(this, a, b);
  },
  neg(this: Tensor): Tensor {
    return ops.neg(this);
  },
  abs(this: Tensor): Tensor {
    return ops.abs(this);
  },
  sign(this: Tensor): Tensor {
    return ops.sign(this);
  },
  exp(this: Tensor): Tensor {
    return ops.exp(this);
  },
  expm1(this: Tensor): Tensor {
    return ops.expm1(this);
  },
  log(this: Tensor): Tensor {
    return ops.log(this);
  },
  log1p(this: Tensor): Tensor {
    return ops.log1p(this);
  },
  sqrt(this: Tensor): Tensor {
    return ops.sqrt(this);
  },
  square(this: Tensor): Tensor {
    return ops.square(this);
  },
  reciprocal(this: Tensor): Tensor {
    return ops.reciprocal(this);
  },
  sin(this: Tensor): Tensor {
    return ops.sin(this);
  },
  cos(this: Tensor): Tensor {
    return ops.cos(this);
  },
  tanh(this: Tensor): Tensor {
    return ops.tanh(this);
  },
  sigmoid(this: Tensor): Tensor {
    return ops.sigmoid(this);
  },
  erf(this: Tensor): Tensor {
    return ops.erf(this);
  },
  relu(this: Tensor): Tensor {
    return ops.relu(this);
  },
  floor(this: Tensor): Tensor {
    return ops.floor(this);
  },
  ceil(this: Tensor): Tensor {
    return ops.ceil(this);
  },
  round(this: Tensor): Tensor {
    return ops.round(this);
  },
  trunc(this: Tensor): Tensor {
    return ops.trunc(this);
  },
  clip(this: Tensor, low: number, high: number): Tensor {
    return ops.clip(this, low, high);
  },
  cast(this: Tensor, dtype: DType): Tensor {
    return ops.cast(this, dtype);
  },
  stopGradient(this: Tensor): Tensor {
    return ops.stopGradient(this);
  },
  sum(this: Tensor, options?: ReduceOptions): Tensor {
    return ops.sum(this, options);
  },
  mean(this: Tensor, options?: ReduceOptions): Tensor {
    return ops.mean(this, options);
  },
  max(this: Tensor, options?: ReduceOptions): Tensor {
    return ops.max(this, options);
  },
  min(this: Tensor, options?: ReduceOptions): Tensor {
    return ops.min(this, options);
  },
  variance(this: Tensor, options?: ReduceOptions & { correction?: number }): Tensor {
    return ops.variance(this, options);
  },
  logSumExp(this: Tensor, options?: ReduceOptions): Tensor {
    return ops.logSumExp(this, options);
  },
  argmax(this: Tensor, axis?: number): Tensor {
    return ops.argmax(this, axis);
  },
  argmin(this: Tensor, axis?: number): Tensor {
    return ops.argmin(this, axis);
  },
  softmax(this: Tensor, axis?: number): Tensor {
    return ops.softmax(this, axis);
  },
  logSoftmax(this: Tensor, axis?: number): Tensor {
    return ops.logSoftmax(this, axis);
  },
  matmul(this: Tensor, b: TensorLike): Tensor {
    return ops.matmul(this, b);
  },
  reshape(this: Tensor, shape: Shape): Tensor {
    return ops.reshape(this, shape);
  },
  flatten(this: Tensor, start?: number): Tensor {
    return ops.flatten(this, start);
  },
  expand(this: Tensor, shape: Shape): Tensor {
    return ops.expand(this, shape);
  },
  expandDims(this: Tensor, axis: number): Tensor {
    return ops.expandDims(this, axis);
  },
  squeeze(this: Tensor, axis?: number | readonly number[]): Tensor {
    return ops.squeeze(this, axis);
  },
  permute(this: Tensor, axes: readonly number[]): Tensor {
    return ops.permute(this, axes);
  },
  transpose(this: Tensor): Tensor {
    return ops.transpose(this);
  },
  slice(this: Tensor, begin: readonly number[], end?: readonly number[], step?: readonly number[]): Tensor {
    return ops.slice(this, begin, end, step);
  },
  at(this: Tensor, index: number): Tensor {
    return ops.at(this, index);
  },
  flip(this: Tensor, axis: number | readonly number[]): Tensor {
    return ops.flip(this, axis);
  },
  pad(this: Tensor, padding: readonly (readonly [number, number])[], options?: ops.PadOptions): Tensor {
    return ops.pad(this, padding, options);
  },
  gather(this: Tensor, index: TensorLike): Tensor {
    return ops.gather(this, index);
  },

  /** The elements, row-major, in the typed array of the dtype. Evaluates on native threads; the event loop stays free. */
  data(this: Tensor): Promise<TypedArray> {
    return read(this);
  },
  /** The elements, blocking until they are there: for scripts and tests. */
  dataSync(this: Tensor): TypedArray {
    return readNow(this);
  },
  /** The only element of a tensor of size 1. */
  async item(this: Tensor): Promise<number> {
    return (await read(single(this)))[0];
  },
  /** The only element of a tensor of size 1, blocking. */
  itemSync(this: Tensor): number {
    return readNow(single(this))[0];
  },
  /** Nested arrays of numbers (booleans for bool). */
  async array(this: Tensor): Promise<Nested> {
    return nest(this, await read(this));
  },
  /** Nested arrays, blocking. */
  arraySync(this: Tensor): Nested {
    return nest(this, readNow(this));
  },
  /** Starts the evaluation; resolves when the values can be read without waiting. */
  ready(this: Tensor): Promise<void> {
    return ready([this]);
  },
  /** Gives the memory back now instead of when the tensor is unreachable. */
  dispose(this: Tensor): void {
    dispose(this);
  },
  [Symbol.dispose](this: Tensor): void {
    dispose(this);
  },
  toString(this: Tensor): string {
    return `Tensor ${format(this.shape)} ${this.dtype}`;
  },
  [inspect.custom](this: Tensor): string {
    return show(this);
  },
};

function single(x: Tensor): Tensor {
  if (sizeOf(x.shape) !== 1) {
    throw new ShapeError(`item: a tensor of shape ${format(x.shape)} has ${sizeOf(x.shape)} elements, not one; use data()`, {
      op: "item",
      inputs: [x.shape],
    });
  }
  return x;
}

function nest({ shape, dtype }: Tensor, data: TypedArray): Nested {
  let at = 0;
  const level = (depth: number): Nested => {
    if (depth === shape.length) return dtype === "bool" ? data[at++] !== 0 : data[at++];
    return Array.from({ length: shape[depth] }, () => level(depth + 1));
  };
  return level(0);
}

const printedElements = 1000;

/** `Tensor [2, 3] f32 cpu [[1, 2, 3], [4, 5, 6]]`; a tensor that is not evaluated prints without values and stays so. */
function show(x: Tensor): string {
  const head = `Tensor ${format(x.shape)} ${x.dtype}`;
  if (x.source?.kind !== "data") return `${head} (not evaluated)`;
  const { elements } = x.source;
  if (elements.disposed) return `${head} (disposed)`;
  const where = elements.storage === null ? "" : ` ${elements.storage.device.name}`;
  if (sizeOf(x.shape) > printedElements) return `${head}${where} (${sizeOf(x.shape)} elements)`;
  const round = (value: Nested): Nested =>
    Array.isArray(value) ? value.map(round) : typeof value === "number" && x.dtype === "f32" ? Number(value.toPrecision(7)) : value;
  return `${head}${where} ${inspect(round(nest(x, readNow(x))), { depth: null, breakLength: 100 })}`;
}

Object.defineProperties(Tensor.prototype, Object.getOwnPropertyDescriptors(methods));
for (const name of Reflect.ownKeys(methods)) Object.defineProperty(Tensor.prototype, name, { enumerable: false });

type Methods = typeof methods;

declare module "../graph/tensor.js" {
  interface Tensor extends Methods {}
}
