/** What summaries say of models: the shapes, sizes and costs that one computes by hand; and that they compute nothing. */
import { gather, nn, stats, type Tensor, variable, zeros } from "nabla";
import { expect, it } from "vitest";

const same = (kernel: number) => ({ kernel, padding: "same" as const });

it("a small convolutional network in numbers", () => {
  const conv = (from: number, to: number) => [nn.conv2d(from, to, { kernel: 5 }), nn.relu(), nn.maxPool2d(2)];
  const dense = [nn.flatten(), nn.linear(400, 120), nn.linear(120, 84), nn.linear(84, 10), nn.softmax()];
  const summary = nn.sequential(...conv(3, 8), ...conv(8, 16), ...dense).summary([32, 32, 3]);
  const rows = summary.layers.filter(({ description }) => !/ReLU|Flatten/.test(description));
  expect(rows.map(({ shape, size, parameters }) => [shape.join("×"), size, parameters])).toEqual([
    ["32×32×3", 3072, 0],
    ["28×28×8", 6272, 608],
    ["14×14×8", 1568, 0],
    ["10×10×16", 1600, 3216],
    ["5×5×16", 400, 0],
    ["120", 120, 48_120],
    ["84", 84, 10_164],
    ["10", 10, 850],
    ["10", 10, 0],
  ]);
  expect(rows[1]).toMatchObject({ layer: "0", multiplyAdds: 28 * 28 * 8 * 75, bytes: { parameters: 4 * 608, activations: 4 * 6272 } });
  expect(summary.layers.find(({ description }) => description === "Flatten()")?.bytes.activations).toBe(0); // shows what the pool gave
  expect(summary.total.parameters).toBe(62_958);
  const lines = summary.toString().split("\n");
  expect(lines[2]).toMatch(/^0 +Conv2d\(3, 8, \{ kernel: 5 \}\) +28 × 28 × 8 +6,272 +608 +470,400 +55$/);
  expect(lines.at(-2)).toMatch(/^total +62,958 +849,320 /);
});

it("multiplications that a bottleneck saves, and separable convolutions", () => {
  const cost = (model: nn.Module, shape: number[]) => model.summary(shape).total.multiplyAdds;
  expect(cost(nn.conv2d(192, 32, same(5)), [28, 28, 192])).toBe(120_422_400);
  expect(cost(nn.sequential(nn.conv2d(192, 16, same(1)), nn.conv2d(16, 32, same(5))), [28, 28, 192])).toBe(12_443_648);
  expect(cost(nn.conv2d(3, 5, { kernel: 3 }), [6, 6, 3])).toBe(2160);
  const separable = nn.separableConv2d(3, 5, { kernel: 3 }).summary([6, 6, 3]);
  expect(separable.layers.map(({ multiplyAdds }) => multiplyAdds)).toEqual([0, 432, 240]);
  expect(separable.total.multiplyAdds / 2160).toBeCloseTo(1 / 5 + 1 / 3 ** 2, 12);
});

it("of signals, volumes and transposed convolutions", () => {
  const one = (model: nn.Module, shape: number[]) => model.summary(shape).layers[1];
  expect(one(nn.conv1d(1, 16, { kernel: 5 }), [14, 1])).toMatchObject({ shape: [10, 16], parameters: 96, multiplyAdds: 800 });
  expect(one(nn.conv3d(1, 16, { kernel: 5 }), [14, 14, 14, 1])).toMatchObject({ shape: [10, 10, 10, 16], multiplyAdds: 1000 * 125 * 16 });
  const up = nn.convTranspose2d(1, 1, { kernel: 3, stride: 2, padding: 1, outputPadding: 1 });
  expect(one(up, [2, 2, 1])).toMatchObject({ shape: [4, 4, 1], multiplyAdds: 4 * 9 });
});

/** A sum of two branches, with a parameter of its own and a module that is used twice. */
class Block extends nn.Module {
  readonly scale = variable(zeros([4]));
  readonly shared = nn.linear(4, 4);
  readonly norm = nn.batchNorm(4);
  readonly drop = nn.dropout(0.5);

  forward(x: Tensor): Tensor {
    const y = this.shared.forward(this.norm.forward(this.shared.forward(x)));
    return this.drop.forward(y).mul(this.scale).add(x).matmul(x.transpose());
  }
}

it("of modules with parameters of their own, shared parts and operations between them", () => {
  const model = nn.sequential(new Block(), nn.relu());
  const { layers, svg } = model.summary([4], { batch: 8 });
  expect(layers.map(({ layer, parameters, multiplyAdds }) => [layer, parameters, multiplyAdds])).toEqual([
    ["input", 0, 0],
    ["0", 4, 4], // the scale, and the product x · xᵀ
    ["0.shared", 20, 16],
    ["0.norm", 8, 0],
    ["0.shared (call 2)", 0, 16],
    ["0.drop", 0, 0],
    ["1", 0, 0],
  ]);
  expect(layers[2].bytes).toEqual({ parameters: 80, activations: 4 * 8 * 4, gradients: 80 + 4 * 8 * 4 });
  for (const text of ["Linear(4, 4)", "BatchNorm(4)", ">add<", ">matmul<", "ReLU()"]) expect(svg).toContain(text);
  expect(svg).not.toContain("Dropout"); // it does nothing in evaluation
});

it("counts what is further down as one layer where that is asked for", () => {
  const inner = nn.sequential(nn.linear(4, 8), nn.relu(), nn.linear(8, 2));
  const { layers } = nn.sequential(inner, nn.relu()).summary([4], { depth: 1 });
  expect(layers.map(({ layer, parameters, multiplyAdds }) => [layer, parameters, multiplyAdds])).toEqual([
    ["input", 0, 0],
    ["0", 58, 48],
    ["1", 0, 0],
  ]);
  expect(() => inner.summary([4], { depth: 0 })).toThrow(expect.objectContaining({ code: "ERR_VALUE", op: "summary" }));
});

it("computes nothing, and leaves the model as it was", () => {
  const model = nn.sequential(nn.conv2d(3, 64, same(3)), nn.batchNorm(64), nn.sequential(nn.dropout(0.5)).eval(), nn.globalAvgPool2d());
  const before = stats();
  const summary = model.summary([512, 512, 3]);
  expect(summary.html).toContain("<svg");
  expect(stats()).toMatchObject({ runs: before.runs, memory: before.memory });
  expect([model.training, model[1].training, model[2].training]).toEqual([true, true, false]);
  expect(Object.keys(model[0])).not.toContain("forward");
});

it("of a shape with an axis of examples says that it needs none", () => {
  const model = nn.sequential(nn.conv2d(1, 2, same(3)), nn.flatten(), nn.linear(2 * 8 * 8, 3));
  expect(() => model.summary([32, 8, 8, 1])).toThrow(
    "summary([32, 8, 8, 1]): expected the shape of one example, without the axis of examples; leave it out: [8, 8, 1]",
  );
  expect(() => model.summary([8, 8, 3])).toThrow("did the layer before this one produce 1 channels?");
});

it("takes whole numbers where the model does", () => {
  class Words extends nn.Module {
    readonly table = variable(zeros([100, 8]));
    forward(index: Tensor): Tensor {
      return gather(this.table, index);
    }
  }
  const { layers } = new Words().summary([5], { dtype: "i32" });
  expect(layers.map(({ shape, parameters }) => [shape, parameters])).toEqual([
    [[5], 0],
    [[5, 8], 800],
  ]);
});
