/** Steps that change what pixels are: colours, sharpness, holes. Values are taken to lie between 0 and 1, and stay there. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format } from "../base/shape.js";
import type { Batch, Dataset, HostArray } from "../data/index.js";
import type { Canvas, Pixels } from "./canvas.js";
import { checkNumber } from "./canvas.js";
import { between, type Interval, interval, type Step, sometimes } from "./steps.js";

const unit = (v: number) => Math.min(Math.max(v, 0), 1);

/** Weights of red, green and blue in how light a colour is. Source: ITU-R BT.601. */
const luma = [0.299, 0.587, 0.114] as const;

/** How light each pixel is. */
function lightness({ data, channels }: Pixels): Float32Array {
  if (channels === 1) return Float32Array.from(data);
  const light = new Float32Array(data.length / 3);
  for (let i = 0, at = 0; i < light.length; i++, at += 3) light[i] = luma[0] * data[at] + luma[1] * data[at + 1] + luma[2] * data[at + 2];
  return light;
}

/** Throws unless a picture is grey or red, green and blue; whether it is the latter. */
function isColored(op: string, { channels }: Pixels): boolean {
  if (channels === 1 || channels === 3) return channels === 3;
  throw new ShapeError(`${op}: colours are of one channel (grey) or three (red, green, blue) but pictures have ${channels}`, {
    op,
    inputs: [channels],
  });
}

/** Each value moved from another, of its pixel or of all, by a factor: 0 gives the other, 1 leaves it, more exaggerates. */
function blend({ data, channels }: Pixels, factor: number, other: number | Float32Array): void {
  for (let i = 0, at = 0; at < data.length; i++) {
    const base = (1 - factor) * (typeof other === "number" ? other : other[i]);
    for (let c = 0; c < channels; c++, at++) data[at] = unit(factor * data[at] + base);
  }
}

/** Changes of colour by a factor, as they are in PyTorch's torchvision. */
export const adjust = {
  brightness(pixels: Pixels, factor: number): void {
    blend(pixels, factor, 0);
  },
  contrast(pixels: Pixels, factor: number): void {
    isColored("contrast", pixels);
    const light = lightness(pixels);
    blend(pixels, factor, light.reduce((sum, v) => sum + v, 0) / light.length);
  },
  saturation(pixels: Pixels, factor: number): void {
    if (!isColored("saturation", pixels)) return;
    blend(pixels, factor, lightness(pixels));
  },
  /** Turns the circle of colours by a share of it. */
  hue(pixels: Pixels, by: number): void {
    if (!isColored("hue", pixels)) return;
    const { data } = pixels;
    for (let at = 0; at < data.length; at += 3) {
      const r = data[at];
      const g = data[at + 1];
      const b = data[at + 2];
      const most = Math.max(r, g, b);
      const range = most - Math.min(r, g, b);
      if (range === 0) continue;
      const sector = most === r ? (g - b) / range : most === g ? 2 + (b - r) / range : 4 + (r - g) / range;
      const hue = (((sector / 6 + by) % 1) + 1) % 1;
      // f(n) = V − range · max(0, min(k, 4 − k, 1)) with k = (n + 6h) mod 6, of n = 5, 3, 1 for red, green, blue.
      for (let c = 0; c < 3; c++) {
        const k = (5 - 2 * c + 6 * hue) % 6;
        data[at + c] = most - range * Math.max(0, Math.min(k, 4 - k, 1));
      }
    }
  },
  /** Away from the picture blurred by 3 × 3; the border stays. */
  sharpness(pixels: Pixels, factor: number): void {
    const { data, height, width, channels } = pixels;
    const before = Float32Array.from(data);
    for (let y = 1; y < height - 1; y++) {
      for (let x = 1; x < width - 1; x++) {
        for (let c = 0; c < channels; c++) {
          const at = (y * width + x) * channels + c;
          let sum = 4 * before[at];
          for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) sum += before[at + (dy * width + dx) * channels];
          data[at] = unit(factor * before[at] + (1 - factor) * (sum / 13));
        }
      }
    }
  },
  /** Values from a threshold on are inverted. */
  solarize({ data }: Pixels, threshold: number): void {
    for (let i = 0; i < data.length; i++) if (data[i] >= threshold) data[i] = 1 - data[i];
  },
  /** Keeps so many of the eight bits of each value. */
  posterize({ data }: Pixels, bits: number): void {
    const step = 2 ** (8 - bits);
    for (let i = 0; i < data.length; i++) data[i] = (Math.floor(Math.round(255 * unit(data[i])) / step) * step) / 255;
  },
  /** Stretches each channel over the whole range. */
  autoContrast({ data, channels }: Pixels): void {
    for (let c = 0; c < channels; c++) {
      let low = 1;
      let high = 0;
      for (let at = c; at < data.length; at += channels) {
        low = Math.min(low, data[at]);
        high = Math.max(high, data[at]);
      }
      if (high > low) for (let at = c; at < data.length; at += channels) data[at] = (data[at] - low) / (high - low);
    }
  },
  /** Makes all of 256 values of each channel about equally frequent. */
  equalize({ data, channels }: Pixels): void {
    for (let c = 0; c < channels; c++) {
      const counts = new Float64Array(256);
      for (let at = c; at < data.length; at += channels) counts[Math.round(255 * unit(data[at]))]++;
      const last = counts.findLastIndex((count) => count > 0);
      const step = Math.floor((data.length / channels - counts[last]) / 255);
      if (step === 0) continue;
      let sum = Math.floor(step / 2);
      const table = Array.from(counts, (count) => {
        const value = Math.min(Math.floor(sum / step), 255);
        sum += count;
        return value / 255;
      });
      for (let at = c; at < data.length; at += channels) data[at] = table[Math.round(255 * unit(data[at]))];
    }
  },
} as const;

