/** Random graphs: whole programs give the bits of the same ops run one by one, and no two live buffers share bytes. */
import { compile, concat, randn, type Tensor, variable, where } from "nabla";
import { expect, it } from "vitest";
import { bytesPerElement } from "../../lib/base/dtype.js";
import { compileGraph } from "../../lib/compile/compile.js";
import { graphOf } from "../../lib/graph/signature.js";
import type { Program } from "../../lib/runtime/program.js";
import { eachDevice } from "../devices.js";

/** Small deterministic generator (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Grows `count` values from square matrices; `observe` sees each new one. */
function grow(seed: number, leaves: Tensor[], count: number, observe: (x: Tensor) => Tensor): Tensor[] {
  const next = random(seed);
  const all = [...leaves];
  const pick = () => all[Math.floor(next() * next() * all.length)];
  for (let i = 0; i < count; i++) {
    const [a, b] = [pick(), pick()];
    const makers: (() => Tensor)[] = [
      () => a.add(b),
      () => a.sub(b),
      () => a.mul(b).tanh(),
      () => a.sigmoid(),
      () => a.maximum(b),
      () => where(a.gt(b), a, b.neg()),
      () => a.transpose(),
      () => a.flip(0).add(b),
      () => a.matmul(b).mul(0.2),
      () => a.transpose().matmul(b).add(a).relu(),
      () => a.sum({ axis: 0 }).mul(0.1).add(b),
      () => a.mean({ axis: 1, keepDims: true }).add(b),
      () => a.max({ axis: 0, keepDims: true }).sub(b),
      () => a.softmax(),
      () =>
        a
          .slice([1, 0])
          .pad([[1, 0]])
          .add(b),
      () => concat([a.slice([0, 0], [2, 5]), b.slice([2, 0])]),
      () => a.reshape([25]).flip(0).reshape([5, 5]),
      () => a.cast("i32").cast(a.dtype).add(b),
    ];
    all.unshift(observe(makers[Math.floor(next() * makers.length)]()));
  }
  return all;
}

/** Bytes that are live at the same instruction must not overlap. Lifetimes are found again here, without loops. */
function checkMemory({ buffers, instructions, arenaBytes }: Program): void {
  const life = new Map<number, [number, number]>();
  instructions.forEach(({ outputs, inputs }, i) => {
    for (const { buffer } of [...outputs, ...inputs]) {
      if (buffers[buffer].kind !== "arena") continue;
      const known = life.get(buffer);
      if (known === undefined) life.set(buffer, [i, i]);
      else known[1] = i;
    }
  });
  const list = [...life];
  for (const [a, [from, to]] of list) {
    const end = buffers[a].place + buffers[a].size * bytesPerElement[buffers[a].dtype];
    expect(end).toBeLessThanOrEqual(arenaBytes);
    for (const [b, [first, last]] of list) {
      if (a >= b || first > to || last < from) continue;
      const otherEnd = buffers[b].place + buffers[b].size * bytesPerElement[buffers[b].dtype];
      expect(buffers[b].place >= end || buffers[a].place >= otherEnd, `buffers ${a} and ${b} overlap`).toBe(true);
    }
  }
}

const graphs = Number(process.env.NABLA_TEST_GRAPHS ?? 40);

eachDevice("random graphs", (device) => {
  for (const dtype of ["f32", "f64"] as const) {
    it(`are the same fused, compiled and one by one, ${dtype}`, async () => {
      for (let seed = 1; seed <= graphs; seed++) {
        const leaves = [1, 2, 3].map((i) => randn([5, 5], { seed: 1000 * seed + i, dtype }));
        const count = 4 + (seed % 25);
        const single = grow(seed, leaves, count, (x) => {
          x.dataSync();
          return x;
        });
        const fused = grow(seed, leaves, count, (x) => x);
        const graph = graphOf([fused[0], fused[2]], []);
        checkMemory(compileGraph(graph).program);
        const message = `${device} ${dtype} seed ${seed}`;
        const step = compile((...xs: Tensor[]) => {
          const grown = grow(seed, xs, count, (x) => x);
          return [grown[0], grown[2]];
        });
        const [compiled0, compiled2] = await step(...leaves);
        const want = [single[0].dataSync(), single[2].dataSync()];
        expect([fused[0].dataSync(), fused[2].dataSync()], message).toEqual(want);
        expect([compiled0.dataSync(), compiled2.dataSync()], message).toEqual(want);
      }
    });
  }

  it("assign variables as if one after another", async () => {
    for (let seed = 1; seed <= graphs; seed++) {
      const start = [1, 2, 3].map((i) => randn([5, 5], { seed: 1000 * seed + i }));
      const inOneGo = start.map((x) => variable(x));
      const apart = start.map((x) => variable(x));
      const count = 4 + (seed % 20);
      const step = compile(() => {
        const grown = grow(
          seed,
          inOneGo.map((v) => v.value),
          count,
          (x) => x,
        );
        inOneGo.forEach((v, i) => v.assign(grown[i]));
        return grown[1].sum();
      });
      for (let round = 0; round < 2; round++) {
        await step();
        const grown = grow(
          seed,
          apart.map((v) => v.value),
          count,
          (x) => x,
        );
        for (const x of grown.slice(0, 3)) x.dataSync();
        const values = grown.slice(0, 3).map((x) => (x.source?.kind === "variable" ? x.add(0) : x));
        for (const x of values) x.dataSync();
        apart.forEach((v, i) => v.assign(values[i]));
      }
      inOneGo.forEach((v, i) => expect(v.value.dataSync(), `${device} seed ${seed} variable ${i}`).toEqual(apart[i].value.dataSync()));
    }
  });
});
