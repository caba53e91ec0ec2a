/** Turns ordered steps into instructions over buffers; buffers are still separate here, `memory.ts` lets them share. */
import type { DType, FloatDType } from "../base/dtype.js";
import { rowMajor, type Shape, sizeOf } from "../base/shape.js";
import type { LoopBody } from "../graph/loop.js";
import type { KernelLowering, TileEmitter } from "../graph/op.js";
import { topological } from "../graph/walk.js";
import type { BufferKind, BufferSpec, Instruction, Tile, TileStep, View } from "../runtime/program.js";
import { arrayOf } from "./chains.js";
import { schedule } from "./schedule.js";
import { type Partition, partition, type Step } from "./steps.js";
import { type Captured, capture, isScalar, receivedBy, tileDType, type Value } from "./value.js";

/** What stands at an external place of the program: a node of the captured graph, or one of its results. */
export type Place = { readonly kind: "source"; readonly position: number } | { readonly kind: "output"; readonly index: number };

/** Everything that instructions are written into. Bodies of loops share it with the program around them. */
export class Assembly {
  readonly buffers: BufferSpec[] = [];
  readonly instructions: Instruction[] = [];
  readonly places: Place[] = [];
  /** Positions of the uniforms in the captured graph, by slot. */
  readonly uniforms: number[] = [];

  /**
   * `fuse`: values may share an instruction, what a kernel reads that of the kernel if it has so many elements (`large`), a sum of so
   * many (`summed`) that of what it sums.
   */
  constructor(readonly limits: { readonly fuse: boolean; readonly large: number; readonly summed: number }) {}

  buffer(kind: BufferKind, dtype: DType, size: number, place?: Place): number {
    let at = 0;
    if (place !== undefined) {
      at = this.places.length;
      this.places.push(place);
    }
    this.buffers.push({ kind, dtype, size, place: at });
    return this.buffers.length - 1;
  }
}

const whole = (buffer: number, shape: Shape): View => ({ buffer, offset: 0, shape, strides: rowMajor(shape) });

/** The surroundings of a loop's body; the outermost program has none. */
interface Scope {
  /** Loops around the body. */
  readonly depth: number;
  /** Where the body's arguments are. */
  readonly args: readonly View[];
}

export class Emitter {
  private readonly views = new Map<Value, View>();
  private readonly parts: Partition;
  private readonly states: ReadonlySet<Value>;

  constructor(
    readonly out: Assembly,
    private readonly captured: Captured,
    private readonly outer: Scope | null = null,
  ) {
    this.parts = partition(captured, { copyResults: outer === null, ...out.limits });
    this.states = new Set(captured.updates.map(({ target }) => target));
  }

  emit(): void {
    for (const step of schedule(this.parts)) this.emitStep(step);
  }

  /** The buffer of a result, made on first use. */
  private outputView(index: number): View {
    const { dtype, shape } = this.captured.outputs[index];
    return whole(this.out.buffer("output", dtype, sizeOf(shape), { kind: "output", index }), shape);
  }

  /** Where a source or a stored value is. */
  private baseView(value: Value): View {
    let view = this.views.get(value);
    if (view !== undefined) return view;
    const { source, dtype, shape } = value;
    const target = this.parts.inPlace.get(value);
    const output = this.parts.direct.get(value);
    if (source !== null && !isScalar(value)) {
      view =
        this.outer?.args[source.index] ??
        whole(
          this.out.buffer(this.states.has(value) ? "state" : "input", dtype, sizeOf(shape), { kind: "source", position: source.position }),
          shape,
        );
    } else if (target !== undefined) {
      view = { ...this.baseView(target), shape, strides: rowMajor(shape) };
    } else if (output !== undefined && this.outer === null) {
      view = { ...this.outputView(output), shape, strides: rowMajor(shape) };
    } else {
      view = whole(this.out.buffer("arena", dtype, sizeOf(shape)), shape);
    }
    this.views.set(value, view);
    return view;
  }

  /** The view of any value: a window on its base. */
  viewOf({ window }: Value): View {
    const base = this.baseView(window.base);
    const view = { buffer: base.buffer, offset: base.offset + window.offset, shape: window.shape, strides: window.strides };
    return base.steps === undefined ? view : { ...view, steps: base.steps };
  }

