/** Elementwise ops: each is a step of the tile machine, so chains of them cost one pass over memory. Inputs broadcast as in NumPy. */
import { type DType, isFloat } from "../base/dtype.js";
import { DTypeError, ShapeError } from "../base/errors.js";
import { broadcast, format } from "../base/shape.js";
import { defineOp, type Lowered, node, type Rule, type TileEmitter } from "../graph/op.js";
import type { Attrs, Tensor } from "../graph/tensor.js";
import type { TileOp } from "../runtime/program.js";
import { asTensor, constant, floating, pair, show, type TensorLike } from "./convert.js";

type UnaryRule = Rule<"x", Attrs>;
type BinaryRules = { a: Rule<"a" | "b", Attrs>; b: Rule<"a" | "b", Attrs> };
type Emit = (tile: TileEmitter, args: readonly number[]) => number;

/** The constant `value` in the dtype of `x`. */
export const k = (x: Tensor, value: number): Tensor => constant(value, x.dtype);
const stepOf =
  (op: TileOp): Emit =>
  (tile, args) =>
    tile.step(op, ...args);

const range: Readonly<Record<"i32" | "u8", readonly [number, number]>> = { i32: [-(2 ** 31), 2 ** 31 - 1], u8: [0, 255] };

/** What a register holds must be what an element of its dtype could hold, since a fused reader never sees the stored element. */
function held(tile: TileEmitter, x: number, dtype: DType): number {
  if (isFloat(dtype) || dtype === "bool") return x;
  const [low, high] = range[dtype];
  const zero = tile.constant(0); // NaN becomes 0, and so does −0 when 0 is added
  const whole = tile.step("where", tile.step("eq", x, x), tile.step("add", tile.step("trunc", x), zero), zero);
  return tile.step("maximum", tile.step("minimum", whole, tile.constant(high)), tile.constant(low));
}

/** Arithmetic whose result is kept to what its dtype holds. */
const arithmetic =
  (emit: Emit) =>
  (tile: TileEmitter, args: readonly number[], { dtype }: Lowered): number =>
    held(tile, emit(tile, args), dtype);

/** An op of one floating input. */
export function unary(name: string, emit: Emit, rule: UnaryRule): (x: TensorLike) => Tensor {
  const op = defineOp({ name, inputs: ["x"], vjp: { x: rule }, lowering: { kind: "tile", emit } });
  return (value) => {
    const x = floating(name, value);
    return node(op, [x], x.shape, x.dtype);
  };
}

/** An op of one input of any numeric dtype. */
function numericUnary(name: string, emit: Emit, rule: UnaryRule): (x: TensorLike) => Tensor {
  const op = defineOp({ name, inputs: ["x"], vjp: { x: rule }, lowering: { kind: "tile", emit: arithmetic(emit) } });
  return (value) => {
    const x = asTensor(name, value);
    refuseBool(name, x);
    return node(op, [x], x.shape, x.dtype);
  };
}

function refuseBool(name: string, x: Tensor): void {
  if (x.dtype === "bool") {
    throw new DTypeError(`${name}(${show("x", x)}): no arithmetic on bool; cast first: x.cast("f32")`, { op: name, inputs: [x.shape] });
  }
}

function broadcastShape(name: string, a: Tensor, b: Tensor) {
  const shape = broadcast(a.shape, b.shape);
  if (shape === null) {
    throw new ShapeError(
      `${name}(${show("a", a)}, ${show("b", b)}): shapes ${format(a.shape)} and ${format(b.shape)} do not broadcast; aligned from the right, each pair of dimensions must be equal or 1`,
      { op: name, inputs: [a.shape, b.shape] },
    );
  }
  return shape;
}

function binary(name: string, emit: Emit, vjp: BinaryRules): (a: TensorLike, b: TensorLike) => Tensor {
  const op = defineOp({ name, inputs: ["a", "b"], vjp, lowering: { kind: "tile", emit: arithmetic(emit) } });
  return (left, right) => {
    const [a, b] = pair(name, left, right);
    refuseBool(name, a);
    return node(op, [a, b], broadcastShape(name, a, b), a.dtype);
  };
}

/** A comparison: two inputs of one dtype, a bool result, no gradient. */
function comparison(name: string, step: TileOp): (a: TensorLike, b: TensorLike) => Tensor {
  const op = defineOp({ name, inputs: ["a", "b"], vjp: { a: null, b: null }, lowering: { kind: "tile", emit: stepOf(step) } });
  return (left, right) => {
    const [a, b] = pair(name, left, right);
    return node(op, [a, b], broadcastShape(name, a, b), "bool");
  };
}

