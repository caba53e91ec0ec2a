/** What optimizers share: from a loss to new values of parameters and state, all assigned in one run. */
import { backward } from "../autodiff/backward.js";
import { type FloatDType, isFloat } from "../base/dtype.js";
import { ValueError } from "../base/errors.js";
import { graphOf } from "../graph/signature.js";
import { currentTrace, refuseWhileTracing, type Trace } from "../graph/trace.js";
import { assignState, snapshot } from "../nn/state.js";
import { describe } from "../ops/convert.js";
import { checkSources } from "../tensor/evaluate.js";
import { checkLoss } from "../tensor/gradients.js";
import { assignAll, full, onesLike, stopGradient, Tensor, uniform, Variable, variable, zeros } from "../tensor/index.js";

/** A learning rate that depends on the number of updates before this one: 0, 1, 2 … */
export type Schedule = (step: number) => number;

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

/** One step of an optimizer, element by element: new values of the parameter and its state. */
export type UpdateRule<State extends string> = (context: UpdateContext<State>) => { readonly w: Tensor } & Readonly<Record<State, Tensor>>;

/** All that an optimizer knows; tensors by `parameter.state`, `"0.weight.m"`. */
export interface OptimizerState {
  /** Updates so far. */
  readonly step: number;
  /** Updates of each parameter: fewer than `step` if it was frozen. */
  readonly steps: Readonly<Record<string, number>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Counts updates. In a compiled function they happen with every run, so their number is read when the run is submitted. */
class Counter {
  count = 0;
  /** Updates that functions being traced have written so far. */
  private readonly written = new WeakMap<Trace, number>();

  /** What reads the number, from 1, of the update that is being written. */
  next(): () => number {
    const trace = currentTrace();
    const nth = 1 + (trace === null ? 0 : (this.written.get(trace) ?? 0));
    if (trace !== null) this.written.set(trace, nth);
    return () => this.count + nth;
  }
}

/** A parameter and what is kept for it, from its first update on. */
class Slot {
  readonly updates = new Counter();
  private variables: Readonly<Record<string, Variable>> | null = null;

  constructor(
    readonly key: string,
    readonly target: Variable,
    private readonly names: readonly string[],
  ) {}

  get state(): Readonly<Record<string, Variable>> {
    const { shape, dtype } = this.target;
    const make = (name: string) => variable(zeros(shape, { dtype }), { name: `${this.key}.${name}`, trainable: false });
    this.variables ??= Object.fromEntries(this.names.map((name) => [name, make(name)]));
    return this.variables;
  }

  /** The state variables by their names in a state dictionary. */
  named(): [string, Variable][] {
    return this.names.map((name) => [`${this.key}.${name}`, this.state[name]]);
  }
}

/** Changes parameters so that a loss falls. Made by `sgd`, `adam` …; see there. */
export class Optimizer {
  readonly parameters: readonly Variable[];
  private readonly slots: readonly Slot[];
  private readonly updates = new Counter();
  private rate: number | Schedule = 0;

  /** @internal */
  constructor(
    readonly name: string,
    parameters: Iterable<Variable>,
    lr: number | Schedule,
    states: readonly string[],
    private readonly rule: UpdateRule<string>,
  ) {
    this.parameters = checkParameters(name, parameters);
    const keys = keysOf(this.parameters);
    this.slots = this.parameters.map((target, i) => new Slot(keys[i], target, states));
    this.lr = lr;
  }

  /** The learning rate of the next update. Setting it, to a number or a schedule, does not compile anything anew. */
  get lr(): number {
    return this.rateAt(this.stepCount);
  }

  set lr(rate: number | Schedule) {
    if (typeof rate !== "function") checkNumber(this.name, "lr", rate);
    this.rate = rate;
  }

  /** Updates so far; those that failed are taken off when their failure is known. */
  get stepCount(): number {
    return this.updates.count;
  }

  private rateAt(step: number): number {
    const { rate } = this;
    return typeof rate === "number" ? rate : checkNumber(this.name, `lr(${step})`, rate(step));
  }

  /**
   * Differentiates a scalar `loss` by the parameters and changes those that it depends on and that are not frozen: at once (`loss` can be
   * read afterwards), or, inside a compiled function, with every run.
   * @throws ValueError if the loss depends on no parameter that may change.
   */
  minimize(loss: Tensor): void {
    const op = `${this.name}.minimize`;
    checkLoss(op, loss);
    const slots = this.slots.filter(({ target }) => target.trainable);
    if (slots.length === 0) {
      throw new ValueError(`${op}: all ${this.slots.length} parameters are frozen; model.unfreeze() lets them be trained`, { op });
    }
    const gradients = gradientsOf(
      loss,
      slots.map(({ target }) => target),
    );
    if (gradients.every((g) => g === null)) this.refuse(op, loss);
    const step = this.updates.next();
    const lrs = new Map<FloatDType, Tensor>();
    const lrOf = (dtype: FloatDType): Tensor => {
      const lr = lrs.get(dtype) ?? uniform(() => this.rateAt(step() - 1), dtype);
      lrs.set(dtype, lr);
      return lr;
    };
    const counters = [this.updates];
    const pairs = slots.flatMap((slot, i) => {
      const g = gradients[i];
      if (g === null) return [];
      counters.push(slot.updates);
      return this.update(slot, g, lrOf(slot.target.dtype as FloatDType));
    });
    const count = (updates: number) => {
      for (const counter of counters) counter.count += updates;
    };
    assignAll(pairs, [loss], { submitted: () => count(1), failed: () => count(-1) });
  }

