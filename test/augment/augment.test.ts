/** Augmentation: exact small cases, torchvision's numbers, boxes and masks that go with their pixels, and the same pictures wherever they are made. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AugmentOptions,
  augment,
  blur,
  centerCrop,
  colorAxes,
  colorJitter,
  compose,
  cutmix,
  cutout,
  grey,
  localWarp,
  mirror,
  mixup,
  oneOf,
  pcaColor,
  perspective,
  quarterTurns,
  randAugment,
  randomCrop,
  resize,
  resizedCrop,
  rotation,
  type Step,
  shear,
  shift,
  sometimes,
  zoom,
} from "nabla/augment";
import { ArrayDataset, type Batch, type HostArray, type LabeledBatch } from "nabla/data";
import { describe, expect, it } from "vitest";
import { adjust } from "../../lib/augment/colors.js";
import { WordStream } from "../../lib/base/philox.js";
import { Sampling } from "../../lib/data/sampling.js";
import { golden } from "../golden/read.js";
import { firstSeed } from "../seeds.js";

const field = (shape: number[], data: ArrayLike<number>, dtype: "f32" | "u8" | "i32" = "f32"): HostArray => ({
  shape,
  dtype,
  data: { f32: Float32Array, u8: Uint8Array, i32: Int32Array }[dtype].from(data),
});
/** One picture of one channel. */
const grid = (rows: readonly (readonly number[])[]) => field([1, rows.length, rows[0].length, 1], rows.flat());
const pass = (n = 1, seed = 0) =>
  new Sampling(
    Array.from({ length: n }, (_, i) => i),
    { seed, epoch: 0 },
  );
