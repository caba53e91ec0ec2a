/** The convolutional layer over images [n, h, w, c]. */
import { ValueError } from "../base/errors.js";
import { checkWindow, wholePair } from "../ops/conv.js";
import { type Conv2dOptions, conv2d as convolve, type Pair, type Tensor, type Variable } from "../tensor/index.js";
import { checkInput, checkSize, showCall, type WeightOptions, weightAndBias } from "./layer.js";
import { Module } from "./module.js";

export interface Conv2dLayerOptions extends WeightOptions, Conv2dOptions {
  /** Size of the filters: one number, or rows and columns. */
  kernel: Pair;
}

/** Cross-correlation and bias. x: [n, h, w, in] → [n, h', w', out]; weight: [r, s, in / groups, out], bias: [out]. */
export class Conv2d extends Module {
  readonly weight: Variable;
  readonly bias: Variable | null;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    private readonly options: Conv2dLayerOptions,
  ) {
    super();
    const { kernel, stride = 1, padding = "valid", dilation = 1, groups = 1 } = options ?? {};
    checkSize("conv2d", "the number of input channels", inChannels);
    checkSize("conv2d", "the number of output channels", outChannels);
    checkSize("conv2d", "groups", groups);
    const size = wholePair("conv2d", "kernel", kernel, 1);
    checkWindow("conv2d", { stride, padding, dilation });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ValueError(`conv2d: groups must divide the channels, but ${groups} does not divide ${inChannels} and ${outChannels}`, {
        op: "conv2d",
        inputs: [inChannels, outChannels, groups],
      });
    }
    const { weight, bias } = weightAndBias("conv2d", [...size, inChannels / groups, outChannels], options);
    this.weight = weight;
    this.bias = bias;
  }

  forward(x: Tensor): Tensor {
    checkInput("conv2d", this, x, this.weight.dtype, this.misfit(x));
    const y = convolve(x, this.weight, this.options);
    return this.bias === null ? y : y.add(this.bias);
  }

  private misfit({ shape }: Tensor): string | null {
    if (shape.length === 4 && shape[3] === this.inChannels) return null;
    const mend =
      shape.length === 3 && shape[2] === this.inChannels
        ? "a single image needs a batch axis: x.expandDims(0)"
        : shape.length === 3 && this.inChannels === 1
          ? "grey images need a channel axis: x.expandDims(3)"
          : shape.length === 4 && shape[1] === this.inChannels
            ? "channels come last: x.permute([0, 2, 3, 1])"
            : `did the layer before this one produce ${this.inChannels} channels?`;
    return `expected images [n, h, w, ${this.inChannels}]; ${mend}`;
  }

  override describe(): string {
    return showCall("Conv2d", [this.inChannels, this.outChannels], this.options);
  }
}

/**
 * A convolutional layer. x: [n, h, w, in] → [n, h', w', out].
 * @throws ValueError unless sizes are whole numbers ≥ 1 and `groups` divides both numbers of channels.
 */
export function conv2d(inChannels: number, outChannels: number, options: Conv2dLayerOptions): Conv2d {
  return new Conv2d(inChannels, outChannels, options);
}
