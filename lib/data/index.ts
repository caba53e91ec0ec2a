/** `nabla/data`: data sets, how they are split and shuffled, and the batches made of them. */
import { mnist } from "./mnist.js";
import { random, sequential, stratified, weighted } from "./samplers.js";

export type { Batch, HostArray, LabeledBatch } from "./batch.js";
export {
  type CollateOptions,
  collate,
  type Example,
  type ExampleField,
  type ExampleSource,
  type FromExamplesOptions,
  fromExamples,
} from "./collate.js";
export { ArrayDataset, Dataset } from "./dataset.js";
export { DataLoader, type DataLoaderOptions, type LoaderState } from "./loader.js";
export type { TrainAndTest } from "./mnist.js";
export { balancedWeights, type Sampler, type SamplerOptions, type WeightedOptions } from "./samplers.js";
export type { Pass, Sampling } from "./sampling.js";
export { type SplitOptions, split } from "./split.js";
export { StreamDataset } from "./stream.js";
export { serveTransforms, type Transform } from "./workers.js";

/** Well-known data sets, read from the files in which their authors publish them; nabla itself ships none. */
export const datasets = { mnist } as const;

/** Orders in which a loader goes through the examples. */
export const samplers = { sequential, random, weighted, stratified } as const;
