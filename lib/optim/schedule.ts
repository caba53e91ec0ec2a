/** Learning rates that change: functions of the number of updates so far, made from few pieces and put together at will. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkNumber } from "./number.js";

/** A learning rate that depends on the number of updates before this one: 0, 1, 2 … Numbers count as schedules that never change. */
export type Schedule = (step: number) => number;

const at = (schedule: number | Schedule, step: number): number => (typeof schedule === "number" ? schedule : schedule(step));

/**
 * lr / (1 + decay · step).
 * @example schedule.perEpoch(schedule.inverseTime({ lr: 0.2, decay: 1 }), batches)   // 0.2, 0.1, 0.0667, 0.05 … an epoch
 */
export function inverseTime(options: { lr: number; decay: number }): Schedule {
  const { lr, decay } = optionsOf("schedule.inverseTime", options, ["lr", "decay"]);
  checkNumber("schedule.inverseTime", "lr", lr);
  checkNumber("schedule.inverseTime", "decay", decay);
  return (step) => lr / (1 + decay * step);
}

/** lr · gamma^step. */
export function exponential(options: { lr: number; gamma: number }): Schedule {
  const { lr, gamma } = optionsOf("schedule.exponential", options, ["lr", "gamma"]);
  checkNumber("schedule.exponential", "lr", lr);
  checkNumber("schedule.exponential", "gamma", gamma);
  return (step) => lr * gamma ** step;
}

/** k / √(step + 1): the first epoch, or step, is number 1. */
export function inverseSqrt(options: { k: number }): Schedule {
  const { k } = optionsOf("schedule.inverseSqrt", options, ["k"]);
  checkNumber("schedule.inverseSqrt", "k", k);
  return (step) => k / Math.sqrt(step + 1);
}

/** lr · gamma^⌊step / every⌋. */
export function staircase(options: { lr: number; gamma: number; every: number }): Schedule {
  const { lr, gamma, every } = optionsOf("schedule.staircase", options, ["lr", "gamma", "every"]);
  checkWhole("schedule.staircase", "every", every);
  const stair = exponential({ lr, gamma });
  return (step) => stair(Math.floor(step / every));
}

/** By hand: `{ 0: 0.1, 30: 0.01, 60: 0.001 }` is 0.1 before step 30, 0.01 before step 60, and so on. */
export function piecewise(rates: Readonly<Record<number, number>>): Schedule {
  const op = "schedule.piecewise";
  const pieces = Object.entries(rates).map(([start, lr]) => ({ start: Number(start), lr: checkNumber(op, `the rate from ${start}`, lr) }));
  pieces.sort((a, b) => a.start - b.start);
  for (const { start } of pieces) checkWhole(op, "a first step", start, 0);
  if (pieces[0]?.start !== 0) throw new ValueError(`${op}: there must be a rate from step 0`, { op, inputs: [rates] });
  return (step) => pieces.findLast(({ start }) => start <= step)!.lr;
}

/** From `from` to `to` along a straight line in `steps` steps; `to` afterwards. */
export function linear(options: { from: number; to: number; steps: number }): Schedule {
  const { from, to, steps } = optionsOf("schedule.linear", options, ["from", "to", "steps"]);
  return polynomial({ from, to, steps, power: 1 });
}

/** to + (from − to) · (1 − step / steps)^power; `to` afterwards. Default power 1. */
export function polynomial(options: { from: number; to?: number; steps: number; power?: number }): Schedule {
  const op = "schedule.polynomial";
  const { from, to = 0, steps, power = 1 } = optionsOf(op, options, ["from", "to", "steps", "power"]);
  for (const [name, value] of Object.entries({ from, to, power })) checkNumber(op, name, value);
  checkWhole(op, "steps", steps);
  return (step) => to + (from - to) * (1 - Math.min(step / steps, 1)) ** power;
}

/** From `from` to `to` along half a cosine in `steps` steps; `to` afterwards. Default `to` 0. Source: Loshchilov & Hutter 2017. */
export function cosine(options: { from: number; to?: number; steps: number }): Schedule {
  const op = "schedule.cosine";
  const { from, to = 0, steps } = optionsOf(op, options, ["from", "to", "steps"]);
  for (const [name, value] of Object.entries({ from, to })) checkNumber(op, name, value);
  checkWhole(op, "steps", steps);
  return (step) => to + ((from - to) * (1 + Math.cos(Math.PI * Math.min(step / steps, 1)))) / 2;
}

/**
 * Cosines from `from` to `to` again and again: the first takes `steps` steps, each next one `stretch` times as many (default 1).
 * Source: Loshchilov & Hutter 2017 (SGDR).
 */
