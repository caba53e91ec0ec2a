/** What the architectures are put together from: chains of named parts, residual sums, branches, convolutions with batch norm. */
import { ShapeError, ValueError } from "../base/errors.js";
import { format } from "../base/shape.js";
import type { BatchNormOptions, Conv2dLayerOptions } from "../nn/index.js";
import * as nn from "../nn/index.js";
import { checkTensor } from "../nn/layer.js";
import { Stateless } from "../nn/stateless.js";
import { concat, type Tensor } from "../tensor/index.js";

/** What every architecture takes. */
export interface ModelOptions {
  /** Logits. Default 1000, ImageNet's. */
  classes?: number;
  /** Channels of the images. Default 3. */
  inChannels?: number;
}

/** @throws ValueError unless the factors on widths and depths are numbers above 0. */
export function checkFactors(op: string, factors: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(factors)) {
    if (typeof value === "number" && value > 0 && Number.isFinite(value)) continue;
    throw new ValueError(`${op}: ${name} must be a number above 0 but is ${value}; 1 is the paper's`, { op, inputs: [value] });
  }
}

/** A module whose parts are properties of these names; a part can be replaced: `model.fc = nn.linear(512, 10)`. */
export type Named<Parts> = nn.Module & Parts;

/** What a whole model knows of itself: the function that made it, and the edges of images that it takes, for its logits and for all of its heads. */
export interface Whole {
  readonly name: string;
  readonly least: number;
  readonly most?: number;
  readonly leastOfHeads?: number;
}

/** Parts one after the other, under names of their own where `nn.sequential` counts. */
export class Chain extends nn.Module {
  readonly #names: readonly string[];
  readonly #whole: Whole | undefined;

  constructor(parts: Readonly<Record<string, nn.Module>>, whole?: Whole) {
    super();
    this.#names = Object.keys(parts);
    this.#whole = whole;
    Object.assign(this, parts);
  }

  protected get names(): readonly string[] {
    return this.#names;
  }

  protected part(name: string): nn.Module {
    return (this as unknown as Record<string, nn.Module>)[name];
  }

  /** @throws ValueError if x is no tensor, ShapeError if its images are too small or too large. */
  protected checkSize(x: Tensor, edge: "least" | "leastOfHeads" = "least"): void {
    if (this.#whole === undefined) return;
    const { name, least, most = Number.POSITIVE_INFINITY, [edge]: from = least } = this.#whole;
    checkTensor(name, this, x);
    const { shape } = x;
    const edges = shape.slice(1, 3);
    if (shape.length !== 4 || edges.every((n) => n >= from && n <= most)) return; // another rank is for the first layer to refuse
    const limits = most === Number.POSITIVE_INFINITY ? `at least ${from} × ${from}` : `${from} × ${from} to ${most} × ${most}`;
    const mend = edges.every((n) => n >= from) ? "make them smaller, or cut parts out of them" : "enlarge them";
    throw new ShapeError(`${name}(x: ${format(shape)}): expected images [n, h, w, c] of ${limits}; ${mend}`, { op: name, inputs: [shape] });
  }

  forward(x: Tensor): Tensor {
    this.checkSize(x);
    return this.#names.reduce((y, name) => this.part(name).forward(y), x);
  }

  override describe(): string {
    return this.#whole === undefined ? super.describe() : `${this.#whole.name}()`;
  }
}

/** A chain with auxiliary classifiers, each of which reads what one of its parts gives. */
export class WithAuxiliary extends Chain {
  readonly #classifiers: ReadonlyMap<string, string>;

  /** `auxiliary`: by the name of the part that is read, the classifier and its name. */
  constructor(
    parts: Readonly<Record<string, nn.Module>>,
    auxiliary: Readonly<Record<string, readonly [name: string, nn.Module]>>,
    whole: Whole,
  ) {
    super(parts, whole);
    const entries = Object.entries(auxiliary);
    this.#classifiers = new Map(entries.map(([after, [name]]) => [after, name]));
    for (const [, [name, module]] of entries) Object.assign(this, { [name]: module });
  }

