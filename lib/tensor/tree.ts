/** Nested objects and arrays of tensors, as functions take and return them: taken apart and put together again. */
import { Tensor } from "../graph/tensor.js";
import { Variable } from "../graph/variable.js";

type Leaf = (value: unknown) => unknown;

/** The same structure with every leaf mapped. Arrays and plain objects are branches, everything else is a leaf. */
export function mapTree(tree: unknown, leaf: Leaf): unknown {
  if (Array.isArray(tree)) return tree.map((entry) => mapTree(entry, leaf));
  if (isPlain(tree)) return Object.fromEntries(Object.entries(tree).map(([name, entry]) => [name, mapTree(entry, leaf)]));
  return leaf(tree);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || value instanceof Tensor || value instanceof Variable) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** All tensors of a structure, in order; `describe` gets every leaf and branch, so that callers can tell structures apart. */
export function collectTensors(tree: unknown, into: Tensor[], describe: (text: string) => void): void {
  if (tree instanceof Tensor) {
    into.push(tree);
    describe(`${tree.dtype}[${tree.shape.join()}]`);
  } else if (Array.isArray(tree)) {
    describe("(");
    for (const entry of tree) collectTensors(entry, into, describe);
    describe(")");
  } else if (isPlain(tree)) {
    describe("{");
    for (const name in tree) {
      describe(`${name}:`);
      collectTensors(tree[name], into, describe);
    }
    describe("}");
  } else {
    describe(typeof tree === "object" && tree !== null ? `object ${identity(tree)}` : `${typeof tree} ${String(tree)};`);
  }
}

const identities = new WeakMap<object, number>();
let identityCount = 0;

/** A number that stays with an object: functions that are given another object are traced again. */
function identity(value: object): number {
  const number = identities.get(value);
  if (number !== undefined) return number;
  identities.set(value, ++identityCount);
  return identityCount;
}
