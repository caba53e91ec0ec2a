/** Convolutional and pooling layers over signals and volumes, and transposed convolutions. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { sizeOf } from "../base/shape.js";
import { avgPoolNames, type Rank, wholes } from "../ops/conv.js";
import { checkTranspose } from "../ops/spatial.js";
import type { ConvTransposeOptions, Pair, PoolOptions, Tensor, Triple } from "../tensor/index.js";
import * as ops from "../tensor/index.js";
import { type ConvKind, ConvLayer, type ConvLayerOptions, convLayerNames } from "./conv.js";
import { showCall } from "./layer.js";
import type { Module } from "./module.js";
import { adaptive, overAll, pool } from "./pooling.js";
import { Stateless } from "./stateless.js";

export type ConvTransposeLayerOptions<Size = number> = ConvLayerOptions<Size> & ConvTransposeOptions<Size>;

/** Cross-correlation and bias. x: [n, l, in] → [n, l', out]; weight: [r, in / groups, out], bias: [out]. */
export class Conv1d extends ConvLayer<ConvLayerOptions> {
  constructor(inChannels: number, outChannels: number, options: ConvLayerOptions) {
    super(
      { name: "Conv1d", op: "conv1d", rank: 1, apply: ops.conv1d },
      inChannels,
      outChannels,
      optionsOf("conv1d", options, convLayerNames),
    );
  }
}

/** Cross-correlation and bias. x: [n, d, h, w, in] → [n, d', h', w', out]; weight: [q, r, s, in / groups, out], bias: [out]. */
export class Conv3d extends ConvLayer<ConvLayerOptions<Triple>> {
  constructor(inChannels: number, outChannels: number, options: ConvLayerOptions<Triple>) {
    super(
      { name: "Conv3d", op: "conv3d", rank: 3, apply: ops.conv3d },
      inChannels,
      outChannels,
      optionsOf("conv3d", options, convLayerNames),
    );
  }
}

const transposes = {
  1: { name: "ConvTranspose1d", op: "convTranspose1d", rank: 1, transposed: true, apply: ops.convTranspose1d },
  2: { name: "ConvTranspose2d", op: "convTranspose2d", rank: 2, transposed: true, apply: ops.convTranspose2d },
  3: { name: "ConvTranspose3d", op: "convTranspose3d", rank: 3, transposed: true, apply: ops.convTranspose3d },
} as const;

/** A transposed convolution and bias: x: [n, …, in] → [n, …', out]; weight: [..., out / groups, in], bias: [out]. */
export class ConvTranspose<Size extends number | readonly number[]> extends ConvLayer<ConvTransposeLayerOptions<Size>> {
  constructor(rank: 1 | 2 | 3, inChannels: number, outChannels: number, options: ConvTransposeLayerOptions<Size>) {
    const kind = transposes[rank];
    super(
      kind as unknown as ConvKind<ConvTransposeLayerOptions<Size>>,
      inChannels,
      outChannels,
      optionsOf(kind.op, options, [...convLayerNames, "outputPadding"]),
    );
    checkTranspose(kind.op, options, rank);
  }
}

/** A convolutional layer over signals. x: [n, l, in] → [n, l', out]. @throws ValueError as `conv2d`. */
export function conv1d(inChannels: number, outChannels: number, options: ConvLayerOptions): Conv1d {
  return new Conv1d(inChannels, outChannels, options);
}

/** A convolutional layer over volumes. x: [n, d, h, w, in] → [n, d', h', w', out]. @throws ValueError as `conv2d`. */
export function conv3d(inChannels: number, outChannels: number, options: ConvLayerOptions<Triple>): Conv3d {
  return new Conv3d(inChannels, outChannels, options);
}

/** A transposed convolution of signals. x: [n, l, in] → [n, l', out]; sizes as in {@link convTranspose2d}. @throws ValueError as `conv2d`. */
export function convTranspose1d(inChannels: number, outChannels: number, options: ConvTransposeLayerOptions): ConvTranspose<number> {
  return new ConvTranspose(1, inChannels, outChannels, options);
}

/**
 * A transposed convolution: what `conv2d` with the same options makes smaller it makes larger. x: [n, h, w, in] → [n, h', w', out] with
 * h' = (h − 1) · stride − 2 · padding + dilation · (kernel − 1) + 1 + outputPadding, or h · stride for "same"; weight: [r, s, out / groups, in].
 * @throws ValueError as `conv2d`.
 */
export function convTranspose2d(inChannels: number, outChannels: number, options: ConvTransposeLayerOptions<Pair>): ConvTranspose<Pair> {
  return new ConvTranspose(2, inChannels, outChannels, options);
}

