import { compile, grad, gradients, randn, scan, setSeed, type Tensor, tensor, variable, zeros } from "nabla";
import { expect, it } from "vitest";
import { eachDevice } from "../devices.js";

eachDevice("compiled functions", () => {
  it("give what the plain function gives, in one program per signature", async () => {
    const f = (x: Tensor, y: Tensor) => ({ sum: x.add(y).relu(), parts: [x.mul(2), y.sum()] });
    const step = compile(f);
    for (const n of [2, 3, 2]) {
      const x = randn([n, 2], { seed: n });
      const y = randn([n, 2], { seed: 100 + n });
      const compiled = await step(x, y);
      const plain = f(x, y);
      expect(await compiled.sum.data()).toEqual(await plain.sum.data());
      expect(await compiled.parts[0].data()).toEqual(await plain.parts[0].data());
      expect(await compiled.parts[1].data()).toEqual(await plain.parts[1].data());
    }
    expect(step.programs()).toHaveLength(2);
  });

  it("run assignments exactly once per call", async () => {
    const count = variable(0);
    const step = compile(() => {
      const next = count.value.add(1);
      count.assign(next);
      return next;
    });
    expect(await (await step()).item()).toBe(1);
    expect(await (await step()).item()).toBe(2);
    expect(await count.value.item()).toBe(2);
  });

  it("exchange variables", async () => {
    const a = variable([1, 2]);
    const b = variable([3, 4]);
    const swap = compile(() => {
      const [x, y] = [a.value, b.value];
      a.assign(y);
      b.assign(x);
    });
    await swap();
    expect(await a.value.array()).toEqual([3, 4]);
    expect(await b.value.array()).toEqual([1, 2]);
  });

  it("assign through other windows of the same variable", async () => {
    const w = variable([
      [1, 2],
      [3, 4],
    ]);
    const step = compile(() => w.assign(w.value.add(w.value.transpose())));
    await step();
    expect(await w.value.array()).toEqual([
      [2, 5],
      [5, 8],
    ]);
    const product = compile(() => w.assign(w.value.matmul(w.value)));
    await product();
    expect(await w.value.array()).toEqual([
      [29, 50],
      [50, 89],
    ]);
  });

  it("return old and new values side by side", async () => {
    const w = variable([1, 2, 3]);
    const step = compile(() => {
      const old = w.value;
      w.assign(old.mul(10));
      return { old, doubledOld: old.mul(2), now: w.value };
    });
    const { old, doubledOld, now } = await step();
    expect(await old.array()).toEqual([1, 2, 3]);
    expect(await doubledOld.array()).toEqual([2, 4, 6]);
    expect(await now.array()).toEqual([10, 20, 30]);
  });

  it("draw new random numbers at every call, the same from the same seed", async () => {
    const draw = compile(() => randn([3]));
    setSeed(5);
    const first = [await (await draw()).data(), await (await draw()).data()];
    expect(first[0]).not.toEqual(first[1]);
    setSeed(5);
    expect([await (await draw()).data(), await (await draw()).data()]).toEqual(first);
  });

  it("refuse to read values while tracing, async functions and nested calls", async () => {
    await expect(compile((x: Tensor) => x.dataSync())(tensor([1]))).rejects.toMatchObject({ code: "ERR_TRACE" });
    await expect(compile(async (x: Tensor) => x.add(1))(tensor([1]))).rejects.toMatchObject({ code: "ERR_TRACE" });
    const inner = compile((x: Tensor) => x.add(1));
    await expect(compile((x: Tensor) => inner(x))(tensor([1]))).rejects.toMatchObject({ code: "ERR_TRACE" });
  });

  it("keep the order of calls that run ahead", async () => {
    const w = variable(0);
    const step = compile((x: Tensor) => {
      w.assign(w.value.mul(0.5).add(x));
      return w.value;
    });
    const calls = Array.from({ length: 60 }, (_, i) => step(tensor(i)));
    const seen = await Promise.all(calls.map(async (call) => (await call).item()));
    let expected = 0;
    for (let i = 0; i < 60; i++) {
      expected = Math.fround(Math.fround(expected * 0.5) + i);
      expect(seen[i]).toBeCloseTo(expected, 4);
    }
  });

  it("multiply batches of any size by a weight that stays, however each wants it packed", async () => {
    const [k, n] = [100, 130];
    const w = randn([k, n], { seed: 1 });
    const weights = await w.data();
    const product = compile((x: Tensor, w: Tensor) => x.matmul(w));
    const batches = await Promise.all(
      [8, 32, 12, 1, 3, 64, 200].map(async (m) => {
        const x = randn([m, k], { seed: m });
        const rows = await x.data();
        const want = Array.from({ length: m * n }, (_, at) => {
          let sum = 0;
          for (let i = 0; i < k; i++) sum += rows[Math.floor(at / n) * k + i] * weights[i * n + (at % n)];
          return sum;
        });
        return { x, want };
      }),
    );
    for (let round = 0; round < 3; round++) {
      for (const { x, want } of batches) {
        const got = await (await product(x, w)).data();
        expect(Math.max(...want.map((y, i) => Math.abs(y - got[i])))).toBeLessThan(1e-4);
      }
    }
  });

  it("minimise (w − 5)²", async () => {
    for (const [dtype, after1000] of [
      ["f32", 4.9999886],
      ["f64", 4.9999999916],
    ] as const) {
      const w = variable(0, { dtype });
      const step = compile(() => {
        const cost = w.value.square().sub(w.value.mul(10)).add(25);
        w.assign(w.value.sub(gradients(cost, [w])[0].mul(0.01)));
        return cost;
      });
      await step();
      expect(await w.value.item()).toBeCloseTo(0.1, 7);
      for (let i = 1; i < 1000; i++) void step();
      expect(await w.value.item()).toBeCloseTo(after1000, dtype === "f32" ? 6 : 10);
    }
  });
});

