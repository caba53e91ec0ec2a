/** Activations of neurons: elementwise expressions, which the compiler fuses with what computes their input. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { normalizeAxis } from "../base/shape.js";
import { defineOp, node } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import { floating, pair, show, type TensorLike } from "./convert.js";
import { arange } from "./create.js";
import { abs, add, cast, div, eq, erf, expm1, gt, k, logicalAnd, lt, mul, neg, sigmoid, tanh, unary, where } from "./elementwise.js";
import { argmax } from "./reduce.js";
import { softmax } from "./rows.js";
import { expandDims, reshape, slice } from "./views.js";

/** max(x, 0); the derivative at 0 is 0. */
export const relu = unary(
  "relu",
  (tile, [x]) => tile.step("maximum", x, tile.constant(0)),
  (gy, { y }) => where(gt(y, k(y, 0)), gy, k(gy, 0)),
);

/** x where x > 0, else slope · x, which is also the derivative at 0. Source: Maas et al. 2013. */
export function leakyRelu(value: TensorLike, slope = 0.01): Tensor {
  const x = floating("leakyRelu", value);
  return where(gt(x, k(x, 0)), x, mul(x, k(x, slope)));
}

/** {@link leakyRelu} with slopes that can be learnt. x: [..., c], slope: [] or [c], of one dtype → [..., c]. Source: He et al. 2015. */
export function prelu(value: TensorLike, slopeLike: TensorLike): Tensor {
  const [x, slope] = pair("prelu", floating("prelu", value), slopeLike);
  if (slope.shape.length > 1 || (slope.shape.length === 1 && slope.shape[0] !== 1 && slope.shape[0] !== x.shape.at(-1))) {
    throw new ShapeError(`prelu(${show("x", x)}, ${show("slope", slope)}): expected one slope, or one for each entry of the last axis`, {
      op: "prelu",
      inputs: [x.shape, slope.shape],
    });
  }
  return where(gt(x, k(x, 0)), x, mul(x, slope));
}

/** x where x > 0, else scale · (e^(x / width) − 1), not computed where it could overflow; the derivative at 0 is that of the second. */
function exponential(x: Tensor, scale: number, width: number): Tensor {
  const positive = gt(x, k(x, 0));
  const below = where(positive, k(x, 0), width === 1 ? x : div(x, k(x, width)));
  return where(positive, x, mul(expm1(below), k(x, scale)));
}

/** x where x > 0, else α · (eˣ − 1). Source: Clevert et al. 2015. */
export function elu(value: TensorLike, alpha = 1): Tensor {
  return exponential(floating("elu", value), alpha, 1);
}

/** x where x > 0, else α · (e^(x / α) − 1), whose derivative is continuous; α ≠ 0. Source: Barron 2017. */
export function celu(value: TensorLike, alpha = 1): Tensor {
  const x = floating("celu", value);
  if (alpha === 0) throw new ValueError("celu: alpha must not be 0", { op: "celu", inputs: [alpha] });
  return exponential(x, alpha, alpha);
}

/** λ · elu(x, α) with the λ and α that keep mean 0 and variance 1 from layer to layer. Source: Klambauer et al. 2017. */
export function selu(value: TensorLike): Tensor {
  const x = floating("selu", value);
  return mul(exponential(x, 1.6732632423543772, 1), k(x, 1.0507009873554805));
}

/**
 * x · Φ(x), Φ the normal distribution function; `"tanh"`: the approximation x · ½(1 + tanh(√(2/π)(x + 0.044715x³))), as in GPT-2.
 * Source: Hendrycks & Gimpel 2016.
 */
export function gelu(value: TensorLike, options: { approximate?: "none" | "tanh" } = {}): Tensor {
  const { approximate = "none" } = optionsOf("gelu", options, ["approximate"]);
  const x = floating("gelu", value);
  if (approximate !== "none" && approximate !== "tanh") {
    throw new ValueError(`gelu: approximate must be "none" or "tanh" but is "${approximate as string}"`, { op: "gelu" });
  }
  if (approximate === "none") return mul(x, mul(add(erf(mul(x, k(x, Math.SQRT1_2))), k(x, 1)), k(x, 0.5)));
  // ½(1 + tanh u) = σ(2u), which does not cancel where u < 0.
  const cubic = add(mul(mul(mul(x, x), x), k(x, 0.044715)), x);
  return mul(x, sigmoid(mul(cubic, k(x, 2 * Math.sqrt(2 / Math.PI)))));
}

/** x · σ(x), also called swish. Source: Ramachandran et al. 2017. */
export function silu(value: TensorLike): Tensor {
  const x = floating("silu", value);
  return mul(x, sigmoid(x));
}

/** x · tanh(log(1 + eˣ)). Source: Misra 2019. */
export function mish(value: TensorLike): Tensor {
  const x = floating("mish", value);
  return mul(x, tanh(log1pExp(x)));
}

