/** Event files are what their format says: read here by a reader written from its definition. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fit, losses, nn, optim, tensorBoard } from "nabla";
import { EventFile } from "nabla/dashboard";
import { expect, it } from "vitest";
import { numbered } from "../data/numbered.js";

/** CRC-32C, bit by bit, as RFC 3720 (appendix B.4) has it; TensorFlow rotates it and adds a constant. */
function masked(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let k = 0; k < 8; k++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

type Field = readonly [number: number, value: number | Buffer];

/** The fields of a protocol buffer. */
function fields(message: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  while (at < message.length) {
    const key = varint();
    const [number, wire] = [key >>> 3, key & 7];
    if (wire === 0) found.push([number, varint()]);
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : varint();
      const bytes = message.subarray(at, at + length);
      at += length;
      found.push([number, wire === 1 ? bytes.readDoubleLE() : wire === 5 ? bytes.readFloatLE() : bytes]);
    }
  }
  return found;
}

const get = <T extends number | Buffer>(message: Buffer, number: number) => fields(message).find(([one]) => one === number)?.[1] as T;
const numbers = (packed: Buffer) => Array.from({ length: packed.length / 8 }, (_, i) => packed.readDoubleLE(8 * i));

async function readEvents(folder: string) {
  const [name] = await readdir(folder);
  expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
  const bytes = await readFile(join(folder, name));
  const events = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(masked(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(data));
    events.push(data);
    at += 16 + length;
  }
  expect(get<Buffer>(events[0], 3).toString()).toBe("brain.Event:2");
  return events.slice(1).flatMap((event) => {
    expect(Math.abs(get<number>(event, 1) - Date.now() / 1000)).toBeLessThan(600);
    return fields(get<Buffer>(event, 5)).map(([, value]) => ({
      step: get<number>(event, 2),
      tag: get<Buffer>(value as Buffer, 1).toString(),
      value: value as Buffer,
    }));
  });
}

async function inFolder(body: (folder: string) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), "nabla-events-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

it("the checksum is CRC-32C", () => {
  // RFC 3720, B.4: 32 bytes of zeros.
  const crc = 0x8a9136aa;
  expect(masked(new Uint8Array(32))).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
});

it("scalars, histograms and pictures are read back", () =>
  inFolder(async (folder) => {
    const file = await EventFile.create(folder);
    await file.add("scalar", { "loss/train": 0.125, ü: -3 }, 300);
    await file.add("histogram", { w: [0, 1, 1, 3, Number.NaN] }, 2 ** 40);
    await file.add("image", { digit: { width: 3, height: 2, channels: 1, pixels: Uint8Array.of(0, 50, 100, 150, 200, 250) } }, 0);
    await file.close();
    const [loss, other, histogram, image] = await readEvents(folder);
    expect([loss.step, loss.tag, get(loss.value, 2)]).toEqual([300, "loss/train", 0.125]);
    expect([other.tag, get(other.value, 2)]).toEqual(["ü", -3]);

    const counts = get<Buffer>(histogram.value, 5);
    expect(histogram.step).toBe(2 ** 40);
    expect([1, 2, 3, 4, 5].map((number) => get(counts, number))).toEqual([0, 3, 4, 5, 11]); // min, max, num, sum, sum of squares
    const [limits, buckets] = [numbers(get(counts, 6)), numbers(get(counts, 7))];
    expect(limits.length).toBe(buckets.length);
    expect(limits.at(-1)).toBe(3);
    expect(buckets.reduce((a, b) => a + b)).toBe(4);
    expect(buckets[limits.findIndex((limit) => limit > 1)]).toBe(2);

    const picture = get<Buffer>(image.value, 4);
    expect([1, 2, 3].map((number) => get(picture, number))).toEqual([2, 3, 1]);
    expect(get<Buffer>(picture, 4).subarray(1, 4).toString()).toBe("PNG");
  }));

it("a training writes its scores, rates, weights and pictures", () =>
  inFolder(async (folder) => {
    const data = numbered(8).map(({ x }) => ({
      x,
      y: { data: new Float32Array(x.shape[0]), shape: [x.shape[0], 1], dtype: "f32" as const },
    }));
    const model = nn.linear(2, 1);
    const history = await fit(model, data, {
      loss: losses.mse,
      optimizer: optim.sgd(model.parameters(), { lr: 0.01 }),
      epochs: 2,
      batchSize: 4,
      validation: { dev: data },
      callbacks: [
        tensorBoard(folder, {
          everySteps: 1,
          images: ({ epoch }) => ({ dot: { width: 1, height: 1, channels: 3, pixels: Uint8Array.of(epoch, 0, 0) } }),
        }),
      ],
    });
    const events = await readEvents(folder);
    const steps = (tag: string) => events.filter((event) => event.tag === tag).map(({ step }) => step);
    expect(steps("loss/running")).toHaveLength(4);
    for (const tag of ["loss/train", "loss/dev", "training/learning rate", "training/samples a second", "weight", "bias", "dot"])
      expect(steps(tag), tag).toEqual([2, 4]);
    const dev = events.filter(({ tag }) => tag === "loss/dev").map(({ value }) => get<number>(value, 2));
    for (const [i, value] of history.series("dev.loss").entries()) expect(dev[i]).toBeCloseTo(value, 4 - Math.log10(value));
  }));
