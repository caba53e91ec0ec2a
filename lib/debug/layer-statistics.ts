/** What flows through the layers of a model: sizes of activations and gradients, by which vanishing and exploding show. */
import { backward } from "../autodiff/backward.js";
import type { AnyModule } from "../nn/module.js";
import { histograms } from "../plot/index.js";
import { checkLoss } from "../tensor/gradients.js";
import { compile, onesLike, Tensor, zerosLike } from "../tensor/index.js";
import { graphOnly } from "./double.js";

/** One array in numbers. */
export interface Statistics {
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
  /** Share of zeros: of units that do not fire, behind a ReLU. */
  readonly zeros: number;
  /** Elements that are NaN or infinite; the other figures leave them out. */
  readonly nonFinite: number;
  /** Counts in equal intervals from min to max. */
  readonly histogram: readonly number[];
}

export interface LayerStatistics {
  /** Path of the layer. */
  readonly layer: string;
  readonly activation: Statistics;
  /** Of the loss by the activation. */
  readonly gradient: Statistics;
}

export interface StatisticsReport {
  /** Layers in the order in which they compute. */
  readonly layers: readonly LayerStatistics[];
  /** Gradients of the loss by the parameters. */
  readonly parameters: Readonly<Record<string, Statistics>>;
  /**
   * By the root mean squares of gradients at the first and the last layer: vanishing below 10⁻³ of the last one's, exploding above 10³ times, fine
   * between.
   */
  readonly verdict: "vanishing" | "exploding" | "fine";
  /** A row a layer. */
  toString(): string;
  /**
   * A picture: a row of histograms a layer, of its activations and of the gradients by them, and beside them how large they are, by which vanishing
   * and exploding show at once.
   */
  readonly svg: string;
}

const bins = 20;

/**
 * Statistics of each layer's result, of the gradient of the loss by it, and of the parameters' gradients, on one batch. Nothing changes.
 * @example console.log(String(await layerStatistics(model, () => losses.crossEntropy(model.forward(x), y))));
 */
export async function layerStatistics(model: AnyModule, loss: () => Tensor): Promise<StatisticsReport> {
  const leaves = [...model.namedModules()].filter(([, module]) => module.namedModules().size === 1);
  const parameters = [...model.namedParameters()];
  const watched = compile(() => {
    const seen: [string, Tensor][] = [];
    const cost = graphOnly(() => watching(leaves, seen, loss));
    checkLoss("layerStatistics", cost);
    const wrt = [...seen.map(([, x]) => x), ...parameters.map(([, w]) => w.value)];
    const gradients = backward([cost], [onesLike(cost)], wrt).map((g, i) => g ?? zerosLike(wrt[i]));
    return { names: seen.map(([name]) => name), activations: seen.map(([, x]) => x), gradients };
  });
  const { names, activations, gradients } = await watched();
  const all = await Promise.all([...activations, ...gradients].map(async (x) => statisticsOf(await x.data())));
  const layers = names.map((layer, i) => ({ layer, activation: all[i], gradient: all[names.length + i] }));
  const own = Object.fromEntries(parameters.map(([name], i) => [name, all[2 * names.length + i]]));
  const ratio = layers.length === 0 ? 1 : size(layers[0].gradient) / size(layers[layers.length - 1].gradient);
  const verdict = ratio < 1e-3 ? "vanishing" : ratio > 1e3 ? "exploding" : "fine";
  return { layers, parameters: own, verdict, toString: () => table(layers), svg: picture(layers, verdict) };
}

/** Root mean square. */
const size = ({ mean, std }: Statistics) => Math.hypot(mean, std);

function picture(layers: readonly LayerStatistics[], verdict: StatisticsReport["verdict"]): string {
  const of = (statistics: Statistics) => ({ ...statistics, counts: statistics.histogram, size: size(statistics) });
  const rows = layers.map(({ layer, activation, gradient }) => ({ name: layer, histograms: [of(activation), of(gradient)] }));
  return histograms(["activations", "gradients by them"], rows, {
    title: verdict === "fine" ? "Layers" : `Layers: gradients are ${verdict}`,
  });
}

/** What `body` gives, while the results of modules are noted down. */
function watching<T>(modules: readonly (readonly [string, AnyModule])[], seen: [string, Tensor][], body: () => T): T {
  const counts = new Map<string, number>();
  for (const [name, module] of modules) {
    const forward = module.forward;
    module.forward = function (this: AnyModule, ...args: readonly unknown[]) {
      const y = forward.apply(this, [...args]);
      const calls = (counts.get(name) ?? 0) + 1;
      counts.set(name, calls);
      if (y instanceof Tensor && (y.dtype === "f32" || y.dtype === "f64")) seen.push([calls === 1 ? name : `${name} (call ${calls})`, y]);
      return y;
    };
  }
  try {
    return body();
  } finally {
    for (const [, module] of modules) delete (module as Partial<AnyModule>).forward; // the class's own shows again
  }
}

function statisticsOf(values: ArrayLike<number>): Statistics {
  const finite = Array.from(values).filter(Number.isFinite);
  const n = Math.max(finite.length, 1);
  const mean = finite.reduce((sum, x) => sum + x, 0) / n;
  const std = Math.sqrt(finite.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n);
  const min = finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const max = finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const histogram = new Array<number>(bins).fill(0);
  for (const x of finite) histogram[max > min ? Math.min(Math.floor(((x - min) / (max - min)) * bins), bins - 1) : 0]++;
  return { mean, std, min, max, zeros: finite.filter((x) => x === 0).length / n, nonFinite: values.length - finite.length, histogram };
}

function table(layers: readonly LayerStatistics[]): string {
  const width = Math.max(5, ...layers.map(({ layer }) => layer.length));
  const bars = "▁▂▃▄▅▆▇█";
  const drawn = ({ histogram }: Statistics) => {
    const top = Math.max(...histogram, 1);
    return histogram.map((count) => bars[Math.ceil((count / top) * (bars.length - 1))]).join("");
  };
  const rows = layers.map(({ layer, activation, gradient }) =>
    [
      layer.padEnd(width),
      activation.mean.toExponential(2).padStart(10),
      activation.std.toExponential(2).padStart(9),
      `${(100 * activation.zeros).toFixed(0)} %`.padStart(6),
      drawn(activation),
      size(gradient).toExponential(2).padStart(9),
    ].join("  "),
  );
  const head = ["layer".padEnd(width), "mean".padStart(10), "std".padStart(9), " zeros", "activations".padEnd(bins), " gradient"].join(
    "  ",
  );
  return [head, ...rows].join("\n");
}
