/**
 * Single operations, as data: each contender runs its own best form of them, over and over on the same operands.
 *
 * @typedef {object} Kernel
 * @property {string} op
 * @property {"GFLOP/s" | "GB/s" | "µs"} unit of its figure
 * @property {number} [flops] operations that it cannot do without
 * @property {number} [bytes] read and written, each operand once
 * @property {Record<string, number>} size
 * @property {string} [pass] of what has a gradient: forward, backward-data and backward-weights, or both: forward+backward
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
    { op: "gemm", unit: "GFLOP/s", size: { m, n, k }, flops: 2 * m * n * k, bytes: f32 * (m * k + k * n + m * n) },
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
      { op: "conv", unit: "GFLOP/s", pass, size: { n, c, h, k, r, s, p, g, o }, flops, bytes },
    ]);
  }),
);

const counts = { "64K": 2 ** 16, "1M": 2 ** 20, "16M": 2 ** 24 };

/**
 * A kernel over `count` numbers of which `passes` times as many are read and written.
 * @param {string} op
 * @param {keyof typeof counts} name
 * @param {number} passes
 * @param {Kernel["unit"]} [unit]
 * @returns {[string, Kernel]}
 */
const vector = (op, name, passes, unit = "GB/s") => [
  `${op}_${name}`,
  { op, unit, size: { count: counts[name] }, bytes: f32 * passes * counts[name] },
];

/**
 * A kernel over rows × columns.
 * @param {string} op
 * @param {number} rows
 * @param {number} columns
 * @param {number} numbers read and written
 * @returns {[string, Kernel]}
 */
const matrix = (op, rows, columns, numbers = 2 * rows * columns) => [
  `${op}_${rows}x${columns}`,
  { op, unit: "GB/s", size: { rows, columns }, bytes: f32 * numbers },
];

/** @type {Record<string, Kernel>} */
export const elementwise = Object.fromEntries([
  vector("add", "64K", 3),
  vector("add", "1M", 3),
  vector("add", "16M", 3),
  ...["relu", "exp", "tanh", "gelu"].map((op) => vector(op, "1M", 2)),
  vector("sum", "1M", 1),
  matrix("sum_axis0", 4096, 4096, 4096 * 4096 + 4096),
  matrix("transpose", 4096, 4096),
  ...[
    [4096, 512],
    [4096, 4096],
    [128, 1000],
  ].map(([rows, columns]) => matrix("softmax", rows, columns)),
  ["softmax_128x10/forward+backward", { op: "softmax_grad", unit: "µs", size: { rows: 128, columns: 10 }, bytes: f32 * 4 * 1280 }],
  vector("sgd", "1M", 3, "µs"), // w and its gradient read, w written
  vector("sgd_momentum", "1M", 5, "µs"),
  vector("adam", "1M", 7, "µs"),
]);

/**
 * A kernel over images, and the same with its gradient: a gradient reads and writes as much again.
 * @param {string} op
 * @param {Record<"n" | "h" | "w" | "c", number>} size
 * @param {number} outputs numbers of the result
 * @returns {[string, Kernel][]}
 */
const images = (op, size, outputs) => {
  const { n, h, w, c } = size;
  const inputs = n * h * w * c;
  const name = `${op}_${n}x${h}x${w}x${c}`;
  return [
    [`${name}/forward`, { op, pass: "forward", unit: "GB/s", size, bytes: f32 * (inputs + outputs) }],
    [`${name}/forward+backward`, { op, pass: "forward+backward", unit: "µs", size, bytes: f32 * 2 * (inputs + outputs) }],
  ];
};

const stage = { n: 64, h: 32, w: 32, c: 64 };

/** @type {Record<string, Kernel>} */
export const norm = Object.fromEntries([matrix("layer_norm", 4096, 512), ...images("batch_norm", stage, 64 * 32 * 32 * 64)]);

/** @type {Record<string, Kernel>} */
export const pool = Object.fromEntries(["max_pool2", "avg_pool2"].flatMap((op) => images(op, stage, 64 * 16 * 16 * 64)));