export function cosineRestarts(options: { from: number; to?: number; steps: number; stretch?: number }): Schedule {
  const op = "schedule.cosineRestarts";
  const { from, to = 0, steps, stretch = 1 } = optionsOf(op, options, ["from", "to", "steps", "stretch"]);
  if (!(stretch >= 1)) throw new ValueError(`${op}: stretch must be at least 1 but is ${stretch}`, { op, inputs: [stretch] });
  const wave = cosine({ from, to, steps });
  return (step) => {
    // Cycle i starts at steps · (1 + stretch + … + stretch^(i − 1)) and takes steps · stretch^i.
    const cycle =
      stretch === 1 ? Math.floor(step / steps) : Math.floor(Math.log1p((step / steps) * (stretch - 1)) / Math.log(stretch) + 1e-12);
    const start = stretch === 1 ? cycle * steps : (steps * (stretch ** cycle - 1)) / (stretch - 1);
    return wave((step - start) / stretch ** cycle);
  };
}

/** One schedule after the other: `chain([warmup, 500], rest)` is `warmup` for 500 steps, then `rest`, which counts from 0 again. */
export function chain(...parts: readonly (readonly [schedule: number | Schedule, steps: number] | number | Schedule)[]): Schedule {
  const op = "schedule.chain";
  parts.forEach((part, i) => {
    const isLast = i === parts.length - 1;
    if (Array.isArray(part) === isLast) {
      throw new ValueError(`${op}: every part but the last is a pair [schedule, steps], the last goes on for ever`, { op, inputs: [i] });
    }
    if (Array.isArray(part)) checkWhole(op, `the steps of part ${i}`, part[1], 0);
  });
  if (parts.length === 0) throw new ValueError(`${op}: there are no parts`, { op });
  return (step) => {
    let rest = step;
    for (const part of parts) {
      if (!isPair(part)) return at(part, rest);
      if (rest < part[1]) return at(part[0], rest);
      rest -= part[1];
    }
    throw new Error("unreachable: the last part has no end");
  };
}

const isPair = (part: readonly [number | Schedule, number] | number | Schedule): part is readonly [number | Schedule, number] =>
  Array.isArray(part);

/** Up to `peak` in `warmup` steps along a straight line (step 0 trains already: peak / warmup), then down to `end` (default 0) along half a cosine, there at step `total`. */
export function warmupCosine(options: { peak: number; warmup: number; total: number; end?: number }): Schedule {
  const op = "schedule.warmupCosine";
  const { peak, warmup, total, end = 0 } = optionsOf(op, options, ["peak", "warmup", "total", "end"]);
  checkWhole(op, "warmup", warmup, 0);
  if (!(total > warmup)) throw new ValueError(`${op}: total must be more than warmup but they are ${total} and ${warmup}`, { op });
  return chain([withWarmup(peak, warmup), warmup], cosine({ from: peak, to: end, steps: total - warmup }));
}

/** The schedule with its first `steps` steps scaled by 1/steps, 2/steps … 1. */
export function withWarmup(schedule: number | Schedule, steps: number): Schedule {
  checkWhole("schedule.withWarmup", "steps", steps, 0);
  return (step) => at(schedule, step) * (step < steps ? (step + 1) / steps : 1);
}

/**
 * One cycle: from peak / divide (default 25) up to `peak` in the first `rise` (default 0.3) of `total` steps, then down to that / finalDivide
 * (default 10⁴) at the last step, both along half cosines. As PyTorch's OneCycleLR. Source: Smith & Topin 2018.
 */
export function oneCycle(options: { peak: number; total: number; rise?: number; divide?: number; finalDivide?: number }): Schedule {
  const op = "schedule.oneCycle";
  const names = ["peak", "total", "rise", "divide", "finalDivide"] as const;
  const { peak, total, rise = 0.3, divide = 25, finalDivide = 1e4 } = optionsOf(op, options, names);
  for (const [name, value] of Object.entries({ peak, divide, finalDivide })) checkNumber(op, name, value);
  checkNumber(op, "rise", rise, 1);
  checkWhole(op, "total", total, 2);
  const [low, top, last] = [peak / divide, rise * total - 1, total - 1];
  const between = (from: number, to: number, share: number) => to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
  return (step) =>
    step <= top ? between(low, peak, step / top) : between(peak, low / finalDivide, Math.min((step - top) / (last - top), 1));
}

/** The schedule with whole epochs as its steps: `schedule(⌊step / batches⌋)`, `batches` being the updates of an epoch. */
export function perEpoch(schedule: Schedule, batches: number): Schedule {
  checkWhole("schedule.perEpoch", "batches", batches);
  return (step) => schedule(Math.floor(step / batches));
}

/** The schedule times a number, or times another schedule. */
export function scaled(schedule: number | Schedule, factor: number | Schedule): Schedule {
  return (step) => at(schedule, step) * at(factor, step);
}

function checkWhole(op: string, name: string, value: number, least = 1): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new ValueError(`${op}: ${name} must be a whole number ≥ ${least} but is ${value}`, { op, inputs: [value] });
}
