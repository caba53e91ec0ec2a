/** Convolution and pooling of signals and volumes, by those of images; and transposed convolution, of all three. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { Shape } from "../base/shape.js";
import type { Tensor } from "../graph/tensor.js";
import {
  type AvgPoolOptions,
  avgPoolNames,
  type ConvAttrs,
  type ConvOptions,
  checkConv,
  checkPool,
  checkWindow,
  conv,
  convInputGrad,
  extents,
  type Geometry,
  maxOfWindows,
  meanOfWindows,
  type Pair,
  type PoolAttrs,
  type PoolOptions,
  poolNames,
  type Rank,
  slide,
  type Triple,
  type WindowOptions,
  wholes,
} from "./conv.js";
import { show, type TensorLike } from "./convert.js";
import { add } from "./elementwise.js";
import { expandDims, pad, place, reshape, slice } from "./views.js";

// A signal is an image of one row. The geometry of an image is also that of a volume without its first axis.
const ofRow = ({ stride: [s], padding: [p], dilation: [d] }: Geometry): Geometry => ({ stride: [1, s], padding: [0, p], dilation: [1, d] });
const ofSlices = ({ stride, padding, dilation }: Geometry): Geometry => ({
  stride: stride.slice(1),
  padding: padding.slice(1),
  dilation: dilation.slice(1),
});

/** x without the axis that {@link expandDims} put before `axis`. */
const without = (x: Tensor, axis: number): Tensor => reshape(x, [...x.shape.slice(0, axis), ...x.shape.slice(axis + 1)]);

const given = <Size>({ stride, padding, dilation }: ConvOptions<Size>): WindowOptions =>
  ({ stride: stride ?? 1, padding: padding ?? "valid", dilation: dilation ?? 1 }) as WindowOptions;

/** Cross-correlation along one axis. x: [n, l, c], w: [r, c / groups, k] → [n, l', k]; sizes as in {@link conv2d}. */
export function conv1d(input: TensorLike, filter: TensorLike, options: ConvOptions = {}): Tensor {
  const { x, w, ...rest } = checkConv("conv1d", input, filter, options, 1);
  const { geometry, out } = slide("conv1d", x, w.shape.slice(0, 1), given(options));
  const y = conv(expandDims(x, 1), expandDims(w, 0), [x.shape[0], 1, out[0], w.shape[2]], { ...ofRow(geometry), ...rest });
  return without(y, 1);
}

/** Filter slice i of [q, r, s, c, k] as a filter of images. */
const filterSlice = (w: Tensor, i: number): Tensor => reshape(slice(w, [i], [i + 1]), w.shape.slice(1));

/**
 * Three-dimensional cross-correlation. x: [n, d, h, w, c], w: [q, r, s, c / groups, k] → [n, d', h', w', k]; sizes as in {@link conv2d}.
 * It is a sum of convolutions of images, one for each slice of the filters.
 */
export function conv3d(input: TensorLike, filter: TensorLike, options: ConvOptions<Triple> = {}): Tensor {
  const { x, w, ...rest } = checkConv("conv3d", input, filter, options, 3);
  const { geometry, out } = slide("conv3d", x, w.shape.slice(0, 3), given(options));
  const [n, depth, ...image] = x.shape;
  const [q] = w.shape;
  const k = w.shape[4];
  const [[stride], [before], [dilation]] = [geometry.stride, geometry.padding, geometry.dilation];
  const reach = (out[0] - 1) * stride + 1; // of one filter slice
  const after = Math.max(0, reach + (q - 1) * dilation - depth - before);
  const padded =
    before + after === 0
      ? x
      : pad(x, [
          [0, 0],
          [before, after],
        ]);
  const parts = Array.from({ length: q }, (_, i) => {
    const met = slice(padded, [0, i * dilation], [n, i * dilation + reach], [1, stride]);
    const images = reshape(met, [n * out[0], ...image]);
    return conv(images, filterSlice(w, i), [n * out[0], out[1], out[2], k], { ...ofSlices(geometry), ...rest });
  });
  return reshape(parts.reduce(add), [n, ...out, k]);
}

