/** Modules: networks and layers as classes. Their parameters are found by looking, and named by where they are found. */
import { inspect } from "node:util";
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { refuseWhileTracing } from "../graph/trace.js";
import { dependsOn, type Shape, type Tensor, Variable } from "../tensor/index.js";
import { assignState, readState, type StateDict, snapshot, writeState } from "./state.js";
import { type Summary, type SummaryOptions, summarize } from "./summary.js";

/** A module of any signature. */
export type AnyModule = Module<readonly unknown[], unknown>;

/** Variables and modules among an object's own properties, in arrays too, by path: `["blocks.0", block]`. */
function* parts(owner: object, prefix = ""): Generator<[path: string, part: Variable | AnyModule]> {
  for (const [key, value] of Object.entries(owner)) {
    const path = `${prefix}${key}`;
    if (value instanceof Variable || value instanceof Module) yield [path, value];
    else if (Array.isArray(value)) yield* parts(value, `${path}.`);
  }
}

/** A pattern with `*` (any characters, dots too) and `?` (one character). */
export function glob(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s");
}

const listedNames = 12;

/**
 * A network or a part of one. Subclasses keep variables and other modules in properties (or arrays in properties) and
 * compute in `forward`; a module that takes or gives something else than a tensor says so: `Module<[Tensor, Tensor], Pair>`.
 * @example class Block extends nn.Module { readonly fc = nn.linear(8, 8); forward(x: Tensor) { return this.fc.forward(x).add(x); } }
 */
export abstract class Module<Args extends readonly unknown[] = [x: Tensor], Result = Tensor> {
  // Private to the language, so that subclasses may use these names and reflection does not see them.
  #training = true;
  #path = "";

  abstract forward(...args: Args): Result;

  /** Whether the module is being trained; dropout and batch norm behave differently then. Compiled functions notice a change. */
  get training(): boolean {
    return dependsOn(() => this.#training);
  }

  /** Switches this module and all beneath it to training, or with `false` to evaluation. */
  train(mode = true): this {
    for (const module of this.namedModules().values()) module.#training = mode;
    return this;
  }

  /** Switches to evaluation: `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /** This module (named "") and all beneath it by path, parents first; one that occurs twice stands where it was met first. */
  namedModules(): Map<string, AnyModule> {
    const found = new Map<AnyModule, string>();
    const visit = (module: AnyModule, path: string) => {
      if (found.has(module)) return;
      found.set(module, path);
      if (path.length > module.#path.length) module.#path = path;
      for (const [name, part] of parts(module)) if (part instanceof Module) visit(part, path === "" ? name : `${path}.${name}`);
    };
    visit(this, "");
    return new Map([...found].map(([module, path]) => [path, module]));
  }

  /** Parameters by path, frozen ones included: `"1.main.0.weight"`. One that is shared stands where it was met first. */
  namedParameters(): Map<string, Variable> {
    return this.#namedVariables((variable) => !variable.isBuffer);
  }

  /** Variables that are no parameters, such as running averages, by path. */
  namedBuffers(): Map<string, Variable> {
    return this.#namedVariables((variable) => variable.isBuffer);
  }

  /** All parameters, frozen ones included, each once. */
  parameters(): Variable[] {
    return [...this.namedParameters().values()];
  }

  #namedVariables(wanted: (variable: Variable) => boolean): Map<string, Variable> {
    const found = new Map<Variable, string>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, part] of parts(module)) {
        if (part instanceof Variable && !found.has(part) && wanted(part)) found.set(part, path === "" ? name : `${path}.${name}`);
      }
    }
    for (const [variable, path] of found) if (variable.name === "") variable.name = path;
    return new Map([...found].map(([variable, path]) => [path, variable]));
  }

  /**
   * Keeps optimizers from changing the parameters whose names match, by default all: `model.freeze("0.*")`.
   * @throws ValueError if the pattern matches no name.
   */
  freeze(pattern?: string): this {
    return this.#setTrainable("freeze", pattern, false);
  }

  /** Takes back {@link freeze}. */
  unfreeze(pattern?: string): this {
    return this.#setTrainable("unfreeze", pattern, true);
  }

  #setTrainable(op: string, pattern: string | undefined, trainable: boolean): this {
    const parameters = [...this.namedParameters()];
    const wanted = pattern === undefined ? /^/ : glob(pattern);
    const matching = parameters.filter(([name]) => wanted.test(name));
    if (matching.length === 0 && pattern !== undefined) {
      const names = parameters.slice(0, listedNames).map(([name]) => `"${name}"`);
      if (parameters.length > listedNames) names.push(`${parameters.length - listedNames} more`);
      throw new ValueError(
        `${op}("${pattern}"): matches no parameter; there are ${names.length === 0 ? "none" : names.join(", ")}; * stands for any characters`,
        { op, inputs: [pattern] },
      );
    }
    for (const [, parameter] of matching) parameter.trainable = trainable;
    return this;
  }

  /** Copies of all values, of parameters and buffers, by path. */
  stateDict(): StateDict {
    refuseWhileTracing("stateDict");
    return snapshot(this.#state());
  }

  /**
   * Sets all values from those of {@link stateDict}, in one run. `strict: false` leaves alone what only one side has.
   * @throws ShapeError, DTypeError or ValueError listing all that is missing, unexpected or does not fit; the model is unchanged then.
   */
  loadStateDict(state: Readonly<StateDict>, options: { strict?: boolean } = {}): void {
    const { strict = true } = optionsOf("loadStateDict", options, ["strict"]);
    refuseWhileTracing("loadStateDict");
    assignState({ op: "loadStateDict" }, this.#state(), new Map(Object.entries(state)), strict);
  }

  #state(): Map<string, Variable> {
    return this.#namedVariables(() => true);
  }

  /**
   * What each layer gives and costs for inputs of a shape, which has no axis of examples: shapes, parameters, multiply-adds, bytes; as a table, as data
   * and as a drawing. The model is traced in evaluation, nothing is computed.
   * @example console.log(model.summary([32, 32, 3]))
   */
  summary(input: Shape, options?: SummaryOptions): Summary {
    return summarize(this, input, options);
  }

  /** Writes all values to a safetensors file, which appears whole or not at all. */
  async save(path: string): Promise<void> {
    await writeState(path, this.stateDict());
  }

  /**
   * Reads values from a safetensors file; half precisions are widened to f32. `strict: false` as in {@link loadStateDict}.
   * @throws FormatError, ShapeError or DTypeError naming file and tensors; the model is unchanged then.
   */
  async load(path: string, options: { strict?: boolean } = {}): Promise<void> {
    const { strict = true } = optionsOf("load", options, ["strict"]);
    const { state } = await readState(path);
    assignState({ op: "load", file: path }, this.#state(), state, strict);
  }

  /** The layer as it was asked for, `Linear(784, 128)`; how it prints. */
  describe(): string {
    return `${this.constructor.name}()`;
  }

  /** Description and, where a model has been looked through, path: `Linear(784, 128) "0"`. */
  toString(): string {
    return this.#path === "" ? this.describe() : `${this.describe()} "${this.#path}"`;
  }

  [inspect.custom](): string {
    const children = [...parts(this)].filter(([, part]) => part instanceof Module);
    if (children.length === 0) return this.describe();
    const lines = children.map(([name, child]) => `  (${name}): ${inspect(child).replaceAll("\n", "\n  ")}`);
    return [`${this.constructor.name}(`, ...lines, ")"].join("\n");
  }
}