const rowsOf = ({ data, shape: [, height, width] }: HostArray) =>
  Array.from({ length: height }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
const total = (data: ArrayLike<number>) => Array.from(data).reduce((a, b) => a + b, 0);
const changed = (picture: HostArray, steps: Step[], options?: AugmentOptions) => augment(steps, options)({ x: picture }, pass()).x;
const noise = (height: number, width: number, channels = 3, n = 1, seed = 5) => {
  const words = new WordStream(seed);
  return field(
    [n, height, width, channels],
    Array.from({ length: n * height * width * channels }, () => words.below(256)),
    "u8",
  );
};

describe("steps that move pixels, by hand", () => {
  const small = grid(
    [
      [1, 2, 3],
      [4, 5, 6],
    ].map((row) => row.map((v) => v / 8)),
  );
  const eighths = (picture: HostArray) => rowsOf(picture).map((row) => row.map((v) => 8 * v));

  it("mirror, twice the picture again, bytes too", () => {
    expect(eighths(changed(small, [mirror({ p: 1 })]))).toEqual([
      [3, 2, 1],
      [6, 5, 4],
    ]);
    expect(eighths(changed(small, [mirror({ p: 1, axis: "vertical" })]))).toEqual([
      [4, 5, 6],
      [1, 2, 3],
    ]);
    const bytes = noise(5, 7);
    const flush: Step = (canvas) => void canvas.pixels;
    for (const axis of ["horizontal", "vertical"] as const) {
      const flip = mirror({ p: 1, axis });
      expect(changed(bytes, [flip])).not.toEqual(bytes);
      expect(changed(bytes, [flip, flip])).toEqual(bytes);
      expect(changed(bytes, [flip, flush, flip])).toEqual(bytes);
    }
    expect(changed(bytes, [mirror({ p: 0 })])).toEqual(bytes);
  });

  it("a quarter turn goes against the clock, exactly; four are none", () => {
    const square = grid(
      [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ].map((row) => row.map((v) => v / 16)),
    );
    const turned = changed(square, [rotation([90, 90])]);
    expect(rowsOf(turned).map((row) => row.map((v) => 16 * v))).toEqual([
      [3, 6, 9],
      [2, 5, 8],
      [1, 4, 7],
    ]);
    const quarter = rotation([90, 90]);
    expect(changed(square, [quarter, quarter, quarter, quarter])).toEqual(square);
    expect(changed(square, [rotation([-270, -270])])).toEqual(turned);
    const seen = new Set(
      Array.from({ length: 40 }, (_, seed) => JSON.stringify(rowsOf(augment([quarterTurns()])({ x: small }, pass(1, seed)).x))),
    );
    expect([...seen].map((text) => JSON.parse(text).length).sort()).toEqual([2, 2, 3, 3]); // 0 and 180 degrees, 90 and 270
  });

  it("crops: inside, around, beyond the edge", () => {
    expect(eighths(changed(small, [centerCrop([2, 1])]))).toEqual([[2], [5]]);
    expect(eighths(changed(small, [centerCrop([4, 3])], { fill: 1 }))).toEqual([
      [8, 8, 8],
      [1, 2, 3],
      [4, 5, 6],
      [8, 8, 8],
    ]);
    expect(eighths(changed(small, [centerCrop([4, 5])], { fill: "edge" }))).toEqual([
      [1, 1, 2, 3, 3],
      [1, 1, 2, 3, 3],
      [4, 4, 5, 6, 6],
      [4, 4, 5, 6, 6],
    ]);
    expect(eighths(changed(small, [centerCrop([2, 7])], { fill: "reflect" }))).toEqual([
      [2, 1, 1, 2, 3, 3, 2],
      [5, 4, 4, 5, 6, 6, 5],
    ]);
    const places = new Set(
      Array.from({ length: 60 }, (_, seed) => String(augment([randomCrop([1, 1])])({ x: small }, pass(1, seed)).x.data)),
    );
    expect(places.size).toBe(6);
    const padded = Array.from(
      { length: 200 },
      (_, seed) => augment([randomCrop([2, 3], { pad: 1 })], { fill: 1 })({ x: small }, pass(1, seed)).x,
    );
    expect(new Set(padded.map(({ data }) => String(data))).size).toBe(9); // 3 × 3 places
  });

  it("sizes: what grows is interpolated, what shrinks averaged", () => {
    expect(rowsOf(changed(grid([[0, 1]]), [resize([1, 4])]))).toEqual([[0, 0.25, 0.75, 1]]);
    const sixteen = grid(
      [
        [1, 3, 0, 0],
        [5, 7, 0, 8],
      ].map((row) => row.map((v) => v / 8)),
    );
    expect(eighths(changed(sixteen, [resize([1, 2])]))).toEqual([[4, 2]]);
    expect(eighths(changed(sixteen, [resize([1, 1])]))).toEqual([[3]]);
    const crop = changed(noise(40, 60), [resizedCrop([12, 16])]);
    expect([crop.shape, crop.dtype]).toEqual([[1, 12, 16, 3], "u8"]);
    expect(changed(noise(4, 90), [resizedCrop(8, { scale: [1, 1] })]).shape).toEqual([1, 8, 8, 3]); // no part of these proportions fits: the middle
  });

  it("steps in a row are one interpolation", () => {
    const picture = noise(9, 9);
    const back = [rotation([30, 30]), shear([10, 10]), shear([-10, -10]), rotation([-30, -30])];
    const inTheMiddle = (x: HostArray) => [2, 3, 4, 5, 6].flatMap((i) => Array.from(x.data.subarray(27 * i + 6, 27 * i + 21)));
    expect(changed(picture, back)).toEqual(picture);
    const lookedAt = changed(picture, [back[0], (canvas) => void canvas.pixels, ...back.slice(1)]);
    expect(inTheMiddle(lookedAt)).not.toEqual(inTheMiddle(picture));
  });
});

describe("torchvision's numbers", () => {
  const cases = golden<{ name: string; shape: number[]; data: number[] }>("augment");
  const { shape, data } = cases[0];
  const unit = field(
    [1, ...shape],
    data.map((v) => v / 255),
  );
  const color =
    (name: keyof typeof adjust, value: number): Step =>
    ({ pixels }) =>
      adjust[name](pixels, value);
  const steps: Record<string, Step> = {
    brightness: colorJitter({ brightness: [1.4, 1.4] }),
    contrast: colorJitter({ contrast: [0.6, 0.6] }),
    saturation: colorJitter({ saturation: [1.7, 1.7] }),
    hue: colorJitter({ hue: [0.2, 0.2] }),
    sharpness: color("sharpness", 1.8),
    posterize: color("posterize", 3),
    solarize: color("solarize", 128 / 255),
    autoContrast: color("autoContrast", 0),
    equalize: color("equalize", 0),
    rotation: rotation([30, 30]),
    shear: shear([20, 20]),
    shift: shift([0.25, 0.25], [-0.125, -0.125]),
    resize: resize([13, 11]),
  };
  it.each(cases.slice(1))("$name", ({ name, shape: size, data: expected }) => {
    const nearest = ["rotation", "shear", "shift"].includes(name);
    const got = changed(unit, [steps[name]], { interpolation: nearest ? "nearest" : "bilinear" });
    expect(got.shape.slice(1)).toEqual(size);
    const tolerance = ["contrast", "saturation"].includes(name) ? 2e-4 : 2e-6; // its weight of red is 0.2989
    expect(Math.max(...expected.map((v, i) => Math.abs(v - got.data[i])))).toBeLessThan(tolerance);
  });
});

describe("colours", () => {
  const pure = field([1, 1, 4, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5, 0.5, 0.5]);
  const rounded = (steps: Step[], picture = pure, seed = 0) =>
    Array.from(augment(steps)({ x: picture }, pass(1, seed)).x.data, (v) => Number(v.toFixed(3)));

  it("turned by a third red is green, green blue and blue red; grey is how light they are", () => {
    expect(rounded([colorJitter({ hue: [1 / 3, 1 / 3] })])).toEqual([0, 1, 0, 0, 0, 1, 1, 0, 0, 0.5, 0.5, 0.5]);
    expect(rounded([grey({ p: 1 })])).toEqual([0.299, 0.299, 0.299, 0.587, 0.587, 0.587, 0.114, 0.114, 0.114, 0.5, 0.5, 0.5]);
    expect(rounded([colorJitter(0)])).toEqual(Array.from(pure.data));
    const oneChannel = grid([[0.2, 0.6]]);
    expect(Array.from(changed(oneChannel, [colorJitter({ saturation: 1, hue: 0.5 }), pcaColor(), grey({ p: 1 })]).data)).toEqual(
      Array.from(oneChannel.data),
    );
  });

  it("factors are drawn evenly from 1 − value to 1 + value", () => {
    const grey = field([1, 1, 1, 1], [0.4]);
    const drawn = Array.from(
      { length: 2000 },
      (_, seed) => augment([colorJitter({ brightness: 0.5 })])({ x: grey }, pass(1, seed)).x.data[0] / 0.4,
    );
    const mean = drawn.reduce((a, b) => a + b) / drawn.length;
    expect(Math.min(...drawn) >= 0.5 && Math.max(...drawn) <= 1.5 && Math.max(...drawn) - Math.min(...drawn) > 0.98).toBe(true);
    expect(Math.abs(mean - 1)).toBeLessThan((5 * 1) / Math.sqrt(12 * 2000));
  });

  it("AlexNet's noise is one colour a picture, along the axes of the data's colours", async () => {
    // Colours vary by 0.1 along (1, 1, 1)/√3 and by 0.02 along (1, −1, 0)/√2.
    const words = new WordStream(1);
    const pixels = Array.from({ length: 20_000 }, () => {
      const [a, b] = [(0.1 * words.normal()) / Math.sqrt(3), (0.02 * words.normal()) / Math.SQRT2];
      return [0.5 + a + b, 0.5 + a - b, 0.5 + a];
    });
    const { vectors, deviations } = await colorAxes(new ArrayDataset({ x: field([200, 10, 10, 3], pixels.flat()) }));
    [0.1, 0.02, 0].forEach((deviation, k) => {
      expect(Math.abs(deviations[k] - deviation)).toBeLessThan(0.003);
    });
    const along = (vector: readonly number[], axis: readonly number[]) => Math.abs(vector.reduce((sum, v, i) => sum + v * axis[i], 0));
    expect(
      along(
        vectors[0],
        [1, 1, 1].map((v) => v / Math.sqrt(3)),
      ),
    ).toBeGreaterThan(0.999);
    expect(
      along(
        vectors[1],
        [1, -1, 0].map((v) => v / Math.SQRT2),
      ),
    ).toBeGreaterThan(0.999);
    const flat = field([1, 2, 2, 3], Array(12).fill(0.5));
    const added = Array.from(
      { length: 2000 },
      (_, seed) => augment([pcaColor({ std: 0.5, axes: { vectors, deviations } })])({ x: flat }, pass(1, seed)).x.data,
    );
    for (const data of added.slice(0, 20)) for (let i = 3; i < 12; i++) expect(data[i]).toBe(data[i % 3]);
    const spread = Math.sqrt(
      added.reduce((sum, data) => sum + ((data[0] + data[1] + data[2] - 1.5) / Math.sqrt(3)) ** 2, 0) / added.length,
    );
    expect(Math.abs(spread / (0.5 * deviations[0]) - 1)).toBeLessThan(0.08); // five standard deviations: 5/√(2·2000)
  });

  it("a blur keeps the sum, is the same either way, and of a point is a Gaussian", () => {
    const point = field(
      [1, 15, 15, 1],
      Array.from({ length: 225 }, (_, i) => Number(i === 112)),
    );
    const { data } = changed(point, [blur({ sigma: 1.5, p: 1 })]);
    expect(total(data)).toBeCloseTo(1, 5);
    expect(data[113]).toBe(data[111]);
    expect(data[113]).toBeCloseTo(data[127], 7);
    expect(data[114] / data[112]).toBeCloseTo(Math.exp(-0.5 * (2 / 1.5) ** 2), 5);
    expect(new Set(changed(field([1, 5, 5, 1], Array(25).fill(0.25)), [blur({ sigma: 2, p: 1 })]).data).size).toBe(1);
  });

  it("a hole has the area that it should, and is a rectangle anywhere", () => {
    const white = field([1, 20, 20, 1], Array(400).fill(1));
    const columns = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const { data } = augment([cutout({ area: [0.16, 0.16], ratio: [1, 1], fill: 0, p: 1 })])({ x: white }, pass(1, seed)).x;
      const hole = Array.from(data.keys()).filter((i) => data[i] === 0);
      expect(hole).toHaveLength(64);
      expect(hole.at(-1)! - hole[0]).toBe(7 * 20 + 7);
      columns.add(hole[0] % 20);
    }
    expect(columns.size).toBeGreaterThan(8);
    expect(new Set(changed(white, [cutout({ fill: "noise", p: 1 })]).data).size).toBeGreaterThan(3);
  });
});

