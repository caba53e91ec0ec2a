/**
 * Convolution and its two gradients. All three are the one sum Σ x·w·y over taps, solved for another factor:
 * y[n,i,j,·] takes x[n, i·stride − pad + r·dilation, j·stride − pad + s·dilation, ·] · w[r,s,·,·], within each group.
 */
import type { TypedArray } from "../../base/dtype.js";
import { count, elements, type ReferenceKernel, type Signature } from "./operand.js";

/** Calls `visit` with where x's, w's and y's channels of a group start, for every tap that falls inside the image. */
function forEachTap(
  x: Signature,
  w: Signature,
  y: Signature,
  [strideH, strideW, padTop, padLeft, dilationH, dilationW, groups]: readonly number[],
  visit: (x: number, w: number, y: number) => void,
): void {
  const [batch, height, width, channels] = x.shape;
  const [rows, columns, depth, filters] = w.shape;
  const [, outHeight, outWidth] = y.shape;
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        for (let r = 0; r < rows; r++) {
          const h = i * strideH - padTop + r * dilationH;
          if (h < 0 || h >= height) continue;
          for (let s = 0; s < columns; s++) {
            const v = j * strideW - padLeft + s * dilationW;
            if (v < 0 || v >= width) continue;
            for (let g = 0; g < groups; g++) {
              visit(
                ((n * height + h) * width + v) * channels + g * depth,
                (r * columns + s) * depth * filters + (g * filters) / groups,
                ((n * outHeight + i) * outWidth + j) * filters + (g * filters) / groups,
              );
            }
          }
        }
      }
    }
  }
}

function check(x: Signature, w: Signature, y: Signature, attrs: readonly number[]): string | null {
  const [strideH, strideW, padTop, padLeft, dilationH, dilationW, groups, direct] = attrs;
  if ([x, w, y].some(({ shape }) => shape.length !== 4)) return "operands have four axes";
  if (!attrs.every(Number.isInteger) || Math.min(strideH, strideW, dilationH, dilationW, groups) < 1 || Math.min(padTop, padLeft) < 0) {
    return `strides, dilations and groups are whole numbers ≥ 1 and pads ≥ 0; received ${attrs}`;
  }
  if (direct !== 0 && direct !== 1) return `direct is 0 or 1; received ${direct}`;
  if (x.shape[0] !== y.shape[0]) return `x has ${x.shape[0]} images but y ${y.shape[0]}`;
  if (w.shape[3] !== y.shape[3]) return `w has ${w.shape[3]} filters but y ${y.shape[3]} channels`;
  if (w.shape[2] * groups !== x.shape[3]) return `w takes ${w.shape[2]} channels in each of ${groups} groups but x has ${x.shape[3]}`;
  return w.shape[3] % groups === 0 ? null : `${w.shape[3]} filters do not divide into ${groups} groups`;
}

const zeros = (x: Signature) => new Float64Array(count(x.shape));
const sizes = (w: Signature, groups: number) => ({ depth: w.shape[2], filters: w.shape[3], share: w.shape[3] / groups });

export const conv2d: ReferenceKernel = {
  check: ({ inputs: [x, w], outputs: [y], attrs }) => check(x, w, y, attrs),
  run({ inputs, outputs, attrs }) {
    const [x, w] = inputs.map(elements);
    const { depth, filters, share } = sizes(inputs[1], attrs[6]);
    const y = zeros(outputs[0]);
    forEachTap(inputs[0], inputs[1], outputs[0], attrs, (x0, w0, y0) => {
      for (let c = 0; c < depth; c++) {
        const value = x[x0 + c];
        for (let k = 0; k < share; k++) y[y0 + k] += value * w[w0 + c * filters + k];
      }
    });
    elements(outputs[0]).set(y);
  },
};

export const conv2d_input_grad: ReferenceKernel = {
  check: ({ inputs: [gy, w], outputs: [gx], attrs }) => check(gx, w, gy, attrs),
  run({ inputs, outputs, attrs }) {
    const [gy, w] = inputs.map(elements);
    const { depth, filters, share } = sizes(inputs[1], attrs[6]);
    const gx = zeros(outputs[0]);
    forEachTap(outputs[0], inputs[1], inputs[0], attrs, (x0, w0, y0) => {
      for (let c = 0; c < depth; c++) gx[x0 + c] += dot(gy, y0, w, w0 + c * filters, share);
    });
    elements(outputs[0]).set(gx);
  },
};

export const conv2d_filter_grad: ReferenceKernel = {
  check: ({ inputs: [x, gy], outputs: [gw], attrs }) => check(x, gw, gy, attrs),
  run({ inputs, outputs, attrs }) {
    const [x, gy] = inputs.map(elements);
    const { depth, filters, share } = sizes(outputs[0], attrs[6]);
    const gw = zeros(outputs[0]);
    forEachTap(inputs[0], outputs[0], inputs[1], attrs, (x0, w0, y0) => {
      for (let c = 0; c < depth; c++) {
        const value = x[x0 + c];
        for (let k = 0; k < share; k++) gw[w0 + c * filters + k] += value * gy[y0 + k];
      }
    });
    elements(outputs[0]).set(gw);
  },
};

function dot(a: TypedArray, aStart: number, b: TypedArray, bStart: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i] * b[bStart + i];
  return sum;
}
