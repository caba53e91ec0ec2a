/** Modules: how parameters are found and named, modes, freezing, state, printing. */
import { inspect } from "node:util";
import { compile, losses, nn, optim, relu, setSeed, type Tensor, tensor, type Variable, variable, zeros } from "nabla";
import { lenet5, vitB16 } from "nabla/models";
import { beforeEach, describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";

class Residual extends nn.Module {
  readonly main: nn.Module;
  readonly scale: Variable;
  constructor(n: number) {
    super();
    this.main = nn.sequential(nn.linear(n, n, { bias: false }), nn.relu(), nn.linear(n, n));
    this.scale = variable(1);
  }
  forward(x: Tensor): Tensor {
    return relu(this.main.forward(x).mul(this.scale).add(x));
  }
}

/** Doubles while it is trained, and counts in a buffer. */
class Modal extends nn.Module {
  readonly count = variable(0, { trainable: false });
  forward(x: Tensor): Tensor {
    return this.training ? x.mul(2) : x;
  }
}

/** Another signature than tensor to tensor. */
class Pairwise extends nn.Module<[a: Tensor, b: Tensor], { sum: Tensor }> {
  readonly branches = [nn.linear(2, 2), [nn.linear(2, 2, { bias: false })]] as const;
  forward(a: Tensor, b: Tensor): { sum: Tensor } {
    return { sum: this.branches[0].forward(a).add(this.branches[1][0].forward(b)) };
  }
}

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "none";
};

describe("names", () => {
  it("are paths to where a parameter is found", () => {
    const model = nn.sequential(nn.linear(3, 4), new Residual(4), nn.linear(4, 1));
    expect([...model.namedParameters().keys()]).toEqual([
      "0.weight",
      "0.bias",
      "1.scale",
      "1.main.0.weight",
      "1.main.2.weight",
      "1.main.2.bias",
      "2.weight",
      "2.bias",
    ]);
    expect([...model.namedModules().keys()]).toEqual(["", "0", "1", "1.main", "1.main.0", "1.main.1", "1.main.2", "2"]);
    expect(model.parameters()[3].name).toBe("1.main.0.weight");
    expect(model.parameters().map(({ shape }) => shape)).toEqual([[3, 4], [4], [], [4, 4], [4, 4], [4], [4, 1], [1]]);
  });

  it("given by the user stay", () => {
    const model = new Residual(2);
    model.scale.name = "gain";
    model.parameters();
    expect(model.scale.name).toBe("gain");
  });

  it("reach into arrays and modules of any signature", () => {
    const outer = new (class extends nn.Module {
      readonly pair = new Pairwise();
      forward(x: Tensor): Tensor {
        return this.pair.forward(x, x).sum;
      }
    })();
    expect([...outer.namedParameters().keys()]).toEqual(["pair.branches.0.weight", "pair.branches.0.bias", "pair.branches.1.0.weight"]);
    expect(outer.forward(zeros([5, 2])).shape).toEqual([5, 2]);
  });

  it("of shared and circular parts are those met first", () => {
    const tied = nn.linear(2, 2);
    const model = nn.sequential(tied, nn.relu(), tied);
    (tied as unknown as { parent: nn.Module }).parent = model;
    expect([...model.namedParameters().keys()]).toEqual(["0.weight", "0.bias"]);
    expect(Object.keys(model.stateDict())).toEqual(["0.weight", "0.bias"]);
  });

  it("tell buffers from parameters, frozen or not", () => {
    const model = nn.sequential(new Modal(), nn.linear(1, 1));
    model.freeze();
    expect([...model.namedBuffers().keys()]).toEqual(["0.count"]);
    expect([...model.namedParameters().keys()]).toEqual(["1.weight", "1.bias"]);
    expect(Object.keys(model.stateDict())).toEqual(["0.count", "1.weight", "1.bias"]);
  });
});

