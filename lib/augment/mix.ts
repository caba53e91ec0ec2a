/** Pictures mixed with each other, and their labels with them: changes of whole batches. */
import { IndexError, ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { WordStream } from "../base/philox.js";
import { format } from "../base/shape.js";
import type { HostArray, LabeledBatch, Sampling } from "../data/index.js";
import { checkNumber } from "./canvas.js";

export interface MixOptions {
  /** Number of classes, where y are class numbers. */
  classes?: number;
  /** λ of each example is drawn from Beta(α, α). Default 0.2 of mixup, 1 of cutmix. */
  alpha?: number;
  /** Share of the examples that are mixed. Default 1. */
  p?: number;
}

/** What `map` of a data set wants; y comes out as probabilities f32 [n, classes], which losses take as they are. */
export type Mixing = <B extends LabeledBatch>(batch: B, sampling: Sampling) => B;

/** Numbers of random draws of {@link Sampling.random}: 0 is for what happens to single pictures. */
const use = { mixup: 1, cutmix: 2 };

/**
 * Each example becomes λ times itself and 1 − λ times the next of its batch, x and y alike. x: f32 of any shape. Shuffle, so that the next is any other.
 * @example train.map(augment([mirror()])).map(mixup({ classes: 10 }))
 * @throws {ValueError} if x are not f32. @throws {IndexError} for a label outside of the classes. Source: Zhang et al., "mixup", ICLR 2018.
 */
export function mixup(options: MixOptions = {}): Mixing {
  return mixing("mixup", 0.2, options, (x, mixed, i, next, share) => {
    const size = x.data.length / x.shape[0];
    const [from, other] = [i * size, next * size];
    for (let k = 0; k < size; k++) mixed[from + k] = share * x.data[from + k] + (1 - share) * x.data[other + k];
    return share;
  });
}

/**
 * A rectangle of each picture, 1 − λ of its area, is that of the next of its batch, and y are mixed by area. x: f32 [n, height, width, channels].
 * @throws {ValueError} if x are no such pictures. @throws {IndexError} for a label outside of the classes. Source: Yun et al., "CutMix", ICCV 2019.
 */
export function cutmix(options: MixOptions = {}): Mixing {
  return mixing("cutmix", 1, options, (x, mixed, i, next, share, random) => {
    const [, height, width, channels] = x.shape;
    if (x.shape.length !== 4)
      throw new ShapeError(`cutmix: pictures x must be [n, height, width, channels] but are ${format(x.shape)}`, {
        op: "cutmix",
        inputs: [x.shape],
      });
    const side = Math.sqrt(1 - share);
    const [row, column] = [random.uniform() * height, random.uniform() * width];
    const cut = (middle: number, n: number) =>
      [middle - (side * n) / 2, middle + (side * n) / 2].map((edge) => Math.min(Math.max(Math.round(edge), 0), n));
    const [[top, bottom], [left, right]] = [cut(row, height), cut(column, width)];
    for (let y = top; y < bottom; y++) {
      const at = (picture: number, column: number) => ((picture * height + y) * width + column) * channels;
      mixed.set(x.data.subarray(at(next, left), at(next, right)), at(i, left));
    }
    return 1 - ((bottom - top) * (right - left)) / (height * width);
  });
}

/** Mixes example i of x with another into `mixed`, a copy of x; gives the share that is its own. */
type Mix = (x: HostArray, mixed: Float32Array, i: number, next: number, share: number, random: WordStream) => number;

function mixing(op: "mixup" | "cutmix", usual: number, options: MixOptions, mix: Mix): Mixing {
  const { classes, alpha = usual, p = 1 } = optionsOf(op, options, ["classes", "alpha", "p"]);
  if (!(alpha > 0)) throw new ValueError(`${op}: alpha must be above 0 but is ${alpha}`, { op, inputs: [alpha] });
  checkNumber(op, "p", p, 0, 1);
  return (batch, sampling) => {
    const { x, y } = batch;
    if (x.dtype !== "f32") throw new ValueError(`${op}: x must be f32 but is ${x.dtype}; bytes: x / 255`, { op, inputs: [x.dtype] });
    const labels = probabilities(op, y, classes);
    const n = x.shape[0];
    const count = labels.shape[1];
    const mixed = Float32Array.from(x.data);
    const target = Float32Array.from(labels.data);
    for (let i = 0; i < n; i++) {
      const random = sampling.random(i, use[op]);
      if (random.uniform() >= p) continue;
      const next = (i + 1) % n;
      const share = mix(x, mixed, i, next, beta(alpha, random), random);
      for (let c = 0; c < count; c++)
        target[i * count + c] = share * labels.data[i * count + c] + (1 - share) * labels.data[next * count + c];
    }
    return { ...batch, x: { ...x, data: mixed }, y: { data: target, shape: [n, count], dtype: "f32" } };
  };
}

/** y as probabilities: as they are if they are f32 [n, classes], else one-hot. */
function probabilities(op: string, y: HostArray, classes: number | undefined): HostArray {
  if (y.dtype === "f32" && y.shape.length === 2) return y;
  if (y.shape.length !== 1 || (y.dtype !== "i32" && y.dtype !== "u8"))
    throw new ShapeError(`${op}: y must be class numbers [n] or f32 probabilities [n, classes] but are ${y.dtype} ${format(y.shape)}`, {
      op,
      inputs: [y.shape],
    });
  if (classes === undefined || !Number.isInteger(classes) || classes < 1)
    throw new ValueError(`${op}: y are class numbers; say how many classes there are: { classes: 10 }`, { op, inputs: [classes] });
  const data = new Float32Array(y.shape[0] * classes);
  y.data.forEach((label, i) => {
    if (!(label >= 0 && label < classes))
      throw new IndexError(`${op}: label ${i} is ${label}, but classes are 0 to ${classes - 1}`, { op, inputs: [label] });
    data[i * classes + label] = 1;
  });
  return { data, shape: [y.shape[0], classes], dtype: "f32" };
}

/** From Beta(a, a), as two gamma variates share their sum. */
function beta(a: number, random: WordStream): number {
  const [x, y] = [gamma(a, random), gamma(a, random)];
  return x + y > 0 ? x / (x + y) : random.below(2);
}

/** From Gamma(a, 1). Source: Marsaglia & Tsang 2000, with their section 8 for a < 1. */
function gamma(a: number, random: WordStream): number {
  if (a < 1) return gamma(a + 1, random) * (1 - random.uniform()) ** (1 / a);
  const d = a - 1 / 3;
  for (;;) {
    const z = random.normal();
    const v = (1 + z / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * z * z + d * (1 - v + Math.log(v))) return d * v;
  }
}
