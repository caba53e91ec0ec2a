/** What is learnt of the inputs before training: their mean and spread, what stands for missing values. Kept in buffers, saved with the weights. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format, type Shape, sameShape, sizeOf } from "../base/shape.js";
import { type Batch, DataLoader, type Dataset, type HostArray, type StreamDataset } from "../data/index.js";
import { concat, type FloatDType, ones, type Tensor, tensor, type Variable, variable, where, zeros } from "../tensor/index.js";
import { checkInput, showCall } from "./layer.js";
import { Module } from "./module.js";

/** Data that statistics can be taken of. */
export type FitData = Dataset<Batch> | StreamDataset<Batch>;

export interface NormalizeOptions {
  /** Mean 0 and standard deviation 1, or the range from 0 to 1. Default "standard". */
  method?: "standard" | "minMax";
  /** One statistic for each channel or feature (the last axis), for each element of an example, or one for all. Default "channel". */
  per?: "channel" | "element" | "all";
  /** The field of the data. Default "x". */
  field?: string;
}

/** y = (x − shift) / scale.  x: [n, …] → the same shape, dtype that of the buffers; missing values (NaN) stay missing. */
export class Normalize extends Module {
  readonly shift: Variable;
  readonly scale: Variable;

  constructor(shape: Shape, dtype: FloatDType = "f32") {
    super();
    this.shift = variable(zeros(shape, { dtype }), { trainable: false });
    this.scale = variable(ones(shape, { dtype }), { trainable: false });
  }

  forward(x: Tensor): Tensor {
    const own = this.shift.shape;
    checkInput("normalize", this, x, this.shift.dtype, (shape) => {
      const fits = shape.length >= own.length && sameShape(shape.slice(shape.length - own.length), own);
      return fits ? null : `expected the last axes to be ${format(own)}, as in the data that were fitted`;
    });
    return x.sub(this.shift).div(this.scale);
  }

  override describe(): string {
    return showCall("Normalize", [format(this.shift.shape)], {});
  }
}

/**
 * A layer that subtracts and divides; `shape`: that of its buffers, a number for as many channels. It starts as the identity, to be
 * loaded into; {@link normalize.fit} makes one from data.
 */
export function normalize(shape: number | Shape, options: { dtype?: FloatDType } = {}): Normalize {
  const { dtype = "f32" } = optionsOf("normalize", options, ["dtype"]);
  return new Normalize(typeof shape === "number" ? [shape] : shape, dtype);
}

/**
 * Takes mean and spread of the *training* set, once; the layer carries them to every other set. Standard deviations are those of the set
 * itself (divided by n); what does not vary is only shifted. Missing values (NaN) do not count.
 * @example const model = nn.sequential(await normalize.fit(train), nn.linear(13, 1));
 * @throws {ValueError} if the data have no such field, or a feature has no value at all.
 */
normalize.fit = async (data: FitData, options: NormalizeOptions = {}): Promise<Normalize> => {
  const { method = "standard", per = "channel", field = "x" } = optionsOf("normalize.fit", options, ["method", "per", "field"]);
  let stats: {
    shape: Shape;
    dtype: FloatDType;
    count: Float64Array;
    mean: Float64Array;
    squares: Float64Array;
    low: Float64Array;
    high: Float64Array;
  } | null = null;
  for await (const x of fieldOf("normalize.fit", data, field)) {
    const shape = { channel: x.shape.slice(-1), element: x.shape.slice(1), all: [] }[per];
    const size = sizeOf(shape);
    stats ??= {
      shape,
      dtype: x.dtype === "f64" ? "f64" : "f32",
      count: new Float64Array(size),
      mean: new Float64Array(size),
      squares: new Float64Array(size),
      low: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
      high: new Float64Array(size).fill(Number.NEGATIVE_INFINITY),
    };
    const { count, mean, squares, low, high } = stats;
    for (let i = 0; i < x.data.length; i++) {
      const value = x.data[i];
      if (Number.isNaN(value)) continue;
      const k = i % size;
      // Welford's recurrence: B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962.
      const off = value - mean[k];
      mean[k] += off / ++count[k];
      squares[k] += off * (value - mean[k]);
      if (value < low[k]) low[k] = value;
      if (value > high[k]) high[k] = value;
    }
  }
  const { shape, dtype, count, mean, squares, low, high } = stats!;
  refuseEmpty("normalize.fit", count);
  const isStandard = method === "standard";
  const layer = new Normalize(shape, dtype);
  const scale = isStandard ? squares.map((sum, k) => Math.sqrt(sum / count[k])) : high.map((top, k) => top - low[k]);
  layer.shift.assign(tensor(isStandard ? mean : low, { shape }).cast(dtype));
  layer.scale.assign(
    tensor(
      scale.map((s) => (s === 0 ? 1 : s)),
      { shape },
    ).cast(dtype),
  );
  return layer;
};

