/** Walks a validated program over bound memory, loops included. */
import { allocate, type TypedArray } from "../../base/dtype.js";
import { rowMajor } from "../../base/shape.js";
import type { RunFailure } from "../device.js";
import { isKernelName, kernels } from "../kernels.js";
import type { Instruction, Program, View } from "../program.js";
import { count, IndexFailure, type Operand } from "./operand.js";
import { table } from "./table.js";
import { runTile } from "./tile.js";

/** Told of every instruction that has run: its position, and when it started and how long it took in milliseconds. */
export type Observer = (instruction: number, start: number, duration: number) => void;

/** Runs `program` with `memory[i]` holding buffer i; null, or where and why it stopped. */
export function interpret(
  program: Program,
  memory: readonly TypedArray[],
  uniforms: Float64Array,
  observe: Observer | null = null,
): RunFailure | null {
  const { instructions, buffers } = program;
  /** Count, number of the present iteration and first instruction of each loop entered, outermost first. */
  const loops: { count: number; iteration: number; first: number }[] = [];

  const bind = ({ buffer, offset, shape, strides, steps }: View): Operand => ({
    data: memory[buffer],
    dtype: buffers[buffer].dtype,
    offset: offset + (steps?.reduce((sum, step, l) => sum + step * loops[l].iteration, 0) ?? 0),
    shape,
    strides,
  });

  for (let i = 0; i < instructions.length; i++) {
    const { kernel, attrs } = instructions[i];
    if (kernel === "loop") {
      if (attrs[0] === 0) i = endOf(instructions, i);
      else loops.push({ count: attrs[0], iteration: 0, first: i + 1 });
    } else if (kernel === "end") {
      const loop = loops[loops.length - 1];
      if (++loop.iteration < loop.count) i = loop.first - 1;
      else loops.pop();
    } else {
      const start = observe === null ? 0 : now();
      try {
        execute(instructions[i], bind, uniforms);
      } catch (error) {
        if (!(error instanceof IndexFailure)) throw error;
        return { instruction: i, code: "index", value: error.value, limit: error.limit };
      }
      observe?.(i, start, now() - start);
    }
  }
  return null;
}

/** Milliseconds on the clock of `process.hrtime`. */
function now(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

function execute(
  { kernel, inputs, outputs, attrs, tile, prologue }: Instruction,
  bind: (view: View) => Operand,
  uniforms: Float64Array,
): void {
  if (!isKernelName(kernel)) throw new Error(`${kernel} got past validation`);
  const x = inputs.map(bind);
  const y = outputs.map(bind);
  const others = x.slice(kernels[kernel].inputs);
  if (prologue !== undefined) {
    const { shape } = prologue;
    const computed = { ...x[0], data: allocate(x[0].dtype, count(shape)), offset: 0 };
    const [from, to] = [x[0], computed].map((operand) => ({ ...operand, shape, strides: rowMajor(shape) }));
    runTile(prologue, [from, ...others], [to], uniforms);
    x[0] = computed;
  }
  table[kernel].run({ inputs: x, outputs: y, attrs, tile, uniforms });
  if (tile !== undefined && kernels[kernel].tile === "epilogue") runTile(tile, [y[0], ...others], y.slice(1), uniforms);
}

/** Position of the `end` that belongs to the loop at `start`. */
function endOf(instructions: readonly Instruction[], start: number): number {
  let depth = 0;
  for (let i = start; ; i++) {
    if (instructions[i].kernel === "loop") depth++;
    if (instructions[i].kernel === "end" && --depth === 0) return i;
  }
}