/** log(1 + eˣ), without overflow: max(x, 0) + log(1 + e^−|x|). */
const log1pExp = unary(
  "softplus",
  (tile, [x]) =>
    tile.step(
      "add",
      tile.step("maximum", x, tile.constant(0)),
      tile.step("log1p", tile.step("exp", tile.step("neg", tile.step("abs", x)))),
    ),
  (gy, { x }) => mul(gy, sigmoid(x)),
);

/** log(1 + e^(βx)) / β, exact and without overflow for any x; β > 0. */
export function softplus(value: TensorLike, beta = 1): Tensor {
  const x = floating("softplus", value);
  if (!(beta > 0)) throw new ValueError(`softplus: beta must be above 0 but is ${beta}`, { op: "softplus", inputs: [beta] });
  return beta === 1 ? log1pExp(x) : div(log1pExp(mul(x, k(x, beta))), k(x, beta));
}

/** log σ(x) = −log(1 + e⁻ˣ), without overflow. */
export function logSigmoid(value: TensorLike): Tensor {
  return neg(log1pExp(neg(floating("logSigmoid", value))));
}

/** x / (1 + |x|). */
export function softsign(value: TensorLike): Tensor {
  const x = floating("softsign", value);
  return div(x, add(abs(x), k(x, 1)));
}

type Bounds = { low: number; high: number };

const hardTanhOp = defineOp<"x", Bounds>({
  name: "hardTanh",
  inputs: ["x"],
  // By y, which is kept for others anyway: x need not be.
  vjp: { x: (gy, { y, low, high }) => where(logicalAnd(gt(y, k(y, low)), lt(y, k(y, high))), gy, k(gy, 0)) },
  lowering: {
    kind: "tile",
    emit: (tile, [x], { attrs }) => {
      const { low, high } = attrs as Bounds;
      return tile.step("minimum", tile.step("maximum", x, tile.constant(low)), tile.constant(high));
    },
  },
});

const bounded = (x: Tensor, low: number, high: number): Tensor => node(hardTanhOp, [x], x.shape, x.dtype, { low, high });

/** x clipped to [low, high], low ≤ high; the derivative at both ends is 0. */
export function hardTanh(value: TensorLike, low = -1, high = 1): Tensor {
  const x = floating("hardTanh", value);
  if (!(low <= high)) {
    throw new ValueError(`hardTanh: expected low ≤ high but received ${low} and ${high}`, { op: "hardTanh", inputs: [low, high] });
  }
  return bounded(x, low, high);
}

/** min(max(x, 0), 6); the derivative at 0 and at 6 is 0. */
export function relu6(value: TensorLike): Tensor {
  return bounded(floating("relu6", value), 0, 6);
}

/** x / 6 + ½ clipped to [0, 1]; the derivative at −3 and 3 is 0. Source: Howard et al. 2019. */
export function hardSigmoid(value: TensorLike): Tensor {
  const x = floating("hardSigmoid", value);
  return bounded(add(mul(x, k(x, 1 / 6)), k(x, 0.5)), 0, 1);
}

/** x · {@link hardSigmoid}(x). Source: Howard et al. 2019. */
export function hardSwish(value: TensorLike): Tensor {
  const x = floating("hardSwish", value);
  return mul(x, hardSigmoid(x));
}

/** softmax(−x) along `axis` (default the last). */
export function softmin(value: TensorLike, axis = -1): Tensor {
  const x = floating("softmin", value);
  return softmax(neg(x), normalizeAxis("softmin", axis, x.shape));
}

/** 1 at the largest entry along `axis` (default the last), the first if several, else 0; no gradient flows. */
export function hardMax(value: TensorLike, axis = -1): Tensor {
  const x = floating("hardMax", value);
  const at = normalizeAxis("hardMax", axis, x.shape);
  const positions = reshape(arange(x.shape[at], undefined, 1, { dtype: "i32" }), [-1, ...x.shape.slice(at + 1).map(() => 1)]);
  return cast(eq(expandDims(argmax(x, at), at), positions), x.dtype);
}

/** Gated linear unit: a · σ(b), a and b the halves of x along `axis` (default the last). Source: Dauphin et al. 2017. */
export function glu(value: TensorLike, axis = -1): Tensor {
  const x = floating("glu", value);
  const at = normalizeAxis("glu", axis, x.shape);
  const n = x.shape[at];
  if (n % 2 !== 0) {
    throw new ShapeError(`glu(${show("x", x)}): axis ${at} must have an even size to be halved but has ${n}`, {
      op: "glu",
      inputs: [x.shape, axis],
    });
  }
  const from = (start: number) => x.shape.map((_, i) => (i === at ? start : 0));
  const end = x.shape.map((size, i) => (i === at ? n / 2 : size));
  return mul(slice(x, from(0), end), sigmoid(slice(x, from(n / 2))));
}