/** Every step that moves pixels, so that much of the picture stays in sight. */
const moves: Record<string, Step> = {
  mirror: mirror({ p: 1 }),
  crop: randomCrop([24, 28]),
  resize: resize([50, 41]),
  resizedCrop: resizedCrop(30, { scale: [0.7, 1] }),
  rotation: rotation(25),
  quarterTurns: quarterTurns(),
  shear: shear(15, 10),
  shift: shift(0.1),
  zoom: zoom([0.8, 1.2]),
  perspective: perspective({ distortion: 0.3, p: 1 }),
  localWarp: localWarp({ amount: 0.03 }),
  all: compose(rotation(10), shear(5), perspective({ distortion: 0.2, p: 1 }), localWarp({ amount: 0.02 }), mirror(), resize([40, 30])),
};

describe.each(Object.entries(moves))("%s", (_, step) => {
  /** A bright rectangle from (9, 12) to (21, 23), and one that is its mask. */
  const [height, width] = [32, 36];
  const [left, top, right, bottom] = [9, 12, 21, 23];
  const inside = (i: number) =>
    Number(i % width >= left && i % width < right && Math.floor(i / width) >= top && Math.floor(i / width) < bottom);
  const x = field(
    [1, height, width, 1],
    Array.from({ length: height * width }, (_, i) => inside(i)),
  );
  const mask = field(
    [1, height, width],
    Array.from(x.data, (v) => 7 * v),
    "i32",
  );
  const boxes = field([1, 3, 5], [left, top, right, bottom, 4, 0, 0, 0, 0, 0, -9, -9, -1, -1, 2]);
  const seeds = Array.from({ length: 10 }, (_, k) => k + (firstSeed % 1000));

  it("takes boxes with their pixels", () => {
    for (const seed of seeds) {
      const out = augment([step])({ x, boxes }, pass(1, seed));
      const [, h, w] = out.x.shape;
      const seen = Array.from(out.x.data.keys()).filter((i) => out.x.data[i] > 0.5);
      const around = [
        Math.min(...seen.map((i) => i % w)),
        Math.min(...seen.map((i) => Math.floor(i / w))),
        Math.max(...seen.map((i) => i % w)) + 1,
        Math.max(...seen.map((i) => Math.floor(i / w))) + 1,
      ];
      const box = Array.from(out.boxes.data.subarray(0, 4));
      around.forEach((edge, k) => {
        expect(Math.abs(edge - box[k]), `seed ${seed}, ${h} × ${w}: ${around} in ${box}`).toBeLessThan(1.6); // a corner may cover less than half of a pixel
      });
      expect(Array.from(out.boxes.data.subarray(4))).toEqual([4, ...Array(10).fill(0)]); // its class with it; what is out of sight is gone
    }
  });

  it("takes masks with their pixels, to the pixel where they are taken from the nearest, and keeps areas", () => {
    for (const seed of seeds) {
      const out = augment([step], { interpolation: "nearest" })({ x, mask }, pass(1, seed));
      expect(Array.from(out.mask.data)).toEqual(Array.from(out.x.data, (v) => 7 * v));
      expect([out.mask.dtype, out.mask.shape]).toEqual(["i32", out.x.shape.slice(0, 3)]);
      const smooth = augment([step])({ x, mask }, pass(1, seed));
      expect(Array.from(smooth.mask.data)).toEqual(Array.from(out.mask.data));
      const area = total(smooth.x.data);
      const counted = total(smooth.mask.data) / 7;
      expect(Math.abs(counted / area - 1), `seed ${seed}`).toBeLessThan(0.15);
    }
  });
});

