/** The reference device against hand-worked values and oracles written from the definitions. */
import { beforeEach, describe, expect, it } from "vitest";
import { allocate, bytesPerElement, type DType, type TypedArray } from "../../lib/base/dtype.js";
import { DeviceError, IndexError } from "../../lib/base/errors.js";
import { philox4x32 } from "../../lib/base/philox.js";
import { rowMajor, sizeOf } from "../../lib/base/shape.js";
import type { Storage } from "../../lib/runtime/device.js";
import { kernels } from "../../lib/runtime/kernels.js";
import type { BufferKind, BufferSpec, Instruction, Program, Tile, TileStep, View } from "../../lib/runtime/program.js";
import { ReferenceDevice } from "../../lib/runtime/reference/device.js";

let device: ReferenceDevice;
beforeEach(() => {
  device = new ReferenceDevice();
});

/** Builds a program whose storages are numbered in the order of their declaration. */
class Builder {
  readonly buffers: BufferSpec[] = [];
  readonly instructions: Instruction[] = [];
  private places = 0;
  arenaBytes = 0;

  buffer(kind: BufferKind, shape: readonly number[], dtype: DType = "f32"): View {
    const size = sizeOf(shape);
    const place = kind === "arena" ? this.arenaBytes : this.places++;
    if (kind === "arena") this.arenaBytes += Math.ceil((size * bytesPerElement[dtype]) / 64) * 64;
    this.buffers.push({ kind, dtype, size, place });
    return { buffer: this.buffers.length - 1, offset: 0, shape, strides: rowMajor(shape) };
  }
  add(kernel: string, inputs: View[], outputs: View[], attrs: number[] = [], tile?: Tile, prologue?: Tile): this {
    this.instructions.push({ kernel, inputs, outputs, attrs, tile, prologue, label: kernel });
    return this;
  }
  program(uniformCount = 0): Program {
    return { buffers: this.buffers, instructions: this.instructions, uniformCount, arenaBytes: this.arenaBytes };
  }
}

/** Runs a program over arrays, one for each storage, and copies all of them back. */
function execute(program: Program, arrays: TypedArray[], uniforms: number[] = []): void {
  const storages = arrays.map((array) => store(array));
  device.wait(device.run(device.prepare(program), storages, Float64Array.from(uniforms)));
  arrays.forEach((array, i) => {
    device.read(storages[i], array);
  });
}

function store(array: TypedArray): Storage {
  const storage = device.allocate(array.byteLength);
  device.write(storage, array);
  return storage;
}

type Operand = { shape: number[]; values?: ArrayLike<number>; dtype?: DType };

/** Runs one kernel over contiguous operands and returns its first output. */
function call(kernel: string, inputs: Operand[], output: Operand, attrs: number[] = [], tile?: Tile, uniforms: number[] = []): number[] {
  const b = new Builder();
  const array = ({ shape, values, dtype = "f32" }: Operand) => {
    const a = allocate(dtype, sizeOf(shape));
    if (values !== undefined) a.set(values);
    return a;
  };
  const arrays = [...inputs, output].map(array);
  const views = inputs.map(({ shape, dtype }) => b.buffer("input", shape, dtype));
  b.add(kernel, views, [b.buffer("output", output.shape, output.dtype)], attrs, tile);
  execute(b.program(uniforms.length), arrays, uniforms);
  return Array.from(arrays[inputs.length]);
}

const tileOf = (shape: number[], steps: TileStep[], stores = [steps.length - 1], dtype: "f32" | "f64" = "f32"): Tile => ({
  dtype,
  shape,
  steps,
  stores,
});
const step = (op: TileStep["op"], ...args: number[]): TileStep => ({ op, args });

/** Applies one tile operation to columns of arguments, in f64. */
function apply(op: TileStep["op"], ...columns: number[][]): number[] {
  const n = columns[0].length;
  const steps = [...columns.map((_, k) => step("load", k)), step(op, ...columns.keys())];
  const inputs = columns.map((values): Operand => ({ shape: [n], values, dtype: "f64" }));
  return call("tile", inputs, { shape: [n], dtype: "f64" }, [], tileOf([n], steps, undefined, "f64"));
}

/** Numbers in [−1, 1) that every machine draws alike. */
function noise(n: number, seed: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => philox4x32([i, 0, 0, 0], [seed, 0])[0] / 2 ** 31 - 1);
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-6): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++) {
    const allowed = tolerance * Math.max(1, Math.abs(expected[i]));
    if (!(Math.abs(actual[i] - expected[i]) <= allowed))
      expect.fail(`element ${i}: ${actual[i]} is not ${expected[i]} within ${tolerance}`);
  }
}

