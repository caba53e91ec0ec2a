/** `scan`: a loop with carried state as one node of the graph, and its gradient, which is a scan in the other direction. */
import { isFloat } from "../base/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sameShape } from "../base/shape.js";
import { argument, closeOver, LoopBody, pick, substitute } from "../graph/loop.js";
import { defineVariadicOp, node, type Op } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import { asTensor, type TensorLike } from "../ops/convert.js";
import { zeros, zerosLike } from "../ops/create.js";
import { add } from "../ops/elementwise.js";
import { backward } from "./backward.js";

const loopOp: Op = defineVariadicOp({ name: "scan", vjp: null, resultsVjp: loopGradient, lowering: { kind: "loop" } });

interface Loop {
  readonly node: Tensor;
  readonly final: Tensor[];
  readonly stacked: Tensor[];
}

/** Builds a loop from stand-in arguments and what the body makes of them. */
function makeLoop(
  args: readonly Tensor[],
  carry: readonly Tensor[],
  ys: readonly Tensor[],
  init: readonly Tensor[],
  xs: readonly Tensor[],
  length: number,
  reverse: boolean,
): Loop {
  const closed = closeOver(args, [...carry, ...ys]);
  const body = new LoopBody(closed.args, closed.outputs, carry.length, xs.length, length, reverse);
  const loop = node(loopOp, [...init, ...xs, ...closed.constants], [], "f32", { body });
  return {
    node: loop,
    final: init.map((x, j) => pick(loop, j, x.shape, x.dtype)),
    stacked: ys.map((y, j) => pick(loop, carry.length + j, [length, ...y.shape], y.dtype)),
  };
}

export interface ScanOptions {
  /** Number of iterations; default the first dimension of `xs`. */
  length?: number;
  /** Run from the last slice to the first. Default false. */
  reverse?: boolean;
}

/**
 * Runs `body` once for each slice of `xs` along the first axis, handing the carry on.
 *
 * @param body gets the carry and one slice of each of `xs`; returns the new carry (same shapes and dtypes) and outputs `y`
 *   to be stacked. It is traced once; numbers drawn inside are the same in every iteration.
 * @returns the final carry, and each `y` stacked to [length, …].
 */
export function scan(
  body: (carry: Tensor[], x: Tensor[]) => { carry: Tensor[]; y?: Tensor[] },
  init: readonly TensorLike[],
  xs: readonly TensorLike[] = [],
  options: ScanOptions = {},
): { carry: Tensor[]; y: Tensor[] } {
  const { length, reverse = false } = optionsOf("scan", options, ["length", "reverse"]);
  const start = init.map((x) => asTensor("scan", x));
  const scanned = xs.map((x) => asTensor("scan", x));
  if (scanned.some((x) => x.shape.length === 0))
    throw new ShapeError("scan: xs must have a first axis to run along", { op: "scan", inputs: scanned.map((x) => x.shape) });
  const count = length ?? scanned[0]?.shape[0];
  if (count === undefined || !Number.isInteger(count) || count < 0) {
    throw new ValueError(`scan: the number of iterations must be a whole number ≥ 0 but is ${count}; give xs or { length }`, {
      op: "scan",
      inputs: [length],
    });
  }
  const odd = scanned.find((x) => x.shape[0] !== count);
  if (odd !== undefined) {
    throw new ShapeError(`scan: ${count} iterations need xs of shape [${count}, …] but one is ${format(odd.shape)}`, {
      op: "scan",
      inputs: scanned.map((x) => x.shape),
    });
  }
  const carryArgs = start.map((x, j) => argument(j, x));
  const sliceArgs = scanned.map((x, j) => argument(start.length + j, { shape: x.shape.slice(1), dtype: x.dtype }));
  const { carry, y = [] } = body([...carryArgs], [...sliceArgs]);
  if (carry.length !== start.length || carry.some((c, j) => !sameShape(c.shape, start[j].shape))) {
    throw new ShapeError(
      `scan: the body must return a carry of shapes ${start.map((x) => format(x.shape)).join(", ")} but returned ${carry.map((c) => format(c.shape)).join(", ")}`,
      {
        op: "scan",
        inputs: [start.map((x) => x.shape), carry.map((c) => c.shape)],
      },
    );
  }
  const changed = carry.findIndex((c, j) => c.dtype !== start[j].dtype);
  if (changed >= 0)
    throw new DTypeError(`scan: carry ${changed} starts as ${start[changed].dtype} but the body returns ${carry[changed].dtype}`, {
      op: "scan",
    });
  const { final, stacked } = makeLoop([...carryArgs, ...sliceArgs], carry, y, start, scanned, count, reverse);
  return { carry: final, y: stacked };
}