export interface ColorJitterOptions {
  /** Factors are drawn from 1 − value to 1 + value, or from a range. Default 0: as it is. */
  brightness?: number | Interval;
  contrast?: number | Interval;
  saturation?: number | Interval;
  /** A share of the circle of colours, at most 0.5. */
  hue?: number | Interval;
}

/**
 * Changes brightness, contrast, saturation and hue, in a random order. A number stands for the first three; saturation and hue do nothing to grey pictures.
 * @example colorJitter({ brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05 })
 */
export function colorJitter(amounts: number | ColorJitterOptions): Step {
  const op = "colorJitter";
  const given: ColorJitterOptions = typeof amounts === "number" ? { brightness: amounts, contrast: amounts, saturation: amounts } : amounts;
  const names = ["brightness", "contrast", "saturation", "hue"] as const;
  const { brightness = 0, contrast = 0, saturation = 0, hue = 0 } = optionsOf(op, given, names);
  const factors = Object.entries({ brightness, contrast, saturation }).map(
    ([name, value]) => [name as "brightness" | "contrast" | "saturation", interval(op, name, value, 0, undefined, 1)] as const,
  );
  const parts = [...factors, ["hue", interval(op, "hue", hue, -0.5, 0.5)] as const];
  return ({ pixels }, random) => {
    const order = [...parts];
    for (let i = order.length; i > 0; i--) {
      const [[name, range]] = order.splice(random.below(i), 1);
      const value = between(range, random);
      if (value !== (name === "hue" ? 0 : 1)) adjust[name](pixels, value);
    }
  };
}

/** Grey in all three channels, for a share `p` (default 0.1) of the pictures. */
export function grey(options: { p?: number } = {}): Step {
  const { p = 0.1 } = optionsOf("grey", options, ["p"]);
  return sometimes(p, ({ pixels }) => adjust.saturation(pixels, 0));
}

/** The axes along which the colours of pictures vary: unit vectors of red, green and blue, and the standard deviations along them. */
export interface ColorAxes {
  readonly vectors: readonly (readonly [number, number, number])[];
  readonly deviations: readonly [number, number, number];
}

/** Of ImageNet. Source: the eigenvectors and eigenvalues that AlexNet's reimplementations use, for values from 0 to 1. */
const imageNetAxes: ColorAxes = {
  vectors: [
    [-0.5675, -0.5808, -0.5836],
    [0.7192, -0.0045, -0.6948],
    [0.4009, -0.814, 0.4203],
  ],
  deviations: [0.2175, 0.0188, 0.0045],
};

/**
 * Adds to all pixels of a picture the same colour, drawn along the axes of the data's colours: Σ vector · deviation · N(0, `std`²). `std`: default
 * 0.1; `axes`: those of ImageNet, or what {@link colorAxes} has found. Grey pictures stay. Source: Krizhevsky, Sutskever, Hinton 2012, section 4.1.
 */
export function pcaColor(options: { std?: number; axes?: ColorAxes } = {}): Step {
  const { std = 0.1, axes = imageNetAxes } = optionsOf("pcaColor", options, ["std", "axes"]);
  checkNumber("pcaColor", "std", std, 0);
  return ({ pixels }, random) => {
    if (!isColored("pcaColor", pixels)) return;
    const along = axes.deviations.map((deviation) => deviation * std * random.normal());
    const { data } = pixels;
    for (let c = 0; c < 3; c++) {
      const added = axes.vectors.reduce((sum, vector, k) => sum + along[k] * vector[c], 0);
      for (let at = c; at < data.length; at += 3) data[at] = unit(data[at] + added);
    }
  };
}

/** A Gaussian blur. `sigma`, in pixels: default 0.1 to 2; `p`: share of the pictures, default 0.5. */
export function blur(options: { sigma?: number | Interval; p?: number } = {}): Step {
  const { sigma = [0.1, 2], p = 0.5 } = optionsOf("blur", options, ["sigma", "p"]);
  const range = typeof sigma === "number" ? interval("blur", "sigma", [sigma, sigma], 0) : interval("blur", "sigma", sigma, 0);
  return sometimes(p, (canvas, random) => gaussianBlur(canvas, between(range, random)));
}

