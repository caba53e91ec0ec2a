/** What an optimizer is made from: a rule for one parameter, options with their defaults, and groups that change some of them. */
import { type FloatDType, isFloat } from "../base/dtype.js";
import { describe, ValueError } from "../base/errors.js";
import { checkOptions, settle } from "../base/options.js";
import { full, minimum, sign, Tensor, uniform, Variable } from "../tensor/index.js";
import { checkNumber } from "./number.js";
import { Optimizer } from "./optimizer.js";
import type { Schedule } from "./schedule.js";
import { Slot, type SlotUpdate } from "./slot.js";

/** What every optimizer takes, for all parameters or for a group of them. */
export interface CommonOptions {
  /** Learning rate, or one for each update. */
  lr?: number | Schedule;
  /** Factor of the learning rate: 0.1 lets a group learn ten times as slowly, whatever the schedule says. Default 1. */
  lrScale?: number;
  /**
   * λ of the penalty ½·λ·‖w‖²; the loss that is reported leaves it out. Optimizers whose decay is decoupled shrink w by the factor
   * 1 − lr·λ instead of adding λ·w to the gradient.
   */
  weightDecay?: number;
  /** λ of the penalty λ·‖w‖₁: λ·sign(w) is added to the gradient. Default 0. */
  l1?: number;
  /**
   * Largest norm of the weights into one unit: after each update, the columns of a matrix [in, out] and the filters of a
   * convolution [h, w, in, out] that are longer are scaled back; vectors are left alone. Default: none. Source: Srivastava et al. 2014, 5.1.
   */
  maxNorm?: number;
}

/** Some of the parameters, with options that count for them alone. */
export type Group<Options> = { readonly parameters: Iterable<Variable> } & Partial<Options>;

/** What a rule computes with: one parameter w, its gradient g and the state kept for it, all of one shape and dtype. */
export interface UpdateContext<State extends string> {
  readonly w: Tensor;
  readonly g: Tensor;
  readonly state: Readonly<Record<State, Tensor>>;
  /** Learning rate, a uniform. */
  readonly lr: Tensor;
  /** A number that is part of the program. */
  readonly constant: (value: number) => Tensor;
  /** A number that is computed, in f64, for every update; t counts those of this parameter from 1. */
  readonly perUpdate: (read: (t: number) => number) => Tensor;
}

/** Options of which none is missing. */
export type Settled<Options> = Required<Options> & Required<CommonOptions>;

/** An optimizer: new values of a parameter and of its state, written in tensor expressions, which one pass over memory computes. */
export interface Algorithm<Options extends CommonOptions, State extends string> {
  readonly name: string;
  /** Every option with its default; `lr: null` must be given. */
  readonly defaults: { readonly [K in keyof Omit<Options, keyof CommonOptions>]-?: Options[K] } & {
    readonly lr: number | null;
    readonly weightDecay: number;
  };
  /** Options that must be less than 1: shares of something that is kept. */
  readonly fractions?: readonly (keyof Options)[];
  /** What is wrong with options that are in range one by one, or null. */
  readonly conflict?: (options: Settled<Options>) => string | null;
  /** Whether weight decay shrinks w by itself, or (default) goes through the gradient. */
  readonly decoupled?: boolean;
  /** Only matrices can be trained. */
  readonly matrices?: boolean;
  /** What is kept for each parameter, in its shape, and the number it starts from. */
  readonly state: (options: Settled<Options>) => Readonly<Partial<Record<State, number>>>;
  readonly update: (
    context: UpdateContext<State>,
    options: Settled<Options>,
  ) => { readonly w: Tensor } & Readonly<Partial<Record<State, Tensor>>>;
}

/** Makes an optimizer over parameters, or over groups of them: `[{ parameters, lr: 1e-4 }, { parameters: others }]`. */
export type OptimizerFunction<Options> = (
  parameters: Iterable<Variable> | Iterable<Group<Options>>,
  ...rest: Record<never, never> extends Options ? [options?: Options] : [options: Options]
) => Optimizer;

/** Options that are no numbers, or mean something when they are left out. */
const commonDefaults = { lrScale: 1, l1: 0, maxNorm: Number.POSITIVE_INFINITY };

/**
 * An optimizer from its rule. Groups, decay, clipping, accumulation, saving and frozen parameters come by themselves.
 * @example
 * const signSgd = optim.defineOptimizer({
 *   name: "signSgd", defaults: { lr: 0.01, weightDecay: 0 }, state: () => ({}),
 *   update: ({ w, g, lr }) => ({ w: w.sub(g.sign().mul(lr)) }),
 * });
 */
export function defineOptimizer<Options extends CommonOptions, const State extends string = never>(
  algorithm: Algorithm<Options, State>,
): OptimizerFunction<Options> {
  const { name } = algorithm;
  return (parameters, ...[shared]) => {
    if (shared !== undefined) checkOptions(name, shared, Object.keys({ ...commonDefaults, ...algorithm.defaults }));
    const groups = groupsOf<Options>(name, parameters).map((group) => {
      const { parameters: members, ...own } = group;
      const options = settled(algorithm, { ...shared, ...own } as unknown as Options);
      return { options, members: [...members], hasOwnRate: "lr" in own };
    });
    checkParameters(
      name,
      groups.flatMap(({ members }) => members),
      algorithm.matrices ?? false,
    );
    return new Optimizer(
      name,
      groups.map(({ options, members, hasOwnRate }) => ({
        rate: options.lr,
        lrScale: options.lrScale,
        hasOwnRate,
        slots: members.map((target) => new Slot(target, algorithm.state(options), updateOf(algorithm, options))),
      })),
    );
  };
}

