/** What optimizers share: from a loss to new values of parameters and state, all assigned in one run. */
import { backward } from "../autodiff/backward.js";
import type { FloatDType } from "../base/dtype.js";
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { graphOf } from "../graph/signature.js";
import { currentTrace, refuseWhileTracing } from "../graph/trace.js";
import { assignState, type Loading, snapshot } from "../nn/state.js";
import { checkSources } from "../tensor/evaluate.js";
import { checkLoss } from "../tensor/gradients.js";
import { assignAll, dependsOn, minimum, onesLike, stopGradient, type Tensor, uniform, type Variable, zerosLike } from "../tensor/index.js";
import { checkNumber } from "./number.js";
import type { Schedule } from "./schedule.js";
import { accumulated, Counter, keysOf, type Slot } from "./slot.js";

export interface MinimizeOptions {
  /** Scales all gradients together such that their norm, as one vector, is at most this. Default: no limit. Source: Pascanu et al. 2013. */
  clipNorm?: number;
  /** Limits each element of the gradients to [−clipValue, clipValue], before `clipNorm`. Default: no limit. */
  clipValue?: number;
  /**
   * Calls whose gradients are gathered, for one update by their mean: batches of 32 with `accumulate: 4` train as one of 128 does.
   * Only the last call of each such number changes parameters and counts as an update. Default 1.
   */
  accumulate?: number;
}
export const minimizeNames = ["clipNorm", "clipValue", "accumulate"] as const;

/** What a call of `minimize` leaves behind. */
export class Update {
  /** @internal */
  constructor(
    private readonly norm: () => Tensor,
    /** Whether it changes parameters, and does not only accumulate. */
    readonly isUpdate: boolean,
  ) {}

  /**
   * Norm of all gradients as one vector, before clipping, a scalar; of a call that only accumulates, that of its own gradients. In a
   * compiled function it costs nothing unless it is asked for there: `return { loss, gradNorm: opt.minimize(loss).gradNorm }`.
   */
  get gradNorm(): Tensor {
    return this.norm();
  }
}

/** All that an optimizer knows; tensors by `parameter.state`, `"0.weight.m"`. */
export interface OptimizerState {
  /** Updates so far. */
  readonly step: number;
  /** Calls that have accumulated gradients so far. */
  readonly microStep: number;
  readonly lrScale: number;
  /** Updates of each parameter: fewer than `step` if it was frozen. */
  readonly steps: Readonly<Record<string, number>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Parameters that share their options. */
export interface ParameterGroup {
  rate: number | Schedule;
  readonly lrScale: number;
  /** The rate is the group's own, so that the optimizer's does not replace it. */
  readonly hasOwnRate: boolean;
  readonly slots: readonly Slot[];
}

/** Changes parameters so that a loss falls. Made by `sgd`, `adam` …; see there. */
export class Optimizer {
  readonly parameters: readonly Variable[];
  private readonly slots: readonly Slot[];
  private readonly updates = new Counter();
  private readonly microSteps = new Counter();
  private factor = 1;

  /** @internal */
  constructor(
    readonly name: string,
    /** @internal */ readonly groups: readonly ParameterGroup[],
  ) {
    this.slots = groups.flatMap(({ slots }) => slots);
    this.parameters = this.slots.map(({ target }) => target);
    keysOf(this.parameters).forEach((key, i) => {
      this.slots[i].key = key;
    });
  }

  /** The learning rate of the next update. Setting it, to a number or a schedule, does not compile anything anew; groups with a rate of their own keep it. */
  get lr(): number {
    const group = this.groups.find(({ hasOwnRate }) => !hasOwnRate) ?? this.groups[0];
    return this.rateOf(group, this.stepCount) / group.lrScale;
  }

  set lr(rate: number | Schedule) {
    if (typeof rate !== "function") checkNumber(this.name, "lr", rate);
    const groups = this.groups.filter(({ hasOwnRate }) => !hasOwnRate);
    if (groups.length === 0) {
      throw new ValueError(`${this.name}: every group has a learning rate of its own; lrScale changes them all by one factor`, {
        op: this.name,
      });
    }
    for (const group of groups) group.rate = rate;
  }

  /** Factor of every learning rate, schedules included; saved with the state. Default 1. */
  get lrScale(): number {
    return this.factor;
  }

  set lrScale(factor: number) {
    this.factor = checkNumber(this.name, "lrScale", factor);
  }

  /** Updates so far; those that failed are taken off when their failure is known. */
  get stepCount(): number {
    return this.updates.count;
  }

