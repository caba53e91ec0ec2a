/** Random numbers as a function of (seed, counter, position): uniform on [0, 1) and standard normal. */
import { philox4x32, splitWords, type Words } from "../../base/philox.js";
import { elements, type ReferenceKernel } from "./operand.js";

const uniformKind = 0;
const normalKind = 1;

/** Uniform number `i` of a stream of single precision: 24 bits of one word, four to a block. */
function uniform32(block: (at: number) => Words, i: number): number {
  return (block(Math.floor(i / 4))[i % 4] >>> 8) * 2 ** -24;
}

/** Uniform number `i` of a stream of double precision: 53 bits of two words, two to a block. */
function uniform64(block: (at: number) => Words, i: number): number {
  const words = block(Math.floor(i / 2));
  const [high, low] = i % 2 === 0 ? [words[0], words[1]] : [words[2], words[3]];
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) * 2 ** -53;
}

export const random: ReferenceKernel = {
  check({ attrs: [kind, seed, counter], outputs: [y], uniforms }) {
    if (kind !== uniformKind && kind !== normalKind) return `there is no distribution number ${kind}`;
    if (!(seed in uniforms) || !(counter in uniforms)) return `the uniform slots ${seed} and ${counter} are not below ${uniforms.length}`;
    return y.dtype === "f32" || y.dtype === "f64" ? null : `random numbers are floating, not ${y.dtype}`;
  },
  run({ attrs: [kind, seedSlot, counterSlot], outputs: [target], uniforms }) {
    const y = elements(target);
    const key = splitWords(uniforms[seedSlot]);
    const counter = uniforms[counterSlot];
    const block = (at: number) => philox4x32([...splitWords(counter + at), 0, 0], key);
    const uniform = target.dtype === "f32" ? uniform32 : uniform64;
    for (let i = 0; i < y.length; i++) {
      if (kind === uniformKind) {
        y[i] = uniform(block, i);
        continue;
      }
      // Box–Muller: a pair of uniforms gives a pair of normals. 1 − u₁ is in (0, 1], so the logarithm is finite.
      const first = i - (i % 2);
      const radius = Math.sqrt(-2 * Math.log(1 - uniform(block, first)));
      const angle = 2 * Math.PI * uniform(block, first + 1);
      y[i] = radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
    }
  },
};
