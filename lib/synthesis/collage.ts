/** Pictures made of cut-outs on photos, with boxes and masks that are exact because one knows what was put where. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { WordStream } from "../base/philox.js";
import type { Picture } from "../plot/index.js";

/** A picture with opacity, and what it shows. */
export interface CutOut {
  readonly picture: Picture;
  readonly label: number;
}

export interface CollageOptions {
  /** Cut-outs to put on, drawn with repetition. Default 1. */
  readonly count?: number;
  /** Length of the longer side, as a share of the background's shorter side, drawn evenly. Default 0.3 to 0.6. */
  readonly size?: readonly [low: number, high: number];
  /** Mirror one half of them. Default true. */
  readonly mirror?: boolean;
  /** Default 0. */
  readonly seed?: number;
}

/** What can be seen of a cut-out. Edges are whole pixels: it reaches from x to x + width. */
export interface Placed {
  readonly label: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Share of its pixels that no later one covers. */
  readonly visible: number;
}

export interface Collage {
  readonly picture: Picture;
  /** Of those that can be seen; number i is `mask` value i + 1. */
  readonly boxes: readonly Placed[];
  /** Row by row: 0 background, else one more than the number of the box. */
  readonly mask: Uint8Array;
}

/**
 * Puts cut-outs at random places and sizes on a background of three channels; later ones cover earlier ones. Whole cut-outs stay within the picture.
 * A pixel belongs to a cut-out where its opacity is at least one half.
 * @throws {ValueError} if channels are others, or there are more than 255 cut-outs.
 */
export function collage(background: Picture, cutOuts: readonly CutOut[], options: CollageOptions = {}): Collage {
  const op = "collage";
  const names = ["count", "size", "mirror", "seed"] as const;
  const { count = 1, size: [low, high] = [0.3, 0.6], mirror = true, seed = 0 } = optionsOf(op, options, names);
  const { width, height, channels } = background;
  const wrong = cutOuts.find(({ picture }) => picture.channels !== 4);
  if (channels !== 3 || cutOuts.length === 0 || wrong !== undefined) {
    const found = `${channels} channels and ${cutOuts.length} cut-outs${wrong === undefined ? "" : ` of ${wrong.picture.channels}`}`;
    throw new ValueError(`${op}: expected a background of 3 channels and cut-outs of 4 but received ${found}`, { op });
  }
  if (!(Number.isInteger(count) && count >= 0 && count <= 255 && low > 0 && low <= high && high <= 1))
    throw new ValueError(`${op}: expected 0 to 255 cut-outs of 0 < low ≤ high ≤ 1 but received ${count}, ${low} to ${high}`, { op });
  const random = new WordStream(seed);
  const pixels = Uint8Array.from(background.pixels);
  const owner = new Uint8Array(width * height);
  const placed = Array.from({ length: count }, (_, k) => {
    const { picture, label } = cutOuts[random.below(cutOuts.length)];
    const longest = (low + (high - low) * random.uniform()) * Math.min(width, height);
    const scale = longest / Math.max(picture.width, picture.height);
    const [w, h] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
    const isMirrored = mirror && random.below(2) === 1;
    const [left, top] = [random.below(width - w + 1), random.below(height - h + 1)];
    const scaled = resize(picture, w, h);
    let own = 0;
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const from = 4 * (y * w + (isMirrored ? w - 1 - x : x));
        const alpha = scaled[from + 3];
        const at = (top + y) * width + left + x;
        for (let c = 0; c < 3; c++) pixels[3 * at + c] = Math.round(scaled[from + c] + (1 - alpha) * pixels[3 * at + c]);
        if (alpha < 0.5) continue;
        owner[at] = k + 1;
        own++;
      }
    }
    return { label, own };
  });
  const seen = placed.map(({ label, own }, k) => ({ k, label, own, ...boxOf(owner, width, k + 1) })).filter(({ area }) => area > 0);
  const number = new Uint8Array(count + 1);
  seen.forEach(({ k }, i) => {
    number[k + 1] = i + 1;
  });
  return {
    picture: { width, height, channels, pixels },
    boxes: seen.map(({ label, own, area, x, y, width: w, height: h }) => ({ label, x, y, width: w, height: h, visible: area / own })),
    mask: owner.map((k) => number[k]),
  };
}

/** The smallest box around all pixels of an owner. */
function boxOf(owner: Uint8Array, width: number, who: number) {
  let [left, top, right, bottom, area] = [width, Number.POSITIVE_INFINITY, -1, -1, 0];
  for (let at = owner.indexOf(who); at >= 0; at = owner.indexOf(who, at + 1)) {
    const [x, y] = [at % width, Math.floor(at / width)];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = y;
    area++;
  }
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1, area };
}

/** Mean colours (0 to 255, times opacity) and opacity (0 to 1) of the area that each new pixel stands for. */
function resize({ width, height, pixels }: Picture, w: number, h: number): Float32Array {
  const out = new Float32Array(4 * w * h);
  const [xs, ys] = [shares(width, w), shares(height, h)];
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const to = 4 * (y * w + x);
      for (const [i, wy] of ys[y]) {
        for (const [j, wx] of xs[x]) {
          const from = 4 * (i * width + j);
          const opacity = (wy * wx * pixels[from + 3]) / 255;
          for (let c = 0; c < 3; c++) out[to + c] += opacity * pixels[from + c];
          out[to + 3] += opacity;
        }
      }
    }
  }
  return out;
}

/** For each of `to` new pixels the old ones it covers, each with its share of the new one. */
function shares(from: number, to: number): [index: number, share: number][][] {
  const scale = from / to;
  return Array.from({ length: to }, (_, k) => {
    const [start, end] = [k * scale, (k + 1) * scale];
    const first = Math.floor(start);
    const covered = Array.from({ length: Math.min(Math.ceil(end - 1e-9), from) - first }, (_, i) => first + i);
    return covered.map((i) => [i, (Math.min(end, i + 1) - Math.max(start, i)) / scale]);
  });
}
