/** The vision transformer: patches of an image as a sequence of words. Source: Dosovitskiy et al. 2021, figure 1 and table 1. */
import { ShapeError, ValueError } from "../base/errors.js";
import { settle } from "../base/options.js";
import { format } from "../base/shape.js";
import * as nn from "../nn/index.js";
import { checkTensor } from "../nn/layer.js";
import { concat, randn, type Tensor, type Variable, variable, zeros } from "../tensor/index.js";
import { Chain, chain, type ModelOptions, type Named } from "./parts.js";

export interface VisionTransformerOptions extends ModelOptions {
  /** Edge of the images, which `patch` divides. Default 224. */
  size?: number;
  /** After the embedding, the attention and each dense layer of a block. Default 0. */
  dropout?: number;
}

/** Rows of table 1, and the edge of the patches. */
interface Shape {
  readonly patch: number;
  readonly layers: number;
  readonly width: number;
  readonly hidden: number;
  readonly heads: number;
}

const norm = (width: number) => nn.layerNorm(width, { eps: 1e-6 });

/** x + attention(norm x), then + perceptron(norm x). */
class Block extends nn.Module {
  readonly ln_1: nn.Module;
  readonly selfAttention: nn.MultiHeadAttention;
  readonly dropout: nn.Module;
  readonly ln_2: nn.Module;
  readonly mlp: nn.Module;

  constructor({ width, hidden, heads }: Shape, dropout: number) {
    super();
    const dense = (inputs: number, outputs: number) =>
      nn.linear(inputs, outputs, { init: nn.init.xavierUniform(), biasInit: nn.init.normal({ std: 1e-6 }) });
    this.ln_1 = norm(width);
    this.selfAttention = nn.multiHeadAttention(width, { heads });
    this.dropout = nn.dropout(dropout);
    this.ln_2 = norm(width);
    this.mlp = nn.sequential(...[dense(width, hidden), nn.gelu(), nn.dropout(dropout)], ...[dense(hidden, width), nn.dropout(dropout)]);
  }

  forward(x: Tensor): Tensor {
    const y = x.add(this.dropout.forward(this.selfAttention.forward(this.ln_1.forward(x))));
    return y.add(this.mlp.forward(this.ln_2.forward(y)));
  }
}

/** Positions, blocks, and a last normalisation. x: [n, words, width] → the same. */
class Encoder extends Chain {
  constructor(
    parts: Readonly<Record<string, nn.Module>>,
    readonly posEmbedding: Variable,
  ) {
    super(parts);
  }

  override forward(x: Tensor): Tensor {
    return super.forward(x.add(this.posEmbedding));
  }
}

/** A vision transformer; {@link vitB16} makes one. */
export class VisionTransformer extends nn.Module {
  readonly classToken: Variable;
  readonly convProj: nn.Conv2d;
  readonly encoder: nn.Module;
  heads: Named<{ head: nn.Module }>;

  constructor(
    shape: Shape,
    private readonly options: Required<VisionTransformerOptions>,
  ) {
    super();
    const { patch, width, layers } = shape;
    const { classes, inChannels, size, dropout } = options;
    if (!Number.isInteger(size) || size % patch !== 0 || size < patch) {
      throw new ValueError(`vit: patches of ${patch} × ${patch} do not fill images of ${size} × ${size}; take a multiple of ${patch}`, {
        op: "vit",
        inputs: [size, patch],
      });
    }
    const fan = patch * patch * inChannels;
    this.classToken = variable(zeros([1, 1, width]));
    this.convProj = nn.conv2d(inChannels, width, { kernel: patch, stride: patch, init: nn.init.normal({ std: Math.sqrt(1 / fan) }) });
    const blocks = Array.from({ length: layers }, (_, i) => [`encoderLayer_${i}`, new Block(shape, dropout)]);
    this.encoder = new Encoder(
      { dropout: nn.dropout(dropout), layers: chain(Object.fromEntries(blocks)), ln: norm(width) },
      variable(randn([1, (size / patch) ** 2 + 1, width]).mul(0.02)),
    );
    this.heads = chain({ head: nn.linear(width, classes, { init: nn.init.zeros() }) });
  }

  forward(x: Tensor): Tensor {
    const { size } = this.options;
    checkTensor("vit", this, x);
    if (x.shape[1] !== size || x.shape[2] !== size) {
      throw new ShapeError(`vit(x: ${format(x.shape)}): expected images [n, ${size}, ${size}, c]; resize them, or give another \`size\``, {
        op: "vit",
        inputs: [x.shape],
      });
    }
    const patches = this.convProj.forward(x);
    const [n, rows, columns, width] = patches.shape;
    const first = zeros([n, 1, width]).add(this.classToken);
    const words = this.encoder.forward(concat([first, patches.reshape([n, rows * columns, width])], { axis: 1 }));
    return this.heads.forward(words.slice([0, 0, 0], [n, 1, width]).reshape([n, width]));
  }
}

/** ViT-B/16: 12 blocks of width 768 over patches of 16 × 16. Images [n, 224, 224, 3] → logits [n, classes]. */
export function vitB16(options: VisionTransformerOptions = {}): VisionTransformer {
  const defaults = { classes: 1000, inChannels: 3, size: 224, dropout: 0 };
  return new VisionTransformer({ patch: 16, layers: 12, width: 768, hidden: 3072, heads: 12 }, settle("vitB16", options, defaults));
}
