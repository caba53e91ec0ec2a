/** The layer of two inputs that multiplies both. */
import { optionsOf } from "../base/options.js";
import type { Tensor, Variable } from "../tensor/index.js";
import { checkInput, checkSize, showCall, type WeightOptions, weightAndBias, weightNames } from "./layer.js";
import { Module } from "./module.js";

/** y_o = aᵀ·W_o·b + bias_o.  a: [..., m], b: [..., n] → [..., out]; weight: [m, n, out], bias: [out]. */
export class Bilinear extends Module<[a: Tensor, b: Tensor]> {
  readonly weight: Variable;
  readonly bias: Variable | null;

  constructor(
    readonly aFeatures: number,
    readonly bFeatures: number,
    readonly outFeatures: number,
    private readonly options: WeightOptions = {},
  ) {
    super();
    optionsOf("bilinear", options, weightNames);
    for (const size of [aFeatures, bFeatures, outFeatures]) checkSize("bilinear", "a number of features", size);
    const { weight, bias } = weightAndBias("bilinear", [aFeatures, bFeatures, outFeatures], options, { fanIn: aFeatures });
    this.weight = weight;
    this.bias = bias;
  }

  forward(a: Tensor, b: Tensor): Tensor {
    const { aFeatures: m, bFeatures: n, outFeatures: out } = this;
    for (const [x, features] of [[a, m] as const, [b, n] as const]) {
      checkInput("bilinear", this, x, this.weight.dtype, (shape) =>
        shape.at(-1) === features ? null : `expected ${features} features on the last axis`,
      );
    }
    const rows = a.matmul(this.weight.value.reshape([m, n * out])); // [..., n · out]
    const y = rows
      .reshape([...a.shape.slice(0, -1), n, out])
      .mul(b.expandDims(-1))
      .sum({ axis: -2 });
    return this.bias === null ? y : y.add(this.bias);
  }

  override describe(): string {
    return showCall("Bilinear", [this.aFeatures, this.bFeatures, this.outFeatures], this.options);
  }
}

/** A layer of two inputs. a: [..., m], b: [..., n] → [..., out]; the weight is uniform in ±1 / √m at first, as in PyTorch. */
export function bilinear(aFeatures: number, bFeatures: number, outFeatures: number, options?: WeightOptions): Bilinear {
  return new Bilinear(aFeatures, bFeatures, outFeatures, options);
}
