/** Short trainings that tell something and leave no trace: can the model learn one batch, and which learning rates make sense? */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { DataLoader, type Dataset, type LabeledBatch } from "../data/index.js";
import { writeFileAtomic } from "../io/index.js";
import type { Module } from "../nn/index.js";
import type { MinimizeOptions, Optimizer } from "../optim/index.js";
import { minimizeNames } from "../optim/optimizer.js";
import { lineChart } from "../plot/index.js";
import { compile, getRandomState, setRandomState, type Tensor } from "../tensor/index.js";
import { type ExampleOptions, type Metric, modeSwitch, unpack } from "./batches.js";

/** Runs `body` and puts weights, optimizer and random numbers back to where they were. */
async function withoutTrace<T>(model: Module, optimizer: Optimizer, body: () => Promise<T>): Promise<T> {
  const [weights, state, random] = [model.stateDict(), optimizer.stateDict(), getRandomState()];
  try {
    return await body();
  } finally {
    model.loadStateDict(weights);
    optimizer.loadStateDict(state);
    setRandomState(random);
  }
}

/** One training step of a model, as a function of a batch, that gives the loss before it. */
function stepper(model: Module, loss: Metric, optimizer: Optimizer, options: MinimizeOptions): (batch: LabeledBatch) => Promise<number> {
  const training = modeSwitch(model, true);
  const step = compile((x: Tensor, y: Tensor, examples?: ExampleOptions) => {
    const prediction = model.forward(x);
    const cost = examples === undefined ? loss(prediction, y) : loss(prediction, y, examples);
    optimizer.minimize(cost, options);
    return cost;
  });
  return async (batch) => (await training(() => step(...unpack(batch)))).item();
}

export interface OverfitOptions extends MinimizeOptions {
  loss: Metric;
  optimizer: Optimizer;
  /** Default 200. */
  steps?: number;
  /** The loss that counts as learnt by heart. Default 0.01. */
  target?: number;
  /** Leave the model as it is in the end, instead of as it was. Default false. */
  keep?: boolean;
}

export interface OverfitResult {
  /** Whether the loss came down to the target. If not, something is wrong with model, loss, labels or learning rate. */
  readonly isLearnt: boolean;
  /** Loss before each step. */
  readonly losses: readonly number[];
}

/**
 * Trains on one batch again and again, which any model that is put together rightly learns by heart: the first thing to try.
 * @example const { isLearnt } = await overfitOneBatch(model, await train.get([0, 1, 2, 3]), { loss: losses.crossEntropy, optimizer });
 */
export async function overfitOneBatch(model: Module, batch: LabeledBatch, options: OverfitOptions): Promise<OverfitResult> {
  const names = ["loss", "optimizer", "steps", "target", "keep", ...minimizeNames] as const;
  const { loss, optimizer, steps = 200, target = 0.01, keep = false, ...minimize } = optionsOf("overfitOneBatch", options, names);
  checkSteps("overfitOneBatch", steps);
  const body = async () => {
    const step = stepper(model, loss, optimizer, minimize);
    const losses: number[] = [];
    while (losses.length < steps && !(losses[losses.length - 1] <= target)) losses.push(await step(batch));
    return { isLearnt: losses[losses.length - 1] <= target, losses };
  };
  return keep ? body() : withoutTrace(model, optimizer, body);
}

export interface LrFinderOptions extends MinimizeOptions {
  loss: Metric;
  optimizer: Optimizer;
  /** First and last learning rate of the first group; the others follow in proportion. Default 1e-7 and 10. */
  from?: number;
  to?: number;
  /** Default 100. */
  steps?: number;
  /** Examples a step. Default 32. */
  batchSize?: number;
  /** Decides the order of examples. Default 0. */
  seed?: number;
}

export interface LrFinding {
  readonly rates: readonly number[];
  /** Smoothed losses; shorter than asked for where the loss ran away. */
  readonly losses: readonly number[];
  /** The rate at which the loss falls most steeply: a good peak of a schedule. */
  readonly suggestion: number;
  /** Writes the curve as SVG, against the number of the step: the rate grows by the same factor each time. */
  plot(path: string): Promise<void>;
}

/** Share of the smoothed loss that each step keeps. */
const smoothing = 0.9;

/**
 * Trains with a learning rate that grows from step to step, until the loss runs away; model and optimizer are put back afterwards.
 * Source: Smith 2017, section 3.3.
 * @example const { suggestion } = await lrFinder(model, train, { loss: losses.crossEntropy, optimizer });
 */
export async function lrFinder(model: Module, data: Dataset<LabeledBatch>, options: LrFinderOptions): Promise<LrFinding> {
  optionsOf("lrFinder", options, ["loss", "optimizer", "from", "to", "steps", "batchSize", "seed", ...minimizeNames]);
  const { loss, optimizer, from = 1e-7, to = 10, steps = 100, batchSize = 32, seed = 0, ...minimize } = options;
  checkSteps("lrFinder", steps, 3);
  if (!(from > 0 && to > from)) {
    throw new ValueError(`lrFinder: expected 0 < from < to but they are ${from} and ${to}`, { op: "lrFinder", inputs: [from, to] });
  }
  const loader = new DataLoader(data, { batchSize, shuffle: true, seed });
  const rates: number[] = [];
  const losses: number[] = [];
  await withoutTrace(model, optimizer, async () => {
    const step = stepper(model, loss, optimizer, minimize);
    const usual = optimizer.lr;
    if (!(usual > 0)) throw new ValueError(`lrFinder: the optimizer's rate is ${usual}; it must be more than 0`, { op: "lrFinder" });
    let mean = 0;
    for await (const batch of cycle(loader, steps)) {
      const rate = from * (to / from) ** (rates.length / (steps - 1));
      optimizer.lrScale = (rate / optimizer.lr) * optimizer.lrScale;
      mean = smoothing * mean + (1 - smoothing) * (await step(batch));
      const smooth = mean / (1 - smoothing ** (losses.length + 1));
      if (!Number.isFinite(smooth) || smooth > 4 * Math.min(...losses, smooth)) break;
      rates.push(rate);
      losses.push(smooth);
    }
  });
  return {
    rates,
    losses,
    suggestion: steepest(rates, losses),
    plot: (path) => writeFileAtomic(path, lineChart([{ title: "loss", lines: [{ name: "loss", values: losses }] }], { xLabel: "step" })),
  };
}

async function* cycle<B>(loader: AsyncIterable<B>, count: number): AsyncGenerator<B> {
  for (let left = count; left > 0; ) {
    for await (const batch of loader) {
      yield batch;
      if (--left === 0) return;
    }
  }
}

/** Where the loss falls most steeply by the logarithm of the rate: equal steps of it, by the slope over two of them. */
function steepest(rates: readonly number[], losses: readonly number[]): number {
  let best = { slope: Number.POSITIVE_INFINITY, rate: Number.NaN };
  for (let i = 1; i + 1 < losses.length; i++) {
    const slope = losses[i + 1] - losses[i - 1];
    if (slope < best.slope) best = { slope, rate: rates[i] };
  }
  return best.rate;
}

function checkSteps(op: string, steps: number, least = 1): void {
  if (!Number.isInteger(steps) || steps < least)
    throw new ValueError(`${op}: steps must be a whole number ≥ ${least} but is ${steps}`, { op, inputs: [steps] });
}