  private update({ target, state, updates }: Slot, g: Tensor, lr: Tensor): [Variable, Tensor][] {
    const dtype = target.dtype as FloatDType;
    const t = updates.next();
    const names = Object.keys(state);
    const now = this.rule({
      w: target.value,
      g,
      state: Object.fromEntries(names.map((name) => [name, state[name].value])),
      lr,
      constant: (value) => full([], value, { dtype }),
      perUpdate: (read) => uniform(() => read(t()), dtype),
    });
    // What is learnt from a loss is no part of what a later loss of the same step is differentiated through.
    const places: [Variable, Tensor][] = [[target, now.w], ...names.map((name): [Variable, Tensor] => [state[name], now[name]])];
    return places.map(([place, value]) => [place, stopGradient(value)]);
  }

  private refuse(op: string, loss: Tensor): never {
    // An expression older than the last update: that error says more.
    if (currentTrace() === null) checkSources(graphOf([loss], []));
    throw new ValueError(
      `${op}: the loss depends on none of the ${this.slots.length} parameters (${this.slots[0].target}, …); write it anew for every step, from these variables, and not from values that were read out`,
      { op },
    );
  }

  /** Copies of all state, and counts. */
  stateDict(): OptimizerState {
    refuseWhileTracing("stateDict");
    const used = this.slots.filter(({ updates }) => updates.count > 0);
    return {
      step: this.stepCount,
      steps: Object.fromEntries(used.map(({ key, updates }) => [key, updates.count])),
      tensors: snapshot(new Map(used.flatMap((slot) => slot.named()))),
    };
  }

  /**
   * Goes on from where {@link stateDict} was taken, of an optimizer of the same kind over the same parameters.
   * @throws ShapeError, DTypeError or ValueError listing all that does not fit; nothing is changed then.
   */
  loadStateDict({ step, steps, tensors }: OptimizerState): void {
    const op = `${this.name}.loadStateDict`;
    refuseWhileTracing(op);
    const counts = new Map(Object.entries(steps));
    const unknown = [...counts.keys()].filter((key) => !this.slots.some((slot) => slot.key === key));
    if (unknown.length > 0)
      throw new ValueError(`${op}: there are no parameters ${unknown.slice(0, 8).join(", ")}`, { op, inputs: [unknown] });
    for (const n of [step, ...counts.values()]) {
      if (!Number.isSafeInteger(n) || n < 0) throw new ValueError(`${op}: ${n} is no number of steps`, { op, inputs: [n] });
    }
    const fresh = this.slots.filter(({ key }) => !counts.has(key)).flatMap((slot) => slot.named());
    const given = new Map(Object.entries(tensors));
    for (const [name, { shape, dtype }] of fresh) if (!given.has(name)) given.set(name, zeros(shape, { dtype }));
    assignState({ op }, new Map(this.slots.flatMap((slot) => slot.named())), given, true);
    this.updates.count = step;
    for (const { key, updates } of this.slots) updates.count = counts.get(key) ?? 0;
  }
}

/** An optimizer from its rule, which gives new values of w and of each of `states`; those start from 0. */
export function optimizer<const State extends string>(
  name: string,
  parameters: Iterable<Variable>,
  lr: number | Schedule,
  states: readonly State[],
  rule: UpdateRule<State>,
): Optimizer {
  return new Optimizer(name, parameters, lr, states, rule as unknown as UpdateRule<string>);
}

/** Gradients of the loss by variables; null where it does not depend on one. */
function gradientsOf(loss: Tensor, targets: readonly Variable[]): (Tensor | null)[] {
  const by = (wrt: readonly Tensor[]) => backward([loss], [onesLike(loss)], wrt);
  const gradients = by(targets.map(({ value }) => value));
  if (!gradients.includes(null)) return gradients;
  // After another `minimize` of the same step, the loss may have been written in the values from before that.
  const before = by(targets.map((target) => target.read ?? target.value));
  return gradients.map((g, i) => g ?? before[i]);
}

function checkParameters(name: string, given: Iterable<Variable>): readonly Variable[] {
  if (given === null || typeof given !== "object" || !(Symbol.iterator in given)) {
    throw new ValueError(`${name}: expected an array of variables but received ${describe(given)}; did you mean model.parameters()?`, {
      op: name,
    });
  }
  const parameters = [...given];
  if (parameters.length === 0) throw new ValueError(`${name}: there are no parameters to train`, { op: name });
  parameters.forEach((parameter: unknown, i) => {
    const refuse = (problem: string) => {
      throw new ValueError(`${name}: parameter ${i} ${problem}`, { op: name, inputs: [i] });
    };
    if (!(parameter instanceof Variable)) {
      return refuse(
        `is ${describe(parameter)}, no variable; did you mean ${parameter instanceof Tensor ? "variable(x)" : "model.parameters()"}?`,
      );
    }
    if (!isFloat(parameter.dtype)) return refuse(`(${parameter}) cannot be trained: gradients are of f32 or f64`);
    if (parameters.indexOf(parameter) < i) refuse(`(${parameter}) is the same as parameter ${parameters.indexOf(parameter)}; give it once`);
  });
  return parameters;
}

/** Names of the parameters, or their positions where a name is missing or not the only one. */
function keysOf(parameters: readonly Variable[]): string[] {
  const names = parameters.map(({ name }) => name);
  return names.map((name, i) => (name !== "" && names.indexOf(name) === names.lastIndexOf(name) ? name : String(i)));
}

/** Throws unless `value` is a number in [0, below), `below` being 1 for rates of decay; gives it back. */
export function checkNumber(op: string, name: string, value: number, below = Number.POSITIVE_INFINITY): number {
  if (typeof value === "number" && value >= 0 && value < below) return value;
  const expected = below < Number.POSITIVE_INFINITY ? `at least 0 and less than ${below}` : "finite and at least 0";
  throw new ValueError(`${op}: ${name} must be ${expected} but is ${value}`, { op, inputs: [value] });
}
