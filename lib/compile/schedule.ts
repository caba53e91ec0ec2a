/**
 * Puts steps in order: as the user wrote them, but updates as soon as they may run, so that gradients live briefly, and what is computed
 * of parameters alone and is small at once, so that large kernels stand next to each other.
 */
import { sizeOf } from "../base/shape.js";
import type { Partition, Step } from "./steps.js";

export function schedule({ steps, inPlace }: Partition): Step[] {
  const waiting = new Map<Step, number>();
  const ready: Step[] = [];
  const rank = new Map<Step, number>();
  for (const step of steps) {
    waiting.set(step, step.before.size);
    rank.set(step, rankOf(step, inPlace));
    if (step.before.size === 0) ready.push(step);
  }
  const order: Step[] = [];
  while (ready.length > 0) {
    let best = 0;
    for (let i = 1; i < ready.length; i++) if (rank.get(ready[i])! < rank.get(ready[best])!) best = i;
    const [step] = ready.splice(best, 1);
    order.push(step);
    for (const next of step.after) {
      const left = waiting.get(next)! - 1;
      waiting.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  if (order.length !== steps.size) throw new Error("the steps of a program depend on each other in a circle");
  return order;
}

/** Elements of what may lie about from the beginning of a program. */
const small = 4096;

/** Lower runs first. Values are numbered in the order of the user's code. */
function rankOf({ host, tile, copy, before }: Step, inPlace: Partition["inPlace"]): number {
  if (copy !== null) return Number.MAX_SAFE_INTEGER;
  if (host !== null) return host.id;
  const isEarly = before.size === 0 && sizeOf(tile[0].shape) <= small;
  return isEarly || tile.some((value) => inPlace.has(value)) ? -1 : tile[tile.length - 1].id;
}