describe("printing", () => {
  it("looks like PyTorch's", () => {
    const model = nn.sequential(
      nn.conv2d(1, 6, { kernel: 5, padding: "same" }),
      nn.maxPool2d(2, { stride: [2, 1] }),
      nn.sequential(nn.flatten(), nn.leakyRelu({ slope: 0.2 })),
      nn.linear(400, 10, { bias: false, init: nn.init.zeros() }),
      new Residual(10),
    );
    expect(inspect(model)).toBe(
      [
        "Sequential(",
        '  (0): Conv2d(1, 6, { kernel: 5, padding: "same" })',
        "  (1): MaxPool2d(2, { stride: [2,1] })",
        "  (2): Sequential(",
        "    (0): Flatten()",
        "    (1): LeakyReLU({ slope: 0.2 })",
        "  )",
        "  (3): Linear(400, 10, { bias: false })",
        "  (4): Residual(",
        "    (main): Sequential(",
        "      (0): Linear(10, 10, { bias: false })",
        "      (1): ReLU()",
        "      (2): Linear(10, 10)",
        "    )",
        "  )",
        ")",
      ].join("\n"),
    );
  });

  it("gives a sequence's modules by number and in order", () => {
    const layers = [nn.linear(2, 3), nn.relu()];
    const model = nn.sequential(...layers);
    expect([model[0], model[1], model[2], model.length]).toEqual([layers[0], layers[1], undefined, 2]);
    expect([...model]).toEqual(layers);
  });
});

eachDevice("modes", () => {
  it("are noticed by compiled functions", async () => {
    const model = nn.sequential(new Modal(), nn.identity());
    const step = compile((x: Tensor) => model.forward(x));
    const runs = async () => (await step(tensor([1, 2]))).array();
    expect(await runs()).toEqual([2, 4]);
    model.eval();
    expect(await runs()).toEqual([1, 2]);
    model.train();
    expect(await runs()).toEqual([2, 4]);
    expect(step.programs()).toHaveLength(2);
    expect(model.eval().training || model[0].training).toBe(false);
  });
});

eachDevice("freezing", () => {
  const train = async (model: nn.Module) => {
    const sgd = optim.sgd(model.parameters(), { lr: 0.1, momentum: 0.9, weightDecay: 0.1 });
    const step = compile((x: Tensor) => sgd.minimize(losses.mse(model.forward(x), zeros([4, 1]))));
    for (let i = 0; i < 3; i++) await step(tensor([1, 2, 3, 4].map((n) => [n, -n])));
    return step;
  };
  const values = async (model: nn.Module) =>
    Object.fromEntries(await Promise.all(Object.entries(model.stateDict()).map(async ([name, x]) => [name, await x.data()] as const)));

  it("leaves what matches bit-identical", async () => {
    setSeed(1);
    const model = nn.sequential(nn.linear(2, 3), nn.relu(), nn.linear(3, 1));
    model.freeze("0.*");
    const before = await values(model);
    await train(model);
    const after = await values(model);
    for (const name of ["0.weight", "0.bias"]) expect(after[name]).toEqual(before[name]);
    for (const name of ["2.weight", "2.bias"]) expect(after[name]).not.toEqual(before[name]);
  });

  it("is noticed by compiled steps, and taken back", async () => {
    setSeed(1);
    const model = nn.sequential(nn.linear(2, 3), nn.linear(3, 1));
    const sgd = optim.sgd(model.parameters(), { lr: 0.1 });
    const step = compile((x: Tensor) => sgd.minimize(model.forward(x).square().mean()));
    const x = tensor([[1, 2]]);
    await step(x);
    const before = await values(model);
    model.freeze("?.bias");
    await step(x);
    const frozen = await values(model);
    expect(frozen["1.bias"]).toEqual(before["1.bias"]);
    expect(frozen["1.weight"]).not.toEqual(before["1.weight"]);
    model.unfreeze();
    await step(x);
    expect((await values(model))["1.bias"]).not.toEqual(frozen["1.bias"]);
    expect(step.programs()).toHaveLength(2);
  });

  it("refuses patterns without a match, and to train what is frozen altogether", async () => {
    const model = nn.sequential(nn.linear(2, 1));
    expect(() => model.freeze("1.*")).toThrow(expect.objectContaining({ code: "ERR_VALUE", op: "freeze", inputs: ["1.*"] }));
    expect(() => model.freeze("weight")).toThrow('"0.weight", "0.bias"');
    await expect(train(model.freeze())).rejects.toMatchObject({ code: "ERR_VALUE", op: "sgd.minimize" });
  });
});