/**
 * Backpropagation through time: carries the cotangents of the carry from the last iteration to the first, and sums the
 * cotangents of the constants on the way.
 */
function loopGradient(gys: readonly (Tensor | null)[], loop: Tensor): (Tensor | null)[] {
  const body = loop.attrs.body as LoopBody;
  const { carries, scanned, length, reverse, outputs, args } = body;
  const init = loop.inputs.slice(0, carries);
  const xs = loop.inputs.slice(carries, carries + scanned);
  const constants = loop.inputs.slice(carries + scanned);
  const isSmooth = (x: Tensor) => isFloat(x.dtype);

  // The state of the backward loop: cotangents of float carries, then sums for float constants.
  const smoothCarries = init.map((_, j) => j).filter((j) => isSmooth(init[j]));
  const smoothConstants = constants.map((_, k) => k).filter((k) => isSmooth(constants[k]));
  const start = [...smoothCarries.map((j) => gys[j] ?? zerosLike(init[j])), ...smoothConstants.map((k) => zerosLike(constants[k]))];

  // What each iteration reads: the carries as they were, the slices, and the cotangents of outputs and histories.
  const history = init.map((x, j) => pick(loop, outputs.length + j, [length, ...x.shape], x.dtype));
  const given = outputs.map((_, i) => i).filter((i) => i >= carries && gys[i]);
  const watched = smoothCarries.filter((j) => gys[outputs.length + j]);
  const read = [...history, ...xs, ...given.map((i) => gys[i]!), ...watched.map((j) => gys[outputs.length + j]!)];

  let next = 0;
  const standIn = (like: { shape: readonly number[]; dtype: Tensor["dtype"] }) => argument(next++, like);
  const slice = (x: Tensor) => standIn({ shape: x.shape.slice(1), dtype: x.dtype });
  const gCarry = smoothCarries.map((j) => standIn(init[j]));
  const sums = smoothConstants.map((k) => standIn(constants[k]));
  const carry = history.map(slice);
  const x = xs.map(slice);
  const gOut = given.map((i) => slice(gys[i]!));
  const gWatched = watched.map((j) => slice(gys[outputs.length + j]!));
  // Constants are stood in for while differentiating, so that no gradient takes a path between them outside the loop.
  const fixed = constants.map((constant) => argument(-1, constant));

  const inner = substitute(outputs, new Map([...carry, ...x, ...fixed].map((value, i) => [args[i], value])));
  const seeds = [...smoothCarries.map((j, q) => [inner[j], gCarry[q]] as const), ...given.map((i, q) => [inner[i], gOut[q]] as const)];
  const wrt = [...carry, ...x, ...fixed];
  const found = backward(
    seeds.map(([y]) => y),
    seeds.map(([, g]) => g),
    wrt,
  );
  const gradientOf = (value: Tensor): Tensor => found[wrt.indexOf(value)] ?? zeros(value.shape, { dtype: value.dtype });

  const newCarry = smoothCarries.map((j) => {
    const q = watched.indexOf(j);
    return q < 0 ? gradientOf(carry[j]) : add(gradientOf(carry[j]), gWatched[q]);
  });
  const newSums = smoothConstants.map((k, q) => add(sums[q], gradientOf(fixed[k])));
  const smoothSlices = xs.map((_, j) => j).filter((j) => isSmooth(xs[j]));
  const made = substitute(
    [...newCarry, ...newSums, ...smoothSlices.map((j) => gradientOf(x[j]))],
    new Map(fixed.map((x, k) => [x, constants[k]])),
  );
  const gradient = makeLoop(
    [...gCarry, ...sums, ...carry, ...x, ...gOut, ...gWatched],
    made.slice(0, start.length),
    made.slice(start.length),
    start,
    read,
    length,
    !reverse,
  );

  const result: (Tensor | null)[] = loop.inputs.map(() => null);
  smoothCarries.forEach((j, q) => {
    result[j] = gradient.final[q];
  });
  smoothConstants.forEach((k, q) => {
    result[carries + scanned + k] = gradient.final[smoothCarries.length + q];
  });
  smoothSlices.forEach((j, q) => {
    result[carries + j] = gradient.stacked[q];
  });
  return result;
}
