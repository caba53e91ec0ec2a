/** What is made of other data is what it says: ratios, boxes, masks. */
import { collage, mixAtSnr, NoiseMixer } from "nabla/synthesis";
import { expect, it } from "vitest";
import { WordStream } from "../../lib/base/philox.js";
import { firstSeed } from "../seeds.js";

const noiseOf = (n: number, stream: number) => {
  const random = new WordStream(firstSeed, stream);
  return Float32Array.from({ length: n }, () => random.uniform() - 0.5);
};
const power = (x: ArrayLike<number>) => Array.from(x).reduce((sum, value) => sum + value * value, 0) / x.length;

it("the ratio is met to 0.1 dB, wherever the noise begins and however often it comes again", () => {
  const clean = Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i / 7) * (i < 1000 ? 1 : 0.1));
  const noise = noiseOf(700, 1).map((x, i) => (i < 300 ? x : 0.05 * x));
  for (const snr of [-10, 0, 3.5, 20]) {
    for (const offset of [0, 299, 699]) {
      const mixed = mixAtSnr(clean, noise, { snr, offset });
      const added = mixed.map((x, i) => x - clean[i]);
      expect(10 * Math.log10(power(clean) / power(added))).toBeCloseTo(snr, 2);
      const gain = added[0] / noise[offset];
      for (const i of [1, 500, 2999]) expect(added[i]).toBeCloseTo(gain * noise[(offset + i) % 700], 5);
    }
  }
  for (const wrong of [
    [clean, new Float32Array(9)],
    [new Float32Array(9), noise],
    [clean, []],
  ] as const)
    expect(() => mixAtSnr(wrong[0], wrong[1], { snr: 0 })).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
});

it("one short noise under long speech is reported as a risk", () => {
  const make = (seconds: number) => new NoiseMixer({ car: noiseOf(100 * seconds, 2) }, { sampleRate: 100, snr: [0, 10], seed: 3 });
  const speech = noiseOf(100 * 60, 3);
  const short = make(1);
  const { snr, offset, audio } = short.mix(speech);
  expect(snr).toBeGreaterThanOrEqual(0);
  expect(snr).toBeLessThanOrEqual(10);
  expect(audio).toEqual(mixAtSnr(speech, noiseOf(100, 2), { snr, offset }));
  expect(short.uses()).toEqual([{ name: "car", seconds: 1, usedSeconds: 60, reuse: 60, isRisk: true }]);
  expect(String(short)).toMatch(/^car: 1\.0 s of noise under 60\.0 s of speech, each second 60 times/);
  const long = make(60);
  long.mix(speech);
  expect(long.uses()[0]).toMatchObject({ reuse: 1, isRisk: false });
  expect(String(long)).toBe("");
});

const background = { width: 60, height: 40, channels: 3 as const, pixels: new Uint8Array(60 * 40 * 3).fill(10) };
/** A disc of one colour, its edge half transparent nowhere. */
const disc = (size: number, color: number) => {
  const pixels = new Uint8Array(size * size * 4);
  for (let i = 0; i < size * size; i++) {
    const [x, y] = [(i % size) - (size - 1) / 2, Math.floor(i / size) - (size - 1) / 2];
    pixels.set([color, color, color, x * x + y * y <= (size * size) / 4 ? 255 : 0], 4 * i);
  }
  return { width: size, height: size, channels: 4 as const, pixels };
};

it("boxes and masks of a collage are those of the pixels that can be seen", () => {
  const cutOuts = [100, 200].map((color, label) => ({ picture: disc(16, color), label }));
  let covered = 0;
  for (let seed = 0; seed < 30; seed++) {
    const { picture, boxes, mask } = collage(background, cutOuts, { count: 4, seed, size: [0.4, 0.4] }); // 16 pixels: as they are
    boxes.forEach(({ label, x, y, width, height, visible }, k) => {
      const mine = Array.from(mask, (_, i) => i).filter((i) => mask[i] === k + 1);
      const [xs, ys] = [mine.map((i) => i % 60), mine.map((i) => Math.floor(i / 60))];
      expect([x, y, width, height]).toEqual([
        Math.min(...xs),
        Math.min(...ys),
        Math.max(...xs) - Math.min(...xs) + 1,
        Math.max(...ys) - Math.min(...ys) + 1,
      ]);
      expect(visible).toBeCloseTo(mine.length / 208, 9); // a disc of 16 pixels
      if (visible < 1) covered++;
      for (const i of mine) expect(picture.pixels[3 * i]).toBe([100, 200][label]);
    });
    expect(Math.max(...mask)).toBe(boxes.length);
    for (let i = 0; i < mask.length; i++) if (mask[i] === 0) expect(picture.pixels[3 * i + 1]).toBe(10);
    expect(collage(background, cutOuts, { count: 4, seed, size: [0.4, 0.4] })).toEqual({ picture, boxes, mask });
  }
  expect(covered).toBeGreaterThan(5);
  expect(background.pixels.every((value) => value === 10)).toBe(true);
});

it("sizes follow the background, half-transparent pixels mix, mirrors mirror", () => {
  const { boxes } = collage(background, [{ picture: disc(64, 100), label: 7 }], { size: [0.5, 0.5] });
  expect(boxes).toMatchObject([{ label: 7, width: 20, height: 20, visible: 1 }]);
  const half = { width: 4, height: 4, channels: 4 as const, pixels: new Uint8Array(64).map((_, i) => (i % 4 === 3 ? 128 : 200)) };
  const { picture, mask } = collage(background, [{ picture: half, label: 0 }], { size: [0.1, 0.1] });
  expect(picture.pixels[3 * mask.indexOf(1)]).toBe(Math.round((200 * 128) / 255 + 10 * (1 - 128 / 255)));
  const sided = { ...half, pixels: half.pixels.map((_, i) => (i % 4 === 3 ? 255 : i % 16 < 8 ? 0 : 255)) };
  const lefts = Array.from({ length: 20 }, (_, seed) => {
    const {
      picture: one,
      boxes: [box],
    } = collage(background, [{ picture: sided, label: 0 }], { size: [0.1, 0.1], seed });
    return one.pixels[3 * (box.y * 60 + box.x)];
  });
  expect(new Set(lefts)).toEqual(new Set([0, 255]));
  expect(() => collage(background, [{ picture: background, label: 0 }])).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
});