eachDevice("gradients", () => {
  it("of the curriculum's graph: J = 3(a + bc)", () => {
    const J = (a: Tensor, b: Tensor, c: Tensor) => a.add(b.mul(c)).mul(3);
    expect(J(tensor(5), tensor(3), tensor(2)).itemSync()).toBe(33);
    const [da, db, dc] = grad(J, { argnums: [0, 1, 2] })(5, 3, 2);
    expect([da, db, dc].map((g) => g.itemSync())).toEqual([3, 6, 9]);
  });

  it("of gradients", () => {
    const f = (x: Tensor) => x.pow(3).sum();
    const second = grad((x: Tensor) => grad(f)(x).sum());
    expect(second(tensor([1, 2, 3])).arraySync()).toEqual([6, 12, 18]);
  });

  it("through broadcasting, reduction, concatenation and slicing", () => {
    const g = grad((b: Tensor) =>
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ])
        .mul(b)
        .sum(),
    );
    expect(g(tensor([1, 1, 1])).arraySync()).toEqual([5, 7, 9]);
    const h = grad((x: Tensor) =>
      x
        .slice([1], [3])
        .mul(tensor([10, 20]))
        .sum(),
    );
    expect(h(tensor([1, 2, 3, 4])).arraySync()).toEqual([0, 10, 20, 0]);
  });

  it("refuse a loss that is no scalar", () => {
    expect(() => grad((x: Tensor) => x.mul(2))(tensor([1, 2]))).toThrow(expect.objectContaining({ code: "ERR_SHAPE" }));
  });
});

eachDevice("scan", () => {
  const cell =
    (w: Tensor) =>
    (carry: Tensor[], [x]: Tensor[]) => {
      const h = carry[0].matmul(w).add(x).tanh();
      return { carry: [h], y: [h.mul(2)] };
    };

  it("equals the unrolled loop, forward and backward, to second order", () => {
    const w0 = randn([3, 3], { seed: 1, dtype: "f64" }).mul(0.5);
    const h0 = randn([2, 3], { seed: 2, dtype: "f64" });
    const xs = randn([4, 2, 3], { seed: 3, dtype: "f64" });
    const looped = (w: Tensor, h: Tensor, x: Tensor) => {
      const { carry, y } = scan(cell(w), [h], [x]);
      return carry[0].sum().add(y[0].square().sum());
    };
    const unrolled = (w: Tensor, h: Tensor, x: Tensor) => {
      let carry = [h];
      let total = zeros([], { dtype: "f64" });
      for (let t = 0; t < 4; t++) {
        const step = cell(w)(carry, [x.at(t)]);
        carry = step.carry;
        total = total.add(step.y[0].square().sum());
      }
      return carry[0].sum().add(total);
    };
    expect(looped(w0, h0, xs).itemSync()).toBeCloseTo(unrolled(w0, h0, xs).itemSync(), 12);
    const options = { argnums: [0, 1, 2] };
    const a = grad(looped, options)(w0, h0, xs);
    const b = grad(unrolled, options)(w0, h0, xs);
    a.forEach((g, i) => {
      const want = b[i].dataSync();
      g.dataSync().forEach((v, k) => expect(v).toBeCloseTo(want[k], 11));
    });
    const second = (f: typeof looped) => grad((w: Tensor) => grad(f)(w, h0, xs).square().sum())(w0).dataSync();
    const want = second(unrolled);
    second(looped).forEach((v, k) => expect(v).toBeCloseTo(want[k], 8));
  });

  it("runs in reverse, without iterations, and with two carries exchanged", () => {
    const sums = scan(([c], [x]) => ({ carry: [c.add(x)], y: [c] }), [tensor(0)], [tensor([1, 2, 3])], { reverse: true });
    expect(sums.carry[0].itemSync()).toBe(6);
    expect(sums.y[0].arraySync()).toEqual([5, 3, 0]);
    expect(scan(([c]) => ({ carry: [c.add(1)] }), [tensor(4)], [], { length: 0 }).carry[0].itemSync()).toBe(4);
    const swapped = scan(([a, b]) => ({ carry: [b, a] }), [tensor(1), tensor(2)], [], { length: 3 });
    expect(swapped.carry.map((c) => c.itemSync())).toEqual([2, 1]);
  });

  it("compiles equal bodies once", async () => {
    const step = compile((x: Tensor) => scan(([c], [v]) => ({ carry: [c.mul(0.5).add(v)] }), [zeros([2])], [x]).carry[0]);
    const x = randn([5, 2], { seed: 4 });
    const once = await (await step(x)).data();
    expect(await (await step(x)).data()).toEqual(once);
    expect(step.programs()[0].match(/loop/g)?.length).toBeGreaterThan(0);
  });
});