const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];

describe("tile", () => {
  it("follows the stated conventions of rounding, signs, comparisons and NaN", () => {
    expect(apply("round", [0.5, 1.5, 2.5, -0.5, -1.5, 2.4, -2.6])).toEqual([0, 2, 2, -0, -2, 2, -3]);
    expect(apply("mod", [5, -5, 5, -5, 6], [3, 3, -3, -3, 3])).toEqual([2, 1, -1, -2, 0]);
    expect(apply("sign", [-3, 0, 2, nan])).toEqual([-1, 0, 1, nan]);
    expect(apply("maximum", [1, nan, 3], [2, 1, nan])).toEqual([2, nan, nan]);
    expect(apply("minimum", [1, nan, 3], [2, 1, nan])).toEqual([1, nan, nan]);
    expect(apply("ne", [1, nan, 2], [1, nan, 3])).toEqual([0, 1, 1]);
    expect(apply("eq", [1, nan, 2], [1, nan, 3])).toEqual([1, 0, 0]);
    expect(apply("le", [1, nan, 4], [1, 1, 3])).toEqual([1, 0, 0]);
    expect(apply("where", [1, 0, nan], [10, 20, 30], [-1, -2, -3])).toEqual([10, -2, 30]);
    expect(apply("pow", [2, 1, -8, 4], [10, nan, 1 / 3, 0.5])).toEqual([1024, 1, nan, 2]);
    expect(apply("not", [0, 2, nan])).toEqual([1, 0, 0]);
    expectClose(apply("sigmoid", [0, 2, -1000, 1000]), [0.5, 0.8807970779778823, 0, 1], 1e-15);
  });

  it("computes erf to fifteen digits", () => {
    // Values of the C library's erf.
    const x = [0, 1e-10, 0.1, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 10, inf];
    const y = [
      0, 1.1283791670955126e-10, 0.1124629160182849, 0.5204998778130465, 0.8427007929497149, 0.9661051464753108, 0.9953222650189527,
      0.999593047982555, 0.9999779095030014, 0.9999999845827421, 1, 1, 1,
    ];
    expectClose(apply("erf", x), y, 1e-15);
    expectClose(
      apply(
        "erf",
        x.map((v) => -v),
      ),
      y.map((v) => -v),
      1e-15,
    );
    expect(apply("erf", [nan])).toEqual([nan]);
    // Small arguments keep their relative precision.
    expect(apply("erf", [1e-10])[0] / 1.1283791670955126e-10).toBeCloseTo(1, 14);
  });

  it("rounds every step to f32, not only the last", () => {
    const steps = [step("const", 16777216), step("const", 1), step("add", 0, 1), step("sub", 2, 0)];
    expect(call("tile", [], { shape: [1] }, [], tileOf([1], steps))).toEqual([0]);
    expect(call("tile", [], { shape: [1], dtype: "f64" }, [], tileOf([1], steps, [3], "f64"))).toEqual([1]);
  });

  it("converts on store: truncates, saturates, NaN → 0, bool is ≠ 0", () => {
    const values = [1.9, -1.9, 3e9, -3e9, nan, 300, 0];
    const x = { shape: [7], values };
    const copy = tileOf([7], [step("load", 0)]);
    expect(call("tile", [x], { shape: [7], dtype: "i32" }, [], copy)).toEqual([1, -1, 2147483647, -2147483648, 0, 300, 0]);
    expect(call("tile", [x], { shape: [7], dtype: "u8" }, [], copy)).toEqual([1, 0, 255, 0, 0, 255, 0]);
    expect(call("tile", [x], { shape: [7], dtype: "bool" }, [], copy)).toEqual([1, 1, 1, 1, 1, 1, 0]);
  });

  it("walks broadcast, reversed and transposed operands, over more elements than one stretch", () => {
    const [m, n] = [37, 83];
    const b = new Builder();
    const x = b.buffer("input", [n, m]);
    const row = b.buffer("input", [n]);
    const y = b.buffer("output", [m, n]);
    const transposed = { ...x, shape: [m, n], strides: [1, m] };
    const reversed = { ...row, offset: n - 1, shape: [m, n], strides: [0, -1] };
    const steps = [
      step("load", 0),
      step("load", 1),
      step("uniform", 0),
      step("index"),
      step("mul", 1, 2),
      step("add", 0, 4),
      step("add", 5, 3),
    ];
    b.add("tile", [transposed, reversed], [y], [], tileOf([m, n], steps));
    const xs = Float32Array.from({ length: m * n }, (_, i) => i % 101);
    const rows = Float32Array.from({ length: n }, (_, i) => i);
    const ys = new Float32Array(m * n);
    execute(b.program(1), [xs, rows, ys], [3]);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) expect(ys[i * n + j]).toBe(xs[j * m + i] + 3 * (n - 1 - j) + i * n + j);
    }
  });

  it("computes in place and stores several results", () => {
    const b = new Builder();
    const w = b.buffer("state", [5]);
    const square = b.buffer("output", [5], "f64");
    const steps = [step("load", 0), step("const", 2), step("mul", 0, 1), step("mul", 0, 0)];
    b.add("tile", [w], [w, square], [], tileOf([5], steps, [2, 3]));
    const arrays = [Float32Array.from([1, 2, 3, 4, 5]), new Float64Array(5)];
    execute(b.program(), arrays);
    expect([...arrays[0]]).toEqual([2, 4, 6, 8, 10]);
    expect([...arrays[1]]).toEqual([1, 4, 9, 16, 25]);
  });
});

