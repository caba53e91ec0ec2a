/** What programs are made of: a fusion or a shared buffer that is lost makes no wrong number, only a slow or a large program. */
import { compile, getThreads, gradients, losses, nn, optim, randn, scan, setThreads, type Tensor, tensor, variable } from "nabla";
import { describe, expect, it } from "vitest";
import type { FloatDType, TypedArray } from "../../lib/base/dtype.js";
import type { Shape } from "../../lib/base/shape.js";
import { compileGraph } from "../../lib/compile/compile.js";
import { graphOf } from "../../lib/graph/signature.js";
import { materialize } from "../../lib/tensor/evaluate.js";
import { eachDevice } from "../devices.js";
import { poisoned } from "./poison.js";
import { run } from "./properties.js";

/** The kernels of a function's only program, in order, each with the ops of its tile: `gemm[add maximum]`. */
async function kernelsOf<A extends Tensor[]>(fn: (...args: A) => unknown, ...args: A): Promise<string[]> {
  const compiled = compile(fn);
  await compiled(...args);
  const [program, ...others] = compiled.programs();
  expect(others).toEqual([]);
  return [...program.matchAll(/^ *%.*? = (\w+)\((.*)$/gm)].map(([, kernel, rest]) => {
    const ops = [...rest.matchAll(/= (\w+)\(/g)].map(([, op]) => op);
    return ops.length === 0 ? kernel : `${kernel}[${ops.join(" ")}]`;
  });
}

const arenaBytes = (program: string) => Number(/(\d+) arena bytes/.exec(program)?.[1]);

describe("one kernel computes", () => {
  it("a chain of elementwise operations", async () => {
    const chain = (x: Tensor, y: Tensor) => x.mul(y).add(1).tanh().sub(y).relu();
    expect(await kernelsOf(chain, randn([7, 9]), randn([9]))).toEqual(["tile[mul add tanh sub maximum]"]);
  });

  it("not what has to be rounded on the way", async () => {
    const third = tensor([1 / 3], { dtype: "f64" });
    const there = await compile((x: Tensor) => x.cast("f32").cast("f64"))(third);
    expect(await there.item()).toBe(Math.fround(1 / 3));
  });

  it("a dense layer with its bias and activation", async () => {
    const layer = nn.sequential(nn.linear(20, 10), nn.relu());
    for (const x of [randn([32, 20]), randn([4, 8, 20])])
      expect(await kernelsOf((x) => layer.forward(x), x)).toEqual(["gemm[add maximum]"]);
    const placed = (x: Tensor, places: Tensor) => layer.forward(x).add(places);
    expect(await kernelsOf(placed, randn([4, 8, 20]), randn([8, 10]))).toEqual(["gemm[add maximum add]"]);
  });

  it("a convolution with its bias and activation", async () => {
    const layer = nn.sequential(nn.conv2d(3, 4, { kernel: 3 }), nn.relu());
    expect(await kernelsOf((x) => layer.forward(x), randn([2, 8, 8, 3]))).toEqual(["conv2d[add maximum]"]);
  });

  it("a reduction of what it computes on the way", async () => {
    expect(await kernelsOf((x: Tensor, y: Tensor) => x.sub(y).square().sum(), randn([50]), randn([50]))).toEqual(["reduce[sub mul]"]);
  });

  it("several reductions of the same data", async () => {
    const sums = (x: Tensor, y: Tensor) => [x.sum({ axis: 0 }), x.mul(y).sum({ axis: 0 }), y.sum({ axis: 0 }), x.max({ axis: 0 })];
    expect(await kernelsOf(sums, randn([40, 3]), randn([40, 3]))).toEqual(["reduce[mul]", "reduce"]);
  });

  it("a convolution, batch norm by running averages and the activation", async () => {
    const layer = nn.sequential(nn.conv2d(3, 4, { kernel: 3, bias: false }), nn.batchNorm(4), nn.relu()).eval();
    const kernels = await kernelsOf((x) => layer.forward(x), randn([2, 8, 8, 3]));
    expect(kernels).toEqual(["tile[add sqrt div mul mul sub]", "conv2d[mul add maximum]"]);
  });

  it("the gradient of cross-entropy with its scale, and each row's weight", async () => {
    const [logits, labels, weights] = [randn([32, 10]), tensor(Array.from({ length: 32 }, (_, i) => i % 10)).cast("i32"), randn([32])];
    const [first, last] = ["cross_entropy", "cross_entropy_grad[mul]"];
    const mean = (x: Tensor, y: Tensor) => [losses.crossEntropy(x, y), ...gradients(losses.crossEntropy(x, y), [x])];
    expect(await kernelsOf(mean, logits, labels)).toEqual([first, "reduce", "tile[div]", last]);
    const weighted = (x: Tensor, y: Tensor, w: Tensor) => gradients(losses.crossEntropy(x, y, { reduction: "sum", weights: w }), [x]);
    expect(await kernelsOf(weighted, logits, labels, weights)).toEqual([last]);
  });

  it("the gradient of a layer's input and of the activation before it, from the activation's result", async () => {
    const layers = nn.sequential(nn.linear(8, 9), nn.relu6(), nn.linear(9, 7), nn.relu6(), nn.linear(7, 6));
    const step = (x: Tensor) => gradients(layers.forward(x).square().sum(), layers.parameters());
    const kernels = await kernelsOf(step, randn([32, 8]));
    expect(kernels.filter((kernel) => kernel === "gemm[gt lt and where]")).toHaveLength(2);
    expect(kernels.filter((kernel) => kernel.startsWith("tile"))).toEqual([]);
  });

  it("a gradient and the update that consumes it", async () => {
    const w = variable(randn([20, 10]));
    const sgd = optim.sgd([w], { lr: 0.1 });
    const kernels = await kernelsOf((x: Tensor) => sgd.minimize(x.matmul(w).square().sum()), randn([32, 20]));
    const [gradient] = kernels.slice(-1);
    expect(gradient).toMatch(/^gemm\[.*sub\]$/);
    expect(kernels.filter((kernel) => kernel.startsWith("gemm"))).toHaveLength(2);
    expect(kernels).not.toContain("copy");
  });
});

const dense = (dtype: FloatDType) =>
  nn.sequential(
    nn.linear(30, 128, { dtype, bias: false }),
    nn.batchNorm(128, { dtype }),
    nn.relu(),
    nn.linear(128, 70, { dtype }),
    nn.relu(),
    nn.linear(70, 10, { dtype }),
  );
const pictures = (dtype: FloatDType) =>
  nn.sequential(
    nn.conv2d(3, 16, { kernel: 3, padding: 1, bias: false, dtype }),
    nn.batchNorm(16, { dtype }),
    nn.relu(),
    nn.conv2d(16, 16, { kernel: 3, padding: 1, groups: 16, bias: false, dtype }),
    nn.batchNorm(16, { dtype }),
    nn.relu6(),
    nn.conv2d(16, 40, { kernel: 3, padding: 1, bias: false, dtype }),
    nn.batchNorm(40, { dtype }),
    nn.relu(),
    nn.conv2d(40, 24, { kernel: 1, dtype }),
    nn.maxPool2d(2),
  );
const step = (model: ReturnType<typeof dense>) => (x: Tensor) => gradients(model.forward(x).square().sum(), model.parameters());

/** That two lists of arrays differ by so little of the largest number in each. */
function expectClose(got: readonly TypedArray[], want: readonly TypedArray[], tolerance: number): void {
  got.forEach((x, k) => {
    const size = Math.max(...want[k].map(Math.abs));
    x.forEach((element, i) => {
      expect(Math.abs(element - want[k][i])).toBeLessThan(tolerance * size);
    });
  });
}

/** That arrays are the same, to the bit, on one, two and three threads. */
function expectSameBits(compute: () => readonly TypedArray[]): void {
  const before = getThreads();
  try {
    const [alone, ...others] = [1, 2, 3].map((threads) => {
      setThreads(threads);
      return compute();
    });
    for (const other of others) expect(other).toEqual(alone);
  } finally {
    setThreads(before);
  }
}

describe("what is cheap to compute and only kernels and elementwise steps read", () => {
  const models = [
    { name: "dense layers", model: dense, shape: [300, 30], kernels: ["gemm", "gemm"] },
    {
      name: "convolutions",
      model: pictures,
      shape: [4, 12, 12, 3],
      kernels: ["conv2d", "conv2d", "conv2d_filter_grad", "conv2d_filter_grad"],
    },
  ];

  it.each(models)("is computed by the kernels that read it, and lies in no memory: $name", ({ model, shape, kernels }) => {
    const outputs = step(model("f32"))(randn(shape)).filter((x) => x !== null);
    const [kept, computed] = [Number.POSITIVE_INFINITY, 1].map((large) => compileGraph(graphOf(outputs, []), { large }).program);
    const prologues = computed.instructions.filter(({ prologue }) => prologue !== undefined);
    expect(prologues.map(({ kernel }) => kernel).sort()).toEqual(kernels);
    expect(computed.arenaBytes).toBeLessThan(kept.arenaBytes);
    expect(kept.instructions.every(({ prologue }) => prologue === undefined)).toBe(true);
  });

  it("not where it is a result, where a reduction reads it, or where what it is made of would be kept for it alone", () => {
    const norm = nn.batchNorm(16);
    const [first, second] = [nn.linear(8, 16, { bias: false }), nn.linear(16, 4)];
    const count = (also: (h: Tensor) => Tensor[], activated: (h: Tensor) => Tensor = (h) => norm.forward(h).relu()) => {
      const h = activated(first.forward(randn([64, 8])));
      const outputs = [...also(h), ...gradients(second.forward(h).square().sum(), [first.weight, second.weight])];
      const graph = graphOf(
        outputs.filter((x) => x !== null),
        [],
      );
      return compileGraph(graph, { large: 1 }).program.instructions.filter(({ prologue }) => prologue !== undefined).length;
    };
    expect(count(() => [])).toBe(2);
    expect(count((h) => [h])).toBe(0);
    expect(count((h) => [h.sum()])).toBe(0);
    expect(
      count(
        () => [],
        (h) => h.relu(),
      ),
    ).toBe(0);
    expect(
      count(
        () => [],
        (h) => norm.forward(h).tanh(),
      ),
    ).toBe(0);
  });

  eachDevice("gives the same numbers but for rounding, with the same bits on any number of threads", (device) => {
    it.each(models)("$name", ({ model, shape }) => {
      const [narrow, wide] = [model("f32"), model("f64")];
      materialize([...narrow.parameters(), ...wide.parameters()]);
      const gradientsOf = (model: ReturnType<typeof dense>, dtype: FloatDType) =>
        step(model)(randn(shape, { seed: 4, dtype })).filter((g) => g !== null);
      const want = run(gradientsOf(wide, "f64"), [], { fuse: false });
      for (const summed of [1, Number.POSITIVE_INFINITY])
        expectClose(run(gradientsOf(wide, "f64"), [], { large: 1, summed }, poisoned), want, 1e-10);
      if (device === "cpu") expectSameBits(() => run(gradientsOf(narrow, "f32"), [], { large: 1 }));
    });

    it("in the body of a loop", () => {
      const random = (shape: Shape, seed: number) => randn(shape, { seed, dtype: "f64" });
      const [w, scale, shift] = [random([5, 5], 1), random([5], 2), random([5], 3)];
      const results = () => {
        const body = ([sum]: Tensor[], [x]: Tensor[]) => ({ carry: [x.mul(scale).add(shift).relu().matmul(w).add(sum)] });
        const [sum] = scan(body, [random([32, 5], 4)], [random([6, 32, 5], 5)]).carry;
        return [sum, ...gradients(sum.square().sum(), [w, scale, shift]).filter((g) => g !== null)];
      };
      const { instructions } = compileGraph(graphOf(results(), []), { large: 1 }).program;
      expect(instructions.filter(({ prologue }) => prologue !== undefined).map(({ inputs: [x] }) => x.steps)).toEqual([[160]]);
      expectClose(run(results(), [], { large: 1 }), run(results(), [], { fuse: false }), 1e-10);
    });
  });
});

describe("sums over first axes of much", () => {
  /** The kernels of a program in which sums of so many elements are taken on the way. */
  const kernelsBy = (outputs: readonly (Tensor | null)[], summed: number) => {
    const graph = graphOf(
      outputs.filter((x) => x !== null),
      [],
    );
    return compileGraph(graph, { summed })
      .program.instructions.map(({ kernel }) => kernel)
      .filter((kernel) => kernel !== "random");
  };

  it("are taken in the pass that computes it", async () => {
    const others = (outputs: readonly (Tensor | null)[]) => kernelsBy(outputs, 1 << 14).filter((kernel) => /reduce|moments/.test(kernel));
    expect(others(step(dense("f32"))(randn([300, 30])))).toEqual(["reduce"]); // of the 300 × 10 of the last layer
    expect(others(step(pictures("f32"))(randn([20, 12, 12, 3])))).toEqual([]);
    const stored = (x: Tensor) => [x.exp(), x.exp().sum({ axis: 0 })];
    expect(await kernelsOf(stored, randn([1 << 16, 16]))).toEqual(["tile[exp]"]);
    expect(await kernelsOf(stored, randn([1 << 15, 16]))).toEqual(["tile[exp]", "reduce"]);
    const norm = nn.batchNorm(16);
    const layer = nn.linear(3, 16, { bias: false });
    const kernels = await kernelsOf((x: Tensor) => norm.forward(layer.forward(x)), randn([1 << 10, 3]));
    expect(kernels.filter((kernel) => /gemm|moments/.test(kernel))).toEqual(["gemm"]);
  });

  it("not twice, nor where what is made of one is summed in turn, nor where a variable takes its place", async () => {
    const twice = (x: Tensor, y: Tensor) => {
      const z = x.mul(y);
      return [z, z.sum({ axis: 0 }), z.sum({ axis: [0, 1] }), z.sum()];
    };
    const cubes = [randn([64, 32, 16]), randn([64, 32, 16])] as const;
    expect(kernelsBy(twice(...cubes), 1)).toEqual(["tile", "reduce", "reduce"]);
    const nested = (x: Tensor, y: Tensor) => {
      const z = x.mul(y);
      return z
        .sub(z.mean({ axis: 0 }))
        .square()
        .sum({ axis: 0 });
    };
    const [x, y] = [randn([4096, 5]), randn([4096, 5])];
    expect(kernelsBy([nested(x, y)], 1)).toEqual(["tile", "tile", "reduce"]);
    const total = variable(randn([5]));
    const assigned = compile((x: Tensor) => total.assign(x.exp().sum({ axis: 0 })));
    await assigned(x);
    const want = await x.exp().data();
    (await total.value.data()).forEach((sum, j) => {
      let all = 0;
      for (let i = j; i < want.length; i += 5) all += want[i];
      expect(sum / all).toBeCloseTo(1, 5);
    });
  });

  it.each([
    ["dense layers", dense, [300, 30]],
    ["convolutions", pictures, [20, 12, 12, 3]],
  ])(
    "are those of an instruction of their own but for rounding, with the same bits on any number of threads: %s",
    async (_, model, shape) => {
      const gradientsOf = (model: ReturnType<typeof dense>, dtype: FloatDType) =>
        step(model)(randn(shape, { seed: 4, dtype })).filter((g) => g !== null);
      const wide = model("f64");
      materialize(wide.parameters());
      const [together, apart] = [1 << 14, Number.POSITIVE_INFINITY].map((summed) => run(gradientsOf(wide, "f64"), [], { summed }));
      expectClose(together, apart, 1e-10);
      const narrow = model("f32");
      materialize(narrow.parameters());
      expectSameBits(() => run(gradientsOf(narrow, "f32"), [], { summed: 1 << 14 }));
    },
  );
});

it("batch norm and its gradient pass over their data twice each", async () => {
  const norm = nn.batchNorm(4);
  const step = compile((x: Tensor, gy: Tensor) => {
    const y = norm.forward(x).relu();
    return [y, ...gradients(y.mul(gy).sum(), [x, ...norm.parameters()])];
  });
  await step(randn([50, 2, 2, 4]), randn([50, 2, 2, 4]));
  const large = step
    .programs()[0]
    .split("\n")
    .filter((line) => /= (tile|reduce|moments)\(.*50×2×2×4/.test(line));
  expect(large.map((line) => /= (\w+)\(/.exec(line)![1])).toEqual(["moments", "tile", "reduce", "tile"]);
});

eachDevice("a mobile network takes images one by one through convolutions that have little to compute", () => {
  const [expand, across, project] = [
    nn.sequential(nn.conv2d(16, 96, { kernel: 1, bias: false }), nn.batchNorm(96), nn.relu6()),
    nn.sequential(nn.conv2d(96, 96, { kernel: 3, padding: 1, groups: 96, bias: false }), nn.batchNorm(96), nn.relu6()),
    nn.conv2d(96, 16, { kernel: 1 }),
  ];
  const layers = nn.sequential(expand, across, project).eval();
  const block = (x: Tensor) => layers.forward(x).add(x).relu();

  it("with as much memory as an image takes, and the same bits as layer by layer", async () => {
    const predict = compile(block);
    const x = randn([8, 24, 24, 16]);
    const y = await predict(x);
    const [program] = predict.programs();
    expect(program.match(/loop\(\) \{8, 1\}/g)).toHaveLength(1);
    expect(program.indexOf("loop")).toBeGreaterThan(program.lastIndexOf("= tile"));
    expect(arenaBytes(program)).toBeLessThan(2 * 24 * 24 * 96 * 4 + 4096);
    let h = x;
    for (const layer of [expand, across, project]) {
      h = layer.forward(h);
      h.dataSync();
    }
    expect(await y.data()).toEqual(await h.add(x).relu().data());
  });

  it("unless a result is wanted from within, which has its place then", async () => {
    const predict = compile((x: Tensor) => {
      const h = expand.forward(x);
      return [h, across.forward(h)];
    });
    await predict(randn([8, 24, 24, 16]));
    expect(predict.programs()[0]).not.toContain("loop");
  });
});

describe("memory is shared", () => {
  it("by the layers of a network: two of them live at a time", async () => {
    const layers = nn.sequential(...Array.from({ length: 8 }, () => nn.linear(64, 64)));
    const forward = compile((x: Tensor) => layers.forward(x));
    await forward(randn([32, 64]));
    expect(arenaBytes(forward.programs()[0])).toBe(2 * 32 * 64 * 4);
  });

  it("by a result and the operand that it replaces", async () => {
    const chain = compile((x: Tensor, w: Tensor) => {
      const y = x.matmul(w);
      const top = y.max({ axis: -1, keepDims: true });
      return y.sub(top).exp().matmul(w);
    });
    await chain(randn([64, 64]), randn([64, 64]));
    expect(arenaBytes(chain.programs()[0])).toBe(64 * 64 * 4 + 64 * 4);
  });

  it("by an activation's gradient: it needs what came before the activation, and computes the rest again", () => {
    for (const [activation, before] of [
      ["gelu", 2],
      ["silu", 1],
      ["hardSwish", 1],
      ["mish", 1],
    ] as const) {
      const [first, last] = [nn.linear(8, 64), nn.linear(64, 1)];
      const parameters = [first, last].flatMap((layer) => layer.parameters());
      const loss = last
        .forward(nn[activation]().forward(first.forward(randn([32, 8]))))
        .square()
        .sum();
      const outputs = [loss, ...gradients(loss, parameters)];
      materialize(parameters);
      const [kept, again] = [1 << 16, 1].map((large) => compileGraph(graphOf(outputs, []), { large }).program);
      const arrays = ({ arenaBytes }: typeof kept) => Math.floor(arenaBytes / (32 * 64 * 4));
      expect([arrays(again), arrays(kept)], activation).toEqual([2, 2 + before]);
      expect(again.instructions.map(({ kernel }) => kernel)).toEqual(kept.instructions.map(({ kernel }) => kernel));
      expect(run(outputs, [], { large: 1 }, poisoned)).toEqual(run(outputs, [], {}));
    }
  });

  const layers = () => [nn.conv2d(8, 8, { kernel: 3, padding: 1 }), nn.batchNorm(8), nn.relu()];
  const network = () => nn.sequential(...Array.from({ length: 6 }, layers).flat());

  it("by layers that learn: what a filter's gradient needs leaves with its update", async () => {
    const model = network();
    const optimizer = optim.sgd(model.parameters(), { lr: 0.1, momentum: 0.9 });
    const step = compile((x: Tensor) => optimizer.minimize(model.forward(x).square().mean()));
    await step(randn([4, 16, 16, 8]));
    const [program] = step.programs();
    expect(program.indexOf("conv2d_filter_grad")).toBeLessThan(
      program.indexOf("conv2d_input_grad", program.indexOf("conv2d_input_grad") + 1),
    );
    const kept = 2 * 6; // what each layer's convolution and activation give
    expect(arenaBytes(program)).toBeLessThan((kept + 2) * 4 * 16 * 16 * 8 * 4);
  });

  it("by what is computed again rather than kept, where there is plenty", () => {
    const blocks = Array.from({ length: 6 }, () => nn.sequential(nn.conv2d(8, 8, { kernel: 3, padding: 1 }), nn.batchNorm(8)));
    const parameters = blocks.flatMap((block) => block.parameters());
    // Every second block can be computed again, as it needs the one before.
    const loss = blocks
      .reduce((x, block) => block.forward(x).add(x).relu(), randn([4, 16, 16, 8]))
      .square()
      .mean();
    const outputs = [loss, ...gradients(loss, parameters)];
    materialize(parameters);
    const [plain, lean] = [Number.POSITIVE_INFINITY, 100_000].map((plenty) => compileGraph(graphOf(outputs, []), { plenty }).program);
    expect(lean.arenaBytes).toBeLessThan(0.9 * plain.arenaBytes);
    const count = ({ instructions }: typeof lean, name: string) => instructions.filter(({ kernel }) => kernel === name).length;
    expect(count(lean, "tile")).toBeGreaterThanOrEqual(count(plain, "tile") + 2);
    expect(lean.instructions.filter(({ kernel }) => kernel !== "tile")).toHaveLength(plain.instructions.length - count(plain, "tile"));
    expect(run(outputs, [], { plenty: 100_000 }, poisoned)).toEqual(run(outputs, [], { plenty: Number.POSITIVE_INFINITY }));
  });
});
