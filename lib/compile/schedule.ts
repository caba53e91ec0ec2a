/**
 * Puts steps in order: as the user wrote them, but updates, and what makes little of much (gradients of filters), as soon as they may run,
 * so that what they need can leave; and what is computed of parameters alone and is small at once, so that large kernels stand next to
 * each other.
 */
import { sizeOf } from "../base/shape.js";
import type { Partition, Step } from "./steps.js";
import { makesLittle } from "./value.js";

export function schedule(partition: Partition): Step[] {
  const { steps } = partition;
  const waiting = new Map<Step, number>();
  const ready: Step[] = [];
  const ranks = new Map<Step, number>();
  const rank = (step: Step): number => {
    const known = ranks.get(step) ?? rankOf(step, partition, rank);
    ranks.set(step, known);
    return known;
  };
  for (const step of steps) {
    waiting.set(step, step.before.size);
    rank(step); // of those before it first, as steps stand in the order of what they need
    if (step.before.size === 0) ready.push(step);
  }
  const order: Step[] = [];
  while (ready.length > 0) {
    let best = 0;
    for (let i = 1; i < ready.length; i++) if (rank(ready[i]) < rank(ready[best])) best = i;
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

/** What runs right behind another step has a rank so much higher. */
const behind = 1 / 1024;
/** Elements of what may lie about from the beginning of a program. */
const small = 4096;

/** Lower runs first. Values are numbered in the order of the user's code, gradients in that of their walk. */
function rankOf({ host, tile, copy, before }: Step, { inPlace }: Partition, rank: (step: Step) => number): number {
  if (copy !== null) return Number.MAX_SAFE_INTEGER;
  if (tile.some((value) => inPlace.has(value))) return -1;
  if (host !== null) {
    return makesLittle(host) ? Math.max(-1, ...[...before].map(rank)) + behind : host.id;
  }
  const isEarly = before.size === 0 && sizeOf(tile[0].shape) <= small;
  return isEarly ? -1 : tile[tile.length - 1].id;
}