function gaussianBlur(canvas: Canvas, sigma: number): void {
  const reach = Math.ceil(3 * sigma);
  if (reach === 0) return;
  const weights = Float64Array.from({ length: reach + 1 }, (_, k) => Math.exp(-0.5 * (k / sigma) ** 2));
  const total = weights.reduce((sum, w, k) => sum + (k === 0 ? w : 2 * w), 0);
  const { data, height, width, channels } = canvas.pixels;
  /** Along lines of `n` values that lie `stride` apart; their ends stand for what lies beyond. */
  const along = (from: Float32Array, n: number, stride: number) => {
    const out = new Float32Array(from.length);
    for (let line = 0; line < from.length; line += n * stride) {
      for (let place = 0; place < n; place++) {
        const here = line + place * stride;
        for (let k = 0; k <= reach; k++) {
          const weight = weights[k] / (k === 0 ? 2 * total : total);
          const before = line + Math.max(place - k, 0) * stride;
          const after = line + Math.min(place + k, n - 1) * stride;
          for (let i = 0; i < stride; i++) out[here + i] += weight * (from[before + i] + from[after + i]);
        }
      }
    }
    return out;
  };
  canvas.replace(along(along(data, width, channels), height, width * channels));
}

/**
 * Covers a rectangle of the picture. `area`: its share of the picture, default 0.02 to 0.33; `ratio`: width over height, default 0.3 to 3.3; `fill`:
 * a value, default 0.5, or noise; `p`: default 0.5. Sources: DeVries & Taylor 2017; Zhong et al., "Random erasing", 2020.
 */
export function cutout({
  area = [0.02, 0.33],
  ratio = [0.3, 3.3],
  fill = 0.5,
  p = 0.5,
}: {
  area?: Interval;
  ratio?: Interval;
  fill?: number | "noise";
  p?: number;
} = {}): Step {
  const op = "cutout";
  const [areas, ratios] = [interval(op, "area", area, 0, 1), interval(op, "ratio", ratio, 0)];
  if (typeof fill !== "number" && fill !== "noise")
    throw new ValueError(`${op}: fill must be a number or "noise" but is ${String(fill)}`, { op, inputs: [fill] });
  return sometimes(p, ({ pixels: { data, height, width, channels } }, random) => {
    const covered = between(areas, random) * height * width;
    const proportion = Math.exp(between([Math.log(ratios[0]), Math.log(ratios[1])], random));
    const [h, w] = [
      Math.min(Math.round(Math.sqrt(covered / proportion)), height),
      Math.min(Math.round(Math.sqrt(covered * proportion)), width),
    ];
    const [top, left] = [random.below(height - h + 1), random.below(width - w + 1)];
    for (let y = top; y < top + h; y++) {
      for (let at = (y * width + left) * channels; at < (y * width + left + w) * channels; at++)
        data[at] = fill === "noise" ? random.uniform() : fill;
    }
  });
}

/**
 * The axes of a data set's own colours: the principal components of the pixels of all pictures x [n, height, width, 3], u8 or f32 from 0 to 1.
 * @example augment([pcaColor({ axes: await colorAxes(train) })])
 */
export async function colorAxes(pictures: Dataset<Batch & { readonly x: HostArray }>): Promise<ColorAxes> {
  const sums = new Float64Array(3);
  const products = new Float64Array(9);
  let count = 0;
  for (let start = 0; start < pictures.length; start += 64) {
    const { x } = await pictures.get(Array.from({ length: Math.min(64, pictures.length - start) }, (_, i) => start + i));
    if (x.shape[3] !== 3)
      throw new ShapeError(`colorAxes: pictures must have three channels but are ${format(x.shape)}`, {
        op: "colorAxes",
        inputs: [x.shape],
      });
    const scale = x.dtype === "u8" ? 1 / 255 : 1;
    for (let at = 0; at < x.data.length; at += 3, count++) {
      for (let i = 0; i < 3; i++) {
        sums[i] += scale * x.data[at + i];
        for (let j = 0; j < 3; j++) products[3 * i + j] += scale * x.data[at + i] * scale * x.data[at + j];
      }
    }
  }
  const covariance = [0, 1, 2].map((i) => [0, 1, 2].map((j) => products[3 * i + j] / count - (sums[i] / count) * (sums[j] / count)));
  const { values, vectors } = eigen(covariance);
  return {
    vectors: vectors as unknown as ColorAxes["vectors"],
    deviations: values.map((v) => Math.sqrt(Math.max(v, 0))) as unknown as ColorAxes["deviations"],
  };
}

/** Eigenvalues of a symmetric matrix, the largest first, and unit vectors that belong to them. Source: Jacobi 1846, all elements in turn. */
function eigen(symmetric: readonly (readonly number[])[]): { values: number[]; vectors: number[][] } {
  const a = symmetric.map((row) => [...row]);
  const n = a.length;
  const v = a.map((_, i) => a.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 20; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (a[p][q] === 0) continue;
        const theta = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
        const [cos, sin] = [Math.cos(theta), Math.sin(theta)];
        const rotate = (m: number[][]) => {
          for (const row of m) [row[p], row[q]] = [cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]];
        };
        rotate(a);
        [a[p], a[q]] = [a[p].map((x, k) => cos * x - sin * a[q][k]), a[p].map((x, k) => sin * x + cos * a[q][k])];
        rotate(v);
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v.map((row) => row[i])) };
}
