/**
 * Bands of images: neighbouring convolutions that have little to compute for what they move (pointwise and depthwise ones, as of
 * mobile networks) take a few images together through all of them, so that what they hand on stays in a core's cache and never
 * takes its place in the arena. A band is a loop whose iterations do not depend on each other; threads share them out.
 */
import { bytesPerElement } from "../base/dtype.js";
import { rowMajor, sameShape, sizeOf } from "../base/shape.js";
import type { BufferSpec, Instruction, Tile, View } from "../runtime/program.js";

/** Operands and results of a convolution for the images of a band, in bytes: half of a usual second-level cache. */
const cacheBytes = 512 * 1024;
/** Results that would leave the caches; fewer are not worth a loop. */
const leastBytes = 2 * 1024 * 1024;
/** Multiply-adds for each byte: beyond that arithmetic is what takes the time, and large products are faster. */
const mostProducts = 12;
/** Bands that threads can share out evenly. */
const leastBands = 8;
/** How much smaller a convolution may be than the largest of its band, which has too few rows for it otherwise. */
const mostSpread = 4;

/** Per image. */
interface Cost {
  readonly images: number;
  readonly bytes: number;
}

/** What a convolution costs, if it may be part of a band. */
function costOf(buffers: readonly BufferSpec[], { kernel, outputs, inputs, tile, prologue }: Instruction): Cost | null {
  if (kernel !== "conv2d" || [tile, prologue].some((one) => one?.steps.some(({ op }) => op === "index"))) return null;
  const [y, x, filter] = [outputs[0], inputs[0], inputs[1]];
  const [images] = y.shape;
  if (images < leastBands || !outputs.every((view) => isWhole(buffers, view) && view.buffer === y.buffer)) return null;
  const numbers = (sizeOf(x.shape) + sizeOf(y.shape)) / images;
  const bytes = numbers * bytesPerElement[buffers[y.buffer].dtype];
  const products = (sizeOf(y.shape) / images) * sizeOf(filter.shape.slice(0, 3));
  return bytes <= cacheBytes && products <= mostProducts * bytes ? { images, bytes } : null;
}

function isWhole(buffers: readonly BufferSpec[], { buffer, offset, shape, strides }: View): boolean {
  return offset === 0 && sizeOf(shape) === buffers[buffer].size && sameShape(strides, rowMajor(shape));
}

/** The operands of a convolution that have an image for each of the result's, or are the same for all. */
const imagesOf = ({ inputs }: Instruction): readonly View[] => inputs.filter((_, k) => k !== 1);

/** Position behind the last convolution of the band that begins at `start`, and the most bytes an image of it takes. */
function extent(buffers: readonly BufferSpec[], instructions: readonly Instruction[], start: number): { end: number; bytes: number } {
  const written = new Map<number, View>();
  let bytes = 0;
  let end = start;
  for (; end < instructions.length; end++) {
    const instruction = instructions[end];
    const cost = costOf(buffers, instruction);
    const [result] = instruction.outputs;
    if (cost === null || cost.images !== instructions[start].outputs[0].shape[0] || cost.bytes * mostSpread < bytes) break;
    if (end > start && !written.has(instruction.inputs[0].buffer)) break;
    // What the band has written is read image by image, or not at all.
    const isApart = imagesOf(instruction).every(({ buffer, offset, shape, strides }) => {
      const view = written.get(buffer);
      return view === undefined || (offset === 0 && sameShape(shape, view.shape) && sameShape(strides, view.strides));
    });
    if (!isApart || written.has(instruction.inputs[1].buffer) || written.has(result.buffer)) break;
    written.set(result.buffer, result);
    bytes = Math.max(bytes, cost.bytes);
  }
  return { end, bytes };
}

/** The most images, of those that divide all evenly, that fit the cache and leave bands enough. */
function imagesTogether(images: number, bytes: number): number {
  let together = 1;
  for (let n = 1; n * bytes <= cacheBytes && images / n >= leastBands; n++) if (images % n === 0) together = n;
  return together;
}

/** Instructions with bands as loops; results that only their band reads have room for its images alone. */
export function cutBands(
  buffers: readonly BufferSpec[],
  instructions: readonly Instruction[],
): { buffers: readonly BufferSpec[]; instructions: readonly Instruction[] } {
  const users = new Map<number, number[]>();
  instructions.forEach(({ outputs, inputs }, i) => {
    for (const { buffer } of [...outputs, ...inputs]) users.set(buffer, [...(users.get(buffer) ?? []), i]);
  });
  const rooms = [...buffers];
  const cut: Instruction[] = [];
  let depth = 0;
  for (let start = 0; start < instructions.length; ) {
    const { kernel } = instructions[start];
    if (kernel === "loop") depth++;
    if (kernel === "end") depth--;
    const { end, bytes } = depth === 0 ? extent(buffers, instructions, start) : { end: start, bytes: 0 };
    const band = instructions.slice(start, end);
    const own = new Set(
      band
        .map(({ outputs: [{ buffer }] }) => buffer)
        .filter((buffer) => buffers[buffer].kind === "arena" && users.get(buffer)!.every((user) => user >= start && user < end)),
    );
    const saved = [...own].reduce((sum, buffer) => sum + buffers[buffer].size * bytesPerElement[buffers[buffer].dtype], 0);
    if (saved < leastBytes) {
      cut.push(...instructions.slice(start, Math.max(end, start + 1)));
      start = Math.max(end, start + 1);
      continue;
    }
    const [images] = band[0].outputs[0].shape;
    const together = imagesTogether(images, bytes);
    for (const buffer of own) rooms[buffer] = { ...buffers[buffer], size: (buffers[buffer].size / images) * together };
    const slice = (view: View): View => ({
      ...view,
      shape: [together, ...view.shape.slice(1)],
      steps: [own.has(view.buffer) ? 0 : together * view.strides[0]],
    });
    cut.push({ kernel: "loop", outputs: [], inputs: [], attrs: [images / together, 1], label: `${band.length} × conv2d` });
    const some = (tile: Tile): Tile => ({ ...tile, shape: [together, ...tile.shape.slice(1)] });
    for (const instruction of band) {
      const { outputs, inputs, tile, prologue } = instruction;
      cut.push({
        ...instruction,
        outputs: outputs.map(slice),
        inputs: inputs.map((view, k) => (k === 1 ? view : slice(view))),
        ...(tile && { tile: some(tile) }),
        ...(prologue && { prologue: some(prologue) }),
      });
    }
    cut.push({ kernel: "end", outputs: [], inputs: [], attrs: [], label: "conv2d" });
    start = end;
  }
  return { buffers: rooms, instructions: cut };
}
