/** What makes a program malformed: everything that can be known before it runs, so that running may trust it. */
import { bytesPerElement, dtypes, isFloat } from "../../base/dtype.js";
import { DeviceError } from "../../base/errors.js";
import { rowMajor, sameShape } from "../../base/shape.js";
import { isKernelName, kernels } from "../kernels.js";
import { bufferKinds, type Instruction, type Program, type Tile, tileOps, type View } from "../program.js";
import { convTakesPrologue } from "../prologue.js";
import { count, isRowMajor, receivedBy, type Signature } from "./operand.js";
import { table } from "./table.js";

const maxRank = 8;

/** Throws a {@link DeviceError} that names the first malformed buffer or instruction. */
export function validate(program: Program): void {
  program.buffers.forEach((buffer, i) => {
    const problem = bufferProblem(program, i);
    if (problem !== null) throw new DeviceError(`reference: buffer ${i} (${buffer.kind}): ${problem}`, { inputs: [buffer] });
  });
  const loops: number[] = [];
  program.instructions.forEach((instruction, i) => {
    const problem = instructionProblem(program, instruction, loops);
    if (problem !== null) {
      const { label, kernel } = instruction;
      throw new DeviceError(`reference: instruction ${i} (${kernel} of ${label}): ${problem}`, { op: label, inputs: [kernel] });
    }
  });
  if (loops.length > 0) throw new DeviceError(`reference: ${loops.length} loops have no end`);
}

const isIndex = (n: number, limit = Number.MAX_SAFE_INTEGER) => Number.isSafeInteger(n) && n >= 0 && n < limit;

function bufferProblem({ buffers, arenaBytes }: Program, i: number): string | null {
  const { kind, dtype, size, place } = buffers[i];
  if (!bufferKinds.includes(kind) || !dtypes.includes(dtype)) return `there is no ${kind} of ${dtype}`;
  if (!isIndex(size) || !isIndex(place)) return `size ${size} and place ${place} must be whole numbers ≥ 0`;
  if (kind !== "arena") return null;
  if (place % bytesPerElement[dtype] !== 0) return `place ${place} is not aligned for ${dtype}`;
  const end = place + size * bytesPerElement[dtype];
  return end > arenaBytes ? `it ends at byte ${end} of an arena of ${arenaBytes}` : null;
}

function instructionProblem(program: Program, instruction: Instruction, loops: number[]): string | null {
  const { kernel, inputs, outputs, attrs, tile, prologue } = instruction;
  if (kernel === "loop") {
    loops.push(attrs[0]);
    if (attrs.length > 2 || (attrs.length === 2 && attrs[1] !== 0 && attrs[1] !== 1))
      return "a loop takes its count, and whether iterations are independent";
    return isIndex(attrs[0]) ? null : `a loop runs a whole number of times, not ${attrs[0]}`;
  }
  if (kernel === "end") return loops.pop() === undefined ? "it ends no loop" : null;
  if (!isKernelName(kernel)) return `there is no kernel ${JSON.stringify(kernel)}`;
  if (attrs.length !== kernels[kernel].attrs) return `expected ${kernels[kernel].attrs} attributes but received ${attrs.length}`;
  for (const view of [...outputs, ...inputs]) {
    const problem = viewProblem(program, view, loops);
    if (problem !== null) return problem;
  }
  if (outputs.some((view) => program.buffers[view.buffer].kind === "input")) return "it writes an input";
  return (
    operandProblem(program, instruction) ??
    (tile === undefined ? null : tileProblem(program, tile, tileOperands(instruction))) ??
    (prologue === undefined ? null : prologueProblem(program, instruction, prologue)) ??
    overlapProblem(program, instruction) ??
    table[kernel].check({
      inputs: inputs.map((view) => signature(program, view)),
      outputs: outputs.map((view) => signature(program, view)),
      attrs,
      tile,
      uniforms: new Float64Array(program.uniformCount),
    })
  );
}

function signature({ buffers }: Program, { buffer, shape, strides }: View): Signature {
  return { dtype: buffers[buffer].dtype, shape, strides };
}

