/** The loss along a line and over a plane of parameter space: plateaus, saddles, how sharp a minimum is. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { substitute } from "../graph/loop.js";
import { heatMap, lineChart } from "../plot/index.js";
import { evaluated } from "../tensor/evaluate.js";
import { checkLoss } from "../tensor/gradients.js";
import { compile, randn, Tensor, type TensorLike, tensor, type Variable } from "../tensor/index.js";
import { graphOnly } from "./double.js";

/** A direction in parameter space: one array of its shape for each variable. */
export type Direction = readonly TensorLike[];

export interface LossSurfaceOptions {
  /** First and last factor of each direction. Default [−1, 1]. */
  range?: readonly [number, number];
  /** Values along each direction. Default 41 along a line, 25 along each side of a plane. */
  points?: number;
}

export interface LossLine {
  /** Factors of the direction. */
  readonly at: readonly number[];
  readonly losses: readonly number[];
  readonly svg: string;
}

export interface LossPlane {
  readonly at: readonly number[];
  /** `losses[i][j]`: at[i] times the second direction, at[j] times the first. */
  readonly losses: readonly (readonly number[])[];
  readonly svg: string;
}

/**
 * The loss at w + a·d for factors a; the variables themselves do not change.
 * `loss`: writes the loss, of a model on one fixed batch say. `direction`: default random, see {@link randomDirection}.
 */
export async function lossLine(
  loss: () => Tensor,
  variables: readonly Variable[],
  options: LossSurfaceOptions & { direction?: Direction } = {},
): Promise<LossLine> {
  const { direction = randomDirection(variables), range, points = 41 } = optionsOf("lossLine", options, ["direction", "range", "points"]);
  const at = factors("lossLine", range, points);
  const evaluate = evaluator("lossLine", loss, variables, [direction]);
  const losses = await Promise.all(at.map((a) => evaluate([a])));
  return { at, losses, svg: lineChart([{ title: "loss along a line", lines: [{ name: "loss", values: losses }] }], { xLabel: "point" }) };
}

/**
 * The loss at w + a·d₁ + b·d₂ for factors a, b; the variables themselves do not change.
 * @example
 * const [w1, w2] = [variable(0), variable(0)];
 * const saddle = await lossPlane(() => w1.value.square().sub(w2.value.square()), [w1, w2], { directions: [[1, 0], [0, 1]] });
 */
export async function lossPlane(
  loss: () => Tensor,
  variables: readonly Variable[],
  options: LossSurfaceOptions & { directions?: readonly [Direction, Direction] } = {},
): Promise<LossPlane> {
  optionsOf("lossPlane", options, ["directions", "range", "points"]);
  const { directions = [randomDirection(variables, 0), randomDirection(variables, 1)], range, points = 25 } = options;
  const at = factors("lossPlane", range, points);
  const evaluate = evaluator("lossPlane", loss, variables, directions);
  const losses: number[][] = [];
  for (const b of at) losses.push(await Promise.all(at.map((a) => evaluate([a, b]))));
  return { at, losses, svg: heatMap({ values: losses, x: at, y: at, title: "loss over a plane" }) };
}

/**
 * A random direction in which every filter or unit moves as far as it is long, so that pictures of different networks can be compared;
 * vectors (biases, norms) do not move. It stays as it is when the weights change. Source: Li et al. 2018, section 4.
 */
export function randomDirection(variables: readonly Variable[], seed = 0): Tensor[] {
  const directions = variables.map(({ shape, value, dtype }, i) => {
    const d = randn(shape, { seed: 1000 * seed + i, dtype: dtype as "f32" });
    if (shape.length < 2) return d.mul(0);
    const axis = shape.slice(1).map((_, k) => k);
    const length = (x: Tensor) => x.square().sum({ axis, keepDims: true }).sqrt();
    return d.mul(length(value).div(length(d)));
  });
  return evaluated(directions); // by the weights of now, whatever becomes of them
}

function factors(op: string, [from, to]: readonly [number, number] = [-1, 1], points: number): number[] {
  if (!Number.isInteger(points) || points < 2 || !(to > from)) {
    throw new ValueError(`${op}: expected at least 2 points of a range that grows but received ${points} of [${from}, ${to}]`, {
      op,
      inputs: [points, from, to],
    });
  }
  return Array.from({ length: points }, (_, i) => from + ((to - from) * i) / (points - 1));
}

/** The loss as a function of the factors of the directions. */
function evaluator(op: string, loss: () => Tensor, variables: readonly Variable[], directions: readonly Direction[]) {
  for (const direction of directions) {
    if (direction.length !== variables.length) {
      throw new ValueError(`${op}: a direction has ${direction.length} arrays for ${variables.length} variables`, {
        op,
        inputs: [direction.length, variables.length],
      });
    }
  }
  const fixed = directions.map((direction) =>
    direction.map((d, i) => (d instanceof Tensor ? d : tensor(d, { dtype: variables[i].dtype }))),
  );
  const at = compile((by: Tensor) => {
    const cost = graphOnly(loss);
    checkLoss(op, cost);
    const moved = variables.map(({ value, dtype }, i): [Tensor, Tensor] => {
      const steps = fixed.map((direction, k) => direction[i].mul(by.at(k).cast(dtype)));
      return [value, steps.reduce((sum, step) => sum.add(step), value)];
    });
    return substitute([cost], new Map(moved))[0];
  });
  return async (by: readonly number[]) => (await at(tensor(Float64Array.from(by)))).item();
}
