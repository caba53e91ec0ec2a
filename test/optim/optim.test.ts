/** Optimizers take PyTorch's steps, whether compiled or not; what changes from step to step compiles nothing anew. */
import { compile, losses, nn, optim, setSeed, type Tensor, tensor, type Variable, variable, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { eachDevice } from "../devices.js";
import { type GoldenArray, golden, toTensor } from "../golden/read.js";

interface Path {
  readonly optimizer: "sgd" | "adagrad" | "rmsprop" | "adadelta" | "adam" | "adamW" | "nadam" | "radam";
  readonly options: optim.SgdOptions;
  /** Steps in which the bias is frozen. */
  readonly frozen: number[];
  readonly rates: number[] | null;
  readonly x: GoldenArray;
  readonly y: GoldenArray;
  readonly w: GoldenArray;
  readonly b: GoldenArray;
  readonly path: { loss: number; w: number[]; b: number[] }[];
}

const title = ({ optimizer, options, frozen, rates }: Path) =>
  `${optimizer} ${JSON.stringify(options)}${frozen.length > 0 ? `, frozen at times` : ""}${rates === null ? "" : ", changing rate"}`;

/** A quadratic bowl. */
const bowl = (w: Variable) => w.value.square().sub(w.value.mul(10)).add(25).sum();

eachDevice("steps", () => {
  for (const mode of ["compiled", "eager"] as const) {
    it.each(golden<Path>("optimizers").map((path) => [title(path), path] as const))(`${mode}: %s`, async (_, golden) => {
      const w = variable(toTensor(golden.w));
      const b = variable(toTensor(golden.b));
      const [x, y] = [toTensor(golden.x), toTensor(golden.y)];
      const { rates } = golden;
      const optimizer = optim[golden.optimizer]([w, b], {
        ...golden.options,
        ...(rates === null ? {} : { lr: (step: number) => rates[step] }),
      });
      const update = () => {
        const loss = losses.mse(x.matmul(w).add(b).tanh(), y);
        optimizer.minimize(loss);
        return loss;
      };
      const step = mode === "compiled" ? compile(update) : async () => update();
      for (const [i, expected] of golden.path.entries()) {
        b.trainable = !golden.frozen.includes(i);
        expect(await (await step()).item()).toBeCloseTo(expected.loss, 10);
        const got = [...(await w.value.data()), ...(await b.value.data())];
        [...expected.w, ...expected.b].forEach((value, k) => {
          expect(Math.abs(got[k] - value)).toBeLessThan(1e-9);
        });
      }
      expect(optimizer.stepCount).toBe(10);
    });
  }

  it.each([
    ["f32", 0.1, 4.9999886, 6],
    ["f64", 0.1, 4.9999999916, 10],
  ] as const)("of the smallest program, in %s", async (dtype, first, last, digits) => {
    const w = variable(0, { dtype });
    const sgd = optim.sgd([w], { lr: 0.01 });
    const step = compile(() => {
      const cost = bowl(w);
      sgd.minimize(cost);
      return cost;
    });
    await step();
    expect(await w.value.item()).toBeCloseTo(first, 7);
    for (let i = 1; i < 1000; i++) await step();
    expect(await w.value.item()).toBeCloseTo(last, digits);
    expect(sgd.stepCount).toBe(1000);
  });

  it("submitted without waiting are the same", async () => {
    const train = async (wait: boolean) => {
      const w = variable([1, 2, 3]);
      const adam = optim.adam([w], { lr: (step) => 0.1 / (1 + step) });
      const step = compile(() => adam.minimize(bowl(w)));
      const runs: Promise<unknown>[] = [];
      for (let i = 0; i < 40; i++) {
        runs.push(step());
        if (wait) await runs[i];
      }
      await Promise.all(runs);
      return w.value.data();
    };
    expect(await train(false)).toEqual(await train(true));
  });

  it("mix dtypes, each parameter in its own", async () => {
    const [a, b] = [variable(0), variable(0, { dtype: "f64" })];
    const sgd = optim.sgd([a, b], { lr: 0.01 });
    await compile(() => sgd.minimize(bowl(a).cast("f64").add(bowl(b))))();
    expect([await a.value.item(), await b.value.item()]).toEqual([Math.fround(10 * Math.fround(0.01)), 0.1]);
  });

  it("leave a loss that can be read, outside of compiled functions too", async () => {
    const w = variable(0);
    const sgd = optim.sgd([w], { lr: 0.01 });
    const loss = bowl(w);
    sgd.minimize(loss);
    expect(await loss.item()).toBe(25);
    expect(await w.value.item()).toBeCloseTo(0.1, 7);
  });

  it("leave alone what the loss does not depend on", async () => {
    const [w, other] = [variable(0), variable(3)];
    const sgd = optim.sgd([w, other], { lr: 0.01, momentum: 0.9, weightDecay: 1 });
    await compile(() => sgd.minimize(bowl(w)))();
    expect(await other.value.item()).toBe(3);
    expect(Object.keys(sgd.stateDict().steps)).toEqual(["0"]);
  });

  it("twice in one compiled function follow each other", async () => {
    // PyTorch cannot do it in one go, but one step after the other it can.
    const twice = async (both: boolean) => {
      const w = variable(0, { dtype: "f64" });
      const adam = optim.adam([w], { lr: (step) => 0.1 * (step + 1) });
      const minimize = () => adam.minimize(bowl(w));
      const step = compile(() => {
        minimize();
        if (both) minimize();
      });
      for (let i = 0; i < (both ? 3 : 6); i++) await step();
      return [await w.value.item(), adam.stepCount];
    };
    const [w, steps] = await twice(true);
    const [expected, count] = await twice(false);
    expect(w).toBeCloseTo(expected, 12);
    expect([steps, count]).toEqual([6, 6]);
  });

  it("of two losses written before either: both gradients at the old values, applied one after the other", async () => {
    const [w, v] = [variable(1, { dtype: "f64" }), variable(2, { dtype: "f64" })];
    const sgd = optim.sgd([w, v], { lr: 0.1 });
    await compile(() => {
      const first = w.value.mul(v.value).mul(3);
      const second = w.value.square().mul(2);
      sgd.minimize(first);
      sgd.minimize(second);
    })();
    expect(await w.value.item()).toBeCloseTo(1 - 0.1 * 3 * 2 - 0.1 * 4 * 1, 12);
    expect(await v.value.item()).toBeCloseTo(2 - 0.1 * 3 * 1, 12);
  });

  it("are no part of what a later loss is differentiated through", async () => {
    const [w, v] = [variable(1, { dtype: "f64" }), variable(2, { dtype: "f64" })];
    const sgd = optim.sgd([w, v], { lr: 0.1 });
    await compile(() => {
      sgd.minimize(w.value.mul(v.value));
      sgd.minimize(w.value.square());
    })();
    const now = 1 - 0.1 * 2;
    expect(await w.value.item()).toBeCloseTo(now - 0.1 * 2 * now, 12);
    expect(await v.value.item()).toBeCloseTo(2 - 0.1, 12);
  });

  it("fail without changing anything, even if nobody asks for the loss", async () => {
    const [w, offset] = [variable([[1, 2, 3]]), variable([[0, 0, 0]])];
    const sgd = optim.sgd([w, offset], { lr: 0.1 });
    const step = compile((labels: Tensor) => sgd.minimize(losses.crossEntropy(w.value.add(offset.value), labels)));
    await expect(step(tensor([3], { dtype: "i32" }))).rejects.toMatchObject({ code: "ERR_INDEX" });
    expect(await w.value.array()).toEqual([[1, 2, 3]]);
    expect(await offset.value.array()).toEqual([[0, 0, 0]]);
  });
});

eachDevice("learning rates", () => {
  it("change without compiling anew", async () => {
    const w = variable(0, { dtype: "f64" });
    const sgd = optim.sgd([w], { lr: 0.01 });
    const step = compile(() => sgd.minimize(bowl(w)));
    await step();
    sgd.lr = 0.5;
    await step();
    expect(await w.value.item()).toBe(5);
    sgd.lr = (n) => n;
    expect(sgd.lr).toBe(2);
    await step();
    expect(sgd.lr).toBe(3);
    expect(step.programs()).toHaveLength(1);
  });

  it("from a schedule are checked when they are used; a bad one changes nothing", async () => {
    const w = variable(0);
    const sgd = optim.sgd([w], { lr: (n) => (n === 0 ? 0.01 : Number.NaN) });
    const step = compile(() => sgd.minimize(bowl(w)));
    await step();
    await expect(step()).rejects.toMatchObject({ code: "ERR_VALUE", op: "sgd" });
    expect(await w.value.item()).toBeCloseTo(0.1, 7);
    expect(sgd.stepCount).toBe(1);
  });
});

eachDevice("a step that fails", () => {
  // Adam's bias correction depends on the count: one update too many would show in the weights.
  const make = () => {
    setSeed(2);
    const model = nn.linear(3, 4);
    const adam = optim.adam(model.parameters(), { lr: 0.1 });
    const minimize = (labels: Tensor) => {
      const loss = losses.crossEntropy(model.forward(tensor([[1, 2, 3]])), labels);
      adam.minimize(loss);
      return loss;
    };
    return { adam, minimize, step: compile(minimize), weights: () => Promise.all(model.parameters().map(({ value }) => value.data())) };
  };
  const good = () => tensor(Int32Array.of(1));
  const bad = () => tensor(Int32Array.of(4));

  it("changes neither weights nor state nor counts, in a compiled function", async () => {
    const [a, b] = [make(), make()];
    await a.step(good());
    await expect(a.step(bad())).rejects.toMatchObject({ code: "ERR_INDEX" });
    expect(a.adam.stepCount).toBe(1);
    expect(a.adam.stateDict().steps).toEqual({ weight: 1, bias: 1 });
    await a.step(good());
    await b.step(good());
    await b.step(good());
    expect(await a.weights()).toEqual(await b.weights());
    expect(a.adam.stepCount).toBe(2);
  });

  it("and outside of one", async () => {
    const [a, b] = [make(), make()];
    await a.minimize(good()).item();
    await expect(a.minimize(bad()).item()).rejects.toMatchObject({ code: "ERR_INDEX" });
    await a.minimize(good()).item();
    await b.minimize(good()).item();
    await b.minimize(good()).item();
    expect(await a.weights()).toEqual(await b.weights());
    expect([a.adam.stepCount, b.adam.stepCount]).toEqual([2, 2]);
  });
});

eachDevice("state", () => {
  const make = () => {
    setSeed(4);
    const model = nn.sequential(nn.linear(2, 2), nn.linear(2, 1));
    const adam = optim.adam(model.parameters(), { lr: 0.05 });
    const step = compile((x: Tensor) => adam.minimize(model.forward(x).sub(1).square().mean()));
    const run = async (steps: number) => {
      for (let i = 0; i < steps; i++) await step(tensor([[1, 2 + i]]));
    };
    const values = () => Promise.all(model.parameters().map(({ value }) => value.data()));
    return { model, adam, run, values };
  };

  it("saved and loaded, a training goes on as if it had never stopped", async () => {
    const a = make();
    a.model.freeze("0.*");
    await a.run(2);
    a.model.unfreeze();
    await a.run(1);
    const saved = { model: a.model.stateDict(), adam: a.adam.stateDict() };
    expect(saved.adam.step).toBe(3);
    expect(saved.adam.steps).toEqual({ "0.weight": 1, "0.bias": 1, "1.weight": 3, "1.bias": 3 });
    expect(Object.keys(saved.adam.tensors)).toContain("1.weight.m");
    await a.run(4);

    const b = make();
    await b.run(5);
    b.model.loadStateDict(saved.model);
    b.adam.loadStateDict(saved.adam);
    await b.run(4);
    expect(await b.values()).toEqual(await a.values());
    expect(b.adam.stepCount).toBe(a.adam.stepCount);
  });

  it("of an optimizer that has not started takes another back to its start", async () => {
    const fresh = make();
    const start = fresh.adam.stateDict();
    expect(start).toEqual({ step: 0, microStep: 0, lrScale: 1, steps: {}, tensors: {} });
    const weights = fresh.model.stateDict();
    await fresh.run(3);
    const once = await fresh.values();
    fresh.model.loadStateDict(weights);
    fresh.adam.loadStateDict(start);
    await fresh.run(3);
    expect(await fresh.values()).toEqual(once);
  });

  it("that does not fit changes nothing", async () => {
    const { adam, run } = make();
    await run(2);
    const state = adam.stateDict();
    const { "0.weight.m": m, ...rest } = state.tensors;
    const refuses = (changed: Partial<optim.OptimizerState>, code: string) =>
      expect(() => adam.loadStateDict({ ...state, step: 9, ...changed })).toThrow(
        expect.objectContaining({ code, op: "adam.loadStateDict" }),
      );
    refuses({ tensors: rest }, "ERR_VALUE");
    refuses({ tensors: { ...state.tensors, "7.m": m } }, "ERR_VALUE");
    refuses({ tensors: { ...rest, "0.weight.m": zeros([3]) } }, "ERR_SHAPE");
    refuses({ tensors: { ...rest, "0.weight.m": zeros([2, 2], { dtype: "f64" }) } }, "ERR_DTYPE");
    refuses({ steps: { ...state.steps, "7": 2 } }, "ERR_VALUE");
    refuses({ step: -1 }, "ERR_VALUE");
    expect(adam.stepCount).toBe(2);
    expect(await adam.stateDict().tensors["0.weight.m"].data()).toEqual(await m.data());
  });
});

describe("optimizers refuse", () => {
  const w = variable(1);

  it.each<[string, () => unknown, string]>([
    ["no parameters", () => optim.sgd([], { lr: 1 }), "sgd"],
    ["a model", () => optim.sgd(nn.linear(1, 1) as never, { lr: 1 }), "sgd"],
    ["a sequence of modules", () => optim.sgd(nn.sequential(nn.linear(1, 1)) as never, { lr: 1 }), "sgd"],
    ["tensors", () => optim.adam([w.value as never]), "adam"],
    ["integers", () => optim.adam([variable(1, { dtype: "i32" })]), "adam"],
    ["a variable twice", () => optim.adam([w, w]), "adam"],
    ["no rate", () => optim.sgd([w], undefined as never), "sgd"],
    ["negative rates", () => optim.sgd([w], { lr: -1 }), "sgd"],
    ["rates that are no numbers", () => optim.adam([w], { lr: Number.NaN }), "adam"],
    ["setting such a rate", () => Object.assign(optim.sgd([w], { lr: 1 }), { lr: Number.POSITIVE_INFINITY }), "sgd"],
    ["negative momentum", () => optim.sgd([w], { lr: 1, momentum: -0.1 }), "sgd"],
    ["nesterov without momentum", () => optim.sgd([w], { lr: 1, nesterov: true }), "sgd"],
    ["nesterov with dampening", () => optim.sgd([w], { lr: 1, nesterov: true, momentum: 0.9, dampening: 0.1 }), "sgd"],
    ["negative decay", () => optim.sgd([w], { lr: 1, weightDecay: -1 }), "sgd"],
    ["betas out of range", () => optim.adam([w], { betas: [0.9, 1] }), "adam"],
    ["one beta", () => optim.adam([w], { betas: [0.9] as never }), "adam"],
    ["an option that it does not have", () => optim.adam([w], { momentum: 0.9 } as never), "adam"],
    ["options of the wrong kind", () => optim.sgd([w], { lr: 1, nesterov: 1 as never }), "sgd"],
    ["groups without parameters", () => optim.sgd([{ parameters: [] }], { lr: 1 }), "sgd"],
    ["a variable in two groups", () => optim.sgd([{ parameters: [w] }, { parameters: [w], lr: 2 }], { lr: 1 }), "sgd"],
    ["groups with options out of range", () => optim.sgd([{ parameters: [w], momentum: -1 }], { lr: 1 }), "sgd"],
    ["vectors that must be matrices", () => optim.muon([w]), "muon"],
    ["averages of nothing", () => optim.ema([]), "ema"],
    ["averages that never change", () => optim.ema([w], { decay: 1 }), "ema"],
    ["parameters of two optimizers", () => optim.combine(optim.adam([w]), optim.sgd([w], { lr: 1 })), "combine"],
    ["one rate where each part has its own", () => Object.assign(optim.sgd([{ parameters: [w], lr: 1 }], { lr: 1 }), { lr: 2 }), "sgd"],
    ["negative eps", () => optim.adam([w], { eps: -1e-8 }), "adam"],
  ])("%s", (_, run, op) => {
    expect(run).toThrow(expect.objectContaining({ code: "ERR_VALUE", op }));
  });

  it.each<[string, (sgd: optim.Optimizer) => unknown, string]>([
    ["losses that are no scalars", (sgd) => sgd.minimize(zeros([2]).mul(w)), "ERR_SHAPE"],
    ["losses that are no tensors", (sgd) => sgd.minimize(3 as never), "ERR_VALUE"],
    ["integer losses", (sgd) => sgd.minimize(w.value.cast("i32")), "ERR_DTYPE"],
    ["losses that depend on no parameter", (sgd) => sgd.minimize(tensor(1).square()), "ERR_VALUE"],
    ["losses through which no gradient flows", (sgd) => sgd.minimize(w.value.stopGradient()), "ERR_VALUE"],
  ])("%s", (_, minimize, code) => {
    expect(() => minimize(optim.sgd([w], { lr: 1 }))).toThrow(expect.objectContaining({ code, op: "sgd.minimize" }));
  });

  it.each<[string, optim.MinimizeOptions]>([
    ["norms of 0", { clipNorm: 0 }],
    ["negative limits", { clipValue: -1 }],
    ["fractions of steps", { accumulate: 1.5 }],
    ["no steps", { accumulate: 0 }],
  ])("%s", (_, options) => {
    const sgd = optim.sgd([w], { lr: 1 });
    expect(() => sgd.minimize(w.value.square(), options)).toThrow(expect.objectContaining({ code: "ERR_VALUE", op: "sgd.minimize" }));
  });

  it("losses older than the last update", () => {
    const u = variable(1, { name: "u" });
    const sgd = optim.sgd([u], { lr: 1 });
    const [first, second] = [u.value.square(), u.value.square()];
    sgd.minimize(first);
    expect(() => sgd.minimize(second)).toThrow(expect.objectContaining({ code: "ERR_STALE_VARIABLE" }));
    expect(() => sgd.minimize(first)).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });
});
