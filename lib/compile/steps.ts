/**
 * Cuts captured values into steps, each of which becomes one kernel call: elementwise chains are joined, attached to the
 * kernel before them (epilogue) or to the reduction after them (prologue), sums are taken in the pass that computes what they sum,
 * and updates are ordered so that variables can be assigned in place.
 */
import { sameShape, sizeOf } from "../base/shape.js";
import { arrayOf } from "./chains.js";
import { type Captured, isScalar, isTile, isWhole, prologueOf, receivedBy, tileDType, type Value } from "./value.js";

/** A copy at a program's end: into a result, or into a variable that could not be written in place. */
export type CopyTarget = { readonly kind: "output"; readonly index: number } | { readonly kind: "state"; readonly target: Value };

export interface Step {
  /** Elementwise values, in order; empty for a plain kernel. */
  readonly tile: Value[];
  /** Elementwise values, in order, the last of which the kernel takes for its first input. */
  readonly prologue: Value[];
  /** The kernel, assembly or loop; null for a plain elementwise step or copy. */
  host: Value | null;
  /** Reductions that are made in the same pass: with the host, which is one as well, or over what the tile computes. */
  readonly others: Value[];
  /** How tile and host meet. */
  role: "tile" | "host" | "epilogue" | "prologue" | "copy";
  /** The copied value and where it goes (`role` copy). */
  readonly copy: { readonly value: Value; readonly to: CopyTarget } | null;
  readonly before: Set<Step>;
  readonly after: Set<Step>;
}

export interface Partition {
  readonly steps: ReadonlySet<Step>;
  readonly stepOf: ReadonlyMap<Value, Step>;
  /** Values that must exist in memory, since another step reads them or they are results. */
  isStored(value: Value): boolean;
  /** Variables written in place, by the value assigned. */
  readonly inPlace: ReadonlyMap<Value, Value>;
  /** Results that are written where they belong at once: the value and which result it is. */
  readonly direct: ReadonlyMap<Value, number>;
}

/** Outputs + inputs of one call; a little under the kernels' limit. */
const maxOperands = 56;
const maxTileValues = 100;
const maxRank = 8;
/** Moments are worth it for so many times fewer elements than sums: they are taken in registers. */
const momentsSooner = 64;
/** Most columns of a sum that is taken in another pass: each task has sums of its own. */
const maxColumns = 4096;
/** Reductions in one pass, as many as the kernel takes. */
const maxReductions = 4;

const isGiven = (value: Value): boolean => value.source !== null && !isScalar(value);

function isReduction({ op: { lowering } }: Value): boolean {
  return lowering.kind === "kernel" && lowering.prologue === true;
}

/** Reductions with equal texts can be made in one pass: the same operation on the same axes of the same shape. */
function passOf({ op, dtype, attrs, inputs: [x] }: Value): string {
  return [op.name, dtype, attrs.from, attrs.to, x.shape].join(" ");
}

/** Whether it is over the first axes alone, and leaves few columns, as an output does that repeats along them. */
function isOverFirst({ attrs, inputs: [x] }: Value): boolean {
  const columns = sizeOf(x.shape.slice(attrs.to as number));
  return attrs.from === 0 && columns <= maxColumns && sizeOf(x.shape) > columns;
}

/** Whether a step's work may fail on bad data. */
function isFallible({ host }: Step): boolean {
  if (host === null) return false;
  const { lowering } = host.op;
  return (lowering.kind === "kernel" && lowering.fallible === true) || lowering.kind === "loop";
}

/**
 * `copyResults`: results go to outputs of the program; the results of a loop's body stay where they are. `fuse`: values may share
 * a step. `large`: elements from which on a kernel computes what it reads. `summed`: elements from which on sums join the step that
 * computes them, moments from a 64th.
 */