  /**
   * The logits, then those of the auxiliary classifiers, in their order, for a loss of all: GoogLeNet's paper adds the latter's losses
   * with weight 0.3.
   */
  heads(x: Tensor): Tensor[] {
    this.checkSize(x, this.#classifiers.size === 0 ? "least" : "leastOfHeads");
    const auxiliary: Tensor[] = [];
    let y = x;
    for (const name of this.names) {
      y = this.part(name).forward(y);
      const classifier = this.#classifiers.get(name);
      if (classifier !== undefined) auxiliary.push(this.part(classifier).forward(y));
    }
    return [y, ...auxiliary];
  }
}

/** A {@link Chain}, whose parts the type names. */
export function chain<Parts extends Readonly<Record<string, nn.Module>>>(parts: Parts): Named<Parts> {
  return new Chain(parts) as unknown as Named<Parts>;
}

/**
 * A whole model: a {@link chain} that knows its name, the smallest edge of images that its poolings leave something of, and, where its dense
 * layers read every pixel of what they leave, the largest.
 */
export function model<Parts extends Readonly<Record<string, nn.Module>>>(
  name: string,
  edges: number | readonly [least: number, most: number],
  parts: Parts,
): Named<Parts> {
  const [least, most] = typeof edges === "number" ? [edges] : edges;
  return new Chain(parts, { name, least, most }) as unknown as Named<Parts>;
}

/** activation(main(x) + x); where the shapes differ a `downsample` makes x fit. */
export class Residual extends Chain {
  constructor(
    main: Readonly<Record<string, nn.Module>>,
    readonly downsample: nn.Module | null = null,
    private readonly activation: nn.Module | null = null,
  ) {
    super(main);
  }

  override forward(x: Tensor): Tensor {
    const y = super.forward(x).add(this.downsample === null ? x : this.downsample.forward(x));
    return this.activation === null ? y : this.activation.forward(y);
  }
}

/** Branches that all read the same image; what they make of it is joined along the channels. */
export class Branches extends Chain {
  override forward(x: Tensor): Tensor {
    const outputs = this.names.map((name) => this.part(name).forward(x));
    return concat(outputs, { axis: -1 });
  }
}

/** A convolution of odd windows that keeps the size of the image at stride 1 (padding (k − 1) / 2), with He's initial values by fan-out. */
export function conv(inChannels: number, outChannels: number, kernel: number, options: Partial<Conv2dLayerOptions> = {}): nn.Conv2d {
  return nn.conv2d(inChannels, outChannels, {
    kernel,
    padding: (kernel - 1) / 2,
    bias: false,
    init: nn.init.heNormal({ fan: "out" }),
    ...options,
  });
}

export interface ConvNormOptions extends Partial<Conv2dLayerOptions> {
  activation?: (() => nn.Module) | null;
  norm?: BatchNormOptions;
}

/** {@link conv}, batch norm, and an activation, by default ReLU. */
export function convNorm(
  inChannels: number,
  outChannels: number,
  kernel: number,
  { activation = nn.relu, norm, ...options }: ConvNormOptions = {},
): nn.Sequential {
  const layers = [conv(inChannels, outChannels, kernel, options), nn.batchNorm(outChannels, norm)];
  return nn.sequential(...layers, ...(activation === null ? [] : [activation()]));
}

/** A dense layer with normal weights and PyTorch's biases, uniform in ±1 / √in. */
export function denseNormal(inFeatures: number, outFeatures: number, std: number): nn.Linear {
  const bound = 1 / Math.sqrt(inFeatures);
  return nn.linear(inFeatures, outFeatures, {
    init: nn.init.normal({ std }),
    biasInit: nn.init.uniform({ low: -bound, high: bound }),
  });
}

/** [n, h, w, c] → [n, c·h·w], channel by channel: the order in which the published weights of dense layers read images. */
export const flattenByChannel = (): nn.Module => new Stateless("FlattenByChannel()", (x) => x.permute([0, 3, 1, 2]).flatten());

/** The number next to n that `divisor` divides, not less than 0.9 n. Source: Sandler et al. 2018, the published code. */
export function roundChannels(n: number, divisor = 8): number {
  const rounded = Math.max(divisor, Math.floor((n + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * n ? rounded + divisor : rounded;
}
