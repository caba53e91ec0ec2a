/** Exponentially weighted averages of weights, which often predict better than the weights of any one step. */
import type { FloatDType } from "../base/dtype.js";
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { refuseWhileTracing } from "../graph/trace.js";
import { assignState, type Loading, snapshot } from "../nn/state.js";
import { assignAll, full, type Tensor, uniform, type Variable, variable, zeros } from "../tensor/index.js";
import { checkNumber } from "./number.js";
import { checkVariables } from "./rule.js";
import { Counter, keysOf } from "./slot.js";

export interface EmaOptions {
  /** β: share of the average that each update keeps; 1 / (1 − β) is about how many steps it reaches back. Default 0.999. */
  decay?: number;
}

export interface EmaState {
  readonly updates: number;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Averages v ← β·v + (1 − β)·w from v = 0, read with their bias corrected: v / (1 − βᵗ). Made by {@link ema}. */
export class Ema {
  private readonly updates = new Counter();
  private readonly averages: ReadonlyMap<Variable, Variable>;
  private readonly keys: readonly string[];

  /** @internal */
  constructor(
    variables: readonly Variable[],
    readonly decay: number,
  ) {
    this.keys = keysOf(variables);
    this.averages = new Map(
      variables.map((w, i) => [w, variable(zeros(w.shape, { dtype: w.dtype }), { name: `${this.keys[i]}.average`, trainable: false })]),
    );
  }

  /** Updates so far. */
  get count(): number {
    return this.updates.count;
  }

  /** Takes the present values in: at once, or, inside a compiled function, with every run. Belongs behind `minimize`. */
  update(): void {
    this.updates.next();
    const pairs = [...this.averages].map(([w, average]): [Variable, Tensor] => {
      const part = (share: number) => full([], share, { dtype: w.dtype });
      return [
        average,
        average.value
          .mul(part(this.decay))
          .add(w.value.mul(part(1 - this.decay)))
          .stopGradient(),
      ];
    });
    const count = (updates: number) => {
      this.updates.count += updates;
    };
    assignAll(pairs, [], { submitted: () => count(1), failed: () => count(-1) });
  }

  /** The average of one variable, its bias corrected. @throws ValueError before the first update, or if the variable is not averaged. */
  average(of: Variable): Tensor {
    const average = this.averages.get(of);
    if (average === undefined) throw new ValueError(`ema: ${of} is not averaged`, { op: "ema", inputs: [of.name] });
    if (this.count === 0) throw new ValueError("ema: there is no average yet; call update() after each step", { op: "ema" });
    return average.value.mul(uniform(() => 1 / (1 - this.decay ** this.count), of.dtype as FloatDType));
  }

  /** Puts the averages in the place of the weights. */
  apply(): void {
    refuseWhileTracing("ema.apply");
    assignAll([...this.averages.keys()].map((w) => [w, this.average(w)]));
  }

  /** Runs `body`, an evaluation say, with the averages in the place of the weights, and puts those back. No training may go on meanwhile. */
  async use<T>(body: () => Promise<T>): Promise<T> {
    const weights = new Map([...this.averages.keys()].map((w, i) => [this.keys[i], w]));
    const own = snapshot(weights);
    this.apply();
    try {
      return await body();
    } finally {
      assignState({ op: "ema.use" }, weights, new Map(Object.entries(own)), true);
    }
  }

  /** Copies of all averages (not corrected), and their count. */
  stateDict(): EmaState {
    refuseWhileTracing("stateDict");
    return { updates: this.count, tensors: snapshot(this.named()) };
  }

  /** Goes on from {@link stateDict}. @throws ShapeError, DTypeError or ValueError listing all that does not fit; nothing is changed then. */
  loadStateDict(state: EmaState): void {
    const { targets, given, loaded } = this.loading(state);
    assignState({ op: "ema.loadStateDict" }, targets, given, true);
    loaded();
  }

  /** What {@link loadStateDict} does, before anything is done. @internal */
  loading({ updates, tensors }: EmaState): Loading {
    refuseWhileTracing("ema.loadStateDict");
    if (!Number.isSafeInteger(updates) || updates < 0)
      throw new ValueError(`ema.loadStateDict: ${updates} is no number of updates`, { op: "ema.loadStateDict", inputs: [updates] });
    const loaded = () => {
      this.updates.count = updates;
    };
    return { targets: this.named(), given: new Map(Object.entries(tensors)), loaded };
  }

  private named(): Map<string, Variable> {
    return new Map([...this.averages.values()].map((average, i) => [this.keys[i], average]));
  }
}

/**
 * Averages of parameters over the steps of a training.
 * @example
 * const average = optim.ema(model.parameters(), { decay: 0.999 });
 * const step = compile((x, y) => { …; optimizer.minimize(loss); average.update(); return loss; });
 * const scores = await average.use(() => evaluate(model, test, { metrics }));
 */
export function ema(variables: Iterable<Variable>, options: EmaOptions = {}): Ema {
  const { decay = 0.999 } = optionsOf("ema", options, ["decay"]);
  const all = [...variables];
  checkVariables("ema", all);
  return new Ema(all, checkNumber("ema", "decay", decay, 1));
}
