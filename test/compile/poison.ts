/**
 * A program that overwrites every intermediate value as soon as nobody reads it any more. If the memory plan is right this changes no
 * result; if two values that live at the same time share bytes, one of them is lost. When a value is dead is found here by
 * walking the program as it runs, loops and all, not by the lifetimes of the planner.
 */
import { isFloat } from "../../lib/base/dtype.js";
import { sizeOf } from "../../lib/base/shape.js";
import type { Instruction, Program, View } from "../../lib/runtime/program.js";

/** The instructions in the order in which they run. */
function executed({ instructions }: Program): number[] {
  const order: number[] = [];
  const run = (from: number): number => {
    for (let i = from; i < instructions.length; i++) {
      const { kernel, attrs } = instructions[i];
      if (kernel === "end") return i;
      if (kernel !== "loop") {
        order.push(i);
        continue;
      }
      let end = i;
      if (attrs[0] === 0) for (let depth = 1; depth > 0; ) depth += { loop: 1, end: -1 }[instructions[++end].kernel] ?? 0;
      else for (let t = 0; t < attrs[0]; t++) end = run(i + 1);
      i = end;
    }
    return instructions.length;
  };
  run(0);
  return order;
}

export function poisoned(program: Program): Program {
  const { buffers, instructions } = program;
  const arena = buffers.flatMap(({ kind, size }, b) => (kind === "arena" && size > 0 ? [b] : []));
  /** Whether the instruction needs nothing of what is in the buffer, since it writes all of it. */
  const replaces = ({ inputs, outputs }: Instruction, b: number): boolean =>
    inputs.every(({ buffer }) => buffer !== b) && outputs.some(({ buffer, shape }) => buffer === b && sizeOf(shape) === buffers[b].size);
  const touches = ({ inputs, outputs }: Instruction, b: number): boolean => [...inputs, ...outputs].some(({ buffer }) => buffer === b);

  const poison = (b: number): Instruction => {
    const { dtype, size } = buffers[b];
    const whole: View = { buffer: b, offset: 0, shape: [size], strides: [1] };
    const value = isFloat(dtype) ? Number.NaN : 77;
    const tile = { dtype: dtype === "f64" ? "f64" : "f32", shape: [size], steps: [{ op: "const", args: [value] }], stores: [0] } as const;
    return { kernel: "tile", outputs: [whole], inputs: [], attrs: [], tile, label: "poison" };
  };

  // Backwards through the run: after which instructions, each time that they run, a value is dead.
  const order = executed(program);
  const after = instructions.map(() => new Set<number>());
  for (const b of arena) {
    const alive = new Set<number>();
    let isDead = true;
    for (let k = order.length - 1; k >= 0; k--) {
      const instruction = instructions[order[k]];
      if (!touches(instruction, b)) continue;
      if (isDead) after[order[k]].add(b);
      else alive.add(order[k]);
      isDead = replaces(instruction, b);
    }
    for (const i of alive) after[i].delete(b);
  }
  return { ...program, instructions: [...arena.map(poison), ...instructions.flatMap((each, i) => [each, ...[...after[i]].map(poison)])] };
}
