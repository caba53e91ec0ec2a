/** Multi-head attention beside its definition, one head, query and key at a time; models/torchvision.test.ts has PyTorch's numbers. */
import { arange, DTypeError, randn, ShapeError, setSeed, type Tensor, tensor, ValueError, valueAndGrad, zeros } from "nabla";
import * as nn from "nabla/nn";
import { expect, it } from "vitest";

const [n, t, s, d, heads] = [2, 3, 5, 8, 2];
const values = async (x: Tensor) => Array.from(await x.data());

/** softmax(Q·Kᵀ / √(d / heads))·V of projected rows, by loops. */
async function reference(
  layer: nn.MultiHeadAttention,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  allowed: (i: number, j: number) => boolean,
) {
  const [weight, bias] = [layer.inProjWeight.value, layer.inProjBias!.value];
  const project = (x: Tensor, i: number) =>
    values(x.matmul(weight.slice([0, i * d], [d, (i + 1) * d])).add(bias.slice([i * d], [(i + 1) * d])));
  const [q, k, v] = [await project(query, 0), await project(key, 1), await project(value, 2)];
  const [rows, columns, size] = [query.shape[1], key.shape[1], d / heads];
  const seen = new Float64Array(n * rows * d);
  for (let b = 0; b < n; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < rows; i++) {
        const at = (b * rows + i) * d + h * size;
        const weights = Array.from({ length: columns }, (_, j) => {
          const from = (b * columns + j) * d + h * size;
          let score = 0;
          for (let c = 0; c < size; c++) score += q[at + c] * k[from + c];
          return allowed(i, j) ? Math.exp(score / Math.sqrt(size)) : 0;
        });
        const total = weights.reduce((sum, w) => sum + w);
        for (let j = 0; j < columns; j++) {
          for (let c = 0; c < size; c++) seen[at + c] += (weights[j] / total) * v[(b * columns + j) * d + h * size + c];
        }
      }
    }
  }
  return seen;
}

function layerAndInputs() {
  setSeed(3);
  const layer = nn.multiHeadAttention(d, { heads, dtype: "f64" });
  layer.inProjBias!.assign(randn([3 * d], { dtype: "f64" }));
  layer.outProj.weight.assign(randn([d, d], { dtype: "f64" }));
  return {
    layer,
    query: randn([n, t, d], { dtype: "f64" }),
    key: randn([n, s, d], { dtype: "f64" }),
    value: randn([n, s, d], { dtype: "f64" }),
  };
}

it("is its definition: of a sequence to itself, to another, and with a mask", async () => {
  const { layer, query, key, value } = layerAndInputs();
  const expected = async (...args: Parameters<typeof reference>) => {
    const seen = tensor(await reference(...args), { shape: [n, args[1].shape[1], d], dtype: "f64" });
    return values(layer.outProj.forward(seen));
  };
  const causal = (i: number, j: number) => j <= i;
  const mask = arange(t).expandDims(1).ge(arange(s));
  const all = () => true;
  for (const [y, wanted] of [
    [layer.forward(query), expected(layer, query, query, query, all)],
    [layer.forward(query, key), expected(layer, query, key, key, all)],
    [layer.forward(query, key, value), expected(layer, query, key, value, all)],
    [layer.forward(query, key, value, { mask }), expected(layer, query, key, value, causal)],
  ] as const) {
    const got = await values(y);
    for (const [i, value] of (await wanted).entries()) expect(got[i]).toBeCloseTo(value, 10);
  }
});

it("lets no gradient through where the mask forbids to look", async () => {
  const { layer, query, key } = layerAndInputs();
  const mask = arange(s).lt(2);
  const { gradients } = valueAndGrad((k: Tensor) => layer.forward(query, k, k, { mask }).square().sum())(key);
  const g = await values(gradients[0].square().sum({ axis: [0, 2] }));
  expect(g.slice(0, 2).every((x) => x > 0)).toBe(true);
  expect(g.slice(2)).toEqual([0, 0, 0]);
});

it("starts as PyTorch's does, drops weights in training only, and says what does not fit", async () => {
  setSeed(1);
  const layer = nn.multiHeadAttention(64, { heads: 4, dropout: 0.5 });
  expect([...layer.namedParameters()].map(([name, { shape }]) => [name, shape])).toEqual([
    ["inProjWeight", [64, 192]],
    ["inProjBias", [192]],
    ["outProj.weight", [64, 64]],
    ["outProj.bias", [64]],
  ]);
  expect(await layer.inProjWeight.value.abs().max().item()).toBeCloseTo(Math.sqrt(6 / 256), 2);
  const x = randn([2, 3, 64]);
  expect(await values(layer.forward(x))).not.toEqual(await values(layer.eval().forward(x)));
  expect(await values(layer.forward(x))).toEqual(await values(layer.forward(x)));

  expect(nn.multiHeadAttention(8, { heads: 2, bias: false }).namedParameters().size).toBe(2);
  expect(() => nn.multiHeadAttention(10, { heads: 4 })).toThrow(ValueError);
  expect(() => nn.multiHeadAttention(8, { heads: 0 })).toThrow(ValueError);
  expect(() => layer.forward(zeros([2, 64]))).toThrow(ShapeError);
  expect(() => layer.forward(x, randn([3, 3, 64]))).toThrow(ShapeError);
  expect(() => layer.forward(x, x, randn([2, 4, 64]))).toThrow(ShapeError);
  expect(() => layer.forward(x, x, x, { mask: zeros([3, 3]) })).toThrow(DTypeError);
  expect(() => layer.forward(x.cast("f64"))).toThrow(DTypeError);
});
