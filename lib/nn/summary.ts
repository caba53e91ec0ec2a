/** What each layer of a model gives and costs: shapes, parameters, multiply-adds, bytes. Found by tracing; nothing is computed. */
import { inspect } from "node:util";
import { bytesPerElement, isFloat } from "../base/dtype.js";
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, type Shape, sizeOf } from "../base/shape.js";
import type { LoopBody } from "../graph/loop.js";
import { watchNodes } from "../graph/op.js";
import { Trace, withTrace } from "../graph/trace.js";
import { topological } from "../graph/walk.js";
import { type GraphEdge, type GraphNode, graph } from "../plot/index.js";
import { figure, page, table } from "../report/index.js";
import { type DType, Tensor, type Variable, zeros } from "../tensor/index.js";
import { collectTensors } from "../tensor/tree.js";
import type { AnyModule } from "./module.js";

export interface SummaryOptions {
  /** How many examples the bytes of activations are counted for. Default 1. */
  batch?: number;
  /** Element type of the input. Default: that of the first parameter. */
  dtype?: DType;
  /** Modules further down than this count as one layer with all that is in them. Default: none does. */
  depth?: number;
}

/** What something costs. */
export interface LayerCost {
  /** Numbers that are learnt; those that several layers share count for the first. */
  readonly parameters: number;
  /** Multiplications, each with its addition, of convolutions and matrix products for one example. */
  readonly multiplyAdds: number;
  /**
   * Of parameters, of the layers' results (none where a result only shows other elements in another shape), and of the gradients by both. A run needs
   * less: values share bytes by lifetime, and fused ones have none.
   */
  readonly bytes: { readonly parameters: number; readonly activations: number; readonly gradients: number };
}

export interface LayerSummary extends LayerCost {
  /** Path of the layer; "input" for what goes into the model. */
  readonly layer: string;
  /** The layer as it was asked for: `Conv2d(3, 8, { kernel: 5 })`. */
  readonly description: string;
  /** Of the result, without the axis of examples. */
  readonly shape: Shape;
  /** Elements of the result for one example. */
  readonly size: number;
}

/** A call of a layer while the model is traced. */
interface Call {
  readonly layer: string;
  readonly module: AnyModule | null;
  /** Whether nothing within it is shown on its own. */
  readonly isLeaf: boolean;
  result: Tensor | null;
  /** Whether the result is an argument, or a view of one. */
  isView: boolean;
}

/** A model in numbers, by layers in the order in which they compute; prints as a table. */
export class Summary {
  readonly total: LayerCost;

  /** @internal */
  constructor(
    readonly title: string,
    readonly layers: readonly LayerSummary[],
    private readonly drawing: { readonly nodes: readonly GraphNode[]; readonly edges: readonly GraphEdge[] },
  ) {
    const sum = (of: (layer: LayerSummary) => number) => layers.reduce((total, layer) => total + of(layer), 0);
    this.total = {
      parameters: sum(({ parameters }) => parameters),
      multiplyAdds: sum(({ multiplyAdds }) => multiplyAdds),
      bytes: {
        parameters: sum(({ bytes }) => bytes.parameters),
        activations: sum(({ bytes }) => bytes.activations),
        gradients: sum(({ bytes }) => bytes.gradients),
      },
    };
  }

  /** A row a layer, and the sums. */
  toString(): string {
    const { total } = this;
    const count = (n: number) => n.toLocaleString("en");
    const cells = this.layers.map((row) => [
      row.layer,
      row.description,
      row.shape.join(" × "),
      ...[row.size, row.parameters, row.multiplyAdds].map(count),
      kilobytes(row.bytes),
    ]);
    const sums = ["total", "", "", "", count(total.parameters), count(total.multiplyAdds), kilobytes(total.bytes)];
    const all = [["layer", "", "activation", "size", "parameters", "multiply-adds", "kB"], ...cells, sums];
    const widths = all[0].map((_, k) => Math.max(...all.map((row) => row[k].length)));
    const lines = all.map((row) =>
      row
        .map((cell, k) => (k < 3 ? cell.padEnd(widths[k]) : cell.padStart(widths[k])))
        .join("  ")
        .trimEnd(),
    );
    const { parameters, activations, gradients } = total.bytes;
    const parts = `${megabytes(parameters)} of parameters, ${megabytes(activations)} of activations, ${megabytes(gradients)} of gradients`;
    return [...lines, `${parts}, if nothing shared memory`].join("\n");
  }

