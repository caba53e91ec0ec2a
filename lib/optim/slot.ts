/** A parameter with what an optimizer keeps for it, and the counting of updates. */
import { currentTrace, type Trace } from "../graph/trace.js";
import { full, type Tensor, type Variable, variable } from "../tensor/index.js";

/** Counts updates. In a compiled function they happen with every run, so their number is read when the run is submitted. */
export class Counter {
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

/** One update of one parameter: from values before it to values after it, by name. */
export type SlotUpdate = (before: {
  readonly w: Tensor;
  readonly g: Tensor;
  readonly state: Readonly<Record<string, Tensor>>;
  /** Learning rate of this update. */
  readonly lr: Tensor;
  /** Number of this update of this parameter, from 1. */
  readonly t: () => number;
}) => { readonly w: Tensor } & Readonly<Record<string, Tensor>>;

/** State by this name holds the sum of gradients that wait for their update. */
export const accumulated = "accumulated";

/** A parameter and what is kept for it, from its first update on. */
export class Slot {
  readonly updates = new Counter();
  /** Its name in the state dictionary of the optimizer it belongs to. */
  key = "";
  private readonly variables = new Map<string, Variable>();

  constructor(
    readonly target: Variable,
    private readonly initial: Readonly<Record<string, number | undefined>>,
    private readonly rule: SlotUpdate,
  ) {}

  /** A variable of the parameter's shape that is kept for it, made when it is first asked for. */
  kept(name: string): Variable {
    const found = this.variables.get(name) ?? this.made(name);
    this.keep(name, found);
    return found;
  }

  /** One that is not kept yet. */
  made(name: string): Variable {
    const { shape, dtype } = this.target;
    return variable(full(shape, this.initial[name] ?? 0, { dtype }), { name: `${this.key}.${name}`, trainable: false });
  }

  keep(name: string, made: Variable): void {
    this.variables.set(name, made);
  }

  /** Whether a sum of gradients has been begun, perhaps by a function that no longer runs; then it holds zeros. */
  get accumulates(): boolean {
    return this.variables.has(accumulated);
  }

  /** The assignments of one update by the gradient g at the given learning rate. */
  update(g: Tensor, lr: Tensor): [Variable, Tensor][] {
    const t = this.updates.next();
    const names = Object.keys(this.initial);
    const state = Object.fromEntries(names.map((name) => [name, this.kept(name).value]));
    const now = this.rule({ w: this.target.value, g, state, lr, t });
    return [[this.target, now.w], ...names.map((name): [Variable, Tensor] => [this.kept(name), now[name]])];
  }

  /** Variables that are saved, by their names in a state dictionary. */
  named(): [string, Variable][] {
    const names = [...Object.keys(this.initial), ...(this.accumulates ? [accumulated] : [])];
    return names.map((name) => [`${this.key}.${name}`, this.kept(name)]);
  }

  /** What its variables start from, by the same names. */
  fresh(): [string, Tensor][] {
    const { shape, dtype } = this.target;
    const prefix = this.key.length + 1;
    return this.named().map(([name]) => [name, full(shape, this.initial[name.slice(prefix)] ?? 0, { dtype })]);
  }
}

/** Names of the parameters, or their positions where a name is missing or not the only one. */
export function keysOf(parameters: readonly Variable[]): string[] {
  const counts = new Map<string, number>();
  for (const { name } of parameters) counts.set(name, (counts.get(name) ?? 0) + 1);
  return parameters.map(({ name }, i) => (name !== "" && counts.get(name) === 1 ? name : String(i)));
}
