/** What a row of the table of ops says, and the rows that families of ops have in common. */
import { ones, type Shape, type Tensor } from "nabla";
import { dtypes as allDTypes, type DType } from "../../lib/base/dtype.js";
import { below, type Domain, type Draw, distinct, type Input, nonzero, normal } from "./draw.js";

/** The arguments of one call. */
export interface Sample {
  readonly inputs: readonly Input[];
  /** What follows the tensors: shapes, axes, options. */
  readonly rest?: readonly unknown[];
}

export interface Row {
  /** One call, drawn from all that the op can do. */
  readonly draw: (draw: Draw) => Sample;
  /** Element types of the inputs that have none of their own. Default f32 and f64. */
  readonly dtypes?: readonly DType[];
  /** How often it can be differentiated by its floating inputs. Default 2, which stands for any number. */
  readonly order?: 0 | 1 | 2;
  /** Rounding errors allowed, in epsilons of the largest result: between devices, and of f32 against f64. Default 16. */
  readonly tolerance?: number;
  /** An elementwise op on numbers, as NumPy has it: both must agree everywhere, at NaN, infinities and zeros too. */
  readonly numpy?: (...xs: number[]) => number;
  /** Calls on nested arrays whose results are known. */
  readonly known?: readonly { readonly result: unknown; readonly args: readonly unknown[] }[];
  /** Calls that throw the error of this code. */
  readonly refuses: readonly { readonly code: string; readonly args: readonly unknown[] }[];
  /** What its errors call it, if not by its own name. */
  readonly knownAs?: string;
  /** How it is called where that is not `op(...tensors, ...rest)`. */
  readonly call?: (xs: Tensor[], ...rest: never[]) => Tensor;
}

/** A known call: `gives(6, [1, 2, 3])` says that op([1, 2, 3]) is 6. */
export const gives = (result: unknown, ...args: readonly unknown[]) => ({ result, args });

// Refused calls, by what is wrong, and tensors for them.
const refusal =
  (code: string) =>
  (...args: readonly unknown[]) => ({ code, args });
export const badShape = refusal("ERR_SHAPE");
export const badDType = refusal("ERR_DTYPE");
export const badValue = refusal("ERR_VALUE");
export const badIndex = refusal("ERR_INDEX");
export const f32 = (...shape: number[]): Tensor => ones(shape);
export const f64 = (...shape: number[]): Tensor => ones(shape, { dtype: "f64" });
export const i32 = (...shape: number[]): Tensor => ones(shape, { dtype: "i32" });
export const bool = (...shape: number[]): Tensor => ones(shape, { dtype: "bool" });

export const nan = Number.NaN;
export const inf = Number.POSITIVE_INFINITY;
export const numeric: readonly DType[] = ["f32", "f64", "i32", "u8"];

/** Inputs of normal numbers. */
export const normals = (...shapes: readonly Shape[]): Input[] => shapes.map((shape) => ({ shape, domain: normal }));
/** An input of whole numbers below `count`. */
export const indices = (shape: Shape, count: number): Input => ({ shape, domain: below(count), dtype: "i32" });

type Settings = Partial<Omit<Row, "draw">>;

/** An op of one input; `rest` draws its other arguments. */
export const one = (domain: Domain, { rest, ...row }: Settings & { rest?: (draw: Draw, shape: Shape) => unknown[] }): Row => ({
  draw: (draw) => {
    const shape = draw.shape();
    return { inputs: [{ shape, domain }], rest: rest?.(draw, shape) };
  },
  refuses: [],
  ...row,
});

/** Elementwise, of one floating input and perhaps numbers. */
export const unary = (
  numpy: (x: number) => number,
  domain = normal,
  { rest = [], ...row }: Settings & { rest?: readonly number[] } = {},
): Row => one(domain, { numpy, refuses: [badDType(i32(3)), badDType(bool(3))], rest: () => [...rest], ...row });

/** Elementwise, of one input of any numeric type. */
export const signed = (numpy: (x: number) => number, row: Settings = {}): Row =>
  one(nonzero, { numpy, dtypes: numeric, refuses: [badDType(bool(3))], ...row });

/** Elementwise, of two inputs that broadcast. */
export const binary = (
  numpy: (a: number, b: number) => number,
  domains: readonly Domain[] = [normal, normal],
  row: Settings = {},
): Row => ({
  draw: (draw) => ({ inputs: draw.broadcastable(2).map((shape, k) => ({ shape, domain: domains[k] })) }),
  numpy,
  dtypes: numeric,
  refuses: [badShape(f32(2, 3), f32(4, 3)), badDType(f32(3), f64(3)), badDType(i32(3), 0.5), badDType(bool(3), bool(3))],
  ...row,
});