function logical(name: string, step: TileOp): (a: TensorLike, b: TensorLike) => Tensor {
  const compare = comparison(name, step);
  return (left, right) => {
    const [a, b] = pair(name, left, right);
    if (a.dtype !== "bool")
      throw new DTypeError(`${name}(${show("a", a)}, ${show("b", b)}): needs bool; compare first: a.ne(0)`, { op: name });
    return compare(a, b);
  };
}

/** −x. */
export const neg = numericUnary("neg", stepOf("neg"), (gy) => neg(gy));
/** |x|; the derivative at 0 is 0. */
export const abs = numericUnary("abs", stepOf("abs"), (gy, { x }) => mul(gy, sign(x)));
/** −1, 0 or 1. */
export const sign = numericUnary("sign", stepOf("sign"), null);
/** eˣ. */
export const exp = unary("exp", stepOf("exp"), (gy, { y }) => mul(gy, y));
/** eˣ − 1, exact near 0. */
export const expm1 = unary("expm1", stepOf("expm1"), (gy, { y }) => mul(gy, add(y, k(y, 1))));
/** Natural logarithm. */
export const log = unary("log", stepOf("log"), (gy, { x }) => div(gy, x));
/** log(1 + x), exact near 0. */
export const log1p = unary("log1p", stepOf("log1p"), (gy, { x }) => div(gy, add(x, k(x, 1))));
/** √x. */
export const sqrt = unary("sqrt", stepOf("sqrt"), (gy, { y }) => div(gy, mul(y, k(y, 2))));
/** Sine of x in radians. */
export const sin = unary("sin", stepOf("sin"), (gy, { x }) => mul(gy, cos(x)));
/** Cosine of x in radians. */
export const cos: (x: TensorLike) => Tensor = unary("cos", stepOf("cos"), (gy, { x }) => neg(mul(gy, sin(x))));
/** Hyperbolic tangent. */
export const tanh = unary("tanh", stepOf("tanh"), (gy, { y }) => mul(gy, sub(k(y, 1), mul(y, y))));
/** σ(x) = 1 / (1 + e⁻ˣ). */
export const sigmoid = unary("sigmoid", stepOf("sigmoid"), (gy, { y }) => mul(gy, mul(y, sub(k(y, 1), y))));
/** Error function, 2/√π ∫₀ˣ exp(−t²) dt. */
export const erf = unary("erf", stepOf("erf"), (gy, { x }) => mul(gy, mul(k(x, 2 / Math.sqrt(Math.PI)), exp(neg(mul(x, x))))));
/** x². */
export const square = numericUnary(
  "square",
  (tile, [x]) => tile.step("mul", x, x),
  (gy, { x }) => mul(gy, mul(x, k(x, 2))),
);
/** 1 / x. */
export const reciprocal = unary(
  "reciprocal",
  (tile, [x]) => tile.step("div", tile.constant(1), x),
  (gy, { y }) => neg(mul(gy, mul(y, y))),
);
/** Largest whole number ≤ x. */
export const floor = unary("floor", stepOf("floor"), null);
/** Smallest whole number ≥ x. */
export const ceil = unary("ceil", stepOf("ceil"), null);
/** Nearest whole number, halves to even. */
export const round = unary("round", stepOf("round"), null);
/** x without its fraction. */
export const trunc = unary("trunc", stepOf("trunc"), null);

/** a + b. */
export const add = binary("add", stepOf("add"), { a: (gy) => gy, b: (gy) => gy });
/** a − b. */
export const sub = binary("sub", stepOf("sub"), { a: (gy) => gy, b: (gy) => neg(gy) });
/** a · b, element by element. */
export const mul: (a: TensorLike, b: TensorLike) => Tensor = binary("mul", stepOf("mul"), {
  a: (gy, { b }) => mul(gy, b),
  b: (gy, { a }) => mul(gy, a),
});
/** a / b. */
export const div: (a: TensorLike, b: TensorLike) => Tensor = binary("div", stepOf("div"), {
  a: (gy, { b }) => div(gy, b),
  b: (gy, { y, b }) => neg(div(mul(gy, y), b)),
});
/** aᵇ. The derivative by b is 0 where a is 0. */
export const pow: (a: TensorLike, b: TensorLike) => Tensor = binary("pow", stepOf("pow"), {
  a: (gy, { a, b }) => mul(gy, mul(b, pow(a, sub(b, k(b, 1))))),
  b: (gy, { a, y }) => mul(gy, where(eq(a, k(a, 0)), k(a, 0), mul(y, log(a)))),
});
/** Remainder of a / b with the sign of b. */
export const mod = binary("mod", stepOf("mod"), { a: (gy) => gy, b: (gy, { a, b }) => neg(mul(gy, floor(div(a, b)))) });
/** The larger of a and b; NaN if either is. Equal operands share the gradient. */
export const maximum = binary("maximum", stepOf("maximum"), {
  a: (gy, { a, b }) => mul(gy, winner(a, b)),
  b: (gy, { a, b }) => mul(gy, winner(b, a)),
});
/** The smaller of a and b; NaN if either is. Equal operands share the gradient. */
export const minimum = binary("minimum", stepOf("minimum"), {
  a: (gy, { a, b }) => mul(gy, winner(b, a)),
  b: (gy, { a, b }) => mul(gy, winner(a, b)),
});

