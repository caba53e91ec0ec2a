/**
 * What an activation function computes on its way forward and its gradient reads again (the sigmoid within SiLU, the two halves of GELU)
 * is computed again in the registers of its reader, where that takes nothing but what stands before the activation: only this is kept.
 *
 * And a chain of an array that is kept anyway (batch norm and ReLU before a pointwise or depthwise convolution) is computed by each of its
 * readers, if these are kernels that take prologues and elementwise steps: its result never lies in memory.
 */
import { bytesPerElement } from "../base/dtype.js";
import { sameShape, sizeOf } from "../base/shape.js";
import { isByChannel, isLink } from "./chains.js";
import { type Captured, isScalar, isTile, makesLittle, prologueOf, tileDType, type Value } from "./value.js";

/** Most values that are computed again for one; so far is looked for what they are made of. */
const maxLength = 24;

/** What has to be computed to have a value, the last comes itself, and the arrays that this reads. */
interface Recipe {
  readonly chain: ReadonlySet<Value>;
  readonly leaves: ReadonlySet<Value>;
}

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
  /** ... before it is written down. */
  const written = new Int32Array(values.length);
  /** ... before it can be computed. */
  const ready = new Int32Array(values.length);
  let kernels = 0;
  for (const value of values) {
    const isKernel = value.op.lowering.kind === "kernel";
    ready[value.id] = Math.max(0, ...value.inputs.map(({ window }) => ready[window.base.id]));
    written[value.id] = kernels;
    place[value.id] = isKernel && makesLittle(value) ? ready[value.id] : kernels;
    if (isKernel) ready[value.id] = place[value.id] + 1;
    if (isKernel) kernels++;
    if (!live.has(value) || value.window.base !== value) continue; // a view reads nothing itself
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
  /** Values that all who read them compute. */
  const folded = new Map<Value, Recipe>();
  /** Whether a value lies in memory at `at` whatever becomes of its elementwise readers. */
  const isThere = (value: Value, at: number): boolean =>
    value.source !== null ||
    roots.has(value) ||
    (!folded.has(value) && isReadAfter(value, at, (reader) => !isTile(value) || !mayCompute(reader)));

  const foldedRecipe = (value: Value): Recipe | null => {
    const size = sizeOf(value.shape);
    if (!live.has(value) || roots.has(value) || size < large) return null;
    const all = readers.get(value)!;
    const isByAll = all.every((reader) =>
      isTile(reader)
        ? sameShape(reader.shape, value.shape) &&
          tileDType(reader) === tileDType(value) &&
          reader.inputs.every((x) => x === value || x.window.base !== value)
        : prologueOf(reader) === value,
    );
    const last = Math.max(...all.map(({ id }) => place[id]));
    if (!isByAll || all.every(isTile) || last === place[value.id]) return null;
    const chain = new Set<Value>();
    const leaves = new Set<Value>();
    const follow = (one: Value, depth = 0) => {
      for (const input of one.inputs) {
        const isAlike = sameShape(input.shape, value.shape) && tileDType(input) === tileDType(value);
        if (input === input.window.base && isAlike && depth < maxLength && isLink(input) && !isThere(input, last)) follow(input, depth + 1);
        else if (!isByChannel(input, value.shape)) leaves.add(input.window.base);
      }
      chain.add(one);
    };
    if (!isLink(value)) return null;
    follow(value);
    const [leaf, ...more] = leaves;
    if (leaf === undefined || more.length > 0 || leaf.dtype !== value.dtype || isTile(leaf)) return null;
    return leaf.source !== null || isReadAfter(leaf, last, (reader) => !chain.has(reader)) ? { chain, leaves } : null;
  };

  const recipes = new Map<string, Recipe | null>();
  const recipeOf = (value: Value, at: number, depth = 0): Recipe | null => {
    const known = folded.get(value);
    if (known !== undefined) return known;
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

  for (const value of values) {
    const recipe = isTile(value) ? foldedRecipe(value) : null;
    if (recipe !== null) folded.set(value, recipe);
  }

  /** Whether what is elementwise of nothing but folded values, or of what is so, waits for its first reader: it would lie in memory until then. */
  const waits = new Set<Value>();
  for (const value of values) {
    if (!isTile(value) || !live.has(value) || roots.has(value) || place[value.id] <= written[value.id]) continue;
    const arrays = value.inputs.filter((x) => !isByChannel(x, value.shape));
    if (arrays.length > 0 && arrays.every((x) => folded.has(x) || waits.has(x))) waits.add(value);
  }

  const list: Value[] = [];
  const twins = new Map<Value, Value>();
  const twinOf = (value: Value): Value => twins.get(value) ?? make(value);
  const push = (value: Value, inputs: readonly Value[], base?: Value): Value => {
    const twin = { ...value, id: list.length, inputs } as { -readonly [K in keyof Value]: Value[K] };
    twin.window = { ...value.window, base: value.window.base === value ? twin : (base ?? twinOf(value.window.base)) };
    list.push(twin);
    return twin;
  };
  /** A chain made again, but for what has been `made` of it. */
  const makeAgain = (chain: ReadonlySet<Value>, made: Map<Value, Value>) => {
    for (const one of chain) {
      const inputs = one.inputs.map((x) => made.get(x) ?? twinOf(x));
      if (!made.has(one)) made.set(one, push(one, inputs));
    }
  };
  /** What has been made again, by place. */
  const again = new Map<number, Map<Value, Value>>();
  /** An input of an elementwise value: as it is, or made again. */
  const inputOf = (value: Value, input: Value): Value => {
    const at = place[value.id];
    const isFar = isTile(input) && place[input.id] < at && sizeOf(input.shape) >= large && !isThere(input, at);
    if (!isFar || !sameShape(input.shape, value.shape) || tileDType(input) !== tileDType(value)) return twinOf(input);
    // What is read at several times is cheaper to keep.
    if (!folded.has(input) && isReadAfter(input, place[input.id] + 1, (reader) => place[reader.id] !== at)) return twinOf(input);
    const recipe = recipeOf(input, at);
    if (recipe === null) return twinOf(input);
    const more = [...recipe.leaves].filter((leaf) => !isReadAfter(leaf, at, (reader) => place[reader.id] === at));
    const bytes = more.reduce((sum, { dtype }) => sum + bytesPerElement[dtype], 0);
    if (bytes > bytesPerElement[input.dtype]) return twinOf(input);
    const made = again.get(at) ?? new Map<Value, Value>();
    again.set(at, made);
    makeAgain(recipe.chain, made);
    return made.get(input)!;
  };
  /** The first input of a kernel that computes it by a chain of its own. */
  const ownInput = (input: Value): Value => {
    const { base } = input.window;
    const recipe = folded.get(base);
    if (recipe === undefined) return twinOf(input);
    const made = new Map<Value, Value>();
    makeAgain(recipe.chain, made);
    const twin = made.get(base)!;
    return input === base ? twin : push(input, [twin], twin);
  };
  const make = (value: Value): Value => {
    const isReader = live.has(value) && isTile(value);
    const isComputing = live.has(value) && prologueOf(value) !== null;
    const inputs = value.inputs.map((input, k) =>
      isReader ? inputOf(value, input) : isComputing && k === 0 ? ownInput(input) : twinOf(input),
    );
    const twin = push(value, inputs);
    twins.set(value, twin);
    return twin;
  };
  for (const value of values) if (!waits.has(value)) twinOf(value);
  return {
    values: list,
    outputs: outputs.map(twinOf),
    updates: updates.map(({ target, value }) => ({ target: twinOf(target), value: twinOf(value) })),
  };
}