it("turns, shears and mirrors keep the area of what stays in sight", () => {
  const mask = field(
    [1, 64, 64],
    Array.from({ length: 4096 }, (_, i) => Number(Math.hypot((i % 64) - 31.5, Math.floor(i / 64) - 31.5) < 18)),
    "u8",
  );
  const x = field([1, 64, 64, 1], mask.data);
  const area = total(mask.data);
  for (const step of [rotation(180), shear(20, 20), mirror(), quarterTurns()]) {
    for (let seed = 0; seed < 5; seed++) {
      const out = augment([step])({ x, mask }, pass(1, seed));
      expect(Math.abs(total(out.mask.data) / area - 1)).toBeLessThan(0.02);
    }
  }
});

describe("mixtures", () => {
  const n = 400;
  const x = field(
    [n, 4, 4, 1],
    Array.from({ length: 16 * n }, (_, k) => Math.floor(k / 16)),
  );
  const y = field(
    [n],
    Array.from({ length: n }, (_, i) => i % 4),
    "i32",
  );
  const own = (data: ArrayLike<number>, i: number) => data[4 * i + (i % 4)];

  it("mixup: x and y by the same share, which is Beta's", () => {
    for (const alpha of [0.2, 1, 3]) {
      const out = mixup({ classes: 4, alpha })({ x, y }, pass(n, firstSeed));
      expect([out.y.shape, out.y.dtype]).toEqual([[n, 4], "f32"]);
      const shares = Array.from({ length: n }, (_, i) => own(out.y.data, i));
      for (let i = 0; i < n - 1; i++) {
        const pixels = out.x.data.subarray(16 * i, 16 * i + 16);
        const off = Math.max(...Array.from(pixels, (v) => Math.abs(v - (shares[i] * i + (1 - shares[i]) * (i + 1)))));
        expect([out.y.data[4 * i + ((i + 1) % 4)] + shares[i], off < 1e-3], `example ${i}`).toEqual([expect.closeTo(1, 6), true]);
      }
      // Mean 1/2, variance 1 / (4 (2α + 1)): five standard deviations of either.
      const variance = 1 / (4 * (2 * alpha + 1));
      const mean = shares.reduce((a, b) => a + b) / n;
      expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(variance / n));
      const found = shares.reduce((sum, v) => sum + (v - 0.5) ** 2, 0) / n;
      expect(Math.abs(found / variance - 1)).toBeLessThan(5 * Math.sqrt(1.5 / n));
    }
  });

  it("cutmix: a rectangle of the next, labels by its area", () => {
    const out = cutmix({ classes: 4 })({ x, y }, pass(n, firstSeed));
    for (let i = 0; i < n - 1; i++) {
      const pixels = Array.from(out.x.data.subarray(16 * i, 16 * i + 16));
      const others = pixels.flatMap((v, k) => (v === i + 1 ? [k] : []));
      expect(pixels.filter((v) => v === i)).toHaveLength(16 - others.length);
      expect(own(out.y.data, i)).toBeCloseTo(1 - others.length / 16, 6);
      if (others.length === 0) continue;
      const [columns, rows] = [new Set(others.map((k) => k % 4)), new Set(others.map((k) => k >> 2))];
      expect(columns.size * rows.size).toBe(others.length);
    }
    expect(mixup({ p: 0 })(out, pass(n)).y.data).toEqual(out.y.data); // probabilities are mixed as they are
  });
});