function viewProblem({ buffers }: Program, view: View, loops: readonly number[]): string | null {
  const { buffer, offset, shape, strides, steps } = view;
  if (!isIndex(buffer, buffers.length)) return `there is no buffer ${buffer}`;
  if (shape.length > maxRank || strides.length !== shape.length) return `shape [${shape}] and strides [${strides}] do not make a view`;
  if (!shape.every((n) => isIndex(n)) || ![offset, ...strides, ...(steps ?? [])].every(Number.isSafeInteger)) {
    return `shape [${shape}], strides [${strides}], offset ${offset} and steps [${steps}] must be whole numbers`;
  }
  if (steps !== undefined && steps.length !== loops.length) return `a view inside ${loops.length} loops has ${steps.length} steps`;
  if (count(shape) === 0 || loops.includes(0)) return null; // touches nothing
  let [low, high] = [offset, offset];
  const reach = (extent: number) => {
    low += Math.min(extent, 0);
    high += Math.max(extent, 0);
  };
  shape.forEach((n, d) => {
    reach((n - 1) * strides[d]);
  });
  steps?.forEach((step, l) => {
    reach((loops[l] - 1) * step);
  });
  return low < 0 || high >= buffers[buffer].size
    ? `a view reaches elements ${low} to ${high} of buffer ${buffer}, which has ${buffers[buffer].size}`
    : null;
}

/** Operand counts, element types and contiguity: see the head of docs/kernels.md. */
function operandProblem(program: Program, { kernel, inputs, outputs, tile, prologue }: Instruction): string | null {
  if (!isKernelName(kernel)) return null;
  const expected = kernels[kernel];
  if (tile === undefined && (expected.tile === "whole" || expected.tile === "prologue")) return "it needs a tile";
  if (tile !== undefined && expected.tile === "none") return "it takes no tile";
  const tileOutputs = tile?.stores.length ?? 0;
  if (outputs.length !== expected.outputs + tileOutputs) {
    return `expected ${expected.outputs + tileOutputs} outputs but received ${outputs.length}`;
  }
  if (inputs.length < expected.inputs || (tile === undefined && prologue === undefined && inputs.length > expected.inputs)) {
    return `expected ${expected.inputs} inputs but received ${inputs.length}`;
  }
  const takesSums = expected.tile === "whole" || expected.tile === "epilogue";
  for (const [k, view] of outputs.entries()) {
    const mayRepeat = takesSums && k >= expected.outputs && receivedBy(signature(program, view), tile?.shape.length ?? 0) !== null;
    if (kernel !== "copy" && !mayRepeat && !isRowMajor(signature(program, view)))
      return `output ${k} is not row-major: strides [${view.strides}]`;
  }
  for (const [k, view] of inputs.slice(0, expected.inputs).entries()) {
    if (!expected.strided && !isRowMajor(signature(program, view))) return `input ${k} is not row-major: strides [${view.strides}]`;
  }
  if (expected.dtypes === "any") return null;
  const own = [...outputs.slice(0, expected.outputs), ...inputs.slice(0, expected.inputs)].map(
    (view) => program.buffers[view.buffer].dtype,
  );
  const all = tile === undefined ? own : [...own, tile.dtype];
  const floats = all.filter(isFloat);
  if (all.length - floats.length !== (expected.dtypes === "indexed" ? 1 : 0) || floats.some((dtype) => dtype !== floats[0])) {
    return `its dtypes do not fit: ${all.join(", ")}`;
  }
  return null;
}

/** What a tile loads and where it stores. */
interface TileOperands {
  readonly operands: readonly View[];
  readonly stored: readonly View[];
}

function tileOperands({ kernel, inputs, outputs }: Instruction): TileOperands {
  const { inputs: own, tile: role } = isKernelName(kernel) ? kernels[kernel] : kernels.tile;
  if (role === "epilogue") return { operands: [outputs[0], ...inputs.slice(own)], stored: outputs.slice(1) };
  return { operands: inputs, stored: role === "whole" ? outputs : [] };
}

function prologueProblem(program: Program, { kernel, inputs, outputs, attrs }: Instruction, prologue: Tile): string | null {
  if (!isKernelName(kernel) || !kernels[kernel].prologue) return "it takes no prologue";
  const [x] = inputs;
  const { buffer, offset, shape, strides, steps } = x;
  if (kernel === "gemm") {
    const [batch, m, k] = shape;
    const isTransposed = batch === 1 && strides[1] === 1 && strides[2] === m;
    if (!isTransposed && !isRowMajor(signature(program, x))) return `a, [${m}, ${k}], is neither row-major nor the transpose of that`;
  } else {
    const [w, y] = kernel === "conv2d" ? [inputs[1], outputs[0]] : [outputs[0], inputs[1]];
    if (!convTakesPrologue(shape, w.shape, y.shape, attrs)) return "it takes a prologue if it is pointwise or depthwise";
  }
  if (count(prologue.shape) !== count(shape)) return `the prologue is [${prologue.shape}] but the first input [${shape}]`;
  if (prologue.dtype !== program.buffers[buffer].dtype) return "the prologue's dtype is not that of the first input";
  if (prologue.stores.length !== 1) return "a prologue has one store";
  const whole = { buffer, offset, shape: prologue.shape, strides: rowMajor(prologue.shape), ...(steps && { steps }) };
  return tileProblem(program, prologue, { operands: [whole, ...inputs.slice(kernels[kernel].inputs)], stored: [whole] });
}