/** The rule with what all rules share around it: penalties before, limits after. */
function updateOf<Options extends CommonOptions, State extends string>(
  { decoupled = false, update }: Algorithm<Options, State>,
  options: Settled<Options>,
): SlotUpdate {
  const { weightDecay, l1, maxNorm } = options;
  return ({ w, g, state, lr, t }) => {
    const dtype = w.dtype as FloatDType;
    const constant = (value: number) => full([], value, { dtype });
    const perUpdate = (read: (t: number) => number) => uniform(() => read(t()), dtype);
    let d = g;
    if (weightDecay > 0 && !decoupled) d = d.add(w.mul(constant(weightDecay)));
    if (l1 > 0) d = d.add(sign(w).mul(constant(l1)));
    const now = update({ w, g: d, state: state as Record<State, Tensor>, lr, constant, perUpdate }, options) as Record<string, Tensor>;
    let next = now.w;
    if (weightDecay > 0 && decoupled) next = next.sub(w.mul(constant(weightDecay)).mul(lr));
    if (maxNorm !== Number.POSITIVE_INFINITY) next = withinNorm(next, constant(maxNorm));
    return { ...now, w: next };
  };
}

function withinNorm(w: Tensor, limit: Tensor): Tensor {
  if (w.shape.length < 2) return w;
  const axis = w.shape.slice(1).map((_, i) => i);
  const norm = w.square().sum({ axis, keepDims: true }).sqrt();
  return w.mul(minimum(limit.div(norm), 1)); // a column of zeros: ∞, hence 1
}

/** All options, checked; what is not given is as the algorithm has it. */
function settled<Options extends CommonOptions, State extends string>(
  { name, defaults, fractions = [], conflict }: Algorithm<Options, State>,
  given: Options,
): Settled<Options> {
  const known = { ...commonDefaults, ...defaults } as unknown as Settled<Options>;
  const options: Settled<Options> = settle(name, given as Settled<Options>, known as Required<Settled<Options>>);
  if (options.lr === null) throw new ValueError(`${name}: there is no default learning rate; give one: { lr: 0.1 }`, { op: name });
  for (const [key, value] of Object.entries(options))
    checkOption(name, key, value, known[key as keyof Options], fractions.includes(key as keyof Options));
  const problem = conflict?.(options) ?? null;
  if (problem !== null) throw new ValueError(`${name}: ${problem}`, { op: name, inputs: [options] });
  return options;
}

/** An option is of the kind of its default; numbers are ≥ 0. */
function checkOption(name: string, key: string, value: unknown, usual: unknown, isFraction: boolean): void {
  if (typeof value === "function" && key === "lr") return;
  if (key === "maxNorm" && value === Number.POSITIVE_INFINITY) return;
  const below = isFraction ? 1 : undefined;
  const refuse = (expected: string): never => {
    throw new ValueError(`${name}: ${key} must be ${expected} but is ${describe(value)}`, { op: name, inputs: [value] });
  };
  if (typeof usual === "boolean") return;
  if (Array.isArray(usual)) {
    const numbers = Array.isArray(value) && value.length === usual.length ? value : refuse(`${usual.length} numbers`);
    for (const [i, entry] of numbers.entries()) checkNumber(name, `${key}[${i}]`, entry, below);
  } else {
    checkNumber(name, key, value as number, below);
  }
}

function groupsOf<Options>(name: string, given: Iterable<Variable> | Iterable<Group<Options>>): Group<Options>[] {
  if (given === null || typeof given !== "object" || !(Symbol.iterator in given)) {
    throw new ValueError(`${name}: expected an array of variables but received ${describe(given)}; did you mean model.parameters()?`, {
      op: name,
    });
  }
  const entries = [...(given as Iterable<Variable | Group<Options>>)];
  const isGroup = (entry: unknown): entry is Group<Options> =>
    typeof entry === "object" && entry !== null && !(entry instanceof Variable) && "parameters" in entry && isIterable(entry.parameters);
  if (entries.length > 0 && entries.every(isGroup)) return entries;
  return [{ parameters: entries as Variable[] } as unknown as Group<Options>];
}

const isIterable = (value: unknown): value is Iterable<unknown> => typeof value === "object" && value !== null && Symbol.iterator in value;

function checkParameters(name: string, parameters: readonly Variable[], matrices: boolean): void {
  checkVariables(name, parameters);
  for (const [i, parameter] of parameters.entries()) {
    if (matrices && parameter.shape.length < 2) {
      throw new ValueError(
        `${name}: parameter ${i} (${parameter}) is no matrix; let another optimizer train it: optim.combine(optim.${name}(matrices), optim.adamW(others))`,
        { op: name, inputs: [i] },
      );
    }
  }
}

/** Throws unless these are floating variables, at least one, each once. */
export function checkVariables(name: string, parameters: readonly unknown[]): void {
  if (parameters.length === 0) throw new ValueError(`${name}: there are no parameters to train`, { op: name });
  const places = new Map<unknown, number>();
  parameters.forEach((parameter, i) => {
    const refuse = (problem: string) => {
      throw new ValueError(`${name}: parameter ${i} ${problem}`, { op: name, inputs: [i] });
    };
    if (!(parameter instanceof Variable)) {
      return refuse(
        `is ${describe(parameter)}, no variable; did you mean ${parameter instanceof Tensor ? "variable(x)" : "model.parameters()"}?`,
      );
    }
    if (!isFloat(parameter.dtype)) refuse(`(${parameter}) cannot be trained: gradients are of f32 or f64`);
    const before = places.get(parameter);
    if (before !== undefined) refuse(`(${parameter}) is the same as parameter ${before}; give it once`);
    places.set(parameter, i);
  });
}