  private rateOf({ rate, lrScale }: ParameterGroup, step: number): number {
    const base = typeof rate === "number" ? rate : checkNumber(this.name, `lr(${step})`, rate(step));
    return base * lrScale * this.factor;
  }

  /**
   * Differentiates a scalar `loss` by the parameters and changes those that it depends on and that are not frozen: at once (`loss` can be
   * read afterwards), or, inside a compiled function, with every run.
   * @throws ValueError if the loss depends on no parameter that may change, or an option is out of range.
   */
  minimize(loss: Tensor, options: MinimizeOptions = {}): Update {
    const op = `${this.name}.minimize`;
    const { accumulate = 1 } = optionsOf(op, options, minimizeNames);
    checkLoss(op, loss);
    checkOptions(op, options);
    const slots = this.slots.filter(({ target }) => target.trainable);
    if (slots.length === 0) {
      throw new ValueError(`${op}: all ${this.slots.length} parameters are frozen; model.unfreeze() lets them be trained`, { op });
    }
    const own = gradientsOf(loss, slots);
    if (own.size === 0) this.refuse(op, loss);

    const counters: Counter[] = [];
    const pairs: [Variable, Tensor][] = [];
    let gradients = own;
    let isUpdate = true;
    if (accumulate > 1) {
      const microStep = this.microSteps.next();
      isUpdate = dependsOn(() => microStep() % accumulate === 0);
      counters.push(this.microSteps);
      gradients = gathered(own, slots, isUpdate ? accumulate : 1);
      for (const [slot, sum] of gradients) pairs.push([slot.kept(accumulated), isUpdate ? zerosLike(sum) : sum]);
    }
    const normed = isUpdate ? gradients : own;
    let norm: Tensor | null = null;
    const gradNorm = () => {
      norm ??= globalNorm([...normed.values()], loss);
      return norm;
    };
    if (isUpdate) {
      const step = this.updates.next();
      const within = clipped(gradients, options, gradNorm, loss);
      counters.push(this.updates);
      for (const group of this.groups) {
        const lrOf = perDType((dtype) => uniform(() => this.rateOf(group, step() - 1), dtype));
        for (const slot of group.slots) {
          const g = within.get(slot);
          if (g === undefined) continue;
          counters.push(slot.updates);
          pairs.push(...slot.update(g, lrOf(g.dtype as FloatDType)));
        }
      }
    }
    const count = (updates: number) => {
      for (const counter of counters) counter.count += updates;
    };
    // What is learnt from a loss is no part of what a later loss of the same step is differentiated through.
    assignAll(
      pairs.map(([place, value]) => [place, stopGradient(value)]),
      currentTrace() === null ? [loss, gradNorm()] : [loss],
      { submitted: () => count(1), failed: () => count(-1) },
    );
    return new Update(gradNorm, isUpdate);
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
    const used = this.slots.filter(({ updates, accumulates }) => updates.count > 0 || accumulates);
    return {
      step: this.stepCount,
      microStep: this.microSteps.count,
      lrScale: this.lrScale,
      steps: Object.fromEntries(used.map(({ key, updates }) => [key, updates.count])),
      tensors: snapshot(new Map(used.flatMap((slot) => slot.named()))),
    };
  }

  /**
   * Goes on from where {@link stateDict} was taken, of an optimizer of the same kind over the same parameters.
   * @throws ShapeError, DTypeError or ValueError listing all that does not fit; nothing is changed then.
   */
  loadStateDict(state: OptimizerState): void {
    const { targets, given, loaded } = this.loading(state);
    assignState({ op: `${this.name}.loadStateDict` }, targets, given, true);
    loaded();
  }

