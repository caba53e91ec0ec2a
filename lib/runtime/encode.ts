/**
 * A program as numbers, the form in which it crosses into native code; `native/engine/program.cpp` states the layout and
 * checks all of it. Kernels and tile operations are positions in the list of names.
 */
import { dtypes } from "../base/dtype.js";
import { bufferKinds, type Instruction, type Program, type Tile, type View } from "./program.js";

const format = 1;

export interface EncodedProgram {
  readonly words: Float64Array;
  readonly names: readonly string[];
}

export function encodeProgram({ buffers, instructions, uniformCount, arenaBytes }: Program): EncodedProgram {
  const words: number[] = [format, uniformCount, arenaBytes, buffers.length, instructions.length];
  const numbers = new Map<string, number>();
  const name = (text: string): number => {
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    return number;
  };

  const view = ({ buffer, offset, shape, strides, steps = [] }: View) =>
    words.push(buffer, offset, shape.length, steps.length, ...shape, ...strides, ...steps);

  const tile = ({ dtype, shape, steps, stores }: Tile) => {
    words.push(dtypes.indexOf(dtype), shape.length, steps.length, stores.length, ...shape);
    for (const { op, args } of steps) words.push(name(op), args.length, ...args);
    words.push(...stores);
  };

  const encode = (instruction: Instruction) => {
    const { kernel, outputs, inputs, attrs } = instruction;
    const tiles = (instruction.tile === undefined ? 0 : 1) + (instruction.prologue === undefined ? 0 : 2);
    words.push(name(kernel), outputs.length, inputs.length, attrs.length, tiles);
    outputs.forEach(view);
    inputs.forEach(view);
    words.push(...attrs);
    if (instruction.tile !== undefined) tile(instruction.tile);
    if (instruction.prologue !== undefined) tile(instruction.prologue);
  };

  for (const { kind, dtype, size, place } of buffers) words.push(bufferKinds.indexOf(kind), dtypes.indexOf(dtype), size, place);
  instructions.forEach(encode);
  return { words: Float64Array.from(words), names: [...numbers.keys()] };
}