describe("reduce", () => {
  const square = tileOf([2, 3, 2], [step("load", 0), step("mul", 0, 0)]);
  const x = { shape: [2, 3, 2], values: [1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6] };

  it("reduces the middle of what its tile computes", () => {
    expect(call("reduce", [x], { shape: [2, 2] }, [0, 2, 3, 2], square)).toEqual([35, 56, 35, 56]);
    expect(call("reduce", [x], { shape: [2, 2] }, [1, 2, 3, 2], square)).toEqual([25, 36, 25, 36]);
    expect(call("reduce", [x], { shape: [2, 2] }, [2, 2, 3, 2], square)).toEqual([1, 4, 1, 4]);
    expect(call("reduce", [x], { shape: [] }, [3, 1, 12, 1], tileOf([2, 3, 2], [step("load", 0)]))).toEqual([720 * 720]);
  });

  it("gives the neutral element of nothing, and NaN of a NaN", () => {
    const nothing = tileOf([2, 0], [step("load", 0)]);
    const empty = (op: number) => call("reduce", [{ shape: [2, 0] }], { shape: [2] }, [op, 2, 0, 1], nothing);
    expect([0, 1, 2, 3].map(empty)).toEqual([
      [0, 0],
      [-inf, -inf],
      [inf, inf],
      [1, 1],
    ]);
    const load = tileOf([3], [step("load", 0)]);
    expect(call("reduce", [{ shape: [3], values: [1, nan, 2] }], { shape: [1] }, [1, 1, 3, 1], load)).toEqual([nan]);
  });

  it("finds the first extreme, a NaN being one", () => {
    const arg = (op: number, values: number[]) =>
      call("arg_reduce", [{ shape: [values.length], values }], { shape: [1], dtype: "i32" }, [op, 1, values.length, 1])[0];
    expect(arg(0, [1, 3, 3, 2])).toBe(1);
    expect(arg(1, [1, 3, 0, 0])).toBe(2);
    expect(arg(0, [1, nan, 9, nan])).toBe(1);
    expect(arg(1, [nan, -9])).toBe(0);
    expect(call("arg_reduce", [x], { shape: [2, 2], dtype: "i32" }, [0, 2, 3, 2])).toEqual([2, 2, 0, 0]);
  });
});

describe("copy", () => {
  it("moves elements between strided windows and leaves the rest", () => {
    const b = new Builder();
    const x = b.buffer("input", [2, 3], "i32");
    const y = b.buffer("state", [3, 4], "i32");
    b.add("copy", [{ ...x, shape: [3, 2], strides: [1, 3] }], [{ ...y, offset: 1, shape: [3, 2], strides: [4, 2] }]);
    const ys = new Int32Array(12).fill(-1);
    execute(b.program(), [Int32Array.from([1, 2, 3, 4, 5, 6]), ys]);
    expect([...ys]).toEqual([-1, 1, -1, 4, -1, 2, -1, 5, -1, 3, -1, 6]);
  });
});

