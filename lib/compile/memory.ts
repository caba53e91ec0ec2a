/** The memory plan: which buffers share bytes. In place where the last reader is the writer, then by lifetimes. */
import { bytesPerElement } from "../base/dtype.js";
import type { BufferSpec, Instruction, View } from "../runtime/program.js";

const alignment = 64;

/** A program on its way: its instructions and the buffers that they read and write. */
export interface Body {
  readonly buffers: readonly BufferSpec[];
  readonly instructions: readonly Instruction[];
}

/** First and last instruction that touches each buffer, widened to whole loops where a value lives across iterations. */
interface Life {
  first: number;
  last: number;
}

function lifetimes(buffers: readonly BufferSpec[], instructions: readonly Instruction[]): Life[] {
  const lives: Life[] = buffers.map(() => ({ first: Number.POSITIVE_INFINITY, last: -1 }));
  const loops: Life[] = [];
  const open: number[] = [];
  instructions.forEach(({ kernel, outputs, inputs }, i) => {
    if (kernel === "loop") open.push(i);
    if (kernel === "end") loops.push({ first: open.pop()!, last: i });
    for (const { buffer } of [...outputs, ...inputs]) {
      lives[buffer].first = Math.min(lives[buffer].first, i);
      lives[buffer].last = i;
    }
  });
  // Inner loops come first in `loops`, so widening to an inner loop is seen by the outer one.
  for (const loop of loops) {
    for (const life of lives) {
      const touches = life.first <= loop.last && life.last >= loop.first;
      const inside = life.first > loop.first && life.last < loop.last;
      if (touches && !inside) {
        life.first = Math.min(life.first, loop.first);
        life.last = Math.max(life.last, loop.last);
      }
    }
  }
  return lives;
}

function sameWindow(a: View, b: View): boolean {
  return (
    a.offset === b.offset &&
    a.shape.length === b.shape.length &&
    a.shape.every((n, i) => n === b.shape[i] && (n === 1 || a.strides[i] === b.strides[i]))
  );
}

/** Elementwise results take over the buffer of an operand that nobody reads afterwards. */
export function reuseInPlace(buffers: readonly BufferSpec[], instructions: readonly Instruction[]): Instruction[] {
  const lives = lifetimes(buffers, instructions);
  const renamed = buffers.map((_, i) => i);
  const rename = (view: View): View => (renamed[view.buffer] === view.buffer ? view : { ...view, buffer: renamed[view.buffer] });
  return instructions.map((instruction, i) => {
    const inputs = instruction.inputs.map(rename);
    if (instruction.kernel !== "tile") return { ...instruction, inputs, outputs: instruction.outputs.map(rename) };
    const outputs = instruction.outputs.map((output) => {
      const spec = buffers[output.buffer];
      const life = lives[output.buffer];
      if (spec.kind !== "arena" || life.first !== i || renamed[output.buffer] !== output.buffer) return rename(output);
      const donor = inputs.find((input) => {
        const given = buffers[input.buffer];
        return (
          given.kind === "arena" &&
          given.dtype === spec.dtype &&
          given.size === spec.size &&
          lives[input.buffer].last === i &&
          sameWindow(input, output) &&
          inputs.every((other) => other.buffer !== input.buffer || sameWindow(other, output))
        );
      });
      if (donor === undefined) return output;
      renamed[output.buffer] = donor.buffer;
      lives[donor.buffer].last = life.last;
      return { ...output, buffer: donor.buffer };
    });
    return { ...instruction, inputs, outputs };
  });
}

/**
 * Offsets in the arena such that no two buffers that live at the same time overlap: largest first, lowest gap that fits. Unless
 * they may `share`, no two buffers overlap at all.
 */
export function planMemory({ buffers, instructions }: Body, share: boolean): Body & { readonly arenaBytes: number } {
  const lives = lifetimes(buffers, instructions);
  const bytes = buffers.map(({ size, dtype }) => Math.ceil((size * bytesPerElement[dtype]) / alignment) * alignment);
  const order = buffers
    .flatMap(({ kind }, i) => (kind === "arena" && lives[i].last >= 0 ? [i] : []))
    .sort((a, b) => bytes[b] - bytes[a] || lives[a].first - lives[b].first);
  const placed: number[] = [];
  const place = new Array<number>(buffers.length).fill(0);
  let arenaBytes = 0;
  for (const b of order) {
    const rivals = placed
      .filter((a) => !share || (lives[a].first <= lives[b].last && lives[b].first <= lives[a].last))
      .sort((a, c) => place[a] - place[c]);
    let at = 0;
    for (const rival of rivals) {
      if (place[rival] - at >= bytes[b]) break;
      at = Math.max(at, place[rival] + bytes[rival]);
    }
    place[b] = at;
    placed.push(b);
    arenaBytes = Math.max(arenaBytes, at + bytes[b]);
  }
  return { buffers: buffers.map((spec, i) => (spec.kind === "arena" ? { ...spec, place: place[i] } : spec)), instructions, arenaBytes };
}

/** Drops buffers that no instruction touches any more and numbers the rest anew. */
export function compact({ buffers, instructions }: Body): Body {
  const used = new Set(instructions.flatMap(({ outputs, inputs }) => [...outputs, ...inputs].map(({ buffer }) => buffer)));
  const number = new Map<number, number>();
  const kept = buffers.filter((spec, i) => {
    const keep = spec.kind !== "arena" || used.has(i);
    if (keep) number.set(i, number.size);
    return keep;
  });
  const renumber = (view: View): View => ({ ...view, buffer: number.get(view.buffer)! });
  return {
    buffers: kept,
    instructions: instructions.map((instruction) => ({
      ...instruction,
      outputs: instruction.outputs.map(renumber),
      inputs: instruction.inputs.map(renumber),
    })),
  };
}
