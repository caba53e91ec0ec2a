/** Vectors looked up by number. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { asTensor } from "../ops/convert.js";
import { arange, type FloatDType, gather, type Tensor, type Variable, variable, where } from "../tensor/index.js";
import { type Initializer, normal } from "./init.js";
import { checkSize, showCall } from "./layer.js";
import { Module } from "./module.js";

export interface EmbeddingOptions {
  /** The number that stands for nothing: its vector starts at 0 and is not trained. Default none. */
  paddingIndex?: number;
  /** Default: normal, variance 1. */
  init?: Initializer;
  /** Default f32. */
  dtype?: FloatDType;
}

/**
 * A table of learnt vectors. index: any shape, i32 → [...index shape, size]; weight: [count, size]. The gradient touches the rows that
 * were looked up. An index outside 0 … count − 1 makes the run fail with an IndexError.
 */
export class Embedding extends Module<[index: Tensor]> {
  readonly weight: Variable;

  constructor(
    readonly count: number,
    readonly size: number,
    private readonly options: EmbeddingOptions = {},
  ) {
    super();
    checkSize("embedding", "the number of vectors", count);
    checkSize("embedding", "the size of vectors", size);
    const { paddingIndex, init = normal(), dtype = "f32" } = optionsOf("embedding", options, ["paddingIndex", "init", "dtype"]);
    const weight = init([count, size], { dtype });
    if (paddingIndex === undefined) {
      this.weight = variable(weight);
      return;
    }
    if (!Number.isInteger(paddingIndex) || paddingIndex < 0 || paddingIndex >= count) {
      throw new ValueError(`embedding: paddingIndex must be a whole number from 0 to ${count - 1} but is ${paddingIndex}`, {
        op: "embedding",
        inputs: [paddingIndex, count],
      });
    }
    this.weight = variable(where(arange(count).eq(paddingIndex).expandDims(1), 0, weight));
  }

  forward(index: Tensor): Tensor {
    const vectors = gather(this.weight, index);
    const { paddingIndex } = this.options;
    if (paddingIndex === undefined) return vectors;
    return where(asTensor("embedding", index).eq(paddingIndex).expandDims(-1), vectors.stopGradient(), vectors);
  }

  override describe(): string {
    return showCall("Embedding", [this.count, this.size], this.options);
  }
}

/** A table of `count` learnt vectors. index: any shape, i32 → [...index shape, size]. */
export function embedding(count: number, size: number, options?: EmbeddingOptions): Embedding {
  return new Embedding(count, size, options);
}