export interface ImputeOptions {
  /** What stands for a missing value: the mean or median of its feature in the training set, or a number. Default "mean". */
  strategy?: "mean" | "median" | number;
  /** Whether to append, for each feature, 1 where its value was missing and 0 where it was there. Default false. */
  indicator?: boolean;
  /** The field of the data. Default "x". */
  field?: string;
}

/** Missing values (NaN) become `fill`.  x: [n, …, features] → the same, or with twice the features. */
export class Impute extends Module {
  readonly fill: Variable;

  constructor(
    features: number,
    readonly indicator = false,
    dtype: FloatDType = "f32",
  ) {
    super();
    this.fill = variable(zeros([features], { dtype }), { trainable: false });
  }

  forward(x: Tensor): Tensor {
    const [features] = this.fill.shape;
    checkInput("impute", this, x, this.fill.dtype, (shape) =>
      shape.at(-1) === features ? null : `expected ${features} features on the last axis`,
    );
    const isMissing = x.ne(x);
    const y = where(isMissing, this.fill.value.expand(x.shape), x);
    return this.indicator ? concat([y, isMissing.cast(x.dtype)], { axis: -1 }) : y;
  }

  override describe(): string {
    return showCall("Impute", this.fill.shape, this.indicator ? { indicator: true } : {});
  }
}

/** A layer that fills missing values with 0, to be loaded into; {@link impute.fit} makes one from data. */
export function impute(features: number, options: { indicator?: boolean; dtype?: FloatDType } = {}): Impute {
  const { indicator = false, dtype = "f32" } = optionsOf("impute", options, ["indicator", "dtype"]);
  return new Impute(features, indicator, dtype);
}

/**
 * Learns from the training set what stands for missing values. A median holds all values of the set in memory.
 * @example const model = nn.sequential(await impute.fit(train, { strategy: "median", indicator: true }), nn.linear(26, 1));
 * @throws {ValueError} if the data have no such field, or a feature has no value at all.
 */
impute.fit = async (data: FitData, options: ImputeOptions = {}): Promise<Impute> => {
  const { strategy = "mean", indicator = false, field = "x" } = optionsOf("impute.fit", options, ["strategy", "indicator", "field"]);
  const values: number[][] = [];
  let dtype: FloatDType = "f32";
  for await (const x of fieldOf("impute.fit", data, field)) {
    const features = x.shape.at(-1)!;
    if (x.dtype === "f64") dtype = "f64";
    for (let k = values.length; k < features; k++) values.push([]);
    for (let i = 0; i < x.data.length; i++) if (!Number.isNaN(x.data[i])) values[i % features].push(x.data[i]);
  }
  if (typeof strategy !== "number")
    refuseEmpty(
      "impute.fit",
      values.map(({ length }) => length),
    );
  const layer = new Impute(values.length, indicator, dtype);
  const fill = typeof strategy === "number" ? values.map(() => strategy) : values.map(strategy === "mean" ? meanOf : medianOf);
  layer.fill.assign(tensor(Float64Array.from(fill)).cast(dtype));
  return layer;
};

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The middle value, or the mean of the two in the middle. */
function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function* fieldOf(op: string, data: FitData, name: string): AsyncGenerator<HostArray> {
  for await (const batch of new DataLoader(data, { batchSize: 1024 })) {
    if (!Object.hasOwn(batch, name))
      throw new ValueError(`${op}: the data have no field "${name}"; they have ${Object.keys(batch).join(", ")}`, { op, inputs: [name] });
    if (batch[name].shape.length < 2)
      throw new ShapeError(`${op}: ${name} is ${format(batch[name].shape)}; expected examples with features [n, …, features]`, {
        op,
        inputs: [batch[name].shape],
      });
    yield batch[name];
  }
}

function refuseEmpty(op: string, counts: ArrayLike<number>): void {
  const empty = Array.from(counts).indexOf(0);
  if (empty >= 0) throw new ValueError(`${op}: feature ${empty} has no value in all of the data; leave it out`, { op, inputs: [empty] });
}
