/** Modules one after the other. */
import { describe, ValueError } from "../base/errors.js";
import type { Tensor } from "../tensor/index.js";
import { Module } from "./module.js";

/** A chain of modules, each fed with what the one before it gives; `model[0]` is the first, and they can be iterated over. */
export class Sequential extends Module implements Iterable<Module> {
  readonly [index: number]: Module;

  constructor(...modules: readonly Module[]) {
    super();
    modules.forEach((module, i) => {
      if (module instanceof Module) return;
      const mend = typeof module === "function" ? "; did you forget to call it?" : "";
      throw new ValueError(`sequential: expected modules but argument ${i} is ${describe(module)}${mend}`, {
        op: "sequential",
        inputs: [i],
      });
    });
    Object.assign(this, modules);
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (const module of this) y = module.forward(y);
    return y;
  }

  get length(): number {
    return [...this].length;
  }

  *[Symbol.iterator](): Generator<Module, void, undefined> {
    for (let i = 0; this[i] !== undefined; i++) yield this[i];
  }
}

/** A chain of modules. @example nn.sequential(nn.linear(784, 128), nn.relu(), nn.linear(128, 10)) */
export function sequential(...modules: readonly Module[]): Sequential {
  return new Sequential(...modules);
}
