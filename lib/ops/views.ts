/** Ops that move or re-index elements without computing: views where strides allow it, copies where they do not. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkShape, format, normalizeAxes, normalizeAxis, rowMajor, type Shape, sameShape, sizeOf } from "../base/shape.js";
import { defineOp, defineVariadicOp, node } from "../graph/op.js";
import type { Tensor } from "../graph/tensor.js";
import type { View } from "../runtime/program.js";
import { asTensor, show, type TensorLike } from "./convert.js";

const reshapeOp = defineOp({
  name: "reshape",
  inputs: ["x"],
  vjp: { x: (gy, { x }) => reshape(gy, x.shape) },
  lowering: { kind: "view", view: (input, { shape }) => reshapeView(input, shape) },
});

/** The strides that show `view`'s elements, in row-major order, in another shape; null if no strides do. */
export function reshapeView(view: View, shape: Shape): View | null {
  if (sizeOf(shape) === 0) return { ...view, shape, strides: rowMajor(shape) };
  // Match runs of dimensions of equal product; inside a run the old dimensions must be evenly strided.
  const from = view.shape.map((n, i) => ({ n, stride: view.strides[i] })).filter(({ n }) => n !== 1);
  const strides = new Array<number>(shape.length).fill(0);
  let i = 0;
  let j = 0;
  while (j < shape.length) {
    if (shape[j] === 1) {
      j++;
      continue;
    }
    let old = from[i].n;
    let now = shape[j];
    const oldStart = i;
    const newStart = j;
    while (old !== now) {
      if (old < now) old *= from[++i].n;
      else now *= shape[++j];
    }
    for (let q = oldStart; q < i; q++) if (from[q].stride !== from[q + 1].n * from[q + 1].stride) return null;
    let stride = from[i].stride;
    for (let q = j; q >= newStart; q--) {
      strides[q] = stride;
      stride *= shape[q];
    }
    i++;
    j++;
  }
  return { ...view, shape, strides };
}

/** The same elements, row-major, in another shape; one dimension may be −1 (inferred). */
export function reshape(value: TensorLike, shape: Shape): Tensor {
  const x = asTensor("reshape", value);
  const size = sizeOf(x.shape);
  let target = shape;
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = shape.reduce((n, d, i) => (i === open ? n : n * d), 1);
    if (rest > 0 && size % rest === 0) target = shape.map((d, i) => (i === open ? size / rest : d));
  }
  checkShape("reshape", target);
  if (sizeOf(target) !== size) {
    throw new ShapeError(`reshape(${show("x", x)}, ${format(shape)}): ${size} elements do not fill ${format(shape)}`, {
      op: "reshape",
      inputs: [x.shape, shape],
    });
  }
  return sameShape(target, x.shape) ? x : node(reshapeOp, [x], target, x.dtype);
}

const permuteOp = defineOp<"x", { axes: readonly number[] }>({
  name: "permute",
  inputs: ["x"],
  vjp: {
    x: (gy, { axes }) =>
      permute(
        gy,
        axes.map((_, i) => axes.indexOf(i)),
      ),
  },
  lowering: {
    kind: "view",
    view: (input, { shape, attrs }) => ({ ...input, shape, strides: (attrs.axes as number[]).map((axis) => input.strides[axis]) }),
  },
});

/** Axes reordered: result axis i is x's axis `axes[i]`. */
export function permute(value: TensorLike, axes: readonly number[]): Tensor {
  const x = asTensor("permute", value);
  const order = axes.map((axis) => normalizeAxis("permute", axis, x.shape));
  if (order.length !== x.shape.length || new Set(order).size !== order.length) {
    throw new ShapeError(`permute(${show("x", x)}, ${format(axes)}): the axes must name each of the ${x.shape.length} axes once`, {
      op: "permute",
      inputs: [x.shape, axes],
    });
  }
  return order.every((axis, i) => axis === i)
    ? x
    : node(
        permuteOp,
        [x],
        order.map((axis) => x.shape[axis]),
        x.dtype,
        { axes: order },
      );
}