  /** What {@link loadStateDict} does, before anything is done. @internal */
  loading({ step, microStep, lrScale, steps, tensors }: OptimizerState): Loading {
    const op = `${this.name}.loadStateDict`;
    refuseWhileTracing(op);
    const counts = new Map(Object.entries(steps));
    const unknown = [...counts.keys()].filter((key) => !this.slots.some((slot) => slot.key === key));
    if (unknown.length > 0)
      throw new ValueError(`${op}: there are no parameters ${unknown.slice(0, 8).join(", ")}`, { op, inputs: [unknown] });
    for (const n of [step, microStep, ...counts.values()]) {
      if (!Number.isSafeInteger(n) || n < 0) throw new ValueError(`${op}: ${n} is no number of steps`, { op, inputs: [n] });
    }
    checkNumber(op, "lrScale", lrScale);
    const sumOf = (slot: Slot) => `${slot.key}.${accumulated}`;
    const begun = this.slots.flatMap((slot) =>
      sumOf(slot) in tensors && !slot.accumulates ? [[slot, slot.made(accumulated)] as const] : [],
    );
    const given = new Map(Object.entries(tensors));
    for (const slot of this.slots) {
      const isFresh = !counts.has(slot.key);
      for (const [name, value] of slot.fresh()) {
        if (!given.has(name) && (isFresh || name === sumOf(slot))) given.set(name, value);
      }
    }
    const loaded = () => {
      this.updates.count = step;
      this.microSteps.count = microStep;
      this.lrScale = lrScale;
      for (const { key, updates } of this.slots) updates.count = counts.get(key) ?? 0;
      for (const [slot, sum] of begun) slot.keep(accumulated, sum);
    };
    const sums = begun.map(([slot, sum]): [string, Variable] => [sumOf(slot), sum]);
    return { targets: new Map([...this.slots.flatMap((slot) => slot.named()), ...sums]), given, loaded };
  }
}

/** Makes one tensor for each dtype that is asked for. */
function perDType(make: (dtype: FloatDType) => Tensor): (dtype: FloatDType) => Tensor {
  const made = new Map<FloatDType, Tensor>();
  return (dtype) => {
    const known = made.get(dtype) ?? make(dtype);
    made.set(dtype, known);
    return known;
  };
}

function checkOptions(op: string, { clipNorm, clipValue, accumulate = 1 }: MinimizeOptions): void {
  for (const [name, limit] of Object.entries({ clipNorm, clipValue })) {
    if (limit !== undefined && !(limit > 0))
      throw new ValueError(`${op}: ${name} must be more than 0 but is ${limit}`, { op, inputs: [limit] });
  }
  if (!Number.isSafeInteger(accumulate) || accumulate < 1)
    throw new ValueError(`${op}: accumulate must be a whole number ≥ 1 but is ${accumulate}`, { op, inputs: [accumulate] });
}

/** Gradients of the loss by the parameters that it depends on. */
function gradientsOf(loss: Tensor, slots: readonly Slot[]): Map<Slot, Tensor> {
  const by = (wrt: readonly Tensor[]) => backward([loss], [onesLike(loss)], wrt);
  let gradients = by(slots.map(({ target }) => target.value));
  if (gradients.includes(null)) {
    // After another `minimize` of the same step, the loss may have been written in the values from before that.
    const before = by(slots.map(({ target }) => target.read ?? target.value));
    gradients = gradients.map((g, i) => g ?? before[i]);
  }
  return new Map(
    slots.flatMap((slot, i) => {
      const g = gradients[i];
      return g === null ? [] : [[slot, g] as const];
    }),
  );
}

/** Sums of gradients with those that have been kept, divided by `count`. */
function gathered(own: ReadonlyMap<Slot, Tensor>, slots: readonly Slot[], count: number): Map<Slot, Tensor> {
  const entries = slots.flatMap((slot) => {
    const g = own.get(slot);
    if (g === undefined && !slot.accumulates) return [];
    const kept = slot.kept(accumulated).value;
    const sum = g === undefined ? kept : kept.add(g);
    return [[slot, count === 1 ? sum : sum.div(count)] as const];
  });
  return new Map(entries);
}

/** ‖(g₁, g₂, …)‖ in the dtype of the loss. */
function globalNorm(gradients: readonly Tensor[], { dtype }: Tensor): Tensor {
  return gradients
    .map((g) => g.square().sum().cast(dtype))
    .reduce((sum, square) => sum.add(square))
    .sqrt();
}

/** Added to the norm before it divides, as in PyTorch. */
const clipEpsilon = 1e-6;

/** Gradients within the limits; `clipNorm` is of what `clipValue` leaves. */
function clipped(gradients: ReadonlyMap<Slot, Tensor>, { clipNorm, clipValue }: MinimizeOptions, gradNorm: () => Tensor, like: Tensor) {
  const limited =
    clipValue === undefined ? gradients : new Map([...gradients].map(([slot, g]) => [slot, g.clip(-clipValue, clipValue)] as const));
  if (clipNorm === undefined) return limited;
  const norm = clipValue === undefined ? gradNorm() : globalNorm([...limited.values()], like);
  const factor = minimum(norm.add(clipEpsilon).reciprocal().mul(clipNorm), 1);
  return new Map([...limited].map(([slot, g]) => [slot, g.mul(factor.cast(g.dtype))] as const));
}