  [inspect.custom](): string {
    return this.toString();
  }

  /** A drawing: layers, and the operations between them at which several meet. */
  get svg(): string {
    return graph(this.drawing.nodes, this.drawing.edges, { title: this.title });
  }

  /** A page in one file: the table and the drawing. */
  get html(): string {
    const rows = table(this.layers, [
      { title: "layer", value: ({ layer }) => layer },
      { title: "", value: ({ description }) => description },
      { title: "activation", value: ({ shape }) => shape.join("\u00a0×\u00a0") },
      { title: "size", value: ({ size }) => size },
      { title: "parameters", value: ({ parameters }) => parameters },
      { title: "multiply-adds", value: ({ multiplyAdds }) => multiplyAdds },
      { title: "kB", value: ({ bytes }) => sumOf(bytes) / 1000 },
    ]);
    const { parameters, multiplyAdds } = this.total;
    const caption = `${parameters.toLocaleString("en")} parameters, ${multiplyAdds.toLocaleString("en")} multiply-adds for one example`;
    return page(this.title, [
      { title: "Layers", body: rows },
      { title: "Graph", body: figure(this.svg, caption) },
    ]);
  }
}

const sumOf = ({ parameters, activations, gradients }: LayerCost["bytes"]): number => parameters + activations + gradients;
const kilobytes = (bytes: LayerCost["bytes"]): string => (sumOf(bytes) / 1000).toLocaleString("en", { maximumFractionDigits: 1 });
const megabytes = (bytes: number): string => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 2 })} MB`;

/** Multiply-adds of one node by the name of its op; all others have none. */
const multiplyAdds: Readonly<Record<string, (y: Tensor) => number>> = {
  conv2d: ({ shape, inputs: [, w] }) => sizeOf(shape) * sizeOf(w.shape.slice(0, 3)),
  conv2dInputGrad: ({ inputs: [gy, w] }) => sizeOf(gy.shape) * sizeOf(w.shape.slice(0, 3)),
  matmul: ({ shape, inputs: [a] }) => sizeOf(shape) * a.shape[a.shape.length - 1],
};

/** See {@link Module.summary}. */
export function summarize(model: AnyModule, input: Shape, options: SummaryOptions = {}): Summary {
  const { batch = 1, dtype, depth = Number.POSITIVE_INFINITY } = optionsOf("summary", options, ["batch", "dtype", "depth"]);
  for (const [name, value] of Object.entries({ batch, depth })) {
    if (value >= 1 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY)) continue;
    throw new ValueError(`summary: ${name} must be a whole number ≥ 1 but is ${value}`, { op: "summary", inputs: [value] });
  }
  const parameters = [...model.namedParameters().values()];
  const x = zeros([1, ...input], { dtype: dtype ?? parameters[0]?.dtype ?? "f32" });
  const { calls, owners, results } = traceExample(model, input, x, depth);
  const costs = costsOf(calls, owners, results);
  const known = new Set<Variable>();
  const layers = calls.flatMap((call, k): LayerSummary[] => {
    const { layer, module, result, isLeaf } = call;
    const own = module === null ? [] : ownParameters(module, isLeaf).filter((parameter) => !known.has(parameter) && known.add(parameter));
    if (!isLeaf && own.length === 0 && costs[k] === 0) return [];
    const bytes = (variables: readonly Variable[]) => variables.reduce((sum, v) => sum + sizeOf(v.shape) * bytesPerElement[v.dtype], 0);
    const size = result === null ? 0 : sizeOf(result.shape) / (result.shape[0] ?? 1);
    const held = result === null || call.isView || !isLeaf ? 0 : batch * size * bytesPerElement[result.dtype];
    const flows = result !== null && isFloat(result.dtype) && module !== null ? held : 0;
    return [
      {
        layer,
        description: module === null ? "" : module.describe(),
        shape: result?.shape.slice(1) ?? [],
        size,
        parameters: own.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
        multiplyAdds: costs[k],
        bytes: {
          parameters: bytes(own),
          activations: held,
          gradients: bytes(own.filter(({ trainable }) => trainable)) + flows,
        },
      },
    ];
  });
  const title = `${model.describe().split("(")[0]}, input ${format(input)}`;
  return new Summary(title, layers, draw(calls, owners, results, x, layers));
}

/** {@link trace}; if the model takes the input's own first axis for that of examples, the error says so. */
function traceExample(model: AnyModule, input: Shape, x: Tensor, depth: number) {
  try {
    return trace(model, x, depth);
  } catch (error) {
    if (!(error instanceof ShapeError) || input.length < 2) throw error;
    try {
      trace(model, zeros(input, { dtype: x.dtype }), depth);
    } catch {
      throw error;
    }
    throw new ShapeError(
      `summary(${format(input)}): expected the shape of one example, without the axis of examples; leave it out: ${format(input.slice(1))}`,
      {
        op: "summary",
        inputs: [input],
        cause: error,
      },
    );
  }
}

/** Parameters of a module, and of those beneath it that are not shown on their own. */
function ownParameters(module: AnyModule, isLeaf: boolean): Variable[] {
  const named = [...module.namedParameters()];
  if (isLeaf) return named.map(([, parameter]) => parameter);
  const beneath = new Set([...module.namedModules().values()].slice(1).flatMap((part) => part.parameters()));
  return named.map(([, parameter]) => parameter).filter((parameter) => !beneath.has(parameter));
}

/** Runs the model on `x` in evaluation, symbolically: calls in the order in which they begin, and which of them made each node. */
function trace(model: AnyModule, x: Tensor, depth: number) {
  const modules = [...model.namedModules()];
  const level = (path: string) => (path === "" ? 0 : path.split(".").length);
  const shown = modules.filter(([path]) => level(path) <= depth);
  const training = new Map(modules.map(([, module]) => [module, module.training]));
  const calls: Call[] = [{ layer: "input", module: null, isLeaf: true, result: x, isView: false }];
  const owners = new Map<Tensor, number>([[x, 0]]);
  const open: number[] = [];
  const times = new Map<string, number>();
  for (const [path, module] of shown) {
    const { forward } = module;
    const isLeaf = module.namedModules().size === 1 || level(path) === depth;
    module.forward = (...args: readonly unknown[]) => {
      // Within a layer that counts as one, all is that layer's.
      if (open.length > 0 && calls[open[open.length - 1]].isLeaf) return forward.apply(module, [...args]);
      const count = (times.get(path) ?? 0) + 1;
      times.set(path, count);
      const name = path === "" ? "(model)" : path;
      const call: Call = { layer: count === 1 ? name : `${name} (call ${count})`, module, isLeaf, result: null, isView: false };
      open.push(calls.push(call) - 1);
      try {
        const y = forward.apply(module, [...args]);
        if (y instanceof Tensor) Object.assign(call, { result: y, isView: args.includes(viewed(y, args)) });
        return y;
      } finally {
        open.pop();
      }
    };
  }
  try {
    model.eval();
    const watch = (made: Tensor) => {
      if (open.length > 0) owners.set(made, open[open.length - 1]);
    };
    const results: Tensor[] = [];
    collectTensors(
      withTrace(new Trace(), () => watchNodes(watch, () => model.forward(x))),
      results,
      () => {},
    );
    return { calls, owners, results };
  } finally {
    for (const [, module] of shown) delete (module as Partial<AnyModule>).forward; // the class's own shows again
    for (const [module, mode] of training) module.train(mode); // parents first
  }
}

/** What `y` shows the elements of, up to one of `args`. */
function viewed(y: Tensor, args: readonly unknown[]): Tensor {
  let base = y;
  while (!args.includes(base) && base.op.lowering.kind === "view" && base.inputs.length > 0) base = base.inputs[0];
  return base;
}

/** Multiply-adds of each call, without those of the calls within it. */
function costsOf(calls: readonly Call[], owners: ReadonlyMap<Tensor, number>, results: readonly Tensor[]): number[] {
  const costs = calls.map(() => 0);
  const add = (roots: readonly Tensor[], times: number, around: number) => {
    for (const y of topological(roots)) {
      const owner = owners.get(y) ?? around;
      if (y.op.lowering.kind === "loop") {
        const body = y.attrs.body as LoopBody;
        add(body.outputs, times * body.length, owner);
      }
      costs[owner] += times * (multiplyAdds[y.op.name]?.(y) ?? 0);
    }
  };
  add(results, 1, 0);
  return costs;
}

/** Letters of a description in a drawing. */
const longest = 44;

/** Layers as boxes, and between them the operations at which several of their results meet. */
function draw(
  calls: readonly Call[],
  owners: ReadonlyMap<Tensor, number>,
  results: readonly Tensor[],
  x: Tensor,
  layers: readonly LayerSummary[],
): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const rows = new Map(layers.map((row) => [row.layer, row]));
  const nodes: GraphNode[] = [];
  const edges = new Map<string, GraphEdge>();
  const boxes = new Map<number, number>(); // of calls
  const box = (call: number): number => {
    const found = boxes.get(call);
    if (found !== undefined) return found;
    const { layer, module, result } = calls[call];
    const { shape, parameters = 0 } = rows.get(layer) ?? { shape: result?.shape.slice(1) ?? [] };
    const facts = [shape.join(" × "), ...(parameters > 0 ? [`${parameters.toLocaleString("en")} parameters`] : [])];
    const text = module === null ? layer : module.describe();
    const name = module === null ? [] : [layer];
    boxes.set(
      call,
      nodes.push({
        lines: [text.length > longest ? `${text.slice(0, longest)}…` : text, [...name, ...facts].join(" · ")],
        kind: kindOf(text),
      }) - 1,
    );
    return nodes.length - 1;
  };
  const link = (from: number, to: number) => edges.set(`${from} ${to}`, [from, to]);
  // The box that a tensor comes from; null for constants and parameters.
  const origin = new Map<Tensor, number | null>([[x, box(0)]]);
  for (const y of topological(results)) {
    if (origin.has(y)) continue;
    const owner = owners.get(y);
    const from = [...new Set(y.inputs.flatMap((input) => origin.get(input) ?? []))];
    if (owner !== undefined && owner > 0 && calls[owner].isLeaf && from.length > 0) {
      const own = box(owner);
      for (const other of from) if (other !== own) link(other, own);
      origin.set(y, own);
    } else if (from.length > 1) {
      const meeting = nodes.push({ lines: [y.op.name] }) - 1;
      for (const other of from) link(other, meeting);
      origin.set(y, meeting);
    } else {
      origin.set(y, from[0] ?? null);
    }
  }
  return { nodes, edges: [...edges.values()] };
}

/** What boxes of one colour have in common: the kind of layer. */
function kindOf(text: string): string {
  const kinds = [/^Conv/, /Linear/, /Pool/, /Norm/, /^(input|Flatten|Identity|Dropout)/];
  return String(kinds.findIndex((kind) => kind.test(text)));
}
