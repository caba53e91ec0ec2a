import { inspect } from "node:util";
import { arange, concat, matmul, ones, randn, setSeed, stack, sum, tensor, variable, where, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

eachDevice("tensors", () => {
  describe("values", () => {
    it("round-trips nested arrays and typed arrays", async () => {
      expect(
        await tensor([
          [1, 2, 3],
          [4, 5, 6],
        ]).array(),
      ).toEqual([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      expect(tensor(new Float64Array([1, 2])).dtype).toBe("f64");
      expect(await tensor([true, false]).array()).toEqual([true, false]);
      expect(await tensor(7).item()).toBe(7);
      expect(await tensor(new Int32Array([1, 2, 3, 4]), { shape: [2, 2] }).array()).toEqual([
        [1, 2],
        [3, 4],
      ]);
    });

    it("copies typed arrays of any size, which may change afterwards", async () => {
      for (const size of [3, 5000]) {
        const numbers = Float32Array.from({ length: size }, (_, i) => i);
        const x = tensor(numbers);
        const integers = tensor(numbers, { dtype: "i32", shape: [size, 1] });
        numbers.fill(-1);
        expect(await x.add(1).data()).toEqual(Float32Array.from({ length: size }, (_, i) => i + 1));
        expect(await x.data()).toEqual(Float32Array.from({ length: size }, (_, i) => i));
        expect(await integers.data()).toEqual(Int32Array.from({ length: size }, (_, i) => i));
        expect(() => tensor(numbers, { shape: [size + 1] })).toThrow(/do not fill shape/);
        x.dispose();
        expect(() => x.dataSync()).toThrow(/disposed/);
      }
    });

    it("broadcasts and chains", async () => {
      const a = tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      expect(
        await a
          .mul(2)
          .add([[10], [20]])
          .sum({ axis: 1, keepDims: true })
          .array(),
      ).toEqual([[42], [90]]);
      expect(await a.gt(3).where(a, 0).array()).toEqual([
        [0, 0, 0],
        [4, 5, 6],
      ]);
    });

    it("computes the calories table of the curriculum", async () => {
      const a = tensor(
        [
          [56, 0, 4.4, 68],
          [1.2, 104, 52, 8],
          [1.8, 135, 99, 0.9],
        ],
        { dtype: "f64" },
      );
      const columns = a.sum({ axis: 0 });
      expect(Array.from(columns.dataSync()).map((v) => +v.toFixed(4))).toEqual([59, 239, 155.4, 76.9]);
      const percent = a.at(0).div(columns).mul(100).dataSync();
      expect(+percent[0].toFixed(1)).toBe(94.9);
      expect(percent[1]).toBe(0);
      expect(+percent[2].toFixed(2)).toBe(2.83);
      expect(+percent[3].toFixed(1)).toBe(88.4);
    });

    it("slices, reshapes, transposes, flips, pads, joins", async () => {
      const a = tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      expect(await a.slice([0, 1], [2, 3]).array()).toEqual([
        [2, 3],
        [5, 6],
      ]);
      expect(await a.slice([0, 0], undefined, [1, 2]).array()).toEqual([
        [1, 3],
        [4, 6],
      ]);
      expect(await a.transpose().array()).toEqual([
        [1, 4],
        [2, 5],
        [3, 6],
      ]);
      expect(await a.transpose().reshape([-1]).array()).toEqual([1, 4, 2, 5, 3, 6]);
      expect(await a.flip(1).array()).toEqual([
        [3, 2, 1],
        [6, 5, 4],
      ]);
      expect(await a.at(-1).array()).toEqual([4, 5, 6]);
      expect(
        await a
          .pad(
            [
              [0, 1],
              [1, 0],
            ],
            { value: 9 },
          )
          .array(),
      ).toEqual([
        [9, 1, 2, 3],
        [9, 4, 5, 6],
        [9, 9, 9, 9],
      ]);
      expect(await concat([a, a.mul(10)], { axis: 1 }).array()).toEqual([
        [1, 2, 3, 10, 20, 30],
        [4, 5, 6, 40, 50, 60],
      ]);
      expect(await stack([tensor([1, 2]), tensor([3, 4])]).array()).toEqual([
        [1, 2],
        [3, 4],
      ]);
      expect(await a.argmax(1).array()).toEqual([2, 2]);
      expect(await arange(2, 8, 2).array()).toEqual([2, 4, 6]);
    });

    it("multiplies matrices, vectors and batches", async () => {
      const a = tensor([
        [1, 2],
        [3, 4],
      ]);
      expect(
        await a
          .matmul([
            [5, 6],
            [7, 8],
          ])
          .array(),
      ).toEqual([
        [19, 22],
        [43, 50],
      ]);
      expect(await a.matmul(tensor([1, 1])).array()).toEqual([3, 7]);
      expect(await matmul(stack([a, a.mul(2)]), a).array()).toEqual([
        [
          [7, 10],
          [15, 22],
        ],
        [
          [14, 20],
          [30, 44],
        ],
      ]);
      expect(await a.transpose().matmul(a).array()).toEqual([
        [10, 14],
        [14, 20],
      ]);
    });

    it("reduces over any axes", async () => {
      const a = arange(24).reshape([2, 3, 4]);
      expect(await a.sum({ axis: [0, 2] }).array()).toEqual([60, 92, 124]);
      expect(await a.mean().item()).toBe(11.5);
      expect(await a.max({ axis: 1 }).array()).toEqual([
        [8, 9, 10, 11],
        [20, 21, 22, 23],
      ]);
      expect(await a.min({ axis: [1, 2] }).array()).toEqual([0, 12]);
      expect(await sum(tensor([true, true, false])).item()).toBe(2);
    });

    it("casts with truncation, saturation and NaN → 0", async () => {
      expect(await tensor([1.9, -1.9, 300, Number.NaN]).cast("u8").array()).toEqual([1, 0, 255, 0]);
      expect(await tensor([1.9, -1.9, 1e12, Number.NaN]).cast("i32").cast("f32").array()).toEqual([1, -1, 2147483647, 0].map(Math.fround));
      expect(await tensor([0, 2, -1]).cast("bool").array()).toEqual([false, true, true]);
    });

    it("draws the same numbers from the same seed", async () => {
      setSeed(3);
      const first = [await randn([5]).data(), await randn([5]).data()];
      setSeed(3);
      expect([await randn([5]).data(), await randn([5]).data()]).toEqual(first);
      expect(first[0]).not.toEqual(first[1]);
      expect(await randn([4], { seed: 7 }).data()).toEqual(await randn([4], { seed: 7 }).data());
    });

    it("handles empty tensors", async () => {
      expect(await zeros([0, 3]).sum({ axis: 0 }).array()).toEqual([0, 0, 0]);
      expect(await matmul(zeros([2, 0]), zeros([0, 3])).array()).toEqual([
        [0, 0, 0],
        [0, 0, 0],
      ]);
      expect(await zeros([0]).add(1).array()).toEqual([]);
    });

    it("prints shape, dtype and values, without evaluating", () => {
      expect(
        inspect(
          tensor([
            [1, 2],
            [3, 4],
          ]),
        ),
      ).toBe("Tensor [2, 2] f32 [ [ 1, 2 ], [ 3, 4 ] ]");
      expect(inspect(ones([2]).add(1))).toBe("Tensor [2] f32 (not evaluated)");
    });
  });

  describe("errors", () => {
    const code = (run: () => unknown): string => {
      try {
        run();
      } catch (error) {
        return (error as { code: string }).code;
      }
      return "none";
    };

    it("are typed and thrown where the expression is written", () => {
      const a = tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      expect(code(() => a.matmul(a))).toBe("ERR_SHAPE");
      expect(code(() => a.add(zeros([2])))).toBe("ERR_SHAPE");
      expect(code(() => a.add(zeros([3], { dtype: "f64" })))).toBe("ERR_DTYPE");
      expect(code(() => tensor([1, 2], { dtype: "i32" }).mul(0.5))).toBe("ERR_DTYPE");
      expect(code(() => zeros([-1]))).toBe("ERR_SHAPE");
      expect(code(() => zeros([1.5]))).toBe("ERR_SHAPE");
      expect(code(() => tensor([[1, 2], [3]]))).toBe("ERR_SHAPE");
      expect(code(() => a.reshape([4]))).toBe("ERR_SHAPE");
      expect(code(() => a.sum({ axis: 2 }))).toBe("ERR_SHAPE");
      expect(code(() => tensor("abc" as never))).toBe("ERR_VALUE");
      expect(code(() => tensor([1, null] as never))).toBe("ERR_VALUE");
      expect(code(() => where(a, 1, 0))).toBe("ERR_DTYPE");
      expect(code(() => a.itemSync())).toBe("ERR_SHAPE");
    });

    it("names shapes, rule and mend", () => {
      expect(() => zeros([128, 784]).matmul(zeros([512, 10]))).toThrow(
        "matmul: inner dimensions differ: [128, 784] · [512, 10] needs 784 = 512",
      );
      expect(() => zeros([4, 3]).matmul(zeros([5, 3]))).toThrow("did you mean matmul(a, transpose(b))?");
    });

    it("refuses disposed tensors", async () => {
      const a = tensor([1, 2]).add(1);
      await a.ready();
      a.dispose();
      expect(code(() => a.dataSync())).toBe("ERR_DISPOSED");
      expect(code(() => a.add(1).dataSync())).toBe("ERR_DISPOSED");
      await expect(a.data()).rejects.toMatchObject({ code: "ERR_DISPOSED" });
    });
  });

  describe("variables", () => {
    it("assign, and refuse stale readings", async () => {
      const w = variable([1, 2], { name: "w" });
      const doubled = w.value.mul(2);
      const lazy = w.value.mul(3);
      expect(await doubled.array()).toEqual([2, 4]);
      w.assign(w.value.add(1));
      expect(await w.value.array()).toEqual([2, 3]);
      expect(await doubled.array()).toEqual([2, 4]);
      await expect(lazy.data()).rejects.toMatchObject({ code: "ERR_STALE_VARIABLE" });
    });

    it("do not share memory with what they start from", async () => {
      const start = randn([3], { seed: 1 });
      const before = await start.data();
      const w = variable(start);
      w.assign(w.value.add(1));
      expect(await start.data()).toEqual(before);
      const other = variable(w.value);
      other.assign(zeros([3]));
      expect(await w.value.data()).toEqual(await start.add(1).data());
    });

    it("are checked on assignment", () => {
      const w = variable([1, 2]);
      expect(() => w.assign([1, 2, 3])).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
      expect(() => w.assign(tensor([1, 2], { dtype: "i32" }))).toThrow(expect.objectContaining({ code: "ERR_DTYPE" }));
    });
  });
});
