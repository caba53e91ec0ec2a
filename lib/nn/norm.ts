/** Layers that bring their input to mean 0 and variance 1: over the batch, or over parts of each example. Channels come last. */
import { isFloat } from "../base/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, type Shape, sameShape, sizeOf } from "../base/shape.js";
import { checkEps, standardizing } from "../ops/norm.js";
import * as ops from "../tensor/index.js";
import { assignAll, type FloatDType, type Tensor, type Variable, variable } from "../tensor/index.js";
import { checkInput, checkSize, showCall } from "./layer.js";
import { Module } from "./module.js";

export interface NormLayerOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether to learn a factor and an offset. Default true. */
  affine?: boolean;
  /** Default f32. */
  dtype?: FloatDType;
}

export interface BatchNormOptions extends NormLayerOptions {
  /** Weight of the new batch in the running averages. Default 0.1. */
  momentum?: number;
  /** Whether to keep running averages, by which examples are standardised in evaluation. Default true. */
  trackRunningStats?: boolean;
}

export interface LayerNormOptions extends NormLayerOptions {
  /** Whether to learn an offset beside the factor. Default true. */
  bias?: boolean;
}

const names = ["eps", "affine", "dtype"] as const;

/** Throws unless eps ≥ 0 and dtype is floating. */
function checkValues(op: string, { eps = 1e-5, dtype = "f32" }: NormLayerOptions): void {
  checkEps(op, eps);
  if (!isFloat(dtype)) throw new DTypeError(`${op}: dtype must be f32 or f64 but is ${dtype}`, { op, inputs: [dtype] });
}

/** A factor that starts at 1 and an offset that starts at 0. */
function weightAndOffset(shape: Shape, { affine = true, bias = true, dtype = "f32" }: LayerNormOptions) {
  return {
    weight: affine ? variable(ops.ones(shape, { dtype })) : null,
    bias: affine && bias ? variable(ops.zeros(shape, { dtype })) : null,
  };
}

/** What is wrong with an input that should be [n, …, channels], or null. */
function misfit(shape: Shape, channels: number, rank = 2): string | null {
  if (shape.length >= rank && shape.at(-1) === channels) return null;
  const expected = rank === 2 ? `[n, …, ${channels}]` : `[n, w, ${channels}] or more axes`;
  const mend =
    shape.length > 2 && shape[1] === channels
      ? `channels come last: x.permute(${format([0, ...shape.map((_, i) => i).slice(2), 1])})`
      : `did the layer before this one produce ${channels} channels?`;
  return `expected ${expected}; ${mend}`;
}

/**
 * Batch normalisation over all axes but the last: (x − μ) / √(σ² + eps) · weight + bias, channel by channel.
 *
 * In training μ and σ² are the batch's, and the running averages move towards them with every step (σ² estimated without bias there);
 * in evaluation the running averages stand for them, and an example's result depends on no other. The mean of the output is
 * `bias`, whatever a bias of the layer before may be: leave that out.
 */
export class BatchNorm extends Module {
  readonly weight: Variable | null;
  readonly bias: Variable | null;
  readonly runningMean: Variable | null;
  readonly runningVar: Variable | null;

  constructor(
    readonly channels: number,
    private readonly options: BatchNormOptions = {},
  ) {
    super();
    const all = optionsOf("batchNorm", options, [...names, "momentum", "trackRunningStats"]);
    const { momentum = 0.1, trackRunningStats = true, dtype = "f32" } = all;
    checkSize("batchNorm", "the number of channels", channels);
    checkValues("batchNorm", options);
    if (!(momentum >= 0 && momentum <= 1)) {
      throw new ValueError(`batchNorm: momentum must be in [0, 1] but is ${momentum}`, { op: "batchNorm", inputs: [momentum] });
    }
    ({ weight: this.weight, bias: this.bias } = weightAndOffset([channels], options));
    const buffer = (value: Tensor) => (trackRunningStats ? variable(value, { trainable: false }) : null);
    this.runningMean = buffer(ops.zeros([channels], { dtype }));
    this.runningVar = buffer(ops.ones([channels], { dtype }));
  }

