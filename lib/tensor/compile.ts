/** `compile`: a function of tensors as one program, traced once for each signature and then only run. */
import { NablaError, TraceError } from "../base/errors.js";
import { printProgram } from "../compile/print.js";
import { argument } from "../graph/loop.js";
import { isDebug, setDebug } from "../graph/op.js";
import { graphOf } from "../graph/signature.js";
import { Tensor } from "../graph/tensor.js";
import { currentTrace, type Guard, type RunAction, Trace, withTrace } from "../graph/trace.js";
import type { Variable } from "../graph/variable.js";
import { topological } from "../graph/walk.js";
import type { Device, Storage, Ticket } from "../runtime/device.js";
import { currentDevice, type Prepared, programCache } from "./devices.js";
import { checkSources, dispose, evaluated, markAssigned, materialize, resultTensor, storageFor, submit } from "./evaluate.js";
import { collectTensors, mapTree } from "./tree.js";
import { update } from "./variable.js";

/** A compiled function. Calls run in order; each resolves when its results can be read. The next may be made before. */
export interface CompiledFunction<Args extends readonly unknown[], Result> {
  (...args: Args): Promise<Result>;
  /** The programs compiled so far, as text. */
  programs(): string[];
}

/**
 * Compiles a function of tensors (in any nesting of arrays and objects) into one program that runs without further tracing.
 *
 * The function is traced anew for each combination of shapes, dtypes, other arguments, training mode and frozen set. It must
 * be synchronous and free of outside effects but assignments of variables, which happen once per call.
 * @example const step = compile((x: Tensor, y: Tensor) => { const loss = …; opt.minimize(loss); return { loss }; });
 */
export function compile<Args extends readonly unknown[], Result>(fn: (...args: Args) => Result): CompiledFunction<Args, Result> {
  const variants = new Map<string, Variant[]>();

  const find = (device: Device, args: Args, tensors: Tensor[]): Variant => {
    let key = device.name;
    collectTensors(args, tensors, (text) => {
      key += text;
    });
    const known = variants.get(key);
    const variant = known?.find(({ guards }) => guards.every(({ read, seen }) => Object.is(read(), seen)));
    if (variant !== undefined) return variant;
    const traced = trace(device, fn, args);
    variants.set(key, [...(known ?? []), traced]);
    return traced;
  };

  const start = (device: Device, args: Args): Promise<Result> => {
    const tensors: Tensor[] = [];
    const variant = find(device, args, tensors);
    const ticket = runVariant(device, variant, tensors);
    return device.settled(ticket.ticket).then(
      () => ticket.result as Result,
      (error) => {
        for (const { failed } of variant.onRun) failed();
        throw located(error, fn, args);
      },
    );
  };

  const call = async (...args: Args): Promise<Result> => {
    if (currentTrace() !== null)
      throw new TraceError("a compiled function was called inside another one; call the plain function there", { op: "compile" });
    return start(currentDevice(), args);
  };
  return Object.assign(call, {
    programs: () => [...variants.values()].flat().map(({ prepared }) => printProgram(prepared.program)),
  });
}

/** Where the storage of an external place comes from. */
type Binding =
  | { readonly kind: "argument"; readonly index: number }
  | { readonly kind: "variable"; readonly variable: Variable }
  | { readonly kind: "data"; readonly tensor: Tensor };

/** One traced and compiled form of a function. */
interface Variant {
  readonly prepared: Prepared;
  readonly guards: readonly Guard[];
  readonly onRun: readonly RunAction[];
  /** By position in the graph; only sources have one. */
  readonly bindings: readonly Binding[];
  readonly variables: readonly Variable[];
  /** Its variables have had their initial values computed. */
  hasRun: boolean;
  readonly uniforms: readonly (() => number)[];
  readonly outputs: readonly Tensor[];
  /** Outputs that the function does not return. */
  readonly unread: readonly Tensor[];
  readonly assigned: readonly Variable[];
  readonly result: unknown;
}

