/** The properties of whole programs, each for one random graph. */
import { compile, type DeviceName, getDevice, randn, setDevice, type Tensor, type Variable, variable } from "nabla";
import { expect } from "vitest";
import { allocate, type FloatDType, type TypedArray } from "../../lib/base/dtype.js";
import { sizeOf } from "../../lib/base/shape.js";
import { type CompileOptions, compileGraph } from "../../lib/compile/compile.js";
import { graphOf, type Update } from "../../lib/graph/signature.js";
import type { Source } from "../../lib/graph/tensor.js";
import type { Program } from "../../lib/runtime/program.js";
import { currentDevice, programCache } from "../../lib/tensor/devices.js";
import { evaluate, markAssigned, materialize, storageFor, submit } from "../../lib/tensor/evaluate.js";
import { update } from "../../lib/tensor/variable.js";
import { testedDevices } from "../devices.js";
import { repeatable } from "../seeds.js";
import { poisoned } from "./poison.js";
import { grow } from "./random-graph.js";

/** Runs `body` on a device; what it awaits, too. */
export async function on<T>(device: DeviceName, body: () => Promise<T>): Promise<T> {
  const before = getDevice();
  setDevice(device);
  try {
    return await body();
  } finally {
    setDevice(before);
  }
}

/** Compiles and runs a graph, past the cache; `change` may rewrite the program. */
/** The values of `outputs` by a program compiled with `options` and changed. */
export function run(
  outputs: readonly Tensor[],
  updates: readonly Update[],
  options: CompileOptions,
  change = (program: Program): Program => program,
): TypedArray[] {
  const device = currentDevice();
  const variables = updates.map(({ target }) => (target.source as Source & { kind: "variable" }).variable);
  materialize(variables);
  const graph = graphOf(outputs, updates);
  const compiled = compileGraph(graph, options);
  const program = change(compiled.program);
  const uniforms = compiled.uniforms.map((position) => (graph.order[position].source as Source & { kind: "uniform" }).read());
  const storages = graph.order.map((x) => (x.source?.kind === "data" || x.source?.kind === "variable" ? storageFor(device, x) : null));
  const prepared = { ...compiled, program, executable: device.prepare(program) };
  const { ticket, results } = submit(device, prepared, outputs, (position) => storages[position]!, Float64Array.from(uniforms));
  for (const variable of variables) markAssigned(variable, ticket);
  device.wait(ticket);
  return outputs.map(({ dtype, shape }, i) => {
    const elements = allocate(dtype, sizeOf(shape));
    device.read(results[i], elements);
    return elements;
  });
}

/** Ways to compile a program, all of which must compute the same. */
const ways: Readonly<Record<string, (outputs: readonly Tensor[], updates: readonly Update[]) => TypedArray[]>> = {
  fused: (outputs, updates) => run(outputs, updates, {}),
  unfused: (outputs, updates) => run(outputs, updates, { fuse: false }),
  "without shared memory": (outputs, updates) => run(outputs, updates, { share: false }),
  "with values computed again": (outputs, updates) => run(outputs, updates, { large: 1 }, poisoned),
  poisoned: (outputs, updates) => run(outputs, updates, {}, poisoned),
  "unfused and poisoned": (outputs, updates) => run(outputs, updates, { fuse: false }, poisoned),
};

const leavesOf = (seed: number, dtype: FloatDType): Tensor[] => [1, 2, 3].map((i) => randn([5, 5], { seed: 1000 * seed + i, dtype }));
const countOf = (seed: number): number => 4 + (seed % 25);
const same = (x: Tensor): Tensor => x;
const valuesOf = (xs: readonly Tensor[]): TypedArray[] => xs.map((x) => x.dataSync());

/** A graph gives the same bits op by op, as one program compiled in any way, as a compiled function, and from the cache. */
export async function checkGraph(device: DeviceName, dtype: FloatDType, seed: number): Promise<void> {
  const results = (leaves: readonly Tensor[], observe = same) => {
    const grown = grow(seed, leaves, countOf(seed), observe);
    return [grown[0], grown[2]];
  };
  await repeatable(`keep their bits on ${device}, ${dtype}`, seed, () =>
    on(device, async () => {
      const leaves = leavesOf(seed, dtype);
      evaluate(leaves);
      const want = valuesOf(
        results(leaves, (x) => {
          x.dataSync();
          return x;
        }),
      );
      for (const [way, compute] of Object.entries(ways)) expect(compute(results(leaves), []), way).toEqual(want);

      const step = compile((...xs: Tensor[]) => results(xs));
      for (const call of ["compiled", "compiled, once more"]) expect(valuesOf(await step(...leaves)), call).toEqual(want);

      const others = leavesOf(seed + 1, dtype);
      evaluate(others);
      const fresh = ways.fused(results(others), []);
      evaluate(results(leaves));
      const { misses } = programCache(currentDevice());
      const found = results(others);
      evaluate(found);
      expect(programCache(currentDevice()).misses, "programs compiled").toBe(misses);
      expect(valuesOf(found), "from the cache").toEqual(fresh);
    }),
  );
}

/** Variables get what they would get if each new value were computed by itself, from the old values, before any is assigned. */
export async function checkUpdates(device: DeviceName, seed: number): Promise<void> {
  await repeatable(`assign variables as if one after another on ${device}`, seed, () =>
    on(device, async () => {
      const begin = () => leavesOf(seed, "f32").map((x) => variable(x));
      const grown = (variables: readonly Variable[]) => {
        const all = grow(
          seed,
          variables.map(({ value }) => value),
          countOf(seed),
          same,
        );
        return { values: all.slice(0, 3), output: all[1].sum() };
      };
      const apart = begin();
      const rounds = [1, 2].map(() => {
        const { values, output } = grown(apart);
        const all = [...values.map((x) => x.mul(1)), output];
        const elements = all.map((x) => x.dataSync());
        apart.forEach((v, i) => v.assign(all[i]));
        return elements;
      });

      for (const [way, compute] of Object.entries(ways)) {
        const variables = begin();
        rounds.forEach((want, round) => {
          const { values, output } = grown(variables);
          const [got] = compute(
            [output],
            variables.map((v, i) => update(v, values[i])),
          );
          expect([...valuesOf(variables.map(({ value }) => value)), got], `${way}, round ${round}`).toEqual(want);
        });
      }
      const variables = begin();
      const step = compile(() => {
        const { values, output } = grown(variables);
        variables.forEach((v, i) => v.assign(values[i]));
        return output;
      });
      for (const want of rounds) {
        const got = await step();
        expect(valuesOf([...variables.map(({ value }) => value), got]), "compiled").toEqual(want);
      }
    }),
  );
}

/** Devices agree on whole programs, but for rounding; as do programs whose sums are taken in the pass that computes what they sum. */
export async function checkDevicesAgree(seed: number): Promise<void> {
  await repeatable("are the same on all devices, but for rounding", seed, async () => {
    const results: TypedArray[][] = [];
    const count = Math.min(countOf(seed), 12);
    for (const device of testedDevices)
      results.push(await on(device, async () => valuesOf(grow(seed, leavesOf(seed, "f64"), count, same, true).slice(0, 3))));
    results.push(await on("cpu", async () => run(grow(seed, leavesOf(seed, "f64"), count, same, true).slice(0, 3), [], { summed: 1 })));
    const [first, ...others] = results;
    for (const other of others) {
      first.forEach((got, k) => {
        const errors = [...got].map((x, i) => Math.abs(x - other[k][i]));
        expect(Math.max(...errors), `value ${k}`).toBeLessThan(1e-7);
      });
    }
  });
}