/** The last two axes exchanged, or, for a matrix, its transpose. */
export function transpose(value: TensorLike): Tensor {
  const x = asTensor("transpose", value);
  const rank = x.shape.length;
  if (rank < 2) {
    throw new ShapeError(`transpose(${show("x", x)}): needs at least two axes; to make a column use x.reshape([-1, 1])`, {
      op: "transpose",
      inputs: [x.shape],
    });
  }
  const axes = x.shape.map((_, i) => i);
  axes[rank - 1] = rank - 2;
  axes[rank - 2] = rank - 1;
  return permute(x, axes);
}

/** A new axis of size 1 at position `axis` of the result. */
export function expandDims(value: TensorLike, axis: number): Tensor {
  const x = asTensor("expandDims", value);
  const at = normalizeAxis("expandDims", axis, [...x.shape, 1]);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Axes of size 1 removed: all of them, or those named. */
export function squeeze(value: TensorLike, axis?: number | readonly number[]): Tensor {
  const x = asTensor("squeeze", value);
  const axes = axis === undefined ? x.shape.flatMap((n, i) => (n === 1 ? [i] : [])) : normalizeAxes("squeeze", axis, x.shape);
  const wide = axes.find((k) => x.shape[k] !== 1);
  if (wide !== undefined) {
    throw new ShapeError(`squeeze(${show("x", x)}): axis ${wide} has size ${x.shape[wide]}, only axes of size 1 can go`, {
      op: "squeeze",
      inputs: [x.shape, axis],
    });
  }
  return reshape(
    x,
    x.shape.filter((_, i) => !axes.includes(i)),
  );
}

/** All axes from `start` on joined into one: [n, h, w, c] → [n, h·w·c] for the default `start` of 1. */
export function flatten(value: TensorLike, start = 1): Tensor {
  const x = asTensor("flatten", value);
  const from = start === x.shape.length ? start : normalizeAxis("flatten", start, x.shape);
  return reshape(x, [...x.shape.slice(0, from), sizeOf(x.shape.slice(from))]);
}

type SliceAttrs = { starts: readonly number[]; steps: readonly number[] };

const sliceOp = defineOp<"x", SliceAttrs>({
  name: "slice",
  inputs: ["x"],
  vjp: { x: (gy, { x, starts, steps }) => place(gy, x.shape, starts, steps, 0) },
  lowering: {
    kind: "view",
    view: (input, { shape, attrs }) => {
      const { starts, steps } = attrs as SliceAttrs;
      return {
        ...input,
        offset: starts.reduce((offset, start, i) => offset + (shape[i] === 0 ? 0 : start * input.strides[i]), input.offset),
        shape,
        strides: input.strides.map((stride, i) => stride * steps[i]),
      };
    },
  },
});

function sliceNode(x: Tensor, starts: readonly number[], shape: Shape, steps: readonly number[]): Tensor {
  if (sameShape(shape, x.shape) && steps.every((s) => s === 1)) return x;
  return node(sliceOp, [x], shape, x.dtype, { starts, steps });
}

/**
 * A window on x: elements `begin[i] ≤ index < end[i]` of each axis, every `step[i]`-th. Positions count from the end when
 * negative; axes that are not mentioned are taken whole.
 */
export function slice(value: TensorLike, begin: readonly number[], end?: readonly number[], step?: readonly number[]): Tensor {
  const x = asTensor("slice", value);
  if (begin.length > x.shape.length) {
    throw new ShapeError(`slice(${show("x", x)}, ${format(begin)}): ${begin.length} starts for ${x.shape.length} axes`, {
      op: "slice",
      inputs: [x.shape, begin],
    });
  }
  const clampTo = (v: number, n: number) => Math.min(Math.max(v < 0 ? v + n : v, 0), n);
  const steps = x.shape.map((_, i) => step?.[i] ?? 1);
  if (steps.some((s) => !Number.isInteger(s) || s < 1) || [...begin, ...(end ?? [])].some((v) => !Number.isInteger(v))) {
    throw new ValueError(
      `slice(${show("x", x)}): positions must be whole numbers and steps whole numbers ≥ 1; to reverse an axis use flip`,
      { op: "slice" },
    );
  }
  const starts = x.shape.map((n, i) => clampTo(begin[i] ?? 0, n));
  const shape = x.shape.map((n, i) => Math.max(0, Math.ceil((clampTo(end?.[i] ?? n, n) - starts[i]) / steps[i])));
  return sliceNode(x, starts, shape, steps);
}

/** Entry `index` of the first axis (negative: from the end), that axis removed. */
export function at(value: TensorLike, index: number): Tensor {
  const x = asTensor("at", value);
  if (x.shape.length === 0) throw new ShapeError("at: a scalar has no entries", { op: "at", inputs: [x.shape] });
  const n = x.shape[0];
  const i = index < 0 ? index + n : index;
  if (!Number.isInteger(i) || i < 0 || i >= n) {
    throw new ShapeError(`at(${show("x", x)}, ${index}): the first axis has ${n} entries`, { op: "at", inputs: [x.shape, index] });
  }
  return reshape(slice(x, [i], [i + 1]), x.shape.slice(1));
}

/** x with the order of elements reversed along the given axes. */
export function flip(value: TensorLike, axis: number | readonly number[]): Tensor {
  const x = asTensor("flip", value);
  const axes = normalizeAxes("flip", axis, x.shape);
  const starts = x.shape.map((n, i) => (axes.includes(i) ? Math.max(n - 1, 0) : 0));
  return sliceNode(
    x,
    starts,
    x.shape,
    x.shape.map((_, i) => (axes.includes(i) ? -1 : 1)),
  );
}

type PlaceAttrs = SliceAttrs & { fill: number };

/** The adjoint of slice: x put at a window of an array of `fill`. */
const placeOp = defineOp<"x", PlaceAttrs>({
  name: "place",
  inputs: ["x"],
  vjp: { x: (gy, { x, starts, steps }) => sliceNode(gy, starts, x.shape, steps) },
  lowering: {
    kind: "assemble",
    fill: ({ attrs }) => (attrs as PlaceAttrs).fill,
    windows: (output, { inputs, attrs }) => {
      const { starts, steps } = attrs as PlaceAttrs;
      const shape = inputs[0].shape;
      return [
        {
          buffer: output.buffer,
          offset:
            sizeOf(shape) === 0 ? output.offset : starts.reduce((offset, start, i) => offset + start * output.strides[i], output.offset),
          shape,
          strides: output.strides.map((stride, i) => stride * steps[i]),
        },
      ];
    },
  },
});

/** x put at a window of an array of `fill`. */
export function place(x: Tensor, shape: Shape, starts: readonly number[], steps: readonly number[], fill: number): Tensor {
  return node(placeOp, [x], shape, x.dtype, { starts, steps, fill });
}

/** What padding is filled with: a number, the mirrored elements within (without the outermost), the outermost one, or those of the other end. */
export type PaddingMode = "constant" | "reflect" | "replicate" | "circular";

export interface PadOptions {
  /** Default "constant". */
  mode?: PaddingMode;
  /** What `"constant"` fills with. Default 0. */
  value?: number;
}
export const padNames = ["mode", "value"] as const;

/**
 * x surrounded by other elements: `padding[i] = [before, after]` of them along axis i; axes that are not mentioned stay. Modes as in PyTorch.
 * @example pad([1, 2, 3], [[2, 1]], { mode: "reflect" }) // [3, 2, 1, 2, 3, 2]
 */
export function pad(input: TensorLike, padding: readonly (readonly [number, number])[], options: PadOptions = {}): Tensor {
  const { mode = "constant", value = 0 } = optionsOf("pad", options, padNames);
  const x = asTensor("pad", input);
  if (padding.length > x.shape.length || padding.flat().some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ValueError(`pad(${show("x", x)}): padding must be at most ${x.shape.length} pairs of whole numbers ≥ 0`, {
      op: "pad",
      inputs: [x.shape, padding],
    });
  }
  if (mode !== "constant") return padding.reduce((y, [before, after], axis) => padFromWithin(y, axis, before, after, mode), x);
  const shape = x.shape.map((n, i) => n + (padding[i]?.[0] ?? 0) + (padding[i]?.[1] ?? 0));
  return place(
    x,
    shape,
    x.shape.map((_, i) => padding[i]?.[0] ?? 0),
    x.shape.map(() => 1),
    value,
  );
}

/** x with elements of its own before and after it along an axis. */
function padFromWithin(x: Tensor, axis: number, before: number, after: number, mode: PaddingMode): Tensor {
  const n = x.shape[axis];
  const most = { reflect: n - 1, replicate: n > 0 ? Number.POSITIVE_INFINITY : 0, circular: n, constant: 0 }[mode];
  if (most === undefined) {
    throw new ValueError(`pad: mode must be "constant", "reflect", "replicate" or "circular" but is ${JSON.stringify(mode)}`, {
      op: "pad",
    });
  }
  if (Math.max(before, after, 0) > Math.max(most, 0)) {
    throw new ShapeError(
      `pad(${show("x", x)}): mode "${mode}" gives at most ${Math.max(most, 0)} elements along axis ${axis}, not ${Math.max(before, after)}`,
      {
        op: "pad",
        inputs: [x.shape, before, after],
      },
    );
  }
  const lead = x.shape.slice(0, axis);
  const run = (from: number, count: number) => slice(x, [...lead.map(() => 0), from], [...lead, from + count]);
  const part = (isBefore: boolean, count: number): Tensor[] => {
    if (count === 0) return [];
    if (mode === "circular") return [run(isBefore ? n - count : 0, count)];
    if (mode === "reflect") return [flip(run(isBefore ? 1 : n - 1 - count, count), axis)];
    return new Array<Tensor>(count).fill(run(isBefore ? 0 : n - 1, 1));
  };
  return concat([...part(true, before), x, ...part(false, after)], { axis });
}

const concatOp = defineVariadicOp({
  name: "concat",
  vjp: (gy, y, position) => {
    const axis = y.attrs.axis as number;
    const starts = y.shape.map(() => 0);
    for (let i = 0; i < position; i++) starts[axis] += y.inputs[i].shape[axis];
    return sliceNode(
      gy,
      starts,
      y.inputs[position].shape,
      y.shape.map(() => 1),
    );
  },
  lowering: {
    kind: "assemble",
    fill: () => null,
    windows: (output, { inputs, attrs }) => {
      const axis = attrs.axis as number;
      let start = 0;
      return inputs.map(({ shape }) => {
        const window = { buffer: output.buffer, offset: output.offset + start * output.strides[axis], shape, strides: output.strides };
        start += shape[axis];
        return sizeOf(shape) === 0 ? { ...window, offset: output.offset } : window;
      });
    },
  },
});

/** Tensors joined along an axis; all other dimensions and the dtypes are equal. */
export function concat(values: readonly TensorLike[], options: { axis?: number } = {}): Tensor {
  const { axis = 0 } = optionsOf("concat", options, ["axis"]);
  const xs = several("concat", values);
  const k = normalizeAxis("concat", axis, xs[0].shape);
  for (const x of xs) {
    if (x.dtype !== xs[0].dtype || x.shape.length !== xs[0].shape.length || x.shape.some((n, i) => i !== k && n !== xs[0].shape[i])) {
      throw new ShapeError(
        `concat(${xs.map((t, i) => show(String(i), t)).join(", ")}): shapes may differ only along axis ${k}, dtypes not at all`,
        {
          op: "concat",
          inputs: xs.map((t) => t.shape),
        },
      );
    }
  }
  if (xs.length === 1) return xs[0];
  const shape = xs[0].shape.map((n, i) => (i === k ? xs.reduce((sum, x) => sum + x.shape[k], 0) : n));
  return node(concatOp, xs, shape, xs[0].dtype, { axis: k });
}

/** Tensors of one shape and dtype joined along a new axis. */
export function stack(values: readonly TensorLike[], options: { axis?: number } = {}): Tensor {
  const { axis = 0 } = optionsOf("stack", options, ["axis"]);
  const xs = several("stack", values);
  const k = normalizeAxis("stack", axis, [...xs[0].shape, 1]);
  if (xs.some((x) => x.dtype !== xs[0].dtype || !sameShape(x.shape, xs[0].shape))) {
    throw new ShapeError(`stack(${xs.map((x, i) => show(String(i), x)).join(", ")}): all shapes and dtypes must be the same`, {
      op: "stack",
      inputs: xs.map((x) => x.shape),
    });
  }
  return concat(
    xs.map((x) => expandDims(x, k)),
    { axis: k },
  );
}

function several(op: string, values: readonly TensorLike[]): Tensor[] {
  if (values.length === 0) throw new ValueError(`${op}: expected at least one tensor`, { op });
  return values.map((value) => asTensor(op, value));
}
