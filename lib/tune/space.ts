/** What a search varies: named parameters, each with the distribution it is drawn from. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";

/** Scales on which numbers are drawn evenly, increasing functions with their inverses. */
const scales = {
  linear: { to: (x: number) => x, from: (t: number) => t },
  log: { to: Math.log, from: Math.exp },
  oneMinusLog: { to: (x: number) => -Math.log(1 - x), from: (t: number) => 1 - Math.exp(-t) },
} as const;

/** A number from `low` to `high`, drawn evenly on a scale. */
export interface Range {
  readonly kind: "range";
  readonly scale: keyof typeof scales;
  readonly low: number;
  readonly high: number;
  readonly isInteger: boolean;
}

/** One of several values, each as likely as the others. */
export interface Choice<Value = unknown> {
  readonly kind: "choice";
  readonly values: readonly Value[];
}

export type Parameter = Range | Choice;
export type Space = Readonly<Record<string, Parameter>>;
/** What a trial is given: a value for each parameter of the space. */
export type Params<S extends Space = Space> = { readonly [Name in keyof S]: S[Name] extends Choice<infer Value> ? Value : number };

function range(op: string, scale: Range["scale"], low: number, high: number, isInteger = false): Range {
  const within = { linear: true, log: low > 0, oneMinusLog: high < 1 }[scale];
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high && within && (!isInteger || Number.isInteger(low + high)))) {
    const rule = { linear: "low < high", log: "0 < low < high", oneMinusLog: "low < high < 1" }[scale];
    throw new ValueError(`${op}(${low}, ${high}): expected ${isInteger ? "whole numbers " : ""}${rule}`, { op, inputs: [low, high] });
  }
  return { kind: "range", scale, low, high, isInteger };
}

/** A number between `low` and `high`, each as likely as any other. */
export const uniform = (low: number, high: number): Range => range("uniform", "linear", low, high);

/** A number whose logarithm is uniform: learning rates. 10^r with r uniform in [−4, 0] is `logUniform(1e-4, 1)`. */
export const logUniform = (low: number, high: number): Range => range("logUniform", "log", low, high);

/** A number β for which 1 − β is uniform on a log scale: decays of averages. `oneMinusLogUniform(0.9, 0.999)`. */
export const oneMinusLogUniform = (low: number, high: number): Range => range("oneMinusLogUniform", "oneMinusLog", low, high);

/** A whole number from `low` to `high`, both included; with `log`, small ones as often as large ones: numbers of units. */
export const integer = (low: number, high: number, options: { log?: boolean } = {}): Range => {
  const { log = false } = optionsOf("integer", options, ["log"]);
  return range("integer", log ? "log" : "linear", low, high, true);
};

/** One of `values`, which JSON can hold. */
export function choice<const Value>(values: readonly Value[]): Choice<Value> {
  if (values.length === 0) throw new ValueError("choice: there is nothing to choose from", { op: "choice" });
  return { kind: "choice", values };
}

/** Ends of a range on its scale; whole numbers take a cell of their own each, [k, k + 1). */
function ends({ scale, low, high, isInteger }: Range): readonly [number, number] {
  return [scales[scale].to(low), scales[scale].to(isInteger ? high + 1 : high)];
}

/** The value at a share u in [0, 1) of the distribution: its quantile. */
export function quantile(parameter: Parameter, u: number): unknown {
  if (parameter.kind === "choice") return parameter.values[Math.floor(u * parameter.values.length)];
  const [from, to] = ends(parameter);
  const value = scales[parameter.scale].from(from + u * (to - from));
  const whole = parameter.isInteger ? Math.floor(value) : value;
  return Math.min(Math.max(whole, parameter.low), parameter.high); // rounding may have left the range
}

/** Where a value lies in its distribution, from 0 to 1: the inverse of {@link quantile}; of a choice the middle of its share. */
export function shareOf(parameter: Parameter, value: unknown): number {
  if (parameter.kind === "choice") {
    const at = parameter.values.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
    return (at + 0.5) / parameter.values.length;
  }
  const [from, to] = ends(parameter);
  return (scales[parameter.scale].to(value as number) - from) / (to - from);
}

/** {@link shareOf}; of whole numbers the middle of their cells. */
export function centreOf(parameter: Parameter, value: unknown): number {
  const share = shareOf(parameter, value);
  return parameter.kind === "range" && parameter.isInteger ? (share + shareOf(parameter, (value as number) + 1)) / 2 : share;
}

/** The values of trial `number`: a function of seed and number alone, whatever was drawn before. */
export function draw<S extends Space>(space: S, seed: number, number: number): Params<S> {
  const random = new WordStream(seed, number);
  return Object.fromEntries(Object.entries(space).map(([name, parameter]) => [name, quantile(parameter, random.uniform())])) as Params<S>;
}

/**
 * The part of a space where good values were found: each range from the least to the greatest of them with a margin of a tenth of the old range, on its own scale;
 * of choices those that occurred.
 */
export function narrow<S extends Space>(space: S, good: readonly Readonly<Record<string, unknown>>[]): S {
  const narrowed = Object.entries(space).map(([name, parameter]): [string, Parameter] => {
    const values = good.map((params) => params[name]);
    if (parameter.kind === "choice") {
      const kept = new Set(values.map((value) => JSON.stringify(value)));
      return [name, { ...parameter, values: parameter.values.filter((value) => kept.has(JSON.stringify(value))) }];
    }
    const shares = values.map((value) => shareOf(parameter, value));
    const low = quantile(parameter, Math.max(0, Math.min(...shares) - 0.1)) as number;
    const high = quantile(parameter, Math.min(1, Math.max(...shares) + 0.1)) as number;
    return [name, { ...parameter, low, high: Math.max(high, low) }];
  });
  return Object.fromEntries(narrowed) as unknown as S;
}
