/** Pictures with labels, kept as bytes until a batch is fetched. */
import type { HostArray, LabeledBatch } from "./batch.js";
import { ArrayDataset, type Dataset } from "./dataset.js";

/** Bytes 0 … 255 as f32 from 0 to 1. */
export function toUnit({ data, shape }: HostArray): HostArray {
  const unit = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) unit[i] = data[i] / 255;
  return { data: unit, shape, dtype: "f32" };
}

/** x f32 from 0 to 1 of the given shape [n, h, w, channels], y i32 [n]. */
export function picturesInMemory(pixels: Uint8Array, shape: readonly number[], labels: ArrayLike<number>): Dataset<LabeledBatch> {
  const x: HostArray = { data: pixels, shape, dtype: "u8" };
  const y: HostArray = { data: Int32Array.from(labels), shape: [labels.length], dtype: "i32" };
  return new Pictures({ x, y });
}

/** Knows its labels without touching a pixel. */
class Pictures extends ArrayDataset<LabeledBatch> {
  override get(indices: ArrayLike<number>): LabeledBatch {
    const { x, y } = super.get(indices);
    return { x: toUnit(x), y };
  }
}