  forward(x: Tensor): Tensor {
    const { eps = 1e-5, dtype = "f32" } = this.options;
    checkInput("batchNorm", this, x, dtype, (shape) => misfit(shape, this.channels));
    const { weight, bias, runningMean, runningVar } = this;
    if (!this.training && runningMean !== null && runningVar !== null) {
      const { scale, shift } = standardizing(runningMean.value, runningVar.value, weight?.value ?? null, bias?.value ?? null, eps);
      return x.mul(scale).add(shift);
    }
    const count = sizeOf(x.shape.slice(0, -1));
    if (count < 2) {
      throw new ShapeError(`${this} (x: ${format(x.shape)}): one example has no variance; train on larger batches, or switch to eval()`, {
        op: "batchNorm",
        inputs: [x.shape],
      });
    }
    const { mean, variance } = ops.moments(x, { axis: x.shape.slice(1).map((_, i) => i) });
    if (this.training && runningMean !== null && runningVar !== null) {
      const { momentum = 0.1 } = this.options;
      const towards = (running: Variable, now: Tensor) => running.value.mul(1 - momentum).add(now.mul(momentum));
      assignAll([
        [runningMean, towards(runningMean, mean)],
        [runningVar, towards(runningVar, variance.mul(count / (count - 1)))],
      ]);
    }
    return ops.standardize(x, mean, variance, { weight: weight ?? undefined, bias: bias ?? undefined, eps });
  }

  override describe(): string {
    return showCall("BatchNorm", [this.channels], this.options);
  }
}

/**
 * Batch normalisation. x: [n, …, channels], for vectors, sequences, images and volumes alike → the same shape. Parameters `weight` and
 * `bias`, buffers `runningMean` and `runningVar`, all [channels]. A layer before it needs no bias. Source: Ioffe & Szegedy 2015.
 * @throws ValueError if an option is out of range; ShapeError in training on one example.
 * @example nn.sequential(nn.conv2d(3, 16, { kernel: 3, bias: false }), nn.batchNorm(16), nn.relu())
 */
export function batchNorm(channels: number, options?: BatchNormOptions): BatchNorm {
  return new BatchNorm(channels, options);
}

/** Standardises each group of last axes of a given shape: layer norm, and RMS norm, which leaves the mean alone. */
abstract class RowNorm extends Module {
  readonly weight: Variable | null;
  readonly bias: Variable | null;
  protected readonly shape: Shape;

  constructor(
    private readonly name: string,
    shape: number | Shape,
    protected readonly options: LayerNormOptions,
    hasBias: boolean,
  ) {
    super();
    const op = this.op;
    this.shape = typeof shape === "number" ? [shape] : [...shape];
    checkSize(op, "the number of axes", this.shape.length);
    for (const n of this.shape) checkSize(op, "each size of the shape", n);
    checkValues(op, options);
    ({ weight: this.weight, bias: this.bias } = weightAndOffset(this.shape, { ...options, bias: hasBias }));
  }

  private get op(): string {
    return `${this.name[0].toLowerCase()}${this.name.slice(1)}`;
  }

  protected check(x: Tensor): void {
    const own = this.shape;
    checkInput(this.op, this, x, this.options.dtype ?? "f32", (shape) => {
      const fits = sameShape(shape.slice(Math.max(0, shape.length - own.length)), own);
      return fits ? null : `expected [..., ${own.join(", ")}]; did the layer before this one produce this shape?`;
    });
  }

  override describe(): string {
    return showCall(this.name, [this.shape.length === 1 ? this.shape[0] : this.shape], this.options);
  }
}

/** Layer normalisation: each group of last axes standardised for itself; weight and bias are of their shape. */
export class LayerNorm extends RowNorm {
  constructor(shape: number | Shape, options: LayerNormOptions = {}) {
    super("LayerNorm", shape, optionsOf("layerNorm", options, [...names, "bias"]), options.bias ?? true);
  }

  forward(x: Tensor): Tensor {
    this.check(x);
    const { weight, bias, options } = this;
    return ops.layerNorm(x, this.shape, { weight: weight ?? undefined, bias: bias ?? undefined, eps: options.eps });
  }
}

/**
 * Layer normalisation over the last axes of the given shape (a number: the last axis). x: […, ...shape] → the same shape; the same in
 * training and evaluation. Source: Ba, Kiros & Hinton 2016.
 * @throws ValueError unless the sizes are whole numbers ≥ 1.
 */
export function layerNorm(shape: number | Shape, options?: LayerNormOptions): LayerNorm {
  return new LayerNorm(shape, options);
}

/** RMS normalisation: each group of last axes divided by the root of its mean square, times a weight. */
export class RmsNorm extends RowNorm {
  constructor(shape: number | Shape, options: NormLayerOptions = {}) {
    super("RmsNorm", shape, optionsOf("rmsNorm", options, names), false);
  }

