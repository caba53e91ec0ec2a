/** Attention: each position of a sequence takes in what it finds at others. */
import { isFloat } from "../base/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, sameShape } from "../base/shape.js";
import { checkProbability } from "../ops/dropout.js";
import { dropout as drop, type FloatDType, softmax, type Tensor, type Variable, variable, where, zeros } from "../tensor/index.js";
import { heUniform, xavierUniform } from "./init.js";
import { checkSize, checkTensor, showCall } from "./layer.js";
import { type Linear, linear } from "./linear.js";
import { Module } from "./module.js";

export interface MultiHeadAttentionOptions {
  /** Parts into which the features are split, each of which attends on its own; they divide the features. */
  heads: number;
  /** Whether all four projections have a bias. Default true. */
  bias?: boolean;
  /** Of the weights of the attention, in training. Default 0. */
  dropout?: number;
  /** Default f32. */
  dtype?: FloatDType;
}

const names = ["heads", "bias", "dropout", "dtype"] as const;

export interface AttendOptions {
  /**
   * Which positions (rows: of the query) may look at which (columns: of the key): bool, true where they may, of a shape that broadcasts
   * to [n, heads, t, s], such as [t, s]. A row without any gives NaN. Default: all.
   */
  mask?: Tensor;
}

/**
 * Multi-head attention: softmax(Q·Kᵀ / √(d / heads))·V in each head, with Q, K, V projections of query [n, t, d], key and value
 * [n, s, d], then projected → [n, t, d]. Parameters in PyTorch's packed form: `inProjWeight` [d, 3d], whose columns make Q, K and V one
 * after the other, and `inProjBias` [3d].
 */
export class MultiHeadAttention extends Module<[query: Tensor, key?: Tensor, value?: Tensor, options?: AttendOptions]> {
  readonly inProjWeight: Variable;
  readonly inProjBias: Variable | null;
  readonly outProj: Linear;

  constructor(
    readonly features: number,
    private readonly options: MultiHeadAttentionOptions,
  ) {
    super();
    const { heads, bias = true, dropout = 0, dtype = "f32" } = optionsOf("multiHeadAttention", options, names);
    checkSize("multiHeadAttention", "the number of features", features);
    checkSize("multiHeadAttention", "the number of heads", heads);
    checkProbability("multiHeadAttention", dropout);
    if (!isFloat(dtype)) throw new DTypeError(`multiHeadAttention: dtype must be f32 or f64 but is ${dtype}`, { op: "multiHeadAttention" });
    if (features % heads !== 0) {
      throw new ValueError(`multiHeadAttention: heads must divide the features, but ${heads} does not divide ${features}`, {
        op: "multiHeadAttention",
        inputs: [features, heads],
      });
    }
    this.inProjWeight = variable(xavierUniform()([features, 3 * features], { dtype }));
    this.inProjBias = bias ? variable(zeros([3 * features], { dtype })) : null;
    this.outProj = linear(features, features, { bias, dtype, init: heUniform({ slope: Math.sqrt(5) }) });
  }

  forward(query: Tensor, key: Tensor = query, value: Tensor = key, options: AttendOptions = {}): Tensor {
    const { mask } = optionsOf("multiHeadAttention", options, ["mask"]);
    this.check(query, key, value, mask);
    const { features, inProjBias } = this;
    const { heads, dropout = 0 } = this.options;
    /** Projections number `from` to `to` of x, each [n, heads, t, d / heads]. */
    const project = (x: Tensor, from: number, to: number): Tensor[] => {
      const [n, t] = x.shape;
      const columns = [features * from, features * to];
      const y = x.matmul(this.inProjWeight.value.slice([0, columns[0]], [features, columns[1]]));
      const shifted = inProjBias === null ? y : y.add(inProjBias.value.slice([columns[0]], [columns[1]]));
      const split = shifted.reshape([n, t, to - from, heads, features / heads]).permute([2, 0, 3, 1, 4]);
      return Array.from({ length: to - from }, (_, i) => split.at(i));
    };
    const [q, k, v] =
      query === key && key === value
        ? project(query, 0, 3)
        : key === value
          ? [...project(query, 0, 1), ...project(key, 1, 3)]
          : [...project(query, 0, 1), ...project(key, 1, 2), ...project(value, 2, 3)];
    const scores = q.mul(1 / Math.sqrt(features / heads)).matmul(k.permute([0, 1, 3, 2]));
    const weights = softmax(mask === undefined ? scores : where(mask, scores, -Infinity));
    const seen = (this.training && dropout > 0 ? drop(weights, dropout) : weights).matmul(v);
    return this.outProj.forward(seen.permute([0, 2, 1, 3]).reshape(query.shape));
  }

  private check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | undefined): void {
    const { features } = this;
    const { dtype } = this.inProjWeight;
    const inputs = { query, key, value };
    for (const x of Object.values(inputs)) checkTensor("multiHeadAttention", this, x);
    const call = `${this} (${Object.entries(inputs)
      .map(([name, x]) => `${name}: ${format(x.shape)}${x.dtype === "f32" ? "" : ` ${x.dtype}`}`)
      .join(", ")})`;
    const context = { op: "multiHeadAttention", inputs: [query.shape, key.shape, value.shape] };
    if (Object.values(inputs).some((x) => x.shape.length !== 3 || x.shape[2] !== features || x.shape[0] !== query.shape[0])) {
      throw new ShapeError(`${call}: expected sequences [n, t, ${features}] of as many examples each; one alone: x.expandDims(0)`, context);
    }
    if (!sameShape(key.shape, value.shape)) throw new ShapeError(`${call}: each position of the key needs one of the value`, context);
    if (Object.values(inputs).some((x) => x.dtype !== dtype)) {
      throw new DTypeError(`${call}: the layer is ${dtype}; cast the inputs: x.cast("${dtype}")`, context);
    }
    if (mask !== undefined && mask.dtype !== "bool") {
      throw new DTypeError(`${call}: the mask is ${mask.dtype} but must be bool, true where positions may look: mask.gt(0)`, context);
    }
  }

  override describe(): string {
    return showCall("MultiHeadAttention", [this.features], this.options);
  }
}

/**
 * Multi-head attention over `features`, of a sequence to itself: `layer.forward(x)`, or to another: `layer.forward(query, key, value,
 * { mask })`. Source: Vaswani et al. 2017, section 3.2.
 * @throws ValueError unless sizes are whole numbers ≥ 1 and `heads` divides `features`.
 * @example nn.multiHeadAttention(512, { heads: 8 }).forward(x, x, x, { mask: causal })
 */
export function multiHeadAttention(features: number, options: MultiHeadAttentionOptions): MultiHeadAttention {
  return new MultiHeadAttention(features, options);
}
