/** The memory plan of a program beside what it cannot do without: the buffers that are alive at once. */

/**
 * @import { Program } from "../../lib/runtime/program.js"
 * @typedef {object} MemoryPlan
 * @property {number} planned bytes of the arena in which intermediate values share memory
 * @property {number} alive the most bytes of them that are alive at one instruction
 */

const alignment = 64;
const bytes = { f32: 4, f64: 8, i32: 4, u8: 1, bool: 1 };

/**
 * Of a program without loops. A buffer is alive from the first instruction that touches it to the last.
 * @param {Pick<Program, "arenaBytes" | "buffers" | "instructions">} program
 * @returns {MemoryPlan}
 */
export function planOf({ arenaBytes, buffers, instructions }) {
  const first = new Map();
  const last = new Map();
  instructions.forEach(({ outputs, inputs }, at) => {
    for (const { buffer } of [...outputs, ...inputs]) {
      if (!first.has(buffer)) first.set(buffer, at);
      last.set(buffer, at);
    }
  });
  const change = new Float64Array(instructions.length + 1);
  buffers.forEach(({ kind, dtype, size }, i) => {
    if (kind !== "arena" || !first.has(i)) return;
    const needed = Math.ceil((size * bytes[dtype]) / alignment) * alignment;
    change[first.get(i)] += needed;
    change[last.get(i) + 1] -= needed;
  });
  let [now, alive] = [0, 0];
  for (const difference of change) {
    now += difference;
    alive = Math.max(alive, now);
  }
  return { planned: arenaBytes, alive };
}

/**
 * The plan of the program that needs the most.
 * @param {readonly Program[]} programs
 */
export const largestPlan = (programs) =>
  planOf(programs.reduce((most, program) => (program.arenaBytes > most.arenaBytes ? program : most)));
