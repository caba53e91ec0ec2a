/** The dense layer. */
import { optionsOf } from "../base/options.js";
import { type Shape, sizeOf } from "../base/shape.js";
import { matmul, type Tensor, type Variable } from "../tensor/index.js";
import { checkInput, checkSize, showCall, type WeightOptions, weightAndBias, weightNames } from "./layer.js";
import { Module } from "./module.js";

/** y = x·w + b.  x: [..., in] → [..., out]; weight: [in, out], bias: [out]. */
export class Linear extends Module {
  readonly weight: Variable;
  readonly bias: Variable | null;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    private readonly options: WeightOptions = {},
  ) {
    super();
    optionsOf("linear", options, weightNames);
    checkSize("linear", "the number of input features", inFeatures);
    checkSize("linear", "the number of output features", outFeatures);
    const { weight, bias } = weightAndBias("linear", [inFeatures, outFeatures], options);
    this.weight = weight;
    this.bias = bias;
  }

  forward(x: Tensor): Tensor {
    checkInput("linear", this, x, this.weight.dtype, (shape) => this.misfit(shape));
    const y = matmul(x, this.weight);
    return this.bias === null ? y : y.add(this.bias);
  }

  private misfit(shape: Shape): string | null {
    const features = shape.at(-1);
    if (features === this.inFeatures) return null;
    const found = features === undefined ? "a scalar has no axes" : `the last axis has ${features}`;
    const mend =
      shape.length > 2 && sizeOf(shape.slice(1)) === this.inFeatures
        ? "flatten the input first: nn.flatten()"
        : `did the layer before this one produce ${this.inFeatures} features?`;
    return `expected ${this.inFeatures} features but ${found}; ${mend}`;
  }

  override describe(): string {
    return showCall("Linear", [this.inFeatures, this.outFeatures], this.options);
  }
}

/** A dense layer. x: [..., in] → [..., out]. @throws ValueError unless the sizes are whole numbers ≥ 1. */
export function linear(inFeatures: number, outFeatures: number, options?: WeightOptions): Linear {
  return new Linear(inFeatures, outFeatures, options);
}
