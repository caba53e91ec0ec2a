/** Integer arithmetic keeps to what its dtype holds, step by step, whether its results are stored or only passed on. */
import { type DType, type Tensor, tensor } from "nabla";
import { expect, it } from "vitest";
import { eachDevice } from "../devices.js";

const chains: readonly [name: string, dtype: DType, x: number[], (x: Tensor) => Tensor, (x: Tensor) => Tensor, number[]][] = [
  ["a quotient has no fraction", "i32", [7, -7], (x) => x.div(2), (x) => x.mul(2), [6, -6]],
  ["0 / 0 is 0", "i32", [0, 5], (x) => x.div(0), (x) => x.sub(1), [-1, 2147483646]],
  ["a difference is not below 0", "u8", [3, 200], (x) => x.sub(5), (x) => x.add(1), [1, 196]],
  ["a sum saturates", "u8", [3, 200], (x) => x.add(100), (x) => x.sub(100), [3, 155]],
  ["a product saturates", "i32", [65536, -65536], (x) => x.mul(65536), (x) => x.div(65536), [32767, -32768]],
  ["no negative zero", "f32", [-0.5, -1.5], (x) => x.cast("i32"), (x) => x.cast("f32").reciprocal(), [Number.POSITIVE_INFINITY, -1]],
];

eachDevice("integers", () => {
  for (const [name, dtype, numbers, first, then, want] of chains) {
    it(name, () => {
      const x = tensor(numbers, { dtype });
      const stored = first(x);
      stored.dataSync();
      expect([...then(stored).dataSync()], "stored").toEqual(want);
      expect([...then(first(x)).dataSync()], "passed on").toEqual(want);
    });
  }
});