function tileProblem(program: Program, tile: Tile, { operands, stored }: TileOperands): string | null {
  if (!isFloat(tile.dtype)) return `a tile computes in f32 or f64, not ${tile.dtype}`;
  const received = stored.map((view) => receivedBy(signature(program, view), tile.shape.length));
  const loaded = new Set(tile.steps.flatMap(({ op, args }) => (op === "load" ? args : [])));
  const shapes = [
    ...operands.filter((_, k) => loaded.has(k)).map(({ shape }) => shape),
    ...stored.map(({ shape }, j) => shape.slice(received[j]?.kind === "moments" ? 1 : 0)),
  ];
  for (const shape of shapes) if (!sameShape(shape, tile.shape)) return `an operand is [${shape}] but the tile [${tile.shape}]`;
  for (const [r, { op, args }] of tile.steps.entries()) {
    if (!Object.hasOwn(tileOps, op)) return `there is no tile operation ${op}`;
    if (args.length !== tileOps[op]) return `step ${r}: ${op} takes ${tileOps[op]} arguments, not ${args.length}`;
    const limit = op === "load" ? operands.length : op === "uniform" ? program.uniformCount : r;
    if (op !== "const" && !args.every((arg) => isIndex(arg, limit)))
      return `step ${r}: the arguments [${args}] of ${op} are not below ${limit}`;
  }
  if (!tile.stores.every((r) => isIndex(r, tile.steps.length))) return `the stores [${tile.stores}] are not registers`;
  const isSum = (j: number) => received[j] !== undefined && received[j]?.kind !== "elements";
  const sums = tile.stores.filter((_, j) => isSum(j));
  if (new Set(sums).size < sums.length) return `the sums [${sums}] are not of one register each`;
  for (const [j, view] of stored.entries()) {
    const { dtype } = program.buffers[view.buffer];
    if (isSum(j) && dtype !== tile.dtype) return `a sum is ${dtype} but the tile ${tile.dtype}`;
    if (received[j]?.kind === "moments" && tile.steps[tile.stores[j]].op !== "load") return "moments are not of an operand";
  }
  return null;
}

/**
 * An output may be the very view of a tile operand that is computed in the same pass; any other shared byte is an error.
 * Only overlaps that are certain are found: those of row-major views that move alike through the loops around them.
 */
function overlapProblem(program: Program, { kernel, inputs, outputs, prologue }: Instruction): string | null {
  const { inputs: own, tile: role } = isKernelName(kernel) ? kernels[kernel] : kernels.tile;
  const isInPrologue = (input: number) => prologue?.steps.some(({ op, args }) => op === "load" && args[0] === input - own + 1) === true;
  const inPass = (output: number) => role === "whole" || (role === "epilogue" && output > 0);
  for (const [k, y] of outputs.entries()) {
    for (const [j, x] of inputs.entries()) {
      if (overlap(program, y, x) && !(inPass(k) && j >= own && !isInPrologue(j) && sameView(program, y, x)))
        return `output ${k} overlaps input ${j}`;
    }
    for (const [j, x] of outputs.slice(0, k).entries()) {
      const inPlace = role === "epilogue" && j === 0 && sameView(program, y, x);
      if (overlap(program, y, x) && !inPlace) return `output ${k} overlaps output ${j}`;
    }
  }
  return null;
}

/** Where a row-major view lies: in which memory, from which byte to which. */
function extent({ buffers }: Program, { buffer, offset, shape }: View) {
  const { kind, dtype, place } = buffers[buffer];
  const width = bytesPerElement[dtype];
  const start = (kind === "arena" ? place : 0) + offset * width;
  return { memory: kind === "arena" ? "arena" : place, start, end: start + count(shape) * width };
}

function overlap(program: Program, a: View, b: View): boolean {
  if (![a, b].every((view) => isRowMajor(signature(program, view))) || String(a.steps ?? "") !== String(b.steps ?? "")) return false;
  const [p, q] = [extent(program, a), extent(program, b)];
  return p.memory === q.memory && p.start < q.end && q.start < p.end;
}

function sameView(program: Program, a: View, b: View): boolean {
  const [p, q] = [extent(program, a), extent(program, b)];
  return p.start === q.start && p.end === q.end && sameShape(a.shape, b.shape);
}