it("errors say what disagrees", () => {
  const picture = noise(4, 6);
  const run = (steps: Step[], batch: Batch = { x: picture }, options?: AugmentOptions) =>
    augment(steps, options)(batch, pass(batch.x.shape[0]));
  const wrong: [() => unknown, string, string?][] = [
    [() => run([], { x: field([2, 3], [1, 2, 3, 4, 5, 6]) }), "ERR_SHAPE"],
    [() => run([], { x: { ...picture, dtype: "i32" } }), "ERR_DTYPE"],
    [() => run([], { x: picture, boxes: field([1, 4], [0, 0, 1, 1]) }), "ERR_SHAPE"],
    [() => run([], { x: picture, mask: field([1, 6, 4], Array(24).fill(0), "u8") }), "ERR_SHAPE"],
    [() => run([quarterTurns()], { x: noise(4, 6, 3, 20) }), "ERR_SHAPE"],
    [() => run([colorJitter(0.1)], { x: noise(2, 2, 4) }), "ERR_SHAPE"],
    [() => rotation([5, 3]), "ERR_VALUE", "rotation"],
    [() => shear(-1), "ERR_VALUE", "shear"],
    [() => colorJitter({ hue: [0, 0.6] }), "ERR_VALUE", "colorJitter"],
    [() => randomCrop(0), "ERR_VALUE", "randomCrop"],
    [() => sometimes(1.5), "ERR_VALUE"],
    [() => oneOf(), "ERR_VALUE"],
    [() => randAugment({ magnitude: 31 }), "ERR_VALUE"],
    [() => mixup({ alpha: 0 }), "ERR_VALUE"],
    [() => mixup()({ x: field([1, 1], [0]), y: field([1], [0], "i32") }, pass()), "ERR_VALUE"],
    [() => mixup({ classes: 2 })({ x: field([1, 1], [0]), y: field([1], [2], "i32") }, pass()), "ERR_INDEX"],
  ];
  for (const [make, code, op = "augment"] of wrong)
    expect(make, String(make)).toThrow(expect.objectContaining(["augment"].includes(op) ? { code } : { code, op }));
});

