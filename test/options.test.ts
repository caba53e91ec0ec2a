/** Options that functions do not have are refused: every public function that takes an options object stands in the table. */
import { optim, ValueError, type Variable, variable } from "nabla";
import * as models from "nabla/models";
import { describe, expect, it } from "vitest";
import { checkOptions } from "../lib/base/options.js";

describe("a misspelt option", () => {
  const names = ["kernel", "stride", "labelSmoothing", "weightDecay", "lr", "axis", "epochs", "p"];
  it.each([
    ["strid", "stride"],
    ["Stride", "stride"],
    ["weight_decay", "weightDecay"],
    ["weigthDecay", "weightDecay"],
    ["axes", "axis"],
    ["epoch", "epochs"],
    ["smoothing", "labelSmoothing"],
    ["kernelSize", "kernel"],
    ["learningRate", "lr"],
    ["learning_rate", "lr"],
    ["bias", undefined],
    ["q", undefined],
  ])("%s: did you mean %s?", (name, meant) => {
    const mend = meant === undefined ? "there are" : `did you mean ${meant}? There are`;
    const expected = {
      message: `f: there is no option ${name}; ${mend} ${names.join(", ")}`,
      op: "f",
      inputs: [name, 1],
      code: "ERR_VALUE",
    };
    expect(() => checkOptions("f", { stride: 2, [name]: 1 }, names)).toThrow(expect.objectContaining(expected));
  });

  it("counts as not given if it is undefined", () => checkOptions("f", { strid: undefined }, names));

  it.each([
    [0.2, "the number 0.2"],
    [null, "null"],
    [[1], "an Array"],
    [variable(0), "a Variable"],
  ])("%s is no options object", (given, shown) => {
    expect(() => checkOptions("f", given as object, ["p"])).toThrow(`f: expected options { p } but received ${shown}`);
  });
});

const w = (): Variable[] => [variable([1, 2])];

/** Calls with options. */
const calls: Readonly<Record<string, (options: never) => unknown>> = {
  adam: (options) => optim.adam(w(), options),
  lenet5: (options) => models.lenet5(options),
};

describe.each(Object.entries(calls))("%s", (op, call) => {
  it("refuses unknown options by its name", async () => {
    await expect((async () => call({ unheardOf: 1 } as never))()).rejects.toThrow(`${op}: there is no option unheardOf; `);
    await expect((async () => call(3 as never))()).rejects.toBeInstanceOf(ValueError);
  });
});
