/** Choosing among models by one number: one metric is optimised, the others only have to be good enough. */
import { ValueError } from "../base/errors.js";
import { checkOptions } from "../base/options.js";

/** Bounds that are included. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** Names of the numbers that an object holds. */
type MetricOf<Model> = Extract<{ [Key in keyof Model]: Model[Key] extends number ? Key : never }[keyof Model], string>;

export type SelectOptions<Name extends string> = ({ readonly maximize: Name } | { readonly minimize: Name }) & {
  /** What a model has to satisfy to be considered: `{ ms: { max: 100 } }`. */
  readonly subjectTo?: Readonly<Partial<Record<Name, Bounds>>>;
};

/**
 * The best by one metric of those models that satisfy all constraints; the first of equals.
 * @example select([{ accuracy: 0.9, ms: 80 }, { accuracy: 0.95, ms: 1500 }], { maximize: "accuracy", subjectTo: { ms: { max: 100 } } })
 * @throws ValueError if none does, with what each misses; or if a metric is missing or NaN.
 */
export function select<Model extends object>(models: readonly Model[], options: SelectOptions<MetricOf<Model>>): Model {
  const op = "select";
  checkOptions(op, options, ["maximize", "minimize", "subjectTo"]);
  const [goal, sign] = "maximize" in options ? [options.maximize, 1] : [options.minimize, -1];
  const constraints = Object.entries(options.subjectTo ?? {}) as [MetricOf<Model>, Bounds][];
  const read = (model: Model, name: MetricOf<Model>, i: number): number => {
    const value: unknown = model[name];
    if (typeof value === "number" && !Number.isNaN(value)) return value;
    throw new ValueError(`${op}: model ${i} has no number ${name} but ${String(value)}`, { op, inputs: [name, value] });
  };
  if (models.length === 0) throw new ValueError(`${op}: there are no models to choose from`, { op });
  const misses = models.map((model, i) =>
    constraints.flatMap(([name, { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }]) => {
      const value = read(model, name, i);
      if (value >= min && value <= max) return [];
      return [`${name} is ${value}, not ${value > max ? `at most ${max}` : `at least ${min}`}`];
    }),
  );
  let best = -1;
  models.forEach((model, i) => {
    if (misses[i].length > 0) return;
    if (best < 0 || sign * read(model, goal, i) > sign * read(models[best], goal, best)) best = i;
  });
  if (best >= 0) {
    read(models[best], goal, best);
    return models[best];
  }
  const listed = misses.slice(0, 8).map((missed, i) => `\n  model ${i}: ${missed.join(", ")}`);
  throw new ValueError(`${op}: none of ${models.length} models satisfies the constraints; loosen one of them${listed.join("")}`, { op });
}