export const comparison = (numpy: (a: number, b: number) => boolean): Row => {
  const refuses = [badShape(f32(2, 3), f32(4, 3)), badDType(f32(3), i32(3))];
  return binary((a, b) => Number(numpy(a, b)), undefined, { dtypes: allDTypes, order: 0, refuses });
};

export const logical = (numpy: (a: boolean, b: boolean) => boolean): Row => {
  const refuses = [badShape(bool(2, 3), bool(4, 3)), badDType(f32(3), f32(3))];
  return binary((a, b) => Number(numpy(a !== 0, b !== 0)), undefined, { dtypes: ["bool"], order: 0, refuses });
};

/** The same elements in other places. */
export const moved = (rest: (draw: Draw, shape: Shape) => unknown[], ...refuses: Row["refuses"]): Row =>
  one(normal, { rest, refuses, dtypes: allDTypes });

export const badAxes = [badShape(f32(2, 3), { axis: 2 }), badShape(f32(2, 3), { axis: [0, -2] })];

/** A reduction over any axes; `least` is the smallest dimension it takes. */
export const reduction = (domain: Domain, least: number, row: Settings = {}): Row => ({
  draw: (draw) => {
    const shape = draw.shape(undefined, least);
    return { inputs: [{ shape, domain }], rest: [draw.reduction(shape.length)] };
  },
  tolerance: 64,
  refuses: badAxes,
  ...row,
});

/** Along one axis, or the default. */
const alongAxis = (domain: Domain, row: Settings): Row => ({
  draw: (draw) => {
    const shape = draw.shape(draw.whole(1, 3), 1);
    return { inputs: [{ shape, domain }], rest: draw.coin() ? [draw.axis(shape.length)] : [] };
  },
  refuses: [],
  ...row,
});

/** The position of an extreme. */
export const position = (...known: NonNullable<Row["known"]>): Row =>
  alongAxis(distinct, { known, order: 0, refuses: [badShape(f32(2, 3), 2), badShape(f32(2, 0), 1), badDType(i32(3))] });

/** Softmax and its kin. */
export const normalized = (...known: NonNullable<Row["known"]>): Row =>
  alongAxis(normal, { known, refuses: [badShape(f32(2, 3), 2), badShape(f32()), badDType(i32(3))] });

/** A shape, and its last axes. */
export function trailingAxes(draw: Draw): [Shape, Shape] {
  const shape = draw.shape(draw.whole(1, 3), 1);
  return [shape, shape.slice(draw.whole(0, shape.length - 1))];
}

/** A tensor from its shape. */
export const filled = (rest: (draw: Draw) => unknown[] = () => []): Row => ({
  draw: (draw) => ({ inputs: [], rest: [draw.shape(), ...rest(draw), { dtype: draw.dtype }] }),
  dtypes: allDTypes,
  order: 0,
  refuses: [badShape([-1]), badShape([1.5]), badShape([2 ** 30, 2 ** 30])],
});

export const random: Row = {
  draw: (draw) => ({ inputs: [], rest: [draw.shape(), { dtype: draw.dtype, seed: draw.whole(0, 2 ** 40) }] }),
  order: 0,
  tolerance: inf, // f32 and f64 draw different numbers
  refuses: [badShape([-1]), badDType([3], { dtype: "i32" })],
};

/** Dropout of one kind or another, of images. */
export const dropping = ({ refuses = [] }: Settings = {}): Row => ({
  draw: (draw) => {
    const shape = draw.shape(draw.whole(2, 3));
    return { inputs: normals(shape), rest: [draw.pick([0, 0.3, 0.5, 1]), { seed: draw.whole(0, 2 ** 40) }] };
  },
  tolerance: inf,
  refuses: [badDType(i32(3, 2), 0.5), badValue(f32(3, 2), -0.1), badValue(f32(3, 2), 1.5), badValue(f32(3, 2), nan), ...refuses],
});

const alike = (count: number, n: number): number[] => new Array<number>(count).fill(n);

/** Stride, padding and dilation of a window of `size` cells. */
const sliding = (draw: Draw, size: readonly number[], dilates: boolean) => {
  const each = (low: number, high: number) => size.map(() => draw.whole(low, high));
  return {
    stride: draw.coin() ? draw.whole(1, 3) : each(1, 3),
    padding: draw.pick(["same", "valid", 0, size.map((n) => draw.whole(0, n - 1))]),
    ...(dilates ? { dilation: draw.coin() ? 1 : each(1, 2) } : {}),
  };
};

/** How much longer than a window an axis may be: volumes have few cells along each. */
const room = (draw: Draw, rank: number, small: number, large: number) => (rank === 3 ? 2 : draw.large ? large : small);