function trace<Args extends readonly unknown[]>(device: Device, fn: (...args: Args) => unknown, args: Args): Variant {
  const tracing = new Trace();
  const result = traceInto(tracing, fn, args);
  const outputs: Tensor[] = [];
  collectTensors(result, outputs, () => {});
  const wanted = [...new Set([...outputs, ...tracing.demanded])];
  const graph = graphOf(
    wanted,
    [...tracing.assigned].map(([target, value]) => update(target, value)),
  );
  const bindings: Binding[] = [];
  const variables = new Set<Variable>();
  for (const x of graph.order) {
    const { source, position } = x;
    if (source?.kind === "argument") bindings[position] = { kind: "argument", index: source.index };
    if (source?.kind === "data") bindings[position] = { kind: "data", tensor: x };
    if (source?.kind === "variable") {
      bindings[position] = { kind: "variable", variable: source.variable };
      variables.add(source.variable);
    }
  }
  checkSources({ ...graph, order: graph.order.filter(({ source }) => source?.kind === "variable") });
  const prepared = programCache(device).find(graph);
  return {
    prepared,
    guards: tracing.guards,
    onRun: tracing.onRun,
    bindings,
    variables: [...variables],
    hasRun: false,
    uniforms: prepared.uniforms.map((position) => {
      const { source } = graph.order[position];
      if (source?.kind !== "uniform") throw new Error("not a uniform");
      return source.read;
    }),
    outputs: wanted,
    unread: [...tracing.demanded].filter((x) => !outputs.includes(x)),
    assigned: [...tracing.assigned.keys()],
    result,
  };
}

/** Calls the function with stand-ins for its tensors. */
function traceInto<Args extends readonly unknown[]>(tracing: Trace, fn: (...args: Args) => unknown, args: Args): unknown {
  let index = 0;
  const standIns = mapTree(args, (leaf) => (leaf instanceof Tensor ? argument(index++, leaf) : leaf)) as unknown as Args;
  const result = withTrace(tracing, () => fn(...standIns));
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new TraceError("compile: the function is async; it must return its tensors directly, values do not exist while it is traced", {
      op: "compile",
    });
  }
  return result;
}

function runVariant(device: Device, variant: Variant, given: readonly Tensor[]): { ticket: Ticket; result: unknown } {
  const args = evaluated(given);
  if (!variant.hasRun) materialize(variant.variables);
  variant.hasRun = true;
  const storageAt = (position: number): Storage => {
    const binding = variant.bindings[position];
    if (binding.kind === "argument") return storageFor(device, args[binding.index]);
    return storageFor(device, binding.kind === "variable" ? binding.variable.current : binding.tensor);
  };
  const uniforms = Float64Array.from(variant.uniforms, (read) => read());
  const { ticket, results } = submit(device, variant.prepared, variant.outputs, storageAt, uniforms);
  for (const variable of variant.assigned) markAssigned(variable, ticket);
  for (const { submitted } of variant.onRun) submitted();
  const made = new Map(variant.outputs.map((x, i) => [x, resultTensor(results[i], ticket, x)]));
  for (const x of variant.unread) dispose(made.get(x)!);
  return { ticket, result: mapTree(variant.result, (leaf) => (leaf instanceof Tensor ? made.get(leaf) : leaf)) };
}

/** The error of a failed run with the user's line: the function is traced once more, call sites being recorded. */
function located<Args extends readonly unknown[]>(error: unknown, fn: (...args: Args) => unknown, args: Args): unknown {
  if (!(error instanceof NablaError) || error.op === undefined) return error;
  const was = isDebug();
  try {
    setDebug(true);
    const tracing = new Trace();
    const tensors: Tensor[] = [];
    collectTensors(traceInto(tracing, fn, args), tensors, () => {});
    const culprit = topological([...tensors, ...tracing.demanded, ...tracing.assigned.values()]).find((x) => x.op.name === error.op);
    if (culprit !== undefined) error.message += userLine(culprit);
  } catch {
    // The first error is what matters.
  } finally {
    setDebug(was);
  }
  return error;
}

/** The user's line that wrote a tensor in debug mode, for messages; empty if it is not known. */
export function userLine({ callSite }: Tensor): string {
  const line = callSite?.stack
    ?.split("\n")
    .slice(1)
    .find((frame) => !isOwnFrame(frame));
  return line === undefined ? "" : `\n  written ${line.trim()}`;
}

const ownFolder = new URL("..", import.meta.url).href;

function isOwnFrame(frame: string): boolean {
  return frame.includes(ownFolder) || frame.includes(ownFolder.replace("file://", ""));
}
