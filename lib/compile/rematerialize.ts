/**
 * What an activation function computes on its way forward and its gradient reads again (the sigmoid within SiLU, the two halves of GELU)
 * is computed again in the registers of its reader, where that takes nothing but what stands before the activation: only this is kept.
 */
import { bytesPerElement } from "../base/dtype.js";
import { sameShape, sizeOf } from "../base/shape.js";
import { type Captured, isScalar, tileDType, type Value } from "./value.js";

/** Most values that are computed again for one; so far is looked for what they are made of. */
const maxLength = 24;

/** What has to be computed to have a value, the last comes itself, and the arrays that this reads. */
interface Recipe {
  readonly chain: ReadonlySet<Value>;
  readonly leaves: ReadonlySet<Value>;
}

const isTile = ({ op }: Value): boolean => op.lowering.kind === "tile";
/** Whether the step that reads a tile's value may compute it as well. */
const mayCompute = ({ op: { lowering } }: Value): boolean =>
  lowering.kind === "tile" || (lowering.kind === "kernel" && lowering.prologue === true);

/** The values that results and updates need. */
function liveValues({ values }: Captured, roots: Iterable<Value>): Set<Value> {
  const live = new Set(roots);
  for (const value of values.toReversed()) if (live.has(value)) for (const input of value.inputs) live.add(input).add(input.window.base);
  return live;
}

/** The same computation, with such values of at least `large` elements made once more where they are read. */
export function rematerialize(captured: Captured, large: number): Captured {
  const { values, outputs, updates } = captured;
  const results = [...outputs, ...updates.map(({ value }) => value)];
  const roots = new Set(results.map(({ window }) => window.base));
  const live = liveValues(captured, [...results, ...roots]);
  const readers = new Map<Value, Value[]>();
  /** How many kernels come before a value is needed: between those with the same number there is nothing but elementwise work. */
  const place = new Int32Array(values.length);
  let kernels = 0;
  for (const value of values) {
    place[value.id] = kernels;
    if (value.op.lowering.kind === "kernel") kernels++;
    if (!live.has(value)) continue;
    for (const { window } of value.inputs) {
      const known = readers.get(window.base);
      if (known === undefined) readers.set(window.base, [value]);
      else known.push(value);
    }
  }
  for (const value of values.toReversed()) {
    if (!isTile(value) || !live.has(value) || roots.has(value)) continue;
    place[value.id] = Math.min(...readers.get(value)!.map(({ id }) => place[id]));
  }

  const isReadAfter = (value: Value, at: number, by: (reader: Value) => boolean): boolean =>
    readers.get(value)!.some((reader) => place[reader.id] >= at && by(reader));
  /** Whether a value lies in memory at `at` whatever becomes of its elementwise readers. */
  const isThere = (value: Value, at: number): boolean =>
    value.source !== null || roots.has(value) || isReadAfter(value, at, (reader) => !isTile(value) || !mayCompute(reader));

  const recipes = new Map<string, Recipe | null>();
  const recipeOf = (value: Value, at: number, depth = 0): Recipe | null => {
    const key = `${value.id} ${at}`;
    if (depth < maxLength && !recipes.has(key)) recipes.set(key, newRecipe(value, at, depth));
    return recipes.get(key) ?? null;
  };
  const newRecipe = (value: Value, at: number, depth: number): Recipe | null => {
    const chain = new Set<Value>();
    const leaves = new Set<Value>();
    for (const input of value.inputs) {
      if (isScalar(input.window.base)) continue;
      if (input !== input.window.base || !sameShape(input.shape, value.shape)) return null;
      const isKept = isThere(input, at);
      const recipe = !isKept && isTile(input) && tileDType(input) === tileDType(value) ? recipeOf(input, at, depth + 1) : null;
      if (recipe !== null) {
        for (const one of recipe.chain) chain.add(one);
        for (const leaf of recipe.leaves) leaves.add(leaf);
      } else if (isKept || isReadAfter(input, at, () => true)) leaves.add(input);
      else return null;
    }
    return chain.add(value).size > maxLength ? null : { chain, leaves };
  };

  const list: Value[] = [];
  const twins = new Map<Value, Value>();
  const push = (value: Value, inputs: readonly Value[]): Value => {
    const twin = { ...value, id: list.length, inputs } as { -readonly [K in keyof Value]: Value[K] };
    twin.window = { ...value.window, base: value.window.base === value ? twin : twins.get(value.window.base)! };
    list.push(twin);
    return twin;
  };
  /** What has been made again, by place. */
  const again = new Map<number, Map<Value, Value>>();
  const inputOf = (value: Value, input: Value): Value => {
    const at = place[value.id];
    const twin = twins.get(input)!;
    const isFar = isTile(input) && place[input.id] < at && sizeOf(input.shape) >= large && !isThere(input, at);
    if (!isFar || !sameShape(input.shape, value.shape) || tileDType(input) !== tileDType(value)) return twin;
    // What is read at several times is cheaper to keep.
    if (isReadAfter(input, place[input.id] + 1, (reader) => place[reader.id] !== at)) return twin;
    const recipe = recipeOf(input, at);
    if (recipe === null) return twin;
    const more = [...recipe.leaves].filter((leaf) => !isReadAfter(leaf, at, (reader) => place[reader.id] === at));
    const bytes = more.reduce((sum, { dtype }) => sum + bytesPerElement[dtype], 0);
    if (bytes > bytesPerElement[input.dtype]) return twin;
    const made = again.get(at) ?? new Map<Value, Value>();
    again.set(at, made);
    for (const one of recipe.chain) {
      const inputs = one.inputs.map((x) => made.get(x) ?? twins.get(x)!);
      if (!made.has(one)) made.set(one, push(one, inputs));
    }
    return made.get(input)!;
  };
  for (const value of values) {
    const isReader = live.has(value) && isTile(value);
    const inputs = value.inputs.map((input) => (isReader ? inputOf(value, input) : twins.get(input)!));
    twins.set(value, push(value, inputs));
  }
  return {
    values: list,
    outputs: outputs.map((value) => twins.get(value)!),
    updates: updates.map(({ target, value }) => ({ target: twins.get(target)!, value: twins.get(value)! })),
  };
}