describe("gemm", () => {
  it("multiplies strided batches and applies its epilogue in place", () => {
    const [batch, m, k, n] = [2, 3, 4, 5];
    const b = new Builder();
    const a = b.buffer("input", [batch, k, m], "f64"); // transposed
    const w = b.buffer("input", [k, n], "f64"); // shared by the batch
    const bias = b.buffer("input", [n], "f64");
    const c = b.buffer("output", [batch, m, n], "f64");
    const epilogue = tileOf(
      [batch, m, n],
      [step("load", 0), step("load", 1), step("add", 0, 1), step("const", 0), step("maximum", 2, 3)],
      [4],
      "f64",
    );
    b.add(
      "gemm",
      [
        { ...a, shape: [batch, m, k], strides: [k * m, 1, m] },
        { ...w, shape: [batch, k, n], strides: [0, n, 1] },
        { ...bias, shape: [batch, m, n], strides: [0, 0, 1] },
      ],
      [c, c],
      [],
      epilogue,
    );
    const [as, ws, biases, cs] = [noise(batch * k * m, 1), noise(k * n, 2), noise(n, 3), new Float64Array(batch * m * n)];
    execute(b.program(), [as, ws, biases, cs]);
    const expected: number[] = [];
    for (let t = 0; t < batch; t++) {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = biases[j];
          for (let p = 0; p < k; p++) sum += as[(t * k + p) * m + i] * ws[p * n + j];
          expected.push(Math.max(sum, 0));
        }
      }
    }
    expectClose(cs, expected, 1e-14);
  });

  it("of no inner dimension is zero", () => {
    expect(call("gemm", [{ shape: [1, 2, 0] }, { shape: [1, 0, 2] }], { shape: [1, 2, 2] })).toEqual([0, 0, 0, 0]);
  });
});

interface Geometry {
  x: number[];
  w: number[];
  y: number[];
  attrs: number[];
}
const convolutions: Record<string, Geometry> = {
  valid: { x: [2, 5, 6, 3], w: [3, 2, 3, 4], y: [2, 3, 5, 4], attrs: [1, 1, 0, 0, 1, 1, 1, 0] },
  "strided and padded": { x: [1, 6, 5, 2], w: [3, 3, 2, 3], y: [1, 3, 3, 3], attrs: [2, 2, 1, 1, 1, 1, 1, 0] },
  dilated: { x: [1, 7, 7, 1], w: [2, 3, 1, 2], y: [1, 5, 5, 2], attrs: [1, 1, 0, 1, 2, 2, 1, 0] },
  grouped: { x: [1, 4, 4, 6], w: [2, 2, 2, 6], y: [1, 3, 3, 6], attrs: [1, 1, 0, 0, 1, 1, 3, 0] },
  depthwise: { x: [2, 4, 3, 3], w: [3, 3, 1, 6], y: [2, 4, 3, 6], attrs: [1, 1, 1, 1, 1, 1, 3, 0] },
};

/** One output of a convolution, straight from its definition. */
function convolved(
  { x, w, attrs }: Geometry,
  xs: ArrayLike<number>,
  ws: ArrayLike<number>,
  n: number,
  i: number,
  j: number,
  k: number,
): number {
  const [strideH, strideW, padTop, padLeft, dilationH, dilationW, groups] = attrs;
  const pixel = (h: number, v: number, c: number) =>
    h < 0 || h >= x[1] || v < 0 || v >= x[2] ? 0 : xs[((n * x[1] + h) * x[2] + v) * x[3] + c];
  const group = Math.floor(k / (w[3] / groups));
  let sum = 0;
  for (let r = 0; r < w[0]; r++) {
    for (let s = 0; s < w[1]; s++) {
      for (let c = 0; c < w[2]; c++) {
        const value = pixel(i * strideH - padTop + r * dilationH, j * strideW - padLeft + s * dilationW, group * w[2] + c);
        sum += value * ws[((r * w[1] + s) * w[2] + c) * w[3] + k];
      }
    }
  }
  return sum;
}

const inner = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i], 0);

describe.each(Object.entries(convolutions))("conv2d, %s", (_, geometry) => {
  const { x, w, y, attrs } = geometry;
  const [xs, ws, gs] = [noise(sizeOf(x), 1), noise(sizeOf(w), 2), noise(sizeOf(y), 3)];
  const operand = (shape: number[], values: Float64Array): Operand => ({ shape, values, dtype: "f64" });

  it("is the direct sum", () => {
    const expected: number[] = [];
    for (let n = 0; n < y[0]; n++)
      for (let i = 0; i < y[1]; i++)
        for (let j = 0; j < y[2]; j++) for (let k = 0; k < y[3]; k++) expected.push(convolved(geometry, xs, ws, n, i, j, k));
    expectClose(call("conv2d", [operand(x, xs), operand(w, ws)], { shape: y, dtype: "f64" }, attrs), expected, 1e-14);
  });

  it("has adjoint gradients: ⟨conv(x, w), g⟩ = ⟨x, input_grad(g, w)⟩ = ⟨w, filter_grad(x, g)⟩", () => {
    const forward = inner(call("conv2d", [operand(x, xs), operand(w, ws)], { shape: y, dtype: "f64" }, attrs), gs);
    const gx = call("conv2d_input_grad", [operand(y, gs), operand(w, ws)], { shape: x, dtype: "f64" }, attrs);
    const gw = call("conv2d_filter_grad", [operand(x, xs), operand(y, gs)], { shape: w, dtype: "f64" }, attrs);
    expectClose([inner(gx, xs), inner(gw, ws)], [forward, forward], 1e-12);
  });
});

