/** Every architecture beside torchvision's (golden/models.py): names, shapes, logits, gradients, initial values. Most only in the long run. */
import { createHash } from "node:crypto";
import { compile, setSeed, type Tensor, tensor, valueAndGrad } from "nabla";
import * as models from "nabla/models";
import { Dropout, type Module } from "nabla/nn";
import { describe, expect, it } from "vitest";
import { inDouble } from "../../lib/debug/double.js";
import { golden } from "../golden/read.js";

interface Golden {
  readonly model: string;
  readonly size: number;
  readonly batch: number;
  readonly gain: number;
  readonly parameters: number;
  readonly layout: string;
  readonly logits: number[];
  readonly norms: number[];
  readonly projections: number[];
  readonly initial: number[];
}

const isLong = process.env.NABLA_LONG === "1";
const [input, cotangent, direction] = [1_000_000, 2_000_000, 3_000_000]; // streams

/** Numbers in [−½, ½) by position and stream, as golden/models.py has them. */
function uniform(count: number, stream: number): Float32Array {
  const offset = Math.imul(stream, 0x85ebca6b);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let h = (Math.imul(i, 0x9e3779b1) + offset) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    out[i] = ((h ^ (h >>> 16)) >>> 8) / 2 ** 24 - 0.5;
  }
  return out;
}

const sizeOf = (shape: readonly number[]) => shape.reduce((n, size) => n * size, 1);

/** PyTorch's layout of a shape, or a tensor, of ours. */
const torchShape = (s: readonly number[]) => (s.length === 4 ? [s[3], s[2], s[0], s[1]] : [...s].reverse());
const inTorchLayout = (x: Tensor) => (x.shape.length === 4 ? x.permute([3, 2, 0, 1]) : x.shape.length === 2 ? x.transpose() : x);

function value(name: string, ours: readonly number[], stream: number, gain: number): Tensor {
  const shape = ours.length === 3 ? ours : torchShape(ours);
  const u = uniform(sizeOf(shape), stream);
  const isScale = name.endsWith("weight") || name.endsWith("runningVar");
  if (shape.length === 4 || shape.length === 2) {
    const factor = Math.sqrt((12 * gain) / sizeOf(shape.slice(1)));
    for (let i = 0; i < u.length; i++) u[i] *= factor;
  } else if (shape.length === 1) {
    for (let i = 0; i < u.length; i++) u[i] = isScale ? u[i] / 2 + 1 : u[i] / 5;
  }
  return tensor(u, { shape });
}

type Make = (options: object) => Module;
const makers = models as unknown as Record<string, Make>;

/** How a model of the golden file is made. */
function makerOf(title: string): Make {
  const [name, option] = title.split(" ");
  return (options) => makers[name](option === undefined ? options : { [option]: true, ...options });
}

/** A model of the golden file with its weights, which leaves nothing out at random; names sorted as there. */
function filled({ model: title, gain }: Golden) {
  const model = makerOf(title)({ classes: 10 });
  for (const part of model.namedModules().values()) if (part instanceof Dropout) part.eval();
  const variables = new Map([...model.namedParameters(), ...model.namedBuffers()]);
  const names = [...variables.keys()].sort();
  const state = Object.fromEntries(names.map((key, stream) => [key, value(key, variables.get(key)!.shape, stream, gain)]));
  model.loadStateDict(models.fromTorchvision(model, state));
  return { model, names, variables };
}

const headsOf = (model: Module, x: Tensor): Tensor[] => (model instanceof models.WithAuxiliary ? model.heads(x) : [model.forward(x)]);

const cases = golden<Golden>("models");
const quick = ["resnet18", "mobilenetV2"];

describe.each(cases.filter(({ model }) => isLong || quick.includes(model)))("$model", (one) => {
  const { size, batch, parameters, layout, logits, norms, projections, initial } = one;
  const images = () =>
    tensor(uniform(batch * 3 * size * size, input), { shape: [batch, 3, size, size] })
      .mul(4)
      .permute([0, 2, 3, 1]);

  it("has torchvision's names, shapes and logits", async () => {
    const { model, names, variables } = filled(one);
    const fresh = makerOf(one.model)({}).parameters();
    expect(fresh.reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(parameters);
    const listing = names.map((name) => `${name} ${sizeOf(variables.get(name)!.shape)}\n`).join("");
    expect(createHash("sha256").update(listing).digest("hex").slice(0, 16)).toBe(layout);

    const got = await model.eval().forward(images()).data();
    const scale = Math.max(...logits.map(Math.abs));
    const error = Math.max(...logits.map((value, i) => Math.abs(got[i] - value))) / scale;
    expect(error).toBeLessThan(1e-4);
  });

  it.runIf(isLong)("has torchvision's gradients in a training step", async () => {
    const { model, names } = filled(one);
    const x = images();
    const trained = model.namedParameters();
    const keys = names.filter((name) => trained.has(name));
    // In double precision: in single, one rectifier whose input rounds to the other side of 0 changes all gradients before it.
    const step = compile(() => {
      const parts = headsOf(model, x).map((head, i) => {
        return head.mul(tensor(uniform(sizeOf(head.shape), cotangent + i), { shape: head.shape })).sum();
      });
      const wide = new Map([...trained.values()].map((parameter) => [parameter, parameter.value.cast("f64")]));
      const loss = inDouble(
        parts.reduce((sum, part) => sum.add(part)),
        wide,
      );
      return valueAndGrad(
        loss,
        keys.map((key) => wide.get(trained.get(key)!)!),
      ).gradients.map(inTorchLayout);
    });
    const gradients = await step();
    const largest = Math.max(...norms);
    let worst = { error: 0, name: "" };
    for (const [i, key] of keys.entries()) {
      const g = await gradients[i].data();
      const u = uniform(g.length, direction + names.indexOf(key));
      let [squares, projection] = [0, 0];
      for (let j = 0; j < g.length; j++) {
        squares += g[j] ** 2;
        projection += g[j] * u[j];
      }
      // A projection on numbers of variance 1/12 is as large as the norm / √12; gradients that are 0 in exact numbers are left out.
      const scale = Math.max(norms[i], 1e-5 * largest);
      const error = Math.max(Math.abs(Math.sqrt(squares) - norms[i]), Math.abs(projection - projections[i]) * Math.sqrt(12)) / scale;
      if (error > worst.error) worst = { error, name: key };
    }
    expect(worst.error, worst.name).toBeLessThan(1e-3);
  });

  it.runIf(isLong)("starts from torchvision's initial values", async () => {
    setSeed(1);
    const trained = makerOf(one.model)({}).namedParameters();
    for (const [i, key] of [...trained.keys()].sort().entries()) {
      const x = trained.get(key)!;
      const rms = Math.sqrt(await x.value.square().mean().item());
      // Root mean squares of n numbers scatter by 1 / √2n of themselves at most; these are of two draws.
      expect(Math.abs(rms - initial[i]), key).toBeLessThanOrEqual(initial[i] * (0.006 + 5 / Math.sqrt(sizeOf(x.shape))));
    }
  });
});