  private uniformSlot(value: Value): number {
    const { position } = value.source!;
    const known = this.out.uniforms.indexOf(position);
    return known >= 0 ? known : this.out.uniforms.push(position) - 1;
  }

  private emitStep(step: Step): void {
    const { host, role, copy } = step;
    if (copy !== null) {
      const to = copy.to.kind === "output" ? this.outputView(copy.to.index) : this.baseView(copy.to.target);
      this.copy(this.viewOf(copy.value), { ...to, shape: copy.value.shape, strides: rowMajor(copy.value.shape) }, "copy");
    } else if (role === "tile") {
      this.emitTile(step);
    } else if (host!.op.lowering.kind === "assemble") {
      this.emitAssembly(host!);
    } else if (host!.op.lowering.kind === "loop") {
      this.emitLoop(host!);
    } else {
      this.emitKernel(step, host!, host!.op.lowering as KernelLowering);
    }
  }

  copy(from: View, to: View, label: string): void {
    this.out.instructions.push({ kernel: "copy", outputs: [to], inputs: [from], attrs: [], label });
  }

  private emitTile(step: Step): void {
    const [first] = step.tile;
    const { tile, operands, outputs } = this.passOf(step, first.shape, tileDType(first));
    this.out.instructions.push({
      kernel: "tile",
      outputs,
      inputs: operands,
      attrs: [],
      tile,
      label: labelOf([...step.tile, ...step.others]),
    });
  }

  private emitKernel(step: Step, host: Value, lowering: KernelLowering): void {
    const attrs = [...(lowering.attrs?.(host) ?? [])];
    const label = host.op.name;
    if (lowering.uniforms) {
      for (const input of host.inputs) attrs.push(this.uniformSlot(input.window.base));
      this.out.instructions.push({ kernel: lowering.kernel, outputs: [this.baseView(host)], inputs: [], attrs, label });
      return;
    }
    if (lowering.prologue) {
      const hosts = [host, ...step.others];
      const inputs = hosts.map(({ inputs: [input] }) => (step.tile.includes(input.window.base) ? input.window.base : input));
      const [{ shape }] = [...step.tile, ...host.inputs];
      const { tile, operands } = this.tileOf(step.tile, shape, host.dtype as FloatDType, inputs);
      this.out.instructions.push({
        kernel: lowering.kernel,
        outputs: hosts.map((value) => this.baseView(value)),
        inputs: operands,
        attrs,
        tile,
        label: labelOf(hosts),
      });
      return;
    }
    const { prologue, read } = this.prologueOf(step, host);
    const inputs = host.inputs.map((input, k) => (k === 0 && read !== null ? read : this.viewOf(input)));
    const kernelOperands = (output: View) => lowering.operands?.(inputs, output, host) ?? { inputs, output };
    const computed = prologue === null ? [] : prologue.operands;
    if (step.role !== "epilogue") {
      const own = kernelOperands(this.baseView(host));
      this.out.instructions.push({
        kernel: lowering.kernel,
        outputs: [own.output],
        inputs: [...own.inputs, ...computed],
        attrs,
        ...(prologue && { prologue: prologue.tile }),
        label,
      });
      return;
    }
    const { tile, operands, stores, outputs } = this.passOf(step, host.shape, host.dtype as FloatDType, computed.length);
    const raw = this.rawResult(host, stores);
    const own = kernelOperands(raw);
    // The kernel may see its result in another rank ([1, m, n]); the epilogue's operands follow.
    const lead = own.output.shape.length - host.shape.length;
    const lift = (view: View): View => {
      if (lead <= 0) return view;
      const before = view.shape.length - host.shape.length; // the axis of moments
      const insert = (list: readonly number[], more: readonly number[]) => [...list.slice(0, before), ...more, ...list.slice(before)];
      const shape = insert(view.shape, own.output.shape.slice(0, lead));
      return { ...view, shape, strides: insert(view.strides, new Array<number>(lead).fill(0)) };
    };
    this.out.instructions.push({
      kernel: lowering.kernel,
      outputs: [{ ...own.output, strides: rowMajor(own.output.shape) }, ...outputs.map(lift)],
      inputs: [...own.inputs, ...computed, ...operands.map(lift)],
      attrs,
      tile: { ...tile, shape: own.output.shape },
      ...(prologue && { prologue: prologue.tile }),
      label,
    });
  }

