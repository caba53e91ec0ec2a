/**
 * Whether a convolution, or the gradient of its filters, takes a prologue: pointwise ones, which are matrix products, and depthwise
 * ones. x, w and y are the shapes of images, filters and result, attrs as in docs/kernels.md.
 */
export function convTakesPrologue(x: readonly number[], w: readonly number[], y: readonly number[], attrs: readonly number[]): boolean {
  const [strideH, strideW, padTop, padLeft, , , groups] = attrs;
  const isPlain = w[0] * w[1] * strideH * strideW === 1 && padTop + padLeft === 0 && x[1] === y[1] && x[2] === y[2];
  return groups === 1 ? isPlain : groups === x[3] && groups === y[3];
}