  forward(x: Tensor): Tensor {
    this.check(x);
    return ops.rmsNorm(x, this.shape, { weight: this.weight ?? undefined, eps: this.options.eps });
  }
}

/**
 * RMS normalisation over the last axes of the given shape (a number: the last axis); `eps` is 1e-6 by default. x: […, ...shape] →
 * the same shape. Source: Zhang & Sennrich 2019.
 * @throws ValueError unless the sizes are whole numbers ≥ 1.
 */
export function rmsNorm(shape: number | Shape, options?: NormLayerOptions): RmsNorm {
  return new RmsNorm(shape, options);
}

/** Standardises groups of channels of each example over all of its positions. */
export class GroupNorm extends Module {
  readonly weight: Variable | null;
  readonly bias: Variable | null;

  constructor(
    readonly groups: number,
    readonly channels: number,
    private readonly options: NormLayerOptions = {},
  ) {
    super();
    optionsOf("groupNorm", options, names);
    checkSize("groupNorm", "the number of groups", groups);
    checkSize("groupNorm", "the number of channels", channels);
    if (channels % groups !== 0) {
      throw new ValueError(`groupNorm: groups must divide the channels, but ${groups} does not divide ${channels}`, {
        op: "groupNorm",
        inputs: [groups, channels],
      });
    }
    checkValues("groupNorm", options);
    ({ weight: this.weight, bias: this.bias } = weightAndOffset([channels], options));
  }

  forward(x: Tensor): Tensor {
    checkInput("groupNorm", this, x, this.options.dtype ?? "f32", (shape) => misfit(shape, this.channels));
    return groupNormalized(x, this.groups, this, this.options);
  }

  override describe(): string {
    return showCall("GroupNorm", [this.groups, this.channels], this.options);
  }
}

/** x [n, …, c] standardised over all positions and the channels of a group, times weight plus bias, both [c]. */
function groupNormalized(x: Tensor, groups: number, { weight, bias }: GroupNorm | InstanceNorm, { eps }: NormLayerOptions): Tensor {
  const [n, c] = [x.shape[0], x.shape[x.shape.length - 1]];
  const grouped = x.reshape([n, sizeOf(x.shape.slice(1, -1)), groups, c / groups]);
  const { mean, variance } = ops.moments(grouped, { axis: [1, 3], keepDims: true });
  const ofGroups = (parameter: Variable | null) => parameter?.value.reshape([groups, c / groups]);
  const y = ops.standardize(grouped, mean, variance, { weight: ofGroups(weight), bias: ofGroups(bias), eps });
  return y.reshape(x.shape);
}

/**
 * Group normalisation. x: [n, …, channels] → the same shape, each of `groups` runs of neighbouring channels standardised over all positions
 * of one example; the same in training and evaluation. Source: Wu & He 2018.
 * @throws ValueError unless `groups` divides the channels.
 */
export function groupNorm(groups: number, channels: number, options?: NormLayerOptions): GroupNorm {
  return new GroupNorm(groups, channels, options);
}

/** Standardises each channel of each example over its positions. */
export class InstanceNorm extends Module {
  readonly weight: Variable | null;
  readonly bias: Variable | null;

  constructor(
    readonly channels: number,
    private readonly options: NormLayerOptions = {},
  ) {
    super();
    optionsOf("instanceNorm", options, names);
    checkSize("instanceNorm", "the number of channels", channels);
    checkValues("instanceNorm", options);
    ({ weight: this.weight, bias: this.bias } = weightAndOffset([channels], { affine: false, ...options }));
  }

  forward(x: Tensor): Tensor {
    checkInput("instanceNorm", this, x, this.options.dtype ?? "f32", (shape) => misfit(shape, this.channels, 3));
    if (sizeOf(x.shape.slice(1, -1)) < 2) {
      throw new ShapeError(`${this} (x: ${format(x.shape)}): one position has no variance; use batchNorm or layerNorm`, {
        op: "instanceNorm",
        inputs: [x.shape],
      });
    }
    return groupNormalized(x, this.channels, this, this.options);
  }

  override describe(): string {
    return showCall("InstanceNorm", [this.channels], this.options);
  }
}

/**
 * Instance normalisation. x: [n, …, channels] → the same shape, each channel of each example standardised over its positions; the
 * same in training and evaluation. `affine` is false by default, as in PyTorch. Source: Ulyanov, Vedaldi & Lempitsky 2016.
 * @throws ValueError unless the number of channels is a whole number ≥ 1.
 */
export function instanceNorm(channels: number, options?: NormLayerOptions): InstanceNorm {
  return new InstanceNorm(channels, options);
}