  /** What a kernel computes of its first input, and where it reads what that is made of. */
  private prologueOf({ prologue: values }: Step, { inputs: [{ shape, window }] }: Value) {
    const [value] = values.slice(-1);
    if (value === undefined) return { prologue: null, read: null };
    const from = arrayOf(values)!;
    const prologue = this.tileOf(values, value.shape, value.dtype as FloatDType, [value], { first: from });
    return { prologue, read: { ...this.viewOf(from), shape, strides: window.strides } };
  }

  /**
   * The tile of a step, what it stores, and where: sums to a view that repeats along the axes they are over. A kernel's epilogue has so
   * many operands of others (`before`) before its own.
   */
  private passOf({ tile: values, host, others }: Step, shape: Shape, dtype: FloatDType, before = 0) {
    const stores = values.filter((value) => this.parts.isStored(value));
    const given = host === null ? {} : { first: host, before };
    const { tile, operands } = this.tileOf(values, shape, dtype, [...stores, ...others.map(({ inputs: [x] }) => x)], given);
    const outputs = [...stores.map((value) => this.baseView(value)), ...others.map((sum) => this.sumView(sum))];
    return { tile, operands, stores, outputs };
  }

  /** A result that repeats along the axes that it is a sum over; means and variances one behind the other, along an axis before those. */
  private sumView(sum: Value): View {
    const [{ shape }] = sum.inputs;
    const view = this.baseView(sum);
    if (receivedBy(sum) === "sums") return broadcastTo(view, shape);
    const [half, ...strides] = view.strides;
    const { strides: repeated } = broadcastTo({ ...view, shape: sum.shape.slice(1), strides }, shape);
    return { ...view, shape: [2, ...shape], strides: [half, ...repeated] };
  }

  /** Where a kernel with an epilogue puts its own result: where it is wanted, else where the epilogue's result goes, else in scratch. */
  private rawResult(host: Value, stores: readonly Value[]): View {
    if (this.parts.isStored(host)) return this.baseView(host);
    const shared = stores.find((value) => value.dtype === host.dtype && !this.parts.inPlace.has(value));
    return shared === undefined ? whole(this.out.buffer("arena", host.dtype, sizeOf(host.shape)), host.shape) : this.baseView(shared);
  }

  private scalarStep(value: Value): TileStep {
    return value.source?.kind === "uniform"
      ? { op: "uniform", args: [this.uniformSlot(value)] }
      : { op: "const", args: [value.attrs.value as number] };
  }

  /**
   * The tile program of elementwise `values`, whose results `stores` are, computed here or loaded. Operand 0 is `first`, if given, and
   * `before` others follow.
   */
  private tileOf(
    values: readonly Value[],
    shape: Shape,
    dtype: FloatDType,
    stores: readonly Value[],
    { first, before = 0 }: { first?: Value; before?: number } = {},
  ) {
    const steps: TileStep[] = [];
    const operands: View[] = [];
    const registers = new Map<Value, number>();
    const constants = new Map<number | "-0", number>();
    const push = (step: TileStep): number => steps.push(step) - 1;
    const emitter: TileEmitter = {
      step: (op, ...args) => push({ op, args }),
      constant: (value) => {
        // A map takes 0 and −0 for the same key.
        const key = Object.is(value, -0) ? "-0" : value;
        const register = constants.get(key) ?? push({ op: "const", args: [value] });
        constants.set(key, register);
        return register;
      },
    };
    const load = (value: Value): number => {
      const known = registers.get(value);
      if (known !== undefined) return known;
      const { base } = value.window;
      let register: number;
      if (isScalar(base)) {
        register =
          registers.get(base) ?? (base.source === null ? emitter.constant(base.attrs.value as number) : push(this.scalarStep(base)));
        registers.set(base, register);
      } else {
        register = push({ op: "load", args: [operands.length + (first === undefined ? 0 : 1 + before)] });
        operands.push(broadcastTo(this.viewOf(value), shape));
      }
      registers.set(value, register);
      return register;
    };
    if (first !== undefined) registers.set(first, push({ op: "load", args: [0] }));
    for (const value of values) {
      const { lowering } = value.op;
      if (lowering.kind === "tile") registers.set(value, lowering.emit(emitter, value.inputs.map(load), value));
      else load(value);
    }
    const tile: Tile = { dtype, shape, steps, stores: stores.map(load) };
    return { tile, operands };
  }

