/** Convolution by hand: sizes, parameters, edges; and that filters are not turned round. */
import { conv2d, nn, tensor, zeros } from "nabla";
import { describe, expect, it } from "vitest";

/** A matrix as an image of one channel. */
const image = (rows: readonly (readonly number[])[]) => tensor(rows).reshape([1, rows.length, rows[0].length, 1]);
/** Matrices as filters of one channel: [r, s, 1, k]. */
const filters = (...matrices: readonly (readonly (readonly number[])[])[]) =>
  tensor(matrices[0].map((row, i) => row.map((_, j) => [matrices.map((matrix) => matrix[i][j])])));
const parameters = (model: nn.Module) => model.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

describe("sizes", () => {
  it.each([
    { n: 6, f: 3, out: 4 },
    { n: 7, f: 3, stride: 2, out: 3 },
    { n: 6, f: 3, padding: 1, out: 6 },
    { n: 6, f: 5, padding: "same" as const, out: 6 },
    { n: 39, f: 3, out: 37 },
    { n: 37, f: 5, stride: 2, out: 17 },
    { n: 7, f: 3, dilation: 2, out: 3 },
  ])("of $n by $f with $stride, $padding, $dilation: $out", ({ n, f, out, ...options }) => {
    expect(conv2d(zeros([1, n, n, 2]), zeros([f, f, 2, 5]), options).shape).toEqual([1, out, out, 5]);
  });

  it("are ⌊(n + 2p − f) / s⌋ + 1 whatever the numbers", () => {
    for (let n = 1; n < 9; n++)
      for (let f = 1; f <= n; f++)
        for (let padding = 0; padding < f; padding++)
          for (let stride = 1; stride < 5; stride++) {
            const { shape } = nn.conv1d(1, 1, { kernel: f, padding, stride }).forward(zeros([1, n, 1]));
            expect({ n, f, padding, stride, out: shape[1] }).toMatchObject({ out: Math.floor((n + 2 * padding - f) / stride) + 1 });
          }
  });

  it("of signals and volumes", () => {
    expect(nn.conv1d(1, 16, { kernel: 5 }).forward(zeros([2, 14, 1])).shape).toEqual([2, 10, 16]);
    expect(nn.conv3d(1, 16, { kernel: 5 }).forward(zeros([2, 14, 14, 14, 1])).shape).toEqual([2, 10, 10, 10, 16]);
    expect(nn.conv3d(16, 32, { kernel: 5 }).forward(zeros([1, 10, 10, 10, 16])).shape).toEqual([1, 6, 6, 6, 32]);
  });
});

it("ten filters of 3 × 3 × 3 have 280 parameters, however large the image", () => {
  expect(parameters(nn.conv2d(3, 10, { kernel: 3 }))).toBe(280);
});

it("edges: bright to dark gives a bright line, dark to bright a dark one", async () => {
  const edge = filters([
    [1, 0, -1],
    [1, 0, -1],
    [1, 0, -1],
  ]);
  const rows = (left: number, right: number) => Array.from({ length: 6 }, () => [left, left, left, right, right, right]);
  const of = async (left: number, right: number) =>
    await conv2d(image(rows(left, right)), edge)
      .reshape([4, 4])
      .array();
  expect(await of(10, 0)).toEqual(Array.from({ length: 4 }, () => [0, 30, 30, 0]));
  expect(await of(0, 10)).toEqual(Array.from({ length: 4 }, () => [0, -30, -30, 0]));
});

it("the 6 × 6 example: -5 in the corner, as a vertical edge; its transpose by the turned filter", async () => {
  const x = [
    [3, 0, 1, 2, 7, 4],
    [1, 5, 8, 9, 3, 1],
    [2, 7, 2, 5, 1, 3],
    [0, 1, 3, 1, 7, 8],
    [4, 2, 1, 6, 2, 8],
    [2, 4, 5, 2, 3, 9],
  ];
  const vertical = [0, 1, 2].map(() => [1, 0, -1]);
  const y = [
    [-5, -4, 0, 8],
    [-10, -2, 2, 3],
    [0, -2, -4, -7],
    [-3, -2, -3, -16],
  ];
  expect(await conv2d(image(x), filters(vertical)).reshape([4, 4]).array()).toEqual(y);
  const turned = <T>(rows: readonly (readonly T[])[]) => rows[0].map((_, j) => rows.map((row) => row[j]));
  expect(
    await conv2d(image(turned(x)), filters(turned(vertical)))
      .reshape([4, 4])
      .array(),
  ).toEqual(turned(y));
});

it("filters meet images as they are, not mirrored, and several at once", async () => {
  const corner = [
    [1, 0],
    [0, 0],
  ];
  const opposite = [
    [0, 0],
    [0, 1],
  ];
  const y = await conv2d(
    image([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ]),
    filters(corner, opposite),
  ).array();
  expect(y).toEqual([
    [
      [
        [1, 5],
        [2, 6],
      ],
      [
        [4, 8],
        [5, 9],
      ],
    ],
  ]);
});