export interface ConvTransposeOptions<Size = number> extends ConvOptions<Size> {
  /**
   * Cells added behind the last one along each axis: with a stride several sizes of input have the same size of output, and this says which one is
   * meant. Default 0; less than the stride or the dilation.
   */
  outputPadding?: Size;
}

/** The options of a transposed convolution for each axis, checked. */
export function checkTranspose(op: string, options: ConvTransposeOptions<number | Shape>, rank: number) {
  const { stride, padding, dilation } = checkWindow(op, given(options), rank);
  const extra = wholes(op, "outputPadding", options.outputPadding ?? 0, 0, rank);
  if (extra.some((cells, i) => cells >= Math.max(stride[i], dilation[i]) || (padding === null && cells > 0))) {
    const rule = padding === null ? 'is 0 where padding is "same"' : "must be less than the stride or the dilation";
    throw new ValueError(`${op}: outputPadding ${rule} but is ${JSON.stringify(options.outputPadding)}`, {
      op,
      inputs: [extra, stride, dilation],
    });
  }
  return { stride, padding, dilation, extra };
}

/** Geometry and size of a transposed convolution: those of the convolution that it is the transpose of. */
function transposedGeometry(op: string, x: Tensor, size: Shape, options: ConvTransposeOptions<number | Shape>) {
  const { stride, padding, dilation, extra } = checkTranspose(op, options, size.length);
  const spans = extents(size, dilation).map((extent, i) => (x.shape[1 + i] - 1) * stride[i] + extent);
  const before = padding ?? spans.map((span, i) => Math.floor(Math.max(0, span - x.shape[1 + i] * stride[i]) / 2));
  const out = spans.map((span, i) => (padding === null ? x.shape[1 + i] * stride[i] : span - 2 * padding[i] + extra[i]));
  if (out.some((cells) => cells < 1)) {
    throw new ShapeError(
      `${op}(${show("x", x)}): nothing of the result is left between padding ${JSON.stringify(options.padding)}; pad less`,
      {
        op,
        inputs: [x.shape, size],
      },
    );
  }
  return { geometry: { stride, padding: before, dilation }, out };
}

/** `transpose` of operands and geometry that have been checked. */
function transposed<Size extends number | Shape>(
  op: string,
  input: TensorLike,
  filter: TensorLike,
  options: ConvTransposeOptions<Size>,
  rank: Rank,
  apply: (x: Tensor, w: Tensor, out: readonly number[], channels: number, attrs: ConvAttrs) => Tensor,
): Tensor {
  const { x, w, ...rest } = checkConv(op, input, filter, options, rank, true);
  const { geometry, out } = transposedGeometry(op, x, w.shape.slice(0, rank), options);
  return apply(x, w, out, w.shape[rank] * rest.groups, { ...geometry, ...rest });
}

/**
 * The transpose of {@link conv2d}, which is its gradient by the image: every cell of x puts a filter, times itself, into the result.
 * x: [n, h, w, c], w: [r, s, k / groups, c] → [n, h', w', k] with h' = (h − 1) · stride − 2p + d(r − 1) + 1 + outputPadding; h' = h · stride for "same".
 * Source: Dumoulin & Visin 2016, section 4.
 */
export function convTranspose2d(input: TensorLike, filter: TensorLike, options: ConvTransposeOptions<Pair> = {}): Tensor {
  return transposed("convTranspose2d", input, filter, options, 2, (x, w, out, k, attrs) =>
    convInputGrad(x, w, [x.shape[0], ...out, k], attrs),
  );
}

/** The transpose of {@link conv1d}. x: [n, l, c], w: [r, k / groups, c] → [n, l', k]; sizes as in {@link convTranspose2d}. */
export function convTranspose1d(input: TensorLike, filter: TensorLike, options: ConvTransposeOptions = {}): Tensor {
  return transposed("convTranspose1d", input, filter, options, 1, (x, w, [l], k, attrs) =>
    without(convInputGrad(expandDims(x, 1), expandDims(w, 0), [x.shape[0], 1, l, k], { ...attrs, ...ofRow(attrs) }), 1),
  );
}

/**
 * The transpose of {@link conv3d}. x: [n, d, h, w, c], w: [q, r, s, k / groups, c] → [n, d', h', w', k]; sizes as in {@link convTranspose2d}.
 */
