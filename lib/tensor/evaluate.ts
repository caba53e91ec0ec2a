/** Evaluation: from lazy tensors to a run of a program, and from a run's storages back to numbers. */
import { allocate, bytesPerElement, type TypedArray } from "../base/dtype.js";
import { DisposedError, StaleVariableError, TraceError } from "../base/errors.js";
import { log } from "../base/log.js";
import { format, sizeOf } from "../base/shape.js";
import { becomeSource, node, sourceNode } from "../graph/op.js";
import { type Graph, graphOf, type Update } from "../graph/signature.js";
import type { Elements, Source, Tensor } from "../graph/tensor.js";
import { refuseWhileTracing } from "../graph/trace.js";
import type { Variable } from "../graph/variable.js";
import { snapshotOp } from "../ops/elementwise.js";
import type { Device, Storage, Ticket } from "../runtime/device.js";
import { currentDevice, type Prepared, programCache } from "./devices.js";

/** A source tensor over a storage that the run `ticket` writes. */
export function resultTensor(storage: Storage, ticket: Ticket, like: { shape: readonly number[]; dtype: Tensor["dtype"] }): Tensor {
  return sourceNode({ kind: "data", elements: { host: null, storage, ticket, disposed: false } }, like.shape, like.dtype);
}

/** Computes tensors and assigns variables in one run, if there are any. Returns at once; the tensors are sources afterwards. */
export function evaluate(outputs: readonly Tensor[], updates: readonly Update[] = []): { device: Device; ticket: Ticket } | null {
  const lazy = [...new Set(outputs)].filter((x) => x.source?.kind !== "data");
  if (lazy.length === 0 && updates.length === 0) return null;
  const device = currentDevice();
  const graph = graphOf(lazy, updates);
  checkSources(graph);
  const prepared = programCache(device).find(graph);
  const uniforms = Float64Array.from(prepared.uniforms, (position) =>
    (graph.order[position].source as Source & { kind: "uniform" }).read(),
  );
  const storageOf = (x: Tensor) => storageFor(device, x);
  materialize(graph.order.flatMap(({ source }) => (source?.kind === "variable" ? [source.variable] : [])));
  const { ticket, results } = submit(device, prepared, lazy, (position) => storageOf(graph.order[position]), uniforms);
  lazy.forEach((x, i) => {
    becomeSource(x, { kind: "data", elements: { host: null, storage: results[i], ticket, disposed: false } });
  });
  for (const { target } of updates) markAssigned((target.source as Source & { kind: "variable" }).variable, ticket);
  return { device, ticket };
}

/** Runs that a loop which never awaits may be ahead of the device; beyond them it blocks, so that it cannot fill memory. */
const maxAhead = 64;

function awaitTurn(device: Device, last: Ticket): void {
  if (device.pending <= maxAhead) return;
  try {
    device.wait(last - maxAhead);
  } catch {
    // A failed run has ended as well; its own caller is told.
  }
}

/** Queues a run with fresh storages for its results. */
export function submit(
  device: Device,
  prepared: Prepared,
  outputs: readonly { shape: readonly number[]; dtype: Tensor["dtype"] }[],
  storageAt: (position: number) => Storage,
  uniforms: Float64Array,
): { ticket: Ticket; results: Storage[] } {
  const results = outputs.map(({ shape, dtype }) => device.allocate(sizeOf(shape) * bytesPerElement[dtype]));
  const storages = prepared.places.map((place) => (place.kind === "output" ? results[place.index] : storageAt(place.position)));
  const ticket = device.run(prepared.executable, storages, uniforms);
  log("run", () => `${ticket} on ${device.name}, ${prepared.program.instructions.length} instructions, ${device.pending} pending`);
  awaitTurn(device, ticket);
  return { ticket, results };
}

/** After a run that assigns it: a variable's older readings are stale. */
export function markAssigned(variable: Variable, ticket: Ticket): void {
  elementsOf(variable.current).ticket = ticket;
  variable.version++;
  variable.read = null;
}

/** Gives variables that have only an initial expression their storage, all in one run. */
export function materialize(variables: readonly Variable[]): void {
  evaluate(variables.map(({ current }) => current));
}