describe("pool2d", () => {
  // One image of one channel:  1 5 2 / 5 4 NaN / 0 -1 3
  const x = { shape: [1, 3, 3, 1], values: [1, 5, 2, 5, 4, nan, 0, -1, 3] };
  const y: Operand = { shape: [1, 2, 2, 1] };
  const attrs = [2, 2, 1, 1, 0, 0];

  it("takes the first maximum, and a NaN before any number", () => {
    expect(call("max_pool2d", [x], y, attrs)).toEqual([5, nan, 5, nan]);
    const gy = { ...y, values: [1, 10, 100, 1000] };
    expect(call("max_pool2d_scatter", [x, gy], { shape: x.shape }, attrs)).toEqual([0, 1, 0, 100, 0, 1010, 0, 0, 0]);
    const g = { shape: x.shape, values: [0, 1, 2, 3, 4, 5, 6, 7, 8] };
    expect(call("max_pool2d_gather", [x, g], y, attrs)).toEqual([1, 5, 3, 5]);
  });

  it("never lets padding win", () => {
    const negative = { shape: [1, 1, 1, 2], values: [-3, -4] };
    // Windows of 2×2, padded by 2: the outer ring lies wholly in padding.
    const padded = [2, 2, 2, 2, 2, 2];
    const out = { shape: [1, 2, 2, 2] };
    expect(call("max_pool2d", [negative], out, padded)).toEqual([-inf, -inf, -inf, -inf, -inf, -inf, -3, -4]);
    const gy = { ...out, values: [1, 1, 1, 1, 1, 1, 7, 8] };
    expect(call("max_pool2d_scatter", [negative, gy], { shape: negative.shape }, padded)).toEqual([7, 8]);
  });

  it("averages over the window or over the cells inside", () => {
    const ones = { shape: [1, 2, 2, 1], values: [1, 1, 1, 1] };
    const out = { shape: [1, 2, 2, 1] };
    expect(call("avg_pool2d", [ones], out, [2, 2, 2, 2, 1, 1, 1])).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect(call("avg_pool2d", [ones], out, [2, 2, 2, 2, 1, 1, 0])).toEqual([1, 1, 1, 1]);
  });

  it.each([0, 1])("has an adjoint average gradient, countPad %i", (countPad) => {
    const [shape, out, pool] = [
      [2, 5, 4, 3],
      [2, 3, 2, 3],
      [3, 2, 2, 2, 1, 0, countPad],
    ];
    const [xs, gs] = [noise(sizeOf(shape), 4), noise(sizeOf(out), 5)];
    const ys = call("avg_pool2d", [{ shape, values: xs, dtype: "f64" }], { shape: out, dtype: "f64" }, pool);
    const gx = call("avg_pool2d_grad", [{ shape: out, values: gs, dtype: "f64" }], { shape, dtype: "f64" }, pool);
    expectClose([inner(gx, xs)], [inner(ys, gs)], 1e-13);
  });
});

describe("softmax and cross-entropy", () => {
  const x = { shape: [2, 3], values: [1, 2, 3, 1000, 1000, -1000], dtype: "f64" as const };
  const y = [0.09003057317038046, 0.24472847105479767, 0.6652409557748219, 0.5, 0.5, 0];

  it("is shifted, so that large logits do not overflow", () => {
    expectClose(call("softmax", [x], { shape: [2, 3], dtype: "f64" }), y, 1e-15);
    const logs = call("log_softmax", [x], { shape: [2, 3], dtype: "f64" });
    expectClose(logs, [Math.log(y[0]), Math.log(y[1]), Math.log(y[2]), -Math.LN2, -Math.LN2, -2000 - Math.LN2], 1e-15);
  });

  it("measures −log softmax at the label", () => {
    const labels = { shape: [2], values: [2, 0], dtype: "i32" as const };
    expectClose(call("cross_entropy", [x, labels], { shape: [2], dtype: "f64" }), [-Math.log(y[2]), Math.LN2], 1e-15);
    const gradient = call("cross_entropy_grad", [x, labels], { shape: [2, 3], dtype: "f64" });
    expectClose(gradient, [y[0], y[1], y[2] - 1, -0.5, 0.5, 0], 1e-15);
  });
});