/** 1 where a > b, ½ where they are equal, else 0. */
function winner(a: Tensor, b: Tensor): Tensor {
  return where(gt(a, b), k(a, 1), where(eq(a, b), k(a, 0.5), k(a, 0)));
}

/** a = b. */
export const eq = comparison("eq", "eq");
/** a ≠ b. */
export const ne = comparison("ne", "ne");
/** a < b. */
export const lt = comparison("lt", "lt");
/** a ≤ b. */
export const le = comparison("le", "le");
/** a > b. */
export const gt = comparison("gt", "gt");
/** a ≥ b. */
export const ge = comparison("ge", "ge");
/** Both true; bool operands. */
export const logicalAnd = logical("logicalAnd", "and");
/** Either true; bool operands. */
export const logicalOr = logical("logicalOr", "or");

const notOp = defineOp({ name: "logicalNot", inputs: ["x"], vjp: { x: null }, lowering: { kind: "tile", emit: stepOf("not") } });

/** True where x is false; a bool operand. */
export function logicalNot(value: TensorLike): Tensor {
  const x = asTensor("logicalNot", value);
  if (x.dtype !== "bool") throw new DTypeError(`logicalNot(${show("x", x)}): needs bool; compare first: x.ne(0)`, { op: "logicalNot" });
  return node(notOp, [x], x.shape, "bool");
}

const whereOp = defineOp({
  name: "where",
  inputs: ["condition", "a", "b"],
  vjp: {
    condition: null,
    a: (gy, { condition }) => where(condition, gy, k(gy, 0)),
    b: (gy, { condition }) => where(condition, k(gy, 0), gy),
  },
  lowering: { kind: "tile", emit: stepOf("where") },
});

/** a where `condition` (bool) is true, else b. */
export function where(condition: TensorLike, left: TensorLike, right: TensorLike): Tensor {
  const c = asTensor("where", condition);
  const [a, b] = pair("where", left, right);
  if (c.dtype !== "bool")
    throw new DTypeError(`where(${show("condition", c)}, …): the condition must be bool; compare first: x.gt(0)`, { op: "where" });
  const shape = broadcast(c.shape, broadcastShape("where", a, b));
  if (shape === null) {
    throw new ShapeError(`where(${show("condition", c)}, ${show("a", a)}, ${show("b", b)}): shapes do not broadcast`, {
      op: "where",
      inputs: [c.shape, a.shape, b.shape],
    });
  }
  return node(whereOp, [c, a, b], shape, a.dtype);
}

const castOp = defineOp({
  name: "cast",
  inputs: ["x"],
  vjp: { x: (gy, { x }) => cast(gy, x.dtype) },
  lowering: {
    kind: "tile",
    emit: (tile, [x], { dtype, inputs }) => {
      const from = inputs[0].dtype;
      if (dtype === "bool") return from === "bool" ? x : tile.step("ne", x, tile.constant(0));
      return from === "bool" || from === "u8" || from === dtype ? x : held(tile, x, dtype);
    },
  },
});

/** The same values in another dtype. Float to integer truncates and saturates, NaN becomes 0; to bool is `≠ 0`. */
export function cast(value: TensorLike, dtype: DType): Tensor {
  const x = asTensor("cast", value);
  return x.dtype === dtype ? x : node(castOp, [x], x.shape, dtype);
}

const stopOp = defineOp({ name: "stopGradient", inputs: ["x"], vjp: { x: null }, lowering: { kind: "tile", emit: (_, [x]) => x } });

/** x, through which no gradient flows. */
export function stopGradient(value: TensorLike): Tensor {
  const x = asTensor("stopGradient", value);
  return node(stopOp, [x], x.shape, x.dtype);
}

/** x itself as another node: a point to differentiate by, a copy to read. */
export const snapshotOp = defineOp({
  name: "identity",
  inputs: ["x"],
  vjp: { x: (gy) => gy },
  lowering: { kind: "tile", emit: (_, [x]) => x },
});

/** x clipped to [low, high]. */
export function clip(value: TensorLike, low: number, high: number): Tensor {
  const [x, lowest] = pair("clip", asTensor("clip", value), low);
  refuseBool("clip", x);
  return minimum(maximum(x, lowest), pair("clip", x, high)[1]);
}
