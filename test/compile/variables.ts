/** Random use of variables against a model in plain numbers: effects happen exactly once, and what is stale is never computed. */
import {
  compile,
  crossEntropyRows,
  type DeviceName,
  IndexError,
  StaleVariableError,
  type Tensor,
  tensor,
  type Variable,
  variable,
} from "nabla";
import { expect } from "vitest";
import { Draw } from "../ops/draw.js";
import { repeatable } from "../seeds.js";
import { on } from "./properties.js";

/** An expression and what the model knows of it. */
interface Expression {
  readonly tensor: Tensor;
  readonly value: number;
  /** Variables it reads itself, each at the version it had. */
  readonly reads: readonly (readonly [k: number, version: number])[];
  readonly inputs: readonly Expression[];
  /** Computed, so that it needs nothing any more. A variable's own reading never is. */
  isEvaluated: boolean;
}

/** Small whole numbers, which f32 holds exactly. */
const wrapped = (x: number): number => ((x % 97) + 97) % 97;

/** Variables, expressions over them and a compiled step, driven by random actions. */
export async function checkVariables(device: DeviceName, seed: number): Promise<void> {
  await repeatable(`follow a model in plain numbers on ${device}`, seed, () => on(device, () => drive(seed)));
}

async function drive(seed: number): Promise<void> {
  const draw = new Draw(seed);
  const start = [1, 2, 3];
  const variables: readonly Variable[] = start.map((x) => variable(x));
  const model = start.map((value) => ({ value, version: 0 }));
  let expressions: Expression[] = [];

  const isStale = ({ reads, inputs, isEvaluated }: Expression): boolean =>
    !isEvaluated && (reads.some(([k, version]) => model[k].version !== version) || inputs.some(isStale));
  const assigned = (k: number, value: number): void => {
    model[k] = { value, version: model[k].version + 1 };
  };

  // Each run adds the argument to the first variable and the first's old value to the second; a bad label undoes all of it.
  let traces = 0;
  let failures = 0;
  const step = compile((x: Tensor, labels: Tensor) => {
    traces++;
    const [a, b] = variables;
    b.assign(a.value.add(b).mod(97));
    a.assign(a.value.add(x.sum()).mod(97));
    const loss = crossEntropyRows(tensor([[0, 0]]), labels);
    return { sum: a.value.add(b), loss };
  });

  const read = () => {
    const k = draw.whole(0, 2);
    expressions.push({ tensor: variables[k].value, value: model[k].value, reads: [[k, model[k].version]], inputs: [], isEvaluated: false });
  };
  const combine = () => {
    if (expressions.length === 0) return;
    const [a, b] = [draw.pick(expressions), draw.pick(expressions)];
    expressions.push({
      tensor: a.tensor.add(b.tensor).mod(97),
      value: wrapped(a.value + b.value),
      reads: [],
      inputs: [a, b],
      isEvaluated: false,
    });
  };
  const evaluate = async () => {
    if (expressions.length === 0) return;
    const chosen = draw.pick(expressions);
    const get = async () => (draw.coin() ? chosen.tensor.itemSync() : await chosen.tensor.item());
    if (isStale(chosen)) return void (await expect(get()).rejects.toThrow(StaleVariableError));
    expect(await get()).toBe(chosen.value);
    if (chosen.reads.length === 0) chosen.isEvaluated = true;
  };
  const assign = () => {
    if (expressions.length === 0) return;
    const k = draw.whole(0, 2);
    const chosen = draw.pick(expressions);
    if (isStale(chosen)) return void expect(() => variables[k].assign(chosen.tensor)).toThrow(StaleVariableError);
    variables[k].assign(chosen.tensor);
    assigned(k, chosen.value);
  };
  const run = async () => {
    const n = draw.whole(1, 3);
    const isBad = draw.whole(0, 3) === 0;
    const result = step(tensor(new Float32Array(n).fill(2)), tensor([isBad ? 2 : 1], { dtype: "i32" }));
    const [a, b] = model.map(({ value }) => value);
    if (isBad) {
      failures++;
      // The failed run counts as an assignment of what was there before.
      assigned(0, a);
      assigned(1, b);
      return void (await expect(result).rejects.toThrow(IndexError));
    }
    assigned(0, wrapped(a + 2 * n));
    assigned(1, wrapped(a + b));
    const sum = wrapped(a + 2 * n) + wrapped(a + b);
    if (draw.coin()) expect(await (await result).sum.item()).toBe(sum);
  };

  for (let i = 0; i < 60; i++) {
    await draw.pick([read, read, combine, combine, evaluate, evaluate, assign, run])();
    if (expressions.length > 12) expressions = expressions.slice(6);
  }
  const values = variables.map(({ value }) => value.itemSync());
  expect(values).toEqual(model.map(({ value }) => value));
  expect(traces).toBeLessThanOrEqual(3 + failures); // one for each shape of x, and one that finds the line to blame
}
