/**
 * Structural identity of graphs. Two graphs with equal signatures compile to the same program: same ops, attributes,
 * shapes, dtypes and wiring; what differs is only which data, variables and numbers stand at the sources.
 */
import { dtypes } from "../base/dtype.js";
import { sameShape } from "../base/shape.js";
import type { Source, Tensor } from "./tensor.js";
import { topological } from "./walk.js";

/** A variable's source and the value assigned to it at the end of the program. */
export interface Update {
  readonly target: Tensor;
  readonly value: Tensor;
}

/** A graph to compile: its nodes in order, the results wanted and the variables assigned. */
export interface Graph {
  readonly order: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly updates: readonly Update[];
}

export function graphOf(outputs: readonly Tensor[], updates: readonly Update[]): Graph {
  const roots = updates.length === 0 ? outputs : [...outputs, ...updates.flatMap(({ target, value }) => [target, value])];
  return { order: topological(roots), outputs, updates };
}

const opNumbers = new WeakMap<object, number>();
let opCount = 0;

function opNumber(op: object): number {
  const n = opNumbers.get(op);
  if (n !== undefined) return n;
  opNumbers.set(op, ++opCount);
  return opCount;
}

const mix = (hash: number, value: number): number => Math.imul(hash ^ value, 0x01000193);

function hashAttr(hash: number, value: unknown): number {
  if (typeof value === "number") return mix(mix(hash, value | 0), (value * 4096) | 0);
  if (typeof value === "string") {
    for (let i = 0; i < value.length; i++) hash = mix(hash, value.charCodeAt(i));
    return hash;
  }
  if (Array.isArray(value)) {
    hash = mix(hash, value.length);
    for (const entry of value) hash = hashAttr(hash, entry);
    return hash;
  }
  if (isStructured(value)) return mix(hash, value.hash);
  return mix(hash, value ? 1 : 2);
}

/** An attribute with an identity of its own: the body of a loop. */
interface Structured {
  readonly hash: number;
  sameAs(other: unknown): boolean;
}
const isStructured = (value: unknown): value is Structured => typeof value === "object" && value !== null && "sameAs" in value;

/** Arguments are told apart by number: the body of a loop is bound by it. */
const sourceTag = (source: Source | null): string | null =>
  source === null ? null : source.kind === "argument" ? `argument ${source.index}` : source.kind;

const sourceNumbers = { data: 1, variable: 2, argument: 3, uniform: 4 } as const;

/** Hash of the structure. `order` must be the last walk over these nodes, so that positions are valid. */
export function hashGraph({ order, outputs, updates }: Graph): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < order.length; i++) {
    const { op, shape, inputs, attrs, source, dtype } = order[i];
    hash = mix(hash, source === null ? opNumber(op) : -sourceNumbers[source.kind]);
    hash = mix(hash, dtypes.indexOf(dtype));
    for (let d = 0; d < shape.length; d++) hash = mix(hash, shape[d] | 0);
    for (let k = 0; k < inputs.length; k++) hash = mix(hash, inputs[k].position);
    for (const name in attrs) hash = hashAttr(hash, attrs[name]);
  }
  for (const { position } of outputs) hash = mix(hash, position);
  for (const { target, value } of updates) hash = mix(mix(hash, target.position), value.position);
  return hash;
}

/** The part of a node that its signature keeps; no reference to other nodes or data. */
interface Row {
  readonly op: object;
  readonly source: string | null;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly inputs: readonly number[];
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** What decides whether two graphs with the same hash are really the same. */
export class Signature {
  private readonly rows: readonly Row[];
  private readonly outputs: readonly number[];
  private readonly updates: readonly (readonly [number, number])[];

  constructor(graph: Graph) {
    this.rows = graph.order.map(({ op, source, dtype, shape, inputs, attrs }) => ({
      op,
      source: sourceTag(source),
      dtype,
      shape,
      inputs: inputs.map((x) => x.position),
      attrs,
    }));
    this.outputs = graph.outputs.map((x) => x.position);
    this.updates = graph.updates.map(({ target, value }) => [target.position, value.position]);
  }

  matches({ order, outputs, updates }: Graph): boolean {
    const { rows } = this;
    if (rows.length !== order.length || this.outputs.length !== outputs.length || this.updates.length !== updates.length) return false;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      const x = order[i];
      if (row.op !== x.op || row.dtype !== x.dtype || row.source !== sourceTag(x.source)) return false;
      if (row.inputs.length !== x.inputs.length || !sameShape(row.shape, x.shape)) return false;
      for (let k = 0; k < row.inputs.length; k++) if (row.inputs[k] !== x.inputs[k].position) return false;
      if (row.attrs !== x.attrs && !sameAttr(row.attrs, x.attrs)) return false;
    }
    return (
      outputs.every((x, i) => x.position === this.outputs[i]) &&
      updates.every(({ target, value }, i) => target.position === this.updates[i][0] && value.position === this.updates[i][1])
    );
  }
}

function sameAttr(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((entry, i) => sameAttr(entry, b[i]));
  if (isStructured(a)) return a.sameAs(b);
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => sameAttr((a as never)[name], (b as never)[name]));
}