  private emitAssembly(host: Value): void {
    const { lowering } = host.op;
    if (lowering.kind !== "assemble") throw new Error("not an assembly");
    const output = this.baseView(host);
    const fill = lowering.fill(host);
    if (fill !== null) {
      const tile: Tile = {
        dtype: host.dtype === "f64" || host.dtype === "i32" ? "f64" : "f32",
        shape: host.shape,
        steps: [{ op: "const", args: [fill] }],
        stores: [0],
      };
      this.out.instructions.push({ kernel: "tile", outputs: [output], inputs: [], attrs: [], tile, label: host.op.name });
    }
    lowering.windows(output, host).forEach((window, i) => {
      this.copy(this.viewOf(host.inputs[i]), output.steps === undefined ? window : { ...window, steps: output.steps }, host.op.name);
    });
  }

  private emitLoop(host: Value): void {
    const { graph, args, outputs, carries, scanned, length, reverse } = host.attrs.body as LoopBody;
    const depth = this.outer?.depth ?? 0;
    const inputs = host.inputs.map((input) => this.viewOf(input));
    const picks = new Map<number, Value>();
    for (const value of this.captured.values) {
      if (value.op.lowering.kind === "pick" && value.inputs[0] === host && this.parts.stepOf.has(value))
        picks.set(value.attrs.index as number, value);
    }
    /** Slice t of a stacked view, t being the iteration. */
    const slice = (stacked: View): View => {
      const [stride, ...strides] = stacked.strides;
      const steps = [
        ...(stacked.steps ?? []),
        ...new Array<number>(depth - (stacked.steps?.length ?? 0)).fill(0),
        reverse ? -stride : stride,
      ];
      return {
        buffer: stacked.buffer,
        offset: stacked.offset + (reverse && length > 0 ? (length - 1) * stride : 0),
        shape: stacked.shape.slice(1),
        strides,
        steps,
      };
    };
    const scratch = ({ shape, dtype }: { shape: Shape; dtype: DType }): View =>
      whole(this.out.buffer("arena", dtype, sizeOf(shape)), shape);

    const state = args.slice(0, carries).map(scratch);
    state.forEach((view, j) => this.copy(inputs[j], view, host.op.name));
    this.out.instructions.push({ kernel: "loop", outputs: [], inputs: [], attrs: [length], label: host.op.name });
    state.forEach((view, j) => {
      const history = picks.get(outputs.length + j);
      if (history !== undefined) this.copy(view, slice(this.baseView(history)), host.op.name);
    });
    topological(outputs);
    const body = capture(graph);
    const inner = new Emitter(this.out, body, {
      depth: depth + 1,
      args: [...state, ...inputs.slice(carries, carries + scanned).map(slice), ...inputs.slice(carries + scanned)],
    });
    inner.emit();
    const results = body.outputs.map((value) => inner.viewOf(value));
    results.slice(carries).forEach((view, j) => {
      const stacked = picks.get(carries + j);
      if (stacked !== undefined) this.copy(view, slice(this.baseView(stacked)), host.op.name);
    });
    // A new carry that is only another window on an old one must not be overwritten before it is read.
    const safe = results.slice(0, carries).map((view, j) => {
      if (!state.some(({ buffer }) => buffer === view.buffer)) return view;
      const spare = scratch(args[j]);
      this.copy(view, spare, host.op.name);
      return spare;
    });
    safe.forEach((view, j) => this.copy(view, state[j], host.op.name));
    this.out.instructions.push({ kernel: "end", outputs: [], inputs: [], attrs: [], label: host.op.name });
    state.forEach((view, j) => {
      const final = picks.get(j);
      if (final !== undefined) this.copy(view, this.baseView(final), host.op.name);
    });
  }
}

/** A view stretched to a tile's shape, stride 0 where it repeats. */
function broadcastTo(view: View, shape: Shape): View {
  const lead = shape.length - view.shape.length;
  const strides = shape.map((n, i) => (i < lead || (view.shape[i - lead] === 1 && n !== 1) ? 0 : view.strides[i - lead]));
  return { ...view, shape, strides };
}

function labelOf(values: readonly Value[]): string {
  const names = values.map((value) => value.op.name);
  return names.length <= 4 ? names.join("+") : `${names.slice(0, 3).join("+")}+…${names.at(-1)}`;
}