/** Pooling of signals, images or volumes that are a little larger than the window. */
export const pooling = (
  domain: Domain,
  options: (draw: Draw) => object = () => ({}),
  { rank = 2, ...row }: Settings & { rank?: number } = {},
): Row => ({
  draw: (draw) => {
    const n = draw.whole(1, 3);
    const size = Array.from({ length: rank }, () => n);
    if (draw.coin()) for (let i = 1; i < rank; i++) size[i] = draw.whole(1, 3);
    const cells = size.map((least) => draw.whole(least, least + room(draw, rank, 5, 15)));
    const window = size.every((other) => other === n) ? n : size;
    const image = { shape: [draw.whole(1, 2), ...cells, draw.size(1)], domain };
    return { inputs: [image], rest: [window, { ...sliding(draw, size, false), ...options(draw) }] };
  },
  refuses: [
    badShape(f32(...alike(rank + 1, 4)), 2),
    badShape(f32(1, ...alike(rank, 2), 1), 3),
    badValue(f32(1, ...alike(rank, 4), 1), 0),
    badValue(f32(1, ...alike(rank, 4), 1), 2, { padding: "full" }),
  ],
  ...row,
});

/** Operands of a convolution of any geometry, grouped and depthwise too, or of its transpose. */
export const convolution =
  (rank: number, transposed = false) =>
  (draw: Draw): Sample => {
    const groups = draw.pick([1, 1, 2, 3]);
    const size = Array.from({ length: rank }, () => draw.whole(1, 3));
    const least = transposed ? 1 : 2;
    const cells = size.map((n) => draw.whole(least * n, least * n + room(draw, rank, 3, 9)));
    const isDepthwise = groups > 1 && draw.coin();
    const few = rank === 3 ? [1, 2, 3] : [1, 2, 3, 8, 17];
    const channels = isDepthwise ? 1 : draw.pick(few);
    const filters = groups * draw.pick(isDepthwise ? [1, 2] : rank === 3 ? [1, 3] : [1, 3, 4, 8, 17]);
    const inputs = normals([draw.whole(1, 2), ...cells, transposed ? filters : groups * channels], [...size, channels, filters]);
    const options = { ...sliding(draw, size, true), groups };
    if (!transposed || options.padding === "same" || draw.coin()) return { inputs, rest: [options] };
    const { stride } = options;
    return { inputs, rest: [{ ...options, outputPadding: typeof stride === "number" ? stride - 1 : stride.map((n) => n - 1) }] };
  };

/** What every convolution of so many axes refuses, and its transpose, whose result has the filters' other channels. */
export const badConvolutions = (rank: number, transposed = false): Row["refuses"] => {
  const x = (channels: number) => f32(1, ...alike(rank, 4), channels);
  const w = (...channels: [number, number]) => f32(...alike(rank, 3), ...channels);
  return [
    badShape(f32(...alike(rank + 1, 4)), w(2, 2)),
    badShape(x(2), w(3, 3)),
    badShape(x(2), f32(3, 2, 2), { groups: 0 }),
    badShape(x(2), transposed ? w(1, 2) : w(1, 3), { groups: transposed ? 4 : 2 }),
    badValue(x(2), w(2, 2), { stride: 0 }),
    badDType(x(2), f64(...alike(rank, 3), 2, 2)),
    badValue(x(2), w(2, 2), { algorithm: "fft" }),
    transposed ? badValue(x(2), w(2, 2), { outputPadding: 1 }) : badShape(f32(1, ...alike(rank, 2), 2), w(2, 1)),
    ...(transposed ? [badShape(f32(1, ...alike(rank, 1), 2), w(2, 2), { padding: 2 })] : []),
  ];
};

/** Factors of a product: matrices, vectors, batches that broadcast. */
export function factors(draw: Draw): Sample {
  const [m, k, n] = [draw.size(), draw.size(), draw.size()];
  const left = draw.pick([[k], [m, k], [3, m, k], [2, 1, m, k]]);
  const right = draw.pick([[k], [k, n], [3, k, n]]);
  return { inputs: normals(left, right) };
}

/** Tensors that are joined along an axis, in which they may differ. */
export function joined(draw: Draw, differ: boolean): Sample {
  const shape = draw.shape(draw.whole(1, 3));
  const axis = draw.axis(shape.length);
  const sizeAt = (n: number, k: number) => (differ && !draw.large && k === (axis + shape.length) % shape.length ? draw.size() : n);
  return { inputs: normals(...Array.from({ length: draw.whole(1, 4) }, () => shape.map(sizeAt))), rest: [{ axis }] };
}

/** `shape` with its elements on other axes. */
export function regrouped(draw: Draw, shape: Shape): number[] {
  const size = shape.reduce((n, m) => n * m, 1);
  if (size === 0) return [3, 0];
  const first = draw.pick(Array.from({ length: Math.min(size, 40) }, (_, i) => i + 1).filter((n) => size % n === 0));
  return draw.pick([[size], [first, size / first], [first, 1, size / first], [1, -1, first]]);
}
