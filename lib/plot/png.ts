/** PNG, as far as pictures of 8 bits a sample need it. Source: W3C, Portable Network Graphics (third edition). */
import { crc32, deflateSync } from "node:zlib";

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const colorTypes = { 1: 0, 3: 2, 4: 6 } as const;

/** Pixels row by row from the top left, `channels` bytes each: grey, red-green-blue, or the same with opacity. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly pixels: Uint8Array;
}

/** The picture as a PNG file. */
export function encodePng({ width, height, channels, pixels }: Picture): Uint8Array {
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8); // bits a sample
  head.setUint8(9, colorTypes[channels]);
  const stride = width * channels;
  const rows = new Uint8Array(height * (stride + 1)); // each row after a byte that says "not filtered"
  for (let i = 0; i < height; i++) rows.set(pixels.subarray(i * stride, (i + 1) * stride), i * (stride + 1) + 1);
  return Buffer.concat([signature, chunk("IHDR", new Uint8Array(head.buffer)), chunk("IDAT", deflateSync(rows)), chunk("IEND")]);
}

function chunk(type: string, data = new Uint8Array(0)): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8 + body.length);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), 4 + body.length);
  return frame;
}