export function partition(
  captured: Captured,
  { copyResults, fuse, large, summed }: { copyResults: boolean; fuse: boolean; large: number; summed: number },
): Partition {
  const steps = new Set<Step>();
  const stepOf = new Map<Value, Step>();
  const users = new Map<Value, Set<Value>>();

  const newStep = (parts: Pick<Step, "tile" | "host" | "role"> & Partial<Step>): Step => {
    const step: Step = { prologue: [], copy: null, others: [], before: new Set(), after: new Set(), ...parts };
    steps.add(step);
    return step;
  };
  const order = (first: Step, then: Step) => {
    if (first === then) return;
    first.after.add(then);
    then.before.add(first);
  };

  // 1. What is needed, each value a step of its own.
  const roots = [...captured.outputs, ...captured.updates.map(({ value }) => value)];
  const needed = new Set<Value>();
  const visit = (value: Value, byTile: boolean) => {
    const { base } = value.window;
    if (isGiven(base) || needed.has(base) || (byTile && isScalar(base))) return;
    needed.add(base);
  };
  for (const root of roots) visit(root, false);
  for (let i = captured.values.length - 1; i >= 0; i--) {
    const value = captured.values[i];
    if (!needed.has(value)) continue;
    const { lowering } = value.op;
    if (lowering.kind === "kernel" && lowering.uniforms) continue;
    const byTile = isTile(value) || (lowering.kind === "kernel" && lowering.prologue === true);
    for (const input of value.inputs) visit(input, byTile);
  }
  for (const value of captured.values) {
    if (!needed.has(value)) continue;
    if (value.op.lowering.kind === "pick") {
      stepOf.set(value, stepOf.get(value.inputs[0])!);
      continue;
    }
    const step =
      isTile(value) || isScalar(value)
        ? newStep({ tile: [value], host: null, role: "tile" })
        : newStep({ tile: [], host: value, role: "host" });
    stepOf.set(value, step);
    for (const input of value.inputs) {
      const { base } = input.window;
      const readers = users.get(base) ?? new Set();
      users.set(base, readers.add(value));
      const producer = stepOf.get(base);
      if (producer !== undefined) order(producer, step);
    }
  }
  const rootBases = new Set(roots.map((root) => root.window.base));
  const readersOf = (value: Value): Step[] => [...(users.get(value) ?? [])].flatMap((user) => stepOf.get(user) ?? []);

  const isStored = (value: Value): boolean => {
    const step = stepOf.get(value)!;
    if (rootBases.has(value)) return true;
    for (const user of users.get(value) ?? []) {
      const reader = stepOf.get(user);
      if (reader !== undefined && reader !== step) return true;
    }
    return false;
  };

  // 2. Joining.
  /** Whether `to` comes after `from` by way of some other step. */
  const detour = (from: Step, to: Step): boolean => {
    const seen = new Set<Step>([from]);
    const stack = [...from.after].filter((step) => step !== to);
    while (stack.length > 0) {
      const step = stack.pop()!;
      if (seen.has(step)) continue;
      seen.add(step);
      for (const next of step.after) {
        if (next === to) return true;
        stack.push(next);
      }
    }
    return false;
  };
  const reaches = (from: Step, to: Step): boolean => from.after.has(to) || detour(from, to);

  /** Whether registers that compute `value` can hold `input` as it is: not through another window, nor f32 where they are f64, unrounded. */
  const isHeldBy = (value: Value, input: Value): boolean =>
    input === input.window.base && !(input.dtype === "f32" && tileDType(value) === "f64");
  /** Inside a step, values meet in registers: element by element. */
  const meetInRegisters = (values: readonly Value[], host: Value | null): boolean => {
    const inside = new Set(values);
    if (host !== null) inside.add(host);
    return values.every((value) => value.inputs.every((input) => !inside.has(input.window.base) || isHeldBy(value, input)));
  };
  const operandCount = (values: readonly Value[]): number => {
    const operands = new Set<Value>(values);
    for (const value of values) for (const input of value.inputs) if (!isScalar(input.window.base)) operands.add(input);
    return operands.size;
  };

  const absorb = (into: Step, from: Step, as: "tile" | "prologue" = "tile") => {
    into[as].push(...from.tile);
    into[as].sort((a, b) => a.id - b.id);
    for (const value of from.tile) stepOf.set(value, into);
    for (const host of [from.host, ...from.others]) if (host !== null) stepOf.set(host, into);
    for (const step of from.before) {
      step.after.delete(from);
      order(step, into);
    }
    for (const step of from.after) {
      step.before.delete(from);
      order(into, step);
    }
    into.before.delete(into);
    into.after.delete(into);
    into.before.delete(from);
    into.after.delete(from);
    steps.delete(from);
  };

  /** What a reduction reads from memory. */
  const operandsOf = (step: Step): Value[] => {
    const inside = new Set(step.tile);
    const read = [...step.tile, step.host!, ...step.others].flatMap(({ inputs }) => inputs.map(({ window }) => window.base));
    return read.filter((base) => !inside.has(base));
  };
  /** ... that is as large as its iteration space. */
  const arraysOf = (step: Step): Set<Value> => {
    const size = sizeOf(step.host!.inputs[0].shape);
    return new Set(operandsOf(step).filter(({ shape }) => sizeOf(shape) === size));
  };
  const joinReductions = (into: Step, from: Step) => {
    absorb(into, from);
    into.others.push(from.host!, ...from.others);
    if (from.role === "prologue") into.role = "prologue";
  };

  const canJoin = (first: Step, then: Step, host: Value | null): boolean => {
    if (!fuse) return false;
    const values = [...first.tile, ...then.tile];
    return values.length <= maxTileValues && meetInRegisters(values, host) && operandCount(values) <= maxOperands && !detour(first, then);
  };

  // Moving a value past a kernel changes how long memory is held; next to each other it costs nothing.
  const kernelsBefore = new Int32Array(captured.values.length + 1);
  for (const { id, op } of captured.values) kernelsBefore[id + 1] = kernelsBefore[id] + (op.lowering.kind === "kernel" ? 1 : 0);
  const near = (a: Value, b: Value): boolean => kernelsBefore[a.id] === kernelsBefore[b.id];
  /** Whether somebody else reads `value` when `user` is computed, or in the kernel before it. */
  const isHeldUntil = (value: Value, by: Value, user: Value): boolean =>
    isGiven(value) ||
    rootBases.has(value) ||
    [...(users.get(value) ?? [])].some((other) => other !== by && kernelsBefore[other.id + 1] >= kernelsBefore[user.id]);

  /** Whether computing `value` where `user` is keeps nothing alive for it alone: what it reads is there, or computed of such on the way. */
  const isFreeAt = (value: Value, user: Value, depth = 0): boolean =>
    value.inputs.every(({ window: { base } }) => {
      if (isScalar(base) || isHeldUntil(base, value, user)) return true;
      return depth < maxTileValues && isTile(base) && stepOf.has(base) && users.get(base)!.size === 1 && isFreeAt(base, user, depth + 1);
    });

  // Down: a value with one reader is computed where it is read, unless that would keep its inputs alive for it alone.
  for (let i = captured.values.length - 1; i >= 0; i--) {
    const value = captured.values[i];
    if (!needed.has(value) || !isTile(value)) continue;
    const step = stepOf.get(value)!;
    const readers = new Set(readersOf(value));
    readers.delete(step);
    const [reader] = readers;
    if (
      readers.size !== 1 ||
      reader.role !== "tile" ||
      !sameShape(reader.tile[0].shape, value.shape) ||
      tileDType(reader.tile[0]) !== tileDType(value)
    )
      continue;
    const user = [...users.get(value)!].find((other) => stepOf.get(other) === reader)!;
    if ((near(value, user) || isFreeAt(value, user)) && canJoin(step, reader, null)) absorb(reader, step);
  }
  // Up: a value joins the step that computes one of its inputs, if it stands next to it; not what only a reduction reads, which
  // will compute it without storing it.
  const isSummand = (value: Value): boolean => {
    const [user, ...more] = users.get(value) ?? [];
    return more.length === 0 && user !== undefined && isReduction(user) && !rootBases.has(value) && isWhole(user.inputs[0].window);
  };
  for (const value of captured.values) {
    if (!needed.has(value) || !isTile(value) || isSummand(value)) continue;
    for (const input of value.inputs) {
      const step = stepOf.get(value)!;
      const other = stepOf.get(input);
      if (other === undefined || other === step || other.role !== "tile" || isScalar(input) || !near(input, value)) continue;
      if (!sameShape(input.shape, value.shape) || tileDType(input) !== tileDType(value)) continue;
      if (canJoin(other, step, null)) absorb(other, step);
    }
  }

  // 3. Variables in place: after everything that reads the old value and everything that may fail.
  const inPlace = new Map<Value, Value>();
  const copies: { value: Value; to: CopyTarget }[] = [];
  const mustPrecede = (target: Value): Step[] => [...readersOf(target), ...[...steps].filter(isFallible)];
  for (const { target, value } of captured.updates) {
    const step = stepOf.get(value);
    const earlier = mustPrecede(target).filter((other) => other !== step);
    const fits =
      step !== undefined &&
      value.window.base === value &&
      value.op.lowering.kind !== "pick" &&
      value.op.lowering.kind !== "assemble" &&
      !isFallible(step) &&
      !inPlace.has(value) &&
      step.host?.inputs.some((input) => input.window.base === target) !== true &&
      step.tile.every((member) =>
        member.inputs.every((input) => input.window.base !== target || (input === target && sameShape(input.shape, value.shape))),
      ) &&
      earlier.every((other) => !reaches(step, other));
    if (fits) {
      inPlace.set(value, target);
      for (const other of earlier) order(other, step);
    } else {
      copies.push({ value, to: { kind: "state", target } });
    }
  }

  // 4. Epilogues: an elementwise step of the kernel's own shape that reads its result.
  for (const host of captured.values) {
    const { lowering } = host.op;
    if (!needed.has(host) || lowering.kind !== "kernel" || !lowering.epilogue) continue;
    const step = stepOf.get(host)!;
    for (const user of users.get(host) ?? []) {
      const other = stepOf.get(user);
      if (other === undefined || other.role !== "tile" || !sameShape(user.shape, host.shape) || tileDType(user) !== host.dtype) continue;
      if (!user.inputs.includes(host) || !canJoin(step, other, host)) continue;
      const overwritten = other.tile.flatMap((value) => inPlace.get(value) ?? []);
      if (lowering.fallible && overwritten.length > 0) continue;
      if (host.inputs.some((input) => overwritten.includes(input.window.base))) continue;
      absorb(step, other);
      step.role = "epilogue";
      break;
    }
  }

  // 5. Prologues: a chain that a kernel alone reads, as its first input.
  for (const host of captured.values) {
    const value = fuse && needed.has(host) ? prologueOf(host) : null;
    const other = value === null ? undefined : stepOf.get(value);
    if (value === null || other?.role !== "tile" || sizeOf(value.shape) < large || tileDType(value) !== host.dtype) continue;
    const step = stepOf.get(host)!;
    const overwritten = step.tile.flatMap((one) => inPlace.get(one) ?? []);
    const isFree = other.tile.every(
      (one) =>
        !inPlace.has(one) && one.inputs.every(({ window }) => !overwritten.includes(window.base)) && (one === value || !isStored(one)),
    );
    const isRead = users.get(value)!.size > 1 || rootBases.has(value) || !(near(value, host) || isFreeAt(value, host));
    if (!isFree || isRead || other.others.length > 0 || arrayOf(other.tile) === null) continue;
    if (operandCount([...other.tile, ...step.tile]) + host.inputs.length > maxOperands || detour(other, step)) continue;
    absorb(step, other, "prologue");
  }
  // ... or that only reductions read, which become one if they are several.
  for (const host of captured.values) {
    if (!fuse || !needed.has(host) || !isReduction(host)) continue;
    const { window } = host.inputs[0];
    const other = stepOf.get(window.base);
    if (other === undefined || other.role !== "tile" || isScalar(window.base)) continue;
    const readers = other.tile.filter(isStored).map((value) => {
      const [reader, ...more] = users.get(value) ?? [];
      const isOnly = more.length === 0 && !rootBases.has(value) && reader !== undefined && isReduction(reader);
      return isOnly && isWhole(reader.inputs[0].window) && value.dtype === reader.dtype && passOf(reader) === passOf(host) ? reader : null;
    });
    const hosts = readers.filter((reader) => reader !== null);
    if (hosts.length !== readers.length || hosts.length > maxReductions || tileDType(window.base) !== host.dtype) continue;
    const members = hosts.map((reader) => stepOf.get(reader)!);
    if (members.some((step) => step.role !== "host" || detour(other, step) || members.some((one) => one !== step && reaches(one, step))))
      continue;
    const [step, ...joining] = members;
    absorb(step, other);
    for (const one of joining) joinReductions(step, one);
    step.role = "prologue";
  }
  // Reductions over the same axes that read something in common pass over it together.
  const passes = new Map<string, Step[]>();
  for (const host of captured.values) {
    if (!fuse || !needed.has(host) || !isReduction(host)) continue;
    const step = stepOf.get(host)!;
    if (step.host !== host) continue;
    const pass = `${passOf(host)} ${(step.tile[0] ?? host.inputs[0]).shape}`;
    const earlier = passes.get(pass) ?? [];
    const operands = arraysOf(step);
    const partner = earlier.find((one) => {
      const values = [...one.tile, ...step.tile];
      const count = 2 + one.others.length + step.others.length;
      if (count > maxReductions || values.length > maxTileValues || operandCount(values) + 2 * count > maxOperands) return false;
      if (![...arraysOf(one)].some((base) => operands.has(base)) || !meetInRegisters(values, null)) return false;
      return !reaches(one, step) && !reaches(step, one);
    });
    if (partner === undefined) passes.set(pass, [...earlier, step]);
    else joinReductions(partner, step);
  }

  // 6. Sums over the first axes of what an elementwise step or a kernel with an epilogue computes, or of what is made of that; means
  // and variances of a kernel's own result.
  const takesSums = ({ tile, host, role }: Step): boolean => {
    if (host === null) return role === "tile" && !isScalar(tile[0]);
    return role === "epilogue" || (role === "host" && host.op.lowering.kind === "kernel" && host.op.lowering.epilogue === true);
  };
  const canSum = (into: Step, step: Step, sums: readonly Value[]): boolean => {
    const summed = new Set(into.others.map(({ inputs: [x] }) => x));
    if (!takesSums(into) || !canJoin(into, step, into.host) || into.tile.some((value) => inPlace.has(value))) return false;
    if (sums.some(({ inputs: [x] }) => summed.has(x)) || operandsOf(step).some((base) => into.others.includes(base))) return false;
    return operandCount([...into.prologue, ...into.tile, ...step.tile]) + 2 * (into.others.length + sums.length) <= maxOperands;
  };
  for (const host of captured.values) {
    const step = stepOf.get(host);
    const received = receivedBy(host);
    if (!fuse || step?.host !== host || received === null) continue;
    const [{ shape }] = host.inputs;
    const sums = [host, ...step.others];
    const areSums = sums.every((sum) => isOverFirst(sum) && sum.inputs[0].window.base === sum.inputs[0] && !inPlace.has(sum));
    if (!areSums || sizeOf(shape) < (received === "sums" ? summed : summed / momentsSooner)) continue;
    for (const base of arraysOf(step)) {
      const into = stepOf.get(base);
      const fits = received === "sums" || (into?.host === base && shape.length < maxRank);
      if (into === undefined || !fits || !sameShape(base.shape, shape) || tileDType(base) !== host.dtype) continue;
      if (!canSum(into, step, sums)) continue;
      absorb(into, step);
      into.others.push(...sums);
      if (into.role === "host") into.role = "epilogue";
      break;
    }
  }

  // 7. Results: written directly where the value is made for it alone, copied at the end otherwise.
  const direct = new Map<Value, number>();
  captured.outputs.forEach((value, index) => {
    if (!copyResults) return;
    const { base } = value.window;
    if (stepOf.has(base) && isWhole(value.window) && !direct.has(base) && !inPlace.has(base)) direct.set(base, index);
    else copies.push({ value, to: { kind: "output", index } });
  });
  for (const { value, to } of copies) {
    const step = newStep({ tile: [], host: null, role: "copy", copy: { value, to } });
    const producer = stepOf.get(value.window.base);
    if (producer !== undefined) order(producer, step);
    if (to.kind === "state") for (const other of mustPrecede(to.target)) order(other, step);
  }
  // A result that shows a variable is copied before the variable changes.
  for (const step of steps) {
    if (step.copy?.to.kind !== "output") continue;
    const { base } = step.copy.value.window;
    for (const [value, target] of inPlace) if (target === base) order(step, stepOf.get(value)!);
    for (const other of steps) if (other.copy?.to.kind === "state" && other.copy.to.target === base) order(step, other);
  }

  return { steps, stepOf, isStored, inPlace, direct };
}
