/** Pooling over windows of [n,h,w,c]: the maximum, its scatter and gather, and the average with its gradient. */
import type { TypedArray } from "../../base/dtype.js";
import { count, elements, type ReferenceKernel, type Signature } from "./operand.js";

/** Calls `visit` with the position of every cell of y and the positions in x of its window, row-major, padding left out. */
function forEachWindow(
  x: Signature,
  y: Signature,
  [windowH, windowW, strideH, strideW, padTop, padLeft]: readonly number[],
  visit: (y: number, window: readonly number[]) => void,
): void {
  const [batch, height, width, channels] = x.shape;
  const [, outHeight, outWidth] = y.shape;
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        const top = i * strideH - padTop;
        const left = j * strideW - padLeft;
        const window: number[] = [];
        for (let h = Math.max(top, 0); h < Math.min(top + windowH, height); h++) {
          for (let v = Math.max(left, 0); v < Math.min(left + windowW, width); v++) {
            window.push(((n * height + h) * width + v) * channels);
          }
        }
        const corner = ((n * outHeight + i) * outWidth + j) * channels;
        for (let c = 0; c < channels; c++) {
          visit(corner + c, window);
          for (let k = 0; k < window.length; k++) window[k]++; // the same window in the next channel
        }
      }
    }
  }
}

/** The first maximum of a window, a NaN being the largest; undefined if the window is empty. */
function argmax(x: TypedArray, window: readonly number[]): number | undefined {
  let best = window[0];
  for (const p of window) {
    if (x[p] > x[best] || (Number.isNaN(x[p]) && !Number.isNaN(x[best]))) best = p;
  }
  return best;
}

function check(x: Signature, y: Signature, attrs: readonly number[]): string | null {
  const [windowH, windowW, strideH, strideW, padTop, padLeft] = attrs;
  if (x.shape.length !== 4 || y.shape.length !== 4) return "operands have four axes";
  if (!attrs.every(Number.isInteger) || Math.min(windowH, windowW, strideH, strideW) < 1 || Math.min(padTop, padLeft) < 0) {
    return `windows and strides are whole numbers ≥ 1 and pads ≥ 0; received ${attrs}`;
  }
  return x.shape[0] === y.shape[0] && x.shape[3] === y.shape[3] ? null : `images and channels of [${x.shape}] and [${y.shape}] differ`;
}

const same = (a: Signature, b: Signature) => (String(a.shape) === String(b.shape) ? null : `[${a.shape}] and [${b.shape}] differ`);

export const max_pool2d: ReferenceKernel = {
  check: ({ inputs: [x], outputs: [y], attrs }) => check(x, y, attrs),
  run({ inputs, outputs, attrs }) {
    const x = elements(inputs[0]);
    const y = elements(outputs[0]);
    forEachWindow(inputs[0], outputs[0], attrs, (at, window) => {
      const from = argmax(x, window);
      y[at] = from === undefined ? Number.NEGATIVE_INFINITY : x[from];
    });
  },
};

export const max_pool2d_scatter: ReferenceKernel = {
  check: ({ inputs: [x, gy], outputs: [gx], attrs }) => check(x, gy, attrs) ?? same(x, gx),
  run({ inputs, outputs, attrs }) {
    const [x, gy] = inputs.map(elements);
    const gx = new Float64Array(count(outputs[0].shape));
    forEachWindow(inputs[0], inputs[1], attrs, (at, window) => {
      const to = argmax(x, window);
      if (to !== undefined) gx[to] += gy[at];
    });
    elements(outputs[0]).set(gx);
  },
};

export const max_pool2d_gather: ReferenceKernel = {
  check: ({ inputs: [x, g], outputs: [y], attrs }) => check(x, y, attrs) ?? same(x, g),
  run({ inputs, outputs, attrs }) {
    const [x, g] = inputs.map(elements);
    const y = elements(outputs[0]);
    forEachWindow(inputs[0], outputs[0], attrs, (at, window) => {
      const from = argmax(x, window);
      y[at] = from === undefined ? 0 : g[from]; // adjoint to the scatter, which drops such windows
    });
  },
};

/** What a window's sum is divided by; an empty window sums to 0, whatever that is. */
function divisor([windowH, windowW, , , , , countPad]: readonly number[], window: readonly number[]): number {
  return countPad === 1 ? windowH * windowW : Math.max(window.length, 1);
}

export const avg_pool2d: ReferenceKernel = {
  check: ({ inputs: [x], outputs: [y], attrs }) => check(x, y, attrs),
  run({ inputs, outputs, attrs }) {
    const x = elements(inputs[0]);
    const y = elements(outputs[0]);
    forEachWindow(inputs[0], outputs[0], attrs, (at, window) => {
      let sum = 0;
      for (const p of window) sum += x[p];
      y[at] = sum / divisor(attrs, window);
    });
  },
};

export const avg_pool2d_grad: ReferenceKernel = {
  check: ({ inputs: [gy], outputs: [gx], attrs }) => check(gx, gy, attrs),
  run({ inputs, outputs, attrs }) {
    const gy = elements(inputs[0]);
    const gx = new Float64Array(count(outputs[0].shape));
    forEachWindow(outputs[0], inputs[0], attrs, (at, window) => {
      for (const p of window) gx[p] += gy[at] / divisor(attrs, window);
    });
    elements(outputs[0]).set(gx);
  },
};
