/**
 * TensorBoard's event files: records of protocol buffers, each with checksums. Sources: tensorflow/core/lib/io/record_writer.h (records),
 * tensorflow/core/util/event.proto and framework/summary.proto (messages; the numbers below are those of their fields).
 */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { encodePng, type Picture } from "../plot/index.js";
import { histogramOf } from "./histogram.js";

/** CRC-32C (Castagnoli), a byte at a time. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function record(data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(16 + data.length);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(maskedCrc(bytes.subarray(0, 8)), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return bytes;
}

function varint(value: number): number[] {
  const bytes = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** Fields of a message by wire type: 0 varint, 1 eight bytes, 2 with a length, 5 four bytes. */
const field = {
  int: (number: number, value: number) => Uint8Array.from([...varint(number << 3), ...varint(value)]),
  double: (number: number, value: number) => Buffer.concat([Uint8Array.from(varint((number << 3) | 1)), doubles([value])]),
  float(number: number, value: number) {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return Buffer.concat([Uint8Array.from(varint((number << 3) | 5)), bytes]);
  },
  bytes(number: number, value: Uint8Array | string) {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    return Buffer.concat([Uint8Array.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);
  },
} as const;

function doubles(values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries()) bytes.writeDoubleLE(value, 8 * i);
  return bytes;
}

/** A value of a summary, without its tag. */
const content = {
  scalar: (value: number) => field.float(2, value),
  image(picture: Picture) {
    const { width, height, channels } = picture;
    const parts = [field.int(1, height), field.int(2, width), field.int(3, channels), field.bytes(4, encodePng(picture))];
    return field.bytes(4, Buffer.concat(parts));
  },
  histogram(values: ArrayLike<number>) {
    const { low, high, counts, sum, squares, count } = histogramOf(values);
    const limits = counts.map((_, i) => low + ((high - low) * (i + 1)) / counts.length);
    const numbers = [low, high, count, sum, squares].map((value, i) => field.double(i + 1, value));
    return field.bytes(5, Buffer.concat([...numbers, field.bytes(6, doubles(limits)), field.bytes(7, doubles(counts))]));
  },
} as const;

let files = 0;

/** Writes one event file into a folder, event by event. */
export class EventFile {
  private constructor(private readonly file: FileHandle) {}

  /** Makes the folder if it is not there, and in it a file whose name is not taken. */
  static async create(folder: string): Promise<EventFile> {
    await mkdir(folder, { recursive: true });
    const seconds = Math.floor(Date.now() / 1000);
    const name = `events.out.tfevents.${String(seconds).padStart(10, "0")}.${hostname()}.${process.pid}.${files++}`;
    const events = new EventFile(await open(join(folder, name), "ax"));
    await events.write([field.bytes(3, "brain.Event:2")]);
    return events;
  }

  /** Values by their tags, at a step; what stands before a slash in a tag groups them in TensorBoard. */
  async add<Kind extends keyof typeof content>(
    kind: Kind,
    values: Readonly<Record<string, Parameters<(typeof content)[Kind]>[0]>>,
    step: number,
  ) {
    const make = content[kind] as (value: unknown) => Uint8Array;
    const summary = Object.entries(values).map(([tag, value]) => field.bytes(1, Buffer.concat([field.bytes(1, tag), make(value)])));
    if (summary.length > 0) await this.write([field.int(2, step), field.bytes(5, Buffer.concat(summary))]);
  }

  private async write(fields: readonly Uint8Array[]): Promise<void> {
    await this.file.appendFile(record(Buffer.concat([field.double(1, Date.now() / 1000), ...fields])));
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
