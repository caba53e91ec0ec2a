/**
 * Large results of elementwise chains that are read again much later (activations, by the backward pass) are computed again there instead
 * of being kept, where that needs nothing that is not kept anyway. Source: Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear
 * Memory Cost", 2016, of which this is the part that costs next to nothing.
 */
import { bytesPerElement } from "../base/dtype.js";
import type { BufferSpec, Instruction, View } from "../runtime/program.js";
import type { Body } from "./memory.js";

/** Instructions between two uses from which on it may be worth it. */
const far = 8;

/** Where each buffer is read and written, by instruction. */
function usesOf({ buffers, instructions }: Body) {
  const uses = buffers.map(() => ({ reads: [] as number[], writes: [] as number[] }));
  instructions.forEach(({ outputs, inputs }, i) => {
    for (const { buffer } of outputs) uses[buffer].writes.push(i);
    for (const { buffer } of inputs) if (uses[buffer].reads.at(-1) !== i) uses[buffer].reads.push(i);
  });
  return uses;
}

/** The same program with some instructions, of results of at least `large` bytes, done twice. Programs with loops stay as they are. */
export function recompute(body: Body, large: number): Body {
  const { buffers, instructions } = body;
  if (instructions.some(({ kernel }) => kernel === "loop")) return body;
  const uses = usesOf(body);
  const last = (buffer: number) => Math.max(uses[buffer].reads.at(-1) ?? -1, uses[buffer].writes.at(-1) ?? -1);
  const added: BufferSpec[] = [];
  /** By the instruction before which they go. */
  const again = new Map<number, Instruction[]>();
  /** From a read on, another buffer stands for one. */
  const renamed = new Map<number, { from: number; to: number }>();
  instructions.forEach((instruction, i) => {
    const { kernel, outputs, inputs } = instruction;
    if (kernel !== "tile" || outputs.length !== 1) return;
    const { buffer } = outputs[0];
    const { kind, size, dtype } = buffers[buffer];
    const { reads, writes } = uses[buffer];
    if (kind !== "arena" || size * bytesPerElement[dtype] < large || writes.length !== 1 || reads.length < 2) return;
    const gaps = reads.map((read, k) => (k === 0 ? 0 : read - reads[k - 1]));
    const gap = Math.max(...gaps);
    if (gap < far) return;
    const from = reads[gaps.indexOf(gap)];
    const isKept = (view: View) => {
      const { kind: held } = buffers[view.buffer];
      const isAlive = held !== "arena" || (last(view.buffer) >= from && !renamed.has(view.buffer));
      return isAlive && !uses[view.buffer].writes.some((write) => write > i && write < from);
    };
    if (!inputs.every(isKept)) return;
    const to = buffers.length + added.length;
    added.push(buffers[buffer]);
    renamed.set(buffer, { from, to });
    again.set(from, [...(again.get(from) ?? []), { ...instruction, outputs: [{ ...outputs[0], buffer: to }] }]);
  });
  const view = (i: number) => (given: View) => {
    const other = renamed.get(given.buffer);
    return other === undefined || i < other.from ? given : { ...given, buffer: other.to };
  };
  return {
    buffers: [...buffers, ...added],
    instructions: instructions.flatMap((instruction, i) => [
      ...(again.get(i) ?? []),
      { ...instruction, inputs: instruction.inputs.map(view(i)) },
    ]),
  };
}
