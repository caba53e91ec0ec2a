/** Layers that are one function of their input, and those of them that only rearrange. */
import type { Shape, Tensor } from "../tensor/index.js";
import * as ops from "../tensor/index.js";
import { showCall } from "./layer.js";
import { Module } from "./module.js";

/** One function of its input, under a name. */
export class Stateless extends Module {
  readonly #text: string;
  readonly #apply: (x: Tensor) => Tensor;

  constructor(text: string, apply: (x: Tensor) => Tensor) {
    super();
    this.#text = text;
    this.#apply = apply;
  }

  forward(x: Tensor): Tensor {
    return this.#apply(x);
  }

  override describe(): string {
    return this.#text;
  }
}

/** x itself. */
export const identity = (): Module => new Stateless("Identity()", (x) => x);
/** All axes after the first joined: [n, h, w, c] → [n, h·w·c]. */
export const flatten = (): Module => new Stateless("Flatten()", (x) => ops.flatten(x));
/** The features of each example in another shape, one of whose dimensions may be −1: [n, …] → [n, ...shape]. */
export const unflatten = (shape: Shape): Module =>
  new Stateless(showCall("Unflatten", [shape]), (x) => ops.reshape(x, [x.shape[0], ...shape]));