describe("rows", () => {
  const index = { shape: [4], values: [2, 0, 2, 1], dtype: "i32" as const };

  it("gathers and adds back", () => {
    const x = { shape: [3, 2], values: [1, 2, 3, 4, 5, 6], dtype: "u8" as const };
    expect(call("gather_rows", [x, index], { shape: [4, 2], dtype: "u8" })).toEqual([5, 6, 1, 2, 5, 6, 3, 4]);
    const gy = { shape: [4, 2], values: [1, 2, 3, 4, 5, 6, 7, 8] };
    expect(call("scatter_add_rows", [gy, index], { shape: [3, 2] })).toEqual([3, 4, 7, 8, 6, 8]);
  });
});

describe("random", () => {
  it("is Philox4x32-10 (known answers of the Random123 distribution)", () => {
    const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
    const ones = 0xffffffff;
    expect(hex(philox4x32([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    expect(hex(philox4x32([ones, ones, ones, ones], [ones, ones]))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
    expect(hex(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    );
  });

  it("takes words of consecutive blocks, 64-bit counters and seeds included", () => {
    const [seed, counter] = [2 ** 40 + 5, 2 ** 32 - 1];
    const drawn = call("random", [], { shape: [6] }, [0, 0, 1], undefined, [seed, counter]);
    const words = [...philox4x32([ones32, 0, 0, 0], [5, 256]), ...philox4x32([0, 1, 0, 0], [5, 256])];
    expect(drawn).toEqual(words.slice(0, 6).map((word) => Math.floor(word / 256) / 2 ** 24));
    const doubles = call("random", [], { shape: [3], dtype: "f64" }, [0, 0, 1], undefined, [seed, counter]);
    // 53 bits of two words: the first is the high one.
    const expected = [0, 2, 4].map((i) => Number(((BigInt(words[i]) >> 5n) << 26n) + (BigInt(words[i + 1]) >> 6n)) / 2 ** 53);
    expect(doubles).toEqual(expected);
  });
  const ones32 = 0xffffffff;

  it("is normal with zero mean, unit variance and the normal fourth moment", () => {
    const n = 20_000;
    const z = call("random", [], { shape: [n], dtype: "f64" }, [1, 0, 1], undefined, [7, 0]);
    const moment = (k: number) => z.reduce((sum, v) => sum + v ** k, 0) / n;
    // Bounds of about five standard errors.
    expect(Math.abs(moment(1))).toBeLessThan(0.035);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.05);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.35);
    const u = call("random", [], { shape: [2], dtype: "f64" }, [0, 0, 1], undefined, [7, 0]);
    expect(z[0]).toBe(Math.sqrt(-2 * Math.log(1 - u[0])) * Math.cos(2 * Math.PI * u[1]));
    expect(z[1]).toBe(Math.sqrt(-2 * Math.log(1 - u[0])) * Math.sin(2 * Math.PI * u[1]));
  });
});

describe("loops", () => {
  it("repeat, nest, and move views by their steps", () => {
    // y[i, j] = x[i, j] + carry, where the carry is the sum of all before it: a prefix sum over a 3×4 matrix.
    const b = new Builder();
    const x = b.buffer("input", [12]);
    const y = b.buffer("output", [12]);
    const carry = b.buffer("arena", [1]);
    const cell = (view: View): View => ({ ...view, shape: [1], strides: [1], steps: [4, 1] });
    b.add("tile", [], [carry], [], tileOf([1], [step("const", 0)]))
      .add("loop", [], [], [3])
      .add("loop", [], [], [4])
      .add("tile", [cell(x), carry], [cell(y), carry], [], tileOf([1], [step("load", 0), step("load", 1), step("add", 0, 1)], [2, 2]))
      .add("end", [], [])
      .add("end", [], []);
    const [xs, ys] = [Float32Array.from({ length: 12 }, (_, i) => i + 1), new Float32Array(12)];
    execute(b.program(), [xs, ys]);
    expect([...ys]).toEqual([1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78]);
  });

  it("of no iterations run nothing, inner loops included", () => {
    const b = new Builder();
    const w = b.buffer("state", [1]);
    const increment = tileOf([1], [step("load", 0), step("const", 1), step("add", 0, 1)]);
    b.add("loop", [], [], [0]).add("loop", [], [], [3]).add("tile", [w], [w], [], increment).add("end", [], []).add("end", [], []);
    b.add("tile", [w], [w], [], increment);
    const ws = Float32Array.of(5);
    execute(b.program(), [ws]);
    expect(ws[0]).toBe(6);
  });
});

describe("failures", () => {
  /** w ← w + 1, then the cross-entropy of logits under labels. */
  function failing() {
    const b = new Builder();
    const logits = b.buffer("input", [2, 3]);
    const labels = b.buffer("input", [2], "i32");
    const w = b.buffer("state", [1]);
    const loss = b.buffer("output", [2]);
    b.add("tile", [w], [w], [], tileOf([1], [step("load", 0), step("const", 1), step("add", 0, 1)]));
    b.add("cross_entropy", [logits, labels], [loss]);
    const copy = new Builder();
    const from = copy.buffer("input", [2]);
    copy.add("copy", [from], [copy.buffer("output", [2])]);
    return { train: device.prepare(b.program()), copy: device.prepare(copy.program()) };
  }
  const none = new Float64Array(0);

  it.each([3, -1])("label %i fails the run, leaves states alone and poisons who reads the outputs", async (label) => {
    const { train, copy } = failing();
    const [logits, w, loss, next] = [store(new Float32Array(6)), store(Float32Array.of(41)), device.allocate(8), device.allocate(8)];
    const value = Float32Array.of(0);

    const failed = device.run(train, [logits, store(Int32Array.of(0, label)), w, loss], none);
    expect(() => device.wait(failed)).toThrow(IndexError);
    await expect(device.settled(failed)).rejects.toMatchObject({ code: "ERR_INDEX", op: "cross_entropy", inputs: [label, 3] });
    device.read(w, value);
    expect(value[0]).toBe(41);

    const poisoned = device.run(copy, [loss, next], none);
    await expect(device.settled(poisoned)).rejects.toMatchObject({ code: "ERR_INDEX" });
    expect(() => device.read(next, value)).toThrow(IndexError);

    // Writing the outputs again heals them.
    const good = device.run(train, [logits, store(Int32Array.of(0, 2)), w, loss], none);
    await device.settled(good);
    await device.settled(device.run(copy, [loss, next], none));
    const losses = new Float32Array(2);
    device.read(next, losses);
    expectClose(losses, [Math.log(3), Math.log(3)]);
    device.read(w, value);
    expect(value[0]).toBe(42);
    expect(() => device.wait(failed)).toThrow(IndexError);
  });

  it.each(["gather_rows", "scatter_add_rows"])("%s finds rows that are not there", (kernel) => {
    const index: Operand = { shape: [2], values: [0, 9], dtype: "i32" };
    expect(() => call(kernel, [{ shape: [2, 1] }, index], { shape: [2, 1] })).toThrow(/index 9 is out of range.*below 2/);
  });
});

describe("what prepare and run refuse", () => {
  const add = tileOf([4], [step("load", 0), step("load", 0), step("add", 0, 1)]);
  /** A sound program of one tile, broken by `change`. */
  function broken(change: (b: Builder, x: View, y: View) => void): () => unknown {
    return () => {
      const b = new Builder();
      const [x, y] = [b.buffer("input", [4]), b.buffer("output", [4])];
      change(b, x, y);
      return device.prepare(b.program());
    };
  }

  it.each<[string, RegExp, (b: Builder, x: View, y: View) => void]>([
    ["an unknown kernel", /no kernel "frobnicate"/, (b, x, y) => b.add("frobnicate", [x], [y])],
    ["an inherited name", /no kernel "toString"/, (b, x, y) => b.add("toString", [x], [y])],
    ["a view past its buffer", /reaches elements 1 to 4/, (b, x, y) => b.add("tile", [{ ...x, offset: 1 }], [y], [], add)],
    [
      "a view that walks out in a loop",
      /reaches elements 0 to 6/,
      (b, x, y) =>
        b
          .add("loop", [], [], [4])
          .add("tile", [{ ...x, steps: [1] }], [y], [], add)
          .add("end", [], []),
    ],
    [
      "a register used before it is defined",
      /arguments \[1\] of neg/,
      (b, x, y) => b.add("tile", [x], [y], [], tileOf([4], [step("load", 0), step("neg", 1)])),
    ],
    ["an operand that is not there", /arguments \[1\] of load/, (b, x, y) => b.add("tile", [x], [y], [], tileOf([4], [step("load", 1)]))],
    [
      "a uniform that is not there",
      /arguments \[0\] of uniform/,
      (b, _, y) => b.add("tile", [], [y], [], tileOf([4], [step("uniform", 0)])),
    ],
    ["a store too many", /expected 2 outputs/, (b, x, y) => b.add("tile", [x], [y], [], tileOf([4], [step("load", 0)], [0, 0]))],
    [
      "a tile of another shape",
      /operand is \[4\] but the tile \[5\]/,
      (b, x, y) => b.add("tile", [x], [y], [], tileOf([5], [step("load", 0)])),
    ],
    [
      "a prologue where none is taken",
      /it takes no prologue/,
      (b, x, y) => b.add("copy", [x], [y], [], undefined, tileOf([4], [step("load", 0)])),
    ],
    [
      "a prologue that is read by other tasks where a result is written",
      /output 1 overlaps input 2/,
      (b, x) => {
        const shape = [1, 2, 2];
        const [a, c, w] = [b.buffer("input", shape), b.buffer("output", shape), b.buffer("state", shape)];
        const sum = tileOf(shape, [step("load", 0), step("load", 1), step("add", 0, 1)]);
        b.add("gemm", [{ ...x, shape, strides: [4, 2, 1] }, a, w], [c, w], [], sum, sum);
      },
    ],
    ["a written input", /writes an input/, (b, x) => b.add("tile", [x], [x], [], add)],
    ["an end without a loop", /ends no loop/, (b) => b.add("end", [], [])],
    ["a loop without an end", /1 loops have no end/, (b) => b.add("loop", [], [], [2])],
    [
      "shapes that do not multiply",
      /b is \[1,3,1\] but a is \[1,1,4\]/,
      (b, x, y) =>
        b.add(
          "gemm",
          [
            { ...x, shape: [1, 1, 4], strides: [4, 4, 1] },
            { ...x, shape: [1, 3, 1], strides: [4, 1, 1] },
          ],
          [{ ...y, shape: [1, 1, 1], strides: [1, 1, 1] }],
        ),
    ],
    [
      "mixed dtypes",
      /dtypes do not fit: f64, f32/,
      (b, x) => b.add("softmax", [{ ...x, shape: [1, 4], strides: [4, 1] }], [b.buffer("output", [1, 4], "f64")]),
    ],
    [
      "a strided input",
      /input 0 is not row-major/,
      (b, x, y) => b.add("softmax", [{ ...x, shape: [2, 2], strides: [1, 2] }], [{ ...y, shape: [2, 2], strides: [2, 1] }]),
    ],
    [
      "overlapping operands",
      /output 0 overlaps input 0/,
      (b) => {
        const w = b.buffer("state", [5]);
        b.add("tile", [{ ...w, offset: 1, shape: [4] }], [{ ...w, shape: [4] }], [], add);
      },
    ],
    [
      "a copy onto overlapping elements",
      /elements of the output overlap/,
      (b, x, y) => b.add("copy", [{ ...x, shape: [2, 2], strides: [2, 1] }], [{ ...y, shape: [2, 2], strides: [1, 1] }]),
    ],
    [
      "a buffer past the arena",
      /ends at byte 16 of an arena of 8/,
      (b) => {
        b.buffer("arena", [4]);
        b.arenaBytes = 8;
      },
    ],
  ])("%s", (_, message, change) => {
    expect(broken(change)).toThrow(DeviceError);
    expect(broken(change)).toThrow(message);
  });

  it("storages that are missing, small, foreign or freed", () => {
    const b = new Builder();
    b.add("tile", [b.buffer("input", [4])], [b.buffer("output", [4])], [], add);
    const program = device.prepare(b.program());
    const [x, y] = [device.allocate(16), device.allocate(16)];
    const run =
      (storages: Storage[], uniforms = 0) =>
      () =>
        device.run(program, storages, new Float64Array(uniforms));
    expect(run([x, y])).not.toThrow();
    expect(run([x])).toThrow(DeviceError);
    expect(run([x, y], 1)).toThrow(DeviceError);
    expect(run([x, device.allocate(15)])).toThrow(DeviceError);
    expect(run([x, new ReferenceDevice().allocate(16)])).toThrow(DeviceError);
    device.free(y);
    expect(run([x, y])).toThrow(DeviceError);
    expect(() => device.read(y, new Float32Array(4))).toThrow(DeviceError);
    expect(() => device.allocate(-1)).toThrow(DeviceError);
    expect(() => device.wait(99)).toThrow(DeviceError);
  });

  it("more memory than there is", () => {
    expect(() => device.allocate(2 ** 50)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }));
  });
});

it("documents exactly the kernels there are", async () => {
  const { readFile } = await import("node:fs/promises");
  const doc = await readFile(new URL("../../docs/kernels.md", import.meta.url), "utf8");
  const rows = doc.split("\n").filter((line) => line.startsWith("| `"));
  const named = rows.flatMap((row) => Array.from(row.split("|")[1].matchAll(/`(\w+)`/g), ([, name]) => name));
  expect(named.sort()).toEqual([...Object.keys(kernels), "loop", "end"].sort());
});
