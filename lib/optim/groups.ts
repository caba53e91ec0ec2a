/** Parameters put into groups, and optimizers put together. */
import { ValueError } from "../base/errors.js";
import { type AnyModule, glob } from "../nn/module.js";
import type { Variable } from "../tensor/index.js";
import { Optimizer } from "./optimizer.js";

/**
 * Two groups of which only the first decays: matrices and filters; biases and the scales and shifts of norms, all vectors, do not.
 * @example optim.adamW(optim.decayGroups(model.parameters()), { lr: 1e-3, weightDecay: 0.05 })
 */
export function decayGroups(parameters: Iterable<Variable>): ({ parameters: Variable[] } & { weightDecay?: number })[] {
  const all = [...parameters];
  const [matrices, vectors] = [all.filter(({ shape }) => shape.length > 1), all.filter(({ shape }) => shape.length <= 1)];
  return [{ parameters: matrices }, { parameters: vectors, weightDecay: 0 }].filter((group) => group.parameters.length > 0);
}

/**
 * A group for each pattern of names (`*`: any characters, `?`: one), with its options; a parameter belongs to the first pattern that
 * matches, and what matches none is a group without options of its own.
 * @example optim.adam(optim.groupsByName(model, { "backbone.*": { lrScale: 0.1 }, "*.bias": { weightDecay: 0 } }), { lr: 1e-3, weightDecay: 1e-2 })
 * @throws ValueError if a pattern gets no parameter.
 */
export function groupsByName<Options extends object>(
  model: AnyModule,
  patterns: Readonly<Record<string, Options>>,
): ({ parameters: Variable[] } & Partial<Options>)[] {
  const rest = model.namedParameters();
  const groups = Object.entries(patterns).map(([pattern, options]) => {
    const matches = glob(pattern);
    const members = [...rest].filter(([name]) => matches.test(name));
    if (members.length === 0) {
      throw new ValueError(
        `groupsByName: "${pattern}" gets no parameter; those that no pattern before it has are ${[...rest.keys()].slice(0, 12).join(", ")}`,
        {
          op: "groupsByName",
          inputs: [pattern],
        },
      );
    }
    for (const [name] of members) rest.delete(name);
    return { parameters: members.map(([, parameter]) => parameter), ...options };
  });
  return rest.size === 0 ? groups : [...groups, { parameters: [...rest.values()] } as { parameters: Variable[] } & Partial<Options>];
}

/**
 * Several optimizers as one: each trains its own parameters by its own rule, by the gradients of one loss, clipped together and saved
 * together. Rates stay those of the optimizers: `adamW.lr = …` counts for its part of the whole.
 * @example optim.combine(optim.muon(matrices), optim.adamW(others))
 * @throws ValueError if two of them train the same parameter, or one has made updates by itself.
 */
export function combine(...optimizers: readonly Optimizer[]): Optimizer {
  const op = "combine";
  if (optimizers.length === 0) throw new ValueError(`${op}: there are no optimizers`, { op });
  const seen = new Set<Variable>();
  for (const { name, parameters, stepCount } of optimizers) {
    if (stepCount > 0) throw new ValueError(`${op}: ${name} has made ${stepCount} updates by itself; combine fresh ones`, { op });
    for (const parameter of parameters) {
      if (seen.has(parameter)) throw new ValueError(`${op}: two optimizers train ${parameter}`, { op });
      seen.add(parameter);
    }
  }
  return new Optimizer(
    optimizers.map(({ name }) => name).join("+"),
    optimizers.flatMap(({ groups }) => groups),
  );
}
