/**
 * Single operations, as data: each contender runs its own best form of them, over and over on the same operands.
 *
 * @typedef {object} Kernel
 * @property {string} op
 * @property {number} [flops] operations that it cannot do without
 * @property {number} [bytes] read and written, each operand once
 * @property {Record<string, number>} size
 * @property {string} [pass] of a convolution
 */

const f32 = 4;

/** Rows, columns, inner length. */
const products = [
  ...[64, 128, 256, 512, 1024, 2048].map((n) => [n, n, n]),
  ...[
    [256, 512, 784],
    [64, 128, 3136],
    [128, 1000, 2048],
    [12544, 64, 576],
    [50176, 64, 147],
    [1, 1000, 2048],
  ],
];

/** @type {Record<string, Kernel>} */
export const gemm = Object.fromEntries(
  products.map(([m, n, k]) => [
    `${m}x${n}x${k}`,
    { op: "gemm", size: { m, n, k }, flops: 2 * m * n * k, bytes: f32 * (m * k + k * n + m * n) },
  ]),
);

/** Images, channels, height = width, filters, kernel, stride, padding, groups. */
// biome-ignore format: a table
const convolutions = {
  cifar_stem: [32, 3, 32, 16, 3, 1, 1, 1],
  resnet_64: [8, 64, 56, 64, 3, 1, 1, 1],
  resnet_128: [8, 128, 28, 128, 3, 1, 1, 1],
  resnet_256: [8, 256, 14, 256, 3, 1, 1, 1],
  resnet_512: [8, 512, 7, 512, 3, 1, 1, 1],
  "pw_256-64": [8, 256, 56, 64, 1, 1, 0, 1],
  "pw_64-256": [8, 64, 56, 256, 1, 1, 0, 1],
  down: [8, 128, 28, 256, 3, 2, 1, 1],
  dw_32: [8, 32, 112, 32, 3, 1, 1, 32],
  dw_192: [8, 192, 28, 192, 3, 1, 1, 192],
  stem: [8, 3, 224, 64, 7, 2, 3, 1],
  "lenet_1-6": [128, 1, 28, 6, 5, 1, 2, 1],
  "lenet_6-16": [128, 6, 14, 16, 5, 1, 0, 1],
};

/** @type {Record<string, Kernel>} */
export const conv = Object.fromEntries(
  Object.entries(convolutions).flatMap(([name, [n, c, h, k, r, s, p, g]]) => {
    const o = Math.floor((h + 2 * p - r) / s) + 1;
    const flops = 2 * n * k * o * o * (c / g) * r * r;
    const bytes = f32 * (n * h * h * c + k * (c / g) * r * r + n * o * o * k);
    return ["forward", "backward-data", "backward-weights"].map((pass) => [
      `${name}/${pass}`,
      { op: "conv", pass, size: { n, c, h, k, r, s, p, g, o }, flops, bytes },
    ]);
  }),
);
