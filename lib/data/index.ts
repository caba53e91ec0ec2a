/** `nabla/data`: data sets, how they are split and shuffled, and the batches made of them. */
import { cifar10, cifar100 } from "./cifar.js";
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
export { idx, safetensors } from "./files.js";
export { ImageFolder, type ImageFolderOptions, imageFolder } from "./image-folder.js";
export { DataLoader, type DataLoaderOptions, type LoaderState } from "./loader.js";
export type { TrainAndTest } from "./mnist.js";
export { arrow, type CsvOptions, csv, jsonLines, parquet } from "./readers.js";
export { balancedWeights, type Sampler, type SamplerOptions, type WeightedOptions } from "./samplers.js";
export { type Pass, Sampling } from "./sampling.js";
export { type Fold, kFold, type Labels, type SourceShares, type SplitOptions, split, splitSources } from "./split.js";
export { StreamDataset } from "./stream.js";
export {
  type Cell,
  type ColumnType,
  type FeatureOptions,
  Features,
  type RawRows,
  type Schema,
  Table,
  type TableOptions,
  TableStream,
} from "./table.js";
export { serveTransforms, type Transform } from "./workers.js";

/** Well-known data sets, read from the files in which their authors publish them; nabla itself ships none. */
export const datasets = { mnist, cifar10, cifar100 } as const;

/** Orders in which a loader goes through the examples. */
export const samplers = { sequential, random, weighted, stratified } as const;