eachDevice("state", () => {
  let model: nn.Sequential;
  beforeEach(() => {
    setSeed(3);
    model = nn.sequential(nn.linear(2, 3), nn.linear(3, 1, { dtype: "f64" }), new Modal());
  });

  it("is a copy, and sets everything back", async () => {
    const x = tensor([[1, -1]]);
    const first = model[0] as nn.Linear;
    const before = await first.forward(x).data();
    const state = model.stateDict();
    first.weight.assign(first.weight.value.mul(3));
    first.bias?.assign(zeros([3]));
    expect(await first.forward(x).data()).not.toEqual(before);
    model.loadStateDict(state);
    expect(await first.forward(x).data()).toEqual(before);
  });

  it("fits another model of the same shapes", async () => {
    const twin = nn.sequential(nn.linear(2, 3), nn.linear(3, 1, { dtype: "f64" }), new Modal());
    twin.loadStateDict(model.stateDict());
    expect(await (twin[0] as nn.Linear).weight.value.data()).toEqual(await (model[0] as nn.Linear).weight.value.data());
  });

  it("that does not fit changes nothing", async () => {
    const state = model.stateDict();
    const { "0.bias": bias, ...rest } = state;
    const weight = (model[0] as nn.Linear).weight;
    const before = await weight.value.data();
    const given = { ...rest, "0.weight": zeros([2, 3]), "0.biases": bias };
    expect(() => model.loadStateDict(given)).toThrow(
      expect.objectContaining({ code: "ERR_VALUE", op: "loadStateDict", inputs: [["0.bias"], ["0.biases"], []] }),
    );
    const misfit = { ...state, "0.weight": zeros([2, 3]), "0.bias": zeros([4]), "1.bias": zeros([1]) };
    expect(() => model.loadStateDict(misfit)).toThrow(
      expect.objectContaining({ code: "ERR_SHAPE", inputs: [[], [], ["0.bias", "1.bias"]] }),
    );
    expect(codeOf(() => model.loadStateDict({ ...state, "1.bias": zeros([1]) }))).toBe("ERR_DTYPE");
    expect(await weight.value.data()).toEqual(before);
    model.loadStateDict(given, { strict: false });
    expect(await weight.value.data()).toEqual(new Float32Array(6));
  });

  it("does not exist while a function is traced", async () => {
    await expect(compile(() => model.stateDict())()).rejects.toMatchObject({ code: "ERR_TRACE" });
  });
});

describe("what is no tensor is refused by name", () => {
  const batch = { data: new Float32Array(4), shape: [1, 4], dtype: "f32" };
  it.each<[string, nn.Module, unknown, string]>([
    ["linear", nn.linear(4, 1), [1, 2, 3, 4], "Linear(4, 1) (x: an Array): expected a tensor; make one: tensor(x)"],
    ["linear", nn.linear(4, 1), batch, "Linear(4, 1) (x: an Object): expected a tensor; of an array of a batch: tensor(x.data, x)"],
    [
      "conv2d",
      nn.conv2d(1, 1, { kernel: 1 }),
      Promise.resolve(),
      "Conv2d(1, 1, { kernel: 1 }) (x: a Promise): expected a tensor; await it",
    ],
    ["batchNorm", nn.batchNorm(4), 3, "BatchNorm(4) (x: the number 3): expected a tensor; make one: tensor(x)"],
    ["layerNorm", nn.layerNorm(4), undefined, "LayerNorm(4) (x: undefined): expected a tensor"],
    ["dropout", nn.dropout(), [1], "Dropout(0.5) (x: an Array): expected a tensor"],
    [
      "multiHeadAttention",
      nn.multiHeadAttention(4, { heads: 1 }),
      [1],
      "MultiHeadAttention(4, { heads: 1 }) (x: an Array): expected a tensor",
    ],
    ["lenet5", lenet5(), [1], "lenet5() (x: an Array): expected a tensor"],
    ["vit", vitB16({ size: 16 }), [1], "VisionTransformer() (x: an Array): expected a tensor"],
  ])("%s", (op, layer, x, message) => {
    const forward = () => layer.forward(x as Tensor);
    expect(forward).toThrow(message);
    expect(forward).toThrow(expect.objectContaining({ code: "ERR_VALUE", op }));
  });

  it("but a variable stands for its value", () => {
    expect(nn.linear(4, 1).forward(variable([[1, 2, 3, 4]]) as unknown as Tensor).shape).toEqual([1, 1]);
  });
});