/** Refuses what cannot be computed: arguments of functions being traced, variables that have changed since they were read. */
export function checkSources({ order }: Graph): void {
  for (const { source, callSite } of order) {
    if (source?.kind === "argument") {
      throw new TraceError("a tensor of a compiled function was used after its tracing had ended; return it from the function instead", {
        op: "compile",
      });
    }
    if (source?.kind === "variable" && source.version !== source.variable.version) throw staleVariable(source.variable, callSite);
  }
}

function staleVariable({ name, shape }: Variable, cause: Error | null): StaleVariableError {
  const who = name === "" ? `of shape ${format(shape)}` : `"${name}"`;
  return new StaleVariableError(
    `the variable ${who} was assigned after an expression read it and before that was evaluated, so its old value is gone; evaluate both in one go: return what you want to look at from the compiled step, or await it before assigning`,
    { op: "evaluate", inputs: [name, shape], ...(cause === null ? {} : { cause }) },
  );
}

function elementsOf({ source }: Tensor): Elements {
  if (source?.kind !== "data") throw new Error("not evaluated");
  return source.elements;
}

/** The storage of a source on `device`: uploaded or moved there on first use. */
export function storageFor(device: Device, x: Tensor): Storage {
  const { source } = x;
  if (source?.kind === "variable") return storageFor(device, source.variable.current);
  const elements = elementsOf(x);
  if (elements.disposed)
    throw new DisposedError(`a tensor of shape ${format(x.shape)} was used after it had been disposed`, {
      op: "evaluate",
      inputs: [x.shape],
    });
  const { storage } = elements;
  if (storage?.device === device) return storage;
  const host = elements.host ?? readNow(x);
  const moved = device.allocate(host.byteLength);
  device.write(moved, host);
  elements.storage = moved;
  elements.ticket = 0;
  elements.host = null;
  return moved;
}

/**
 * Tensors with elements of their own for any tensors, computed in one run. A variable's storage is written by later runs, so
 * what stands for it is a copy made in turn.
 */
export function evaluated(xs: readonly Tensor[]): Tensor[] {
  const own = xs.map((x) => (x.source?.kind === "variable" || x.source?.kind === "uniform" ? node(snapshotOp, [x], x.shape, x.dtype) : x));
  evaluate(own);
  return own;
}

function settle(x: Tensor): Elements {
  refuseWhileTracing("reading a value");
  const elements = elementsOf(evaluated([x])[0]);
  if (elements.disposed)
    throw new DisposedError(`reading a tensor of shape ${format(x.shape)} that was disposed`, { op: "data", inputs: [x.shape] });
  return elements;
}

function copyOut(x: Tensor, { host, storage }: Elements): TypedArray {
  if (host !== null) return host.slice();
  const target = allocate(x.dtype, sizeOf(x.shape));
  storage!.device.read(storage!, target);
  return target;
}

/** Elements without blocking; the evaluation runs on native threads meanwhile. */
export async function read(x: Tensor): Promise<TypedArray> {
  const elements = settle(x);
  const { storage, ticket } = elements;
  if (storage !== null) {
    await storage.device.settled(ticket);
    if (elements.disposed)
      throw new DisposedError(`a tensor of shape ${format(x.shape)} was disposed while it was being read`, {
        op: "data",
        inputs: [x.shape],
      });
  }
  return copyOut(x, elements);
}

/** Elements, blocking until they are there. */
export function readNow(x: Tensor): TypedArray {
  const elements = settle(x);
  elements.storage?.device.wait(elements.ticket);
  return copyOut(x, elements);
}

/** Starts the evaluation and resolves when the values can be read without waiting. */
export async function ready(xs: readonly Tensor[]): Promise<void> {
  refuseWhileTracing("waiting for a value");
  for (const x of evaluated(xs)) {
    const { storage, ticket } = elementsOf(x);
    if (storage !== null) await storage.device.settled(ticket);
  }
}

/** Gives the memory back now; using the tensor afterwards throws {@link DisposedError}. */
export function dispose(x: Tensor): void {
  const { source } = x;
  if (source?.kind === "variable" || source?.kind === "argument" || source?.kind === "uniform") return;
  if (source === null) {
    becomeSource(x, { kind: "data", elements: { host: null, storage: null, ticket: 0, disposed: true } });
    return;
  }
  const { elements } = source;
  if (elements.disposed) return;
  elements.disposed = true;
  elements.storage?.device.free(elements.storage);
  elements.storage = null;
  elements.host = null;
}
