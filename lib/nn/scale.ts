/** Layers that learn how much each channel counts: squeeze-and-excitation, layer scale. */
import { optionsOf } from "../base/options.js";
import { type FloatDType, full, mean, type Tensor, type Variable, variable } from "../tensor/index.js";
import { relu, sigmoid } from "./activations.js";
import { checkInput, checkSize, showCall, type WeightOptions, weightNames } from "./layer.js";
import { type Linear, linear } from "./linear.js";
import { Module } from "./module.js";

export interface SqueezeExcitationOptions extends WeightOptions {
  /** Between the two linear layers. Default `nn.relu()`; EfficientNet has `nn.silu()`. */
  activation?: Module;
  /** What brings the factors into 0 … 1. Default `nn.sigmoid()`; MobileNet v3 has `nn.hardSigmoid()`. */
  scale?: Module;
}

/**
 * x times a factor for each channel, which is learnt from the means of all channels: scale(fc2(activation(fc1(mean x)))).
 * x: [n, …, c] → the same. Source: Hu et al. 2018.
 */
export class SqueezeExcitation extends Module {
  readonly fc1: Linear;
  readonly activation: Module;
  readonly fc2: Linear;
  readonly scale: Module;

  constructor(
    readonly channels: number,
    readonly squeezed: number,
    options: SqueezeExcitationOptions = {},
  ) {
    super();
    const names = ["activation", "scale", ...weightNames] as const;
    const { activation = relu(), scale = sigmoid(), ...weights } = optionsOf("squeezeExcitation", options, names);
    checkSize("squeezeExcitation", "the number of channels", channels);
    checkSize("squeezeExcitation", "the number of squeezed channels", squeezed);
    this.fc1 = linear(channels, squeezed, weights);
    this.activation = activation;
    this.fc2 = linear(squeezed, channels, weights);
    this.scale = scale;
  }

  forward(x: Tensor): Tensor {
    const { channels, fc1, activation, fc2, scale } = this;
    checkInput("squeezeExcitation", this, x, fc1.weight.dtype, (shape) =>
      shape.length > 2 && shape.at(-1) === channels ? null : `expected images [n, …, ${channels}]`,
    );
    const between = x.shape.slice(1, -1);
    const squeezed = mean(x, { axis: between.map((_, i) => 1 + i) });
    const factors = scale.forward(fc2.forward(activation.forward(fc1.forward(squeezed))));
    return x.mul(factors.reshape([x.shape[0], ...between.map(() => 1), channels]));
  }

  override describe(): string {
    return showCall("SqueezeExcitation", [this.channels, this.squeezed]);
  }
}

/** {@link SqueezeExcitation} of `channels`, squeezed to `squeezed` in between. @throws ValueError unless both are whole numbers ≥ 1. */
export function squeezeExcitation(channels: number, squeezed: number, options?: SqueezeExcitationOptions): SqueezeExcitation {
  return new SqueezeExcitation(channels, squeezed, options);
}

export interface LayerScaleOptions {
  /** Initial factor. Default 1e-6, as in ConvNeXt. */
  initial?: number;
  /** Default f32. */
  dtype?: FloatDType;
}

/** x · weight, a learnt factor for each channel. x: [..., c] → the same; weight: [c]. Source: Touvron et al. 2021. */
export class LayerScale extends Module {
  readonly weight: Variable;

  constructor(
    readonly channels: number,
    options: LayerScaleOptions = {},
  ) {
    super();
    const { initial = 1e-6, dtype = "f32" } = optionsOf("layerScale", options, ["initial", "dtype"]);
    checkSize("layerScale", "the number of channels", channels);
    this.weight = variable(full([channels], initial, { dtype }));
  }

  forward(x: Tensor): Tensor {
    checkInput("layerScale", this, x, this.weight.dtype, (shape) =>
      shape.at(-1) === this.channels ? null : `expected ${this.channels} channels on the last axis`,
    );
    return x.mul(this.weight);
  }

  override describe(): string {
    return showCall("LayerScale", [this.channels]);
  }
}

/** {@link LayerScale} of `channels`. @throws ValueError unless `channels` is a whole number ≥ 1. */
export function layerScale(channels: number, options?: LayerScaleOptions): LayerScale {
  return new LayerScale(channels, options);
}
