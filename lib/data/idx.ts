/**
 * IDX, the format of MNIST and its relatives: two zero bytes, the element type, the rank, the dimensions as big-endian
 * 32-bit numbers, the elements. Source: yann.lecun.com/exdb/mnist, "The IDX file format".
 */
import { FormatError } from "../base/errors.js";

const unsignedByte = 0x08;

export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Reads an IDX file of bytes; the result is a window on `bytes`. `name` is for messages.
 *
 * @throws {FormatError} if the file is truncated, too long, or not of bytes.
 */
export function parseIdx(bytes: Uint8Array, name: string): IdxArray {
  const fail = (problem: string): never => {
    throw new FormatError(`${name}: ${problem}`, { op: "idx", inputs: [name] });
  };
  if (bytes.length < 4) fail(`it has ${bytes.length} bytes, less than the head of an IDX file`);
  const [zero0, zero1, type, rank] = bytes;
  if (zero0 !== 0 || zero1 !== 0) fail("it does not start like an IDX file");
  if (type !== unsignedByte) fail(`its element type is 0x${type.toString(16).padStart(2, "0")}; only bytes (0x08) are read`);
  const start = 4 + 4 * rank;
  if (bytes.length < start) fail(`it ends within its ${rank} dimensions`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const shape = Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d));
  const size = shape.reduce((n, dimension) => n * dimension, 1);
  if (bytes.length - start !== size) fail(`shape [${shape.join(", ")}] takes ${size} bytes but ${bytes.length - start} follow the head`);
  return { shape, data: bytes.subarray(start) };
}