it("the same example in the same epoch is changed alike in any batch; each map draws numbers of its own", async () => {
  const all = noise(8, 8, 3, 12);
  const y = field(
    [12],
    Array.from({ length: 12 }, (_, i) => i),
    "i32",
  );
  const data = new ArrayDataset<LabeledBatch>({ x: all, y }).map(
    augment([randAugment(), mirror(), randomCrop(8, { pad: 2 }), colorJitter(0.3)]),
  );
  const one = async (i: number, epoch = 0, seed = 1) => (await data.get([i], { seed, epoch })).x.data;
  const many = (await data.get([3, 9, 1], { seed: 1, epoch: 0 })).x.data;
  expect([await one(3), await one(9), await one(1)]).toEqual([0, 1, 2].map((k) => many.slice(192 * k, 192 * (k + 1))));
  expect(await one(3, 1)).not.toEqual(await one(3));
  expect(await one(3, 0, 2)).not.toEqual(await one(3));
  const flips = (steps: Step[]) => augment(steps);
  const twice = new ArrayDataset<LabeledBatch>({ x: all, y }).map(flips([mirror()])).map(flips([mirror()]));
  const same = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => String((await twice.get([i])).x.data) === String(all.data.slice(192 * i, 192 * (i + 1)))),
  );
  expect(new Set(same).size).toBe(2); // by the same numbers, every picture would be mirrored twice or not at all
});

