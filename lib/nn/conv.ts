/** The convolutional layer over images [n, h, w, c], and what it shares with those over signals and volumes and with transposed ones. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { Shape } from "../base/shape.js";
import { checkWindow, convNames, extents, layoutOf, type Rank, slide, transposedNames, wholes } from "../ops/conv.js";
import { type ConvOptions, conv2d as convolve, type PaddingMode, type Pair, pad, type Tensor, type Variable } from "../tensor/index.js";
import { checkInput, checkSize, showCall, type WeightOptions, weightAndBias, weightNames } from "./layer.js";
import { Module } from "./module.js";

export interface ConvLayerOptions<Size = number> extends WeightOptions, ConvOptions<Size> {
  /** Size of the filters: one number, or one for each axis. */
  kernel: Size;
  /** What the padding is filled with: zeros, the default, or as `pad` of the same mode does. Transposed convolutions have zeros. */
  paddingMode?: "zeros" | Exclude<PaddingMode, "constant">;
}
export const convLayerNames = ["kernel", ...convNames, "paddingMode", ...weightNames] as const;
export type Conv2dLayerOptions = ConvLayerOptions<Pair>;

/** What tells convolutional layers apart. */
export interface ConvKind<Options> {
  readonly name: string;
  readonly op: string;
  readonly rank: Rank;
  /** Whether filters lead from the layer's results to its inputs. */
  readonly transposed?: boolean;
  readonly apply: (x: Tensor, w: Variable, options: Options) => Tensor;
}

/** A convolution and a bias. */
export abstract class ConvLayer<Options extends ConvLayerOptions<number | readonly number[]>> extends Module {
  readonly weight: Variable;
  readonly bias: Variable | null;
  readonly #kind: ConvKind<Options>;
  readonly #options: Options;
  /** Those of them that the convolution itself has. */
  readonly #window: Options;

  constructor(
    kind: ConvKind<Options>,
    readonly inChannels: number,
    readonly outChannels: number,
    options: Options,
  ) {
    super();
    const { op, rank, transposed = false } = kind;
    const { kernel, stride = 1, padding = "valid", dilation = 1, groups = 1, paddingMode = "zeros" } = options;
    checkSize(op, "the number of input channels", inChannels);
    checkSize(op, "the number of output channels", outChannels);
    checkSize(op, "groups", groups);
    const size = wholes(op, "kernel", kernel, 1, rank);
    checkWindow(op, { stride, padding, dilation }, rank);
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ValueError(`${op}: groups must divide the channels, but ${groups} does not divide ${inChannels} and ${outChannels}`, {
        op,
        inputs: [inChannels, outChannels, groups],
      });
    }
    const modes = transposed ? ["zeros"] : ["zeros", "reflect", "replicate", "circular"];
    if (!modes.includes(paddingMode)) {
      const reason = transposed ? ", as it is the result that is padded," : "";
      throw new ValueError(`${op}: paddingMode must be ${modes.join(", ")}${reason} but is ${JSON.stringify(paddingMode)}`, {
        op,
        inputs: [paddingMode],
      });
    }
    const channels = transposed ? [outChannels / groups, inChannels] : [inChannels / groups, outChannels];
    const { weight, bias } = weightAndBias(op, [...size, ...channels], options, { out: outChannels });
    this.weight = weight;
    this.bias = bias;
    this.#kind = kind;
    this.#options = options;
    const isOfWindow = ([name]: [string, unknown]) => (transposedNames as readonly string[]).includes(name);
    this.#window = Object.fromEntries(Object.entries(options).filter(isOfWindow)) as Options;
  }

  forward(x: Tensor): Tensor {
    checkInput(this.#kind.op, this, x, this.weight.dtype, (shape) => this.#misfit(shape));
    const { paddingMode = "zeros" } = this.#options;
    const y =
      paddingMode === "zeros"
        ? this.#kind.apply(x, this.weight, this.#window)
        : this.#kind.apply(this.#pad(x, paddingMode), this.weight, { ...this.#window, padding: "valid" });
    return this.bias === null ? y : y.add(this.bias);
  }

  /** x with the cells around it that windows reach. */
  #pad(x: Tensor, mode: PaddingMode): Tensor {
    const { op, rank } = this.#kind;
    const { stride = 1, padding = "valid", dilation = 1 } = this.#options;
    const size = this.weight.shape.slice(0, rank);
    const { geometry, out } = slide(op, x, size, { stride, padding, dilation });
    const sides = extents(size, geometry.dilation).map((extent, i): readonly [number, number] => {
      const before = geometry.padding[i];
      return [before, padding === "same" ? Math.max(0, (out[i] - 1) * geometry.stride[i] + extent - x.shape[1 + i] - before) : before];
    });
    return pad(x, [[0, 0], ...sides], { mode });
  }

  #misfit(shape: Shape): string | null {
    const { rank } = this.#kind;
    const last = rank + 1;
    const isWhole = shape.length === rank + 2;
    if (isWhole && shape[last] === this.inChannels) return null;
    const { x, one } = layoutOf(rank);
    const mend =
      shape.length === last && shape[rank] === this.inChannels
        ? `a single ${one} needs a batch axis: x.expandDims(0)`
        : shape.length === last && this.inChannels === 1
          ? `${one}s of one channel need an axis for it: x.expandDims(${last})`
          : isWhole && shape[1] === this.inChannels
            ? `channels come last: x.permute([0, ${[...shape.keys()].slice(2).join(", ")}, 1])`
            : `did the layer before this one produce ${this.inChannels} channels?`;
    return `expected ${x.replace("c]", `${this.inChannels}]`)}; ${mend}`;
  }

  override describe(): string {
    return showCall(this.#kind.name, [this.inChannels, this.outChannels], this.#options);
  }
}

/** Cross-correlation and bias. x: [n, h, w, in] → [n, h', w', out]; weight: [r, s, in / groups, out], bias: [out]. */
export class Conv2d extends ConvLayer<Conv2dLayerOptions> {
  constructor(inChannels: number, outChannels: number, options: Conv2dLayerOptions) {
    super(
      { name: "Conv2d", op: "conv2d", rank: 2, apply: convolve },
      inChannels,
      outChannels,
      optionsOf("conv2d", options, convLayerNames),
    );
  }
}

/**
 * A convolutional layer. x: [n, h, w, in] → [n, h', w', out].
 * @throws ValueError unless sizes are whole numbers ≥ 1 and `groups` divides both numbers of channels.
 */
export function conv2d(inChannels: number, outChannels: number, options: Conv2dLayerOptions): Conv2d {
  return new Conv2d(inChannels, outChannels, options);
}