export function convTranspose3d(input: TensorLike, filter: TensorLike, options: ConvTransposeOptions<Triple> = {}): Tensor {
  return transposed("convTranspose3d", input, filter, options, 3, (x, w, out, k, attrs) => {
    const [n, depth] = x.shape;
    const images = reshape(x, [n * depth, ...x.shape.slice(2)]);
    const [[stride], [before], [dilation]] = [attrs.stride, attrs.padding, attrs.dilation];
    const shape = [n, ...out, k];
    // What filter slice i makes of slice t of x lies at t · stride + i · dilation − before.
    const parts = Array.from({ length: w.shape[0] }, (_, i) => {
      const slices = convInputGrad(images, filterSlice(w, i), [n * depth, out[1], out[2], k], { ...attrs, ...ofSlices(attrs) });
      const offset = i * dilation - before;
      const from = Math.max(0, Math.ceil(-offset / stride));
      const to = Math.max(from, Math.min(depth, Math.ceil((out[0] - offset) / stride)));
      const own = slice(reshape(slices, [n, depth, out[1], out[2], k]), [0, from], [n, to]);
      const start = from === to ? 0 : from * stride + offset;
      return place(own, shape, [0, start, 0, 0, 0], [1, stride, 1, 1, 1], 0);
    });
    return parts.reduce(add);
  });
}

type PoolImages = (x: Tensor, attrs: PoolAttrs, out: readonly number[]) => Tensor;

/** Pooling of signals: images of one row. */
function poolSignals<Options extends PoolOptions>(
  op: string,
  input: TensorLike,
  window: number,
  options: Options,
  pool: PoolImages,
): Tensor {
  const { x, attrs, out } = checkPool(op, input, window, options, 1);
  return without(pool(expandDims(x, 1), { ...ofRow(attrs), window: [1, attrs.window[0]] }, [1, out[0]]), 1);
}

/** Pooling of volumes: of each slice, then of slices, as maxima and means of boxes can be taken axis by axis. */
function poolVolumes(op: string, input: TensorLike, window: Triple, options: PoolOptions<Triple>, pool: PoolImages): Tensor {
  const { x, attrs, out } = checkPool(op, input, window, options, 3);
  const [n, depth, h, w, c] = x.shape;
  const slices = pool(reshape(x, [n * depth, h, w, c]), { ...ofSlices(attrs), window: attrs.window.slice(1) }, out.slice(1));
  const { stride, padding } = attrs;
  const column = { window: [attrs.window[0], 1], stride: [stride[0], 1], padding: [padding[0], 0], dilation: [1, 1] };
  const columns = reshape(slices, [n, depth, out[1] * out[2], c]);
  return reshape(pool(columns, column, [out[0], out[1] * out[2]]), [n, ...out, c]);
}

/** Largest value in each window. x: [n, l, c] → [n, l', c]. */
export function maxPool1d(input: TensorLike, window: number, options: PoolOptions = {}): Tensor {
  optionsOf("maxPool1d", options, poolNames);
  return poolSignals("maxPool1d", input, window, options, maxOfWindows);
}

/** Mean of each window. x: [n, l, c] → [n, l', c]. */
export function avgPool1d(input: TensorLike, window: number, options: AvgPoolOptions = {}): Tensor {
  optionsOf("avgPool1d", options, avgPoolNames);
  return poolSignals("avgPool1d", input, window, options, (x, attrs, out) => meanOfWindows(x, attrs, out, options));
}

/** Largest value in each window. x: [n, d, h, w, c] → [n, d', h', w', c]. */
export function maxPool3d(input: TensorLike, window: Triple, options: PoolOptions<Triple> = {}): Tensor {
  optionsOf("maxPool3d", options, poolNames);
  return poolVolumes("maxPool3d", input, window, options, maxOfWindows);
}

/** Mean of each window. x: [n, d, h, w, c] → [n, d', h', w', c]. */
export function avgPool3d(input: TensorLike, window: Triple, options: AvgPoolOptions<Triple> = {}): Tensor {
  optionsOf("avgPool3d", options, avgPoolNames);
  return poolVolumes("avgPool3d", input, window, options, (x, attrs, out) => meanOfWindows(x, attrs, out, options));
}