// Workers run what is published, so this is tried with what has been built.
it("pictures are the same for 0, 1 and 2 workers, and for a map", () => {
  const folder = mkdtempSync(join(tmpdir(), "nabla-augment-"));
  const dist = (name: string) => JSON.stringify(new URL(`../../dist/${name}/index.js`, import.meta.url).href);
  const steps = `[randomCrop(14, { pad: 2 }), localWarp(), sometimes(0.5, rotation(20), blur()), randAugment(), cutout()]`;
  const names = "augment, blur, cutmix, cutout, localWarp, randAugment, randomCrop, rotation, sometimes";
  const text = `import { ${names} } from ${dist("augment")};
    const [change, mix] = [augment(${steps}, { fill: "reflect" }), cutmix({ classes: 3 })];
    export default (batch, sampling) => mix(change(batch, sampling), sampling);`;
  writeFileSync(join(folder, "change.mjs"), text);
  writeFileSync(
    join(folder, "program.mjs"),
    `import { createHash } from "node:crypto";
    import { ArrayDataset, DataLoader } from ${dist("data")};
    import change from "./change.mjs";
    const x = { data: Float32Array.from({ length: 20 * 768 }, (_, i) => (i * 7919 % 256) / 255), shape: [20, 16, 16, 3], dtype: "f32" };
    const data = new ArrayDataset({ x, y: { data: Int32Array.from({ length: 20 }, (_, i) => i % 3), shape: [20], dtype: "i32" } });
    const digests = [];
    for (const [set, options] of [[data.map(change), {}], ...[0, 1, 2].map((workers) => [data, { workers, transform: new URL("change.mjs", import.meta.url) }])]) {
      const loader = new DataLoader(set, { batchSize: 8, shuffle: true, seed: 3, ...options });
      const hash = createHash("sha256");
      for (const epoch of [0, 1]) for await (const { x, y } of loader.epoch(epoch)) hash.update(x.data).update(y.data);
      digests.push(hash.digest("hex"));
      await loader.close();
    }
    console.log(JSON.stringify(digests));`,
  );
  const digests = JSON.parse(execFileSync(process.execPath, [join(folder, "program.mjs")], { encoding: "utf8", timeout: 30_000 }));
  expect(digests).toEqual(Array(4).fill(digests[0]));
});

it("the next batches are changed by workers while the first is learnt from", () => {
  const folder = mkdtempSync(join(tmpdir(), "nabla-augment-"));
  const dist = (name: string) => JSON.stringify(new URL(`../../dist/${name}/index.js`, import.meta.url).href);
  writeFileSync(
    join(folder, "change.mjs"),
    `import { augment, mirror, rotation } from ${dist("augment")};
    const change = augment([mirror(), rotation(10)]);
    const done = new BroadcastChannel("done");
    export default (batch, sampling) => {
      const changed = change(batch, sampling);
      done.postMessage([...sampling.indices]);
      return changed;
    };`,
  );
  writeFileSync(
    join(folder, "program.mjs"),
    `import { ArrayDataset, DataLoader } from ${dist("data")};
    const x = { data: new Uint8Array(40 * 192), shape: [40, 8, 8, 3], dtype: "u8" };
    const done = new BroadcastChannel("done");
    const changed = new Set();
    const enough = new Promise((resolve) => {
      done.onmessage = ({ data }) => {
        for (const i of data) changed.add(i);
        if (changed.size >= 20) resolve();
      };
    });
    const loader = new DataLoader(new ArrayDataset({ x, y: x }), { batchSize: 4, workers: 2, transform: new URL("change.mjs", import.meta.url) });
    let batches = 0;
    for await (const batch of loader) if (++batches === 1) await enough; // the first alone has been asked for: 4 pictures
    console.log(batches);
    done.close();
    await loader.close();`,
  );
  expect(Number(execFileSync(process.execPath, [join(folder, "program.mjs")], { encoding: "utf8", timeout: 30_000 }))).toBe(10);
});
