/** Gradient checking: what differentiation says against what differences say. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";
import { format, sizeOf } from "../base/shape.js";
import { topological } from "../graph/walk.js";
import type { AnyModule } from "../nn/module.js";
import { ready } from "../tensor/evaluate.js";
import { checkLoss } from "../tensor/gradients.js";
import { compile, gradients, Tensor, type TensorLike, tensor, type Variable } from "../tensor/index.js";
import { collectTensors } from "../tensor/tree.js";
import { graphOnly, inDouble } from "./double.js";

export interface CheckGradientsOptions<Batch> {
  /** The scalar loss of the model on the batch. */
  loss: (batch: Batch) => Tensor;
  /** Half the distance between the two sides. Default 1e-5, which suits double precision. */
  epsilon?: number;
  /** Check this many elements of each parameter only, chosen at random. Default: all. */
  sample?: number;
  /** Decides which. Default 0. */
  seed?: number;
}

export interface GradientCheck {
  /** great: up to 1e-7. look: more, have a look at the worst. wrong: 1e-3 and more, there is a bug. */
  readonly verdict: "great" | "look" | "wrong";
  /** ‖a − b‖ / (‖a‖ + ‖b‖) of gradients by rules and by differences, all parameters as one vector. */
  readonly relativeError: number;
  /** The element with the largest difference, `"0.weight[12]"`, counted row-major. */
  readonly worst: string;
  /** The same error for each parameter. One whose gradient is nearly 0 may have a large one that means nothing. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** Runs under way at once. */
const ahead = 64;

/**
 * Compares the gradients of every parameter with two-sided differences (f(w + ε) − f(w − ε)) / 2ε. Model, loss and batch are computed in f64 for
 * that, whatever they are written in; nothing of the model changes. A check of n weights costs 2n forward passes: take a small model, or `sample`.
 * @example
 * const { verdict, worst } = await checkGradients(model, { x, y }, { loss: ({ x, y }) => losses.crossEntropy(model.forward(x), y) });
 * @throws ValueError if the loss draws random numbers, as dropout does in training mode.
 */
export async function checkGradients<Batch>(model: AnyModule, batch: Batch, options: CheckGradientsOptions<Batch>): Promise<GradientCheck> {
  const op = "checkGradients";
  optionsOf(op, options, ["loss", "epsilon", "sample", "seed"]);
  const { loss, epsilon = 1e-5, sample = Number.POSITIVE_INFINITY, seed = 0 } = options;
  if (!(epsilon > 0)) throw new ValueError(`${op}: epsilon must be more than 0 but is ${epsilon}`, { op, inputs: [epsilon] });
  if (!(sample >= 1)) throw new ValueError(`${op}: sample must be at least 1 but is ${sample}`, { op, inputs: [sample] });
  const named = [...model.namedParameters()];
  if (named.length === 0) throw new ValueError(`${op}: the model has no parameters`, { op });
  const given: Tensor[] = [];
  collectTensors(batch, given, () => {});
  await ready(given); // a batch that is random has been drawn by now
  const cost = graphOnly(() => loss(batch));
  checkLoss(op, cost);
  if (topological([cost]).some(drawsNumbers)) {
    throw new ValueError(`${op}: the loss draws random numbers, so that two evaluations differ; switch dropout off: model.eval()`, { op });
  }
  const at = (values: readonly Tensor[]) => inDouble(cost, new Map(named.map(([, w], i) => [w as Variable, values[i]])));
  const evaluate = compile((values: readonly Tensor[]) => at(values));
  const differentiate = compile((values: readonly Tensor[]) => gradients(at(values), values));
  const values = await Promise.all(
    named.map(([, w]) => w.value.data().then((data) => tensor(Float64Array.from(data), { shape: w.shape }))),
  );

  const analytic = await differentiate(values);
  const words = new WordStream(seed, 0);
  const errors = new Errors();
  const parameters: Record<string, number> = {};
  let worst = { difference: -1, name: "" };
  for (const [i, [name, { shape }]] of named.entries()) {
    const size = sizeOf(shape);
    const chosen = size <= sample ? [...Array(size).keys()] : Array.from({ length: Math.floor(sample) }, () => words.below(size));
    const by = await analytic[i].data();
    const replaced = (x: Tensor) => evaluate(values.map((value, k) => (k === i ? x : value)));
    const differences = await slopes((await values[i].data()) as Float64Array, shape, chosen, epsilon, replaced);
    const own = new Errors();
    chosen.forEach((k, j) => {
      errors.add(by[k], differences[j]);
      own.add(by[k], differences[j]);
      const difference = Math.abs(by[k] - differences[j]);
      if (difference > worst.difference || Number.isNaN(difference)) worst = { difference, name: `${name}[${k}]` };
    });
    parameters[name] = own.relative;
  }
  const relativeError = errors.relative;
  const verdict = relativeError <= 1e-7 ? "great" : relativeError < 1e-3 ? "look" : "wrong"; // NaN is wrong
  return { verdict, relativeError, worst: worst.name, parameters };
}

const drawsNumbers = ({ op: { lowering } }: Tensor): boolean => lowering.kind === "kernel" && lowering.uniforms === true;

/** Sums of squares from which a relative error is made. */
class Errors {
  private difference = 0;
  private a = 0;
  private b = 0;

  add(a: number, b: number): void {
    this.difference += (a - b) ** 2;
    this.a += a * a;
    this.b += b * b;
  }

  get relative(): number {
    return this.difference === 0 ? 0 : Math.sqrt(this.difference) / (Math.sqrt(this.a) + Math.sqrt(this.b));
  }
}

/** (f(x + ε·eₖ) − f(x − ε·eₖ)) / 2ε for each k. */
async function slopes(
  x: Float64Array,
  shape: readonly number[],
  ks: readonly number[],
  epsilon: number,
  f: (x: Tensor) => Promise<Tensor>,
): Promise<number[]> {
  const moved = async (k: number, by: number) => {
    const data = x.slice();
    data[k] += by;
    return (await f(tensor(data, { shape }))).item();
  };
  const result: number[] = [];
  for (let start = 0; start < ks.length; start += ahead / 2) {
    const part = ks.slice(start, start + ahead / 2);
    const both = await Promise.all(part.map((k) => Promise.all([moved(k, epsilon), moved(k, -epsilon)])));
    result.push(...both.map(([above, below]) => (above - below) / (2 * epsilon)));
  }
  return result;
}

/**
 * The gradient of a scalar function by two-sided differences, in f64: as x, element by element.
 * @example await numericalGradient((x) => x.pow(3), 1, { epsilon: 0.01 })   // 3.0001: ε² more than 3
 */
export async function numericalGradient(f: (x: Tensor) => Tensor, x: TensorLike, { epsilon = 1e-5 } = {}): Promise<Tensor> {
  const at = x instanceof Tensor ? x.cast("f64") : tensor(x, { dtype: "f64" });
  const evaluate = compile((value: Tensor) => {
    const y = f(value);
    checkLoss("numericalGradient", y);
    if (y.dtype !== "f64")
      throw new ValueError(`numericalGradient: f gives ${y.dtype} ${format(y.shape)} for x in f64`, { op: "numericalGradient" });
    return y;
  });
  const size = sizeOf(at.shape);
  const result = await slopes((await at.data()) as Float64Array, at.shape, [...Array(size).keys()], epsilon, evaluate);
  return tensor(Float64Array.from(result), { shape: at.shape });
}