/** A transposed convolution of volumes. x: [n, d, h, w, in] → [n, d', h', w', out]; sizes as in {@link convTranspose2d}. @throws ValueError as `conv2d`. */
export function convTranspose3d(
  inChannels: number,
  outChannels: number,
  options: ConvTransposeLayerOptions<Triple>,
): ConvTranspose<Triple> {
  return new ConvTranspose(3, inChannels, outChannels, options);
}

/** Largest value in each window; windows do not overlap unless `stride` says so. [n, l, c] → [n, l', c]. */
export const maxPool1d = pool("MaxPool1d", "maxPool1d", 1, ops.maxPool1d);
/** Mean of each window; windows do not overlap unless `stride` says so. [n, l, c] → [n, l', c]. */
export const avgPool1d = pool("AvgPool1d", "avgPool1d", 1, ops.avgPool1d, avgPoolNames);
/** Largest value in each window; windows do not overlap unless `stride` says so. [n, d, h, w, c] → [n, d', h', w', c]. */
export const maxPool3d = pool("MaxPool3d", "maxPool3d", 3, ops.maxPool3d);
/** Mean of each window; windows do not overlap unless `stride` says so. [n, d, h, w, c] → [n, d', h', w', c]. */
export const avgPool3d = pool("AvgPool3d", "avgPool3d", 3, ops.avgPool3d, avgPoolNames);

/** A layer of (Σ |x|^p)^(1/p) in each window. */
const lpPool =
  <Size extends number | readonly number[]>(
    name: string,
    op: string,
    rank: Rank,
    mean: (x: Tensor, window: Size, options?: PoolOptions<Size>) => Tensor,
  ) =>
  (p: number, window: Size, options?: Omit<PoolOptions<Size>, "padding">): Module => {
    if (!(p > 0 && Number.isFinite(p))) throw new ValueError(`${op}: p must be a number > 0 but is ${p}`, { op, inputs: [p] });
    const cells = sizeOf(wholes(op, "window", window, 1, rank));
    const means = pool(name, op, rank, mean)(window, options);
    return new Stateless(showCall(name, [p, window], options), (x) =>
      means
        .forward(x.abs().pow(p))
        .mul(cells)
        .pow(1 / p),
    );
  };

/** (Σ |x|^p)^(1/p) in each window: its sum for p = 1, nearer to its maximum the larger p. [n, l, c] → [n, l', c]. */
export const lpPool1d = lpPool("LpPool1d", "lpPool1d", 1, ops.avgPool1d);
/** (Σ |x|^p)^(1/p) in each window: its sum for p = 1, nearer to its maximum the larger p. [n, h, w, c] → [n, h', w', c]. */
export const lpPool2d = lpPool("LpPool2d", "lpPool2d", 2, ops.avgPool2d);

/** Mean over the whole signal. [n, l, c] → [n, c]. */
export const globalAvgPool1d = overAll("GlobalAvgPool1d", "globalAvgPool1d", 1, ops.mean);
/** Largest value of the whole signal; equal ones share the gradient. [n, l, c] → [n, c]. */
export const globalMaxPool1d = overAll("GlobalMaxPool1d", "globalMaxPool1d", 1, ops.max);
/** Mean over the whole volume. [n, d, h, w, c] → [n, c]. */
export const globalAvgPool3d = overAll("GlobalAvgPool3d", "globalAvgPool3d", 3, ops.mean);
/** Largest value of the whole volume; equal ones share the gradient. [n, d, h, w, c] → [n, c]. */
export const globalMaxPool3d = overAll("GlobalMaxPool3d", "globalMaxPool3d", 3, ops.max);

/** Means of so many windows of a signal, as equal as they can be. [n, l, c] → [n, size, c]; as in PyTorch. */
export const adaptiveAvgPool1d = adaptive("AdaptiveAvgPool1d", "adaptiveAvgPool1d", 1, ops.avgPool1d, ops.mean);
/** Largest values of the windows of {@link adaptiveAvgPool1d}. */
export const adaptiveMaxPool1d = adaptive("AdaptiveMaxPool1d", "adaptiveMaxPool1d", 1, ops.maxPool1d, ops.max);
/** Means of so many windows of a volume along each axis, as equal as they can be. [n, d, h, w, c] → [n, ...size, c]; as in PyTorch. */
export const adaptiveAvgPool3d = adaptive("AdaptiveAvgPool3d", "adaptiveAvgPool3d", 3, ops.avgPool3d, ops.mean);
/** Largest values of the windows of {@link adaptiveAvgPool3d}. */
export const adaptiveMaxPool3d = adaptive("AdaptiveMaxPool3d", "adaptiveMaxPool3d", 3, ops.maxPool3d, ops.max);
