/** `nabla/data`: data sets, how they are split and shuffled, and the batches made of them. */
import { mnist } from "./mnist.js";

export { ArrayDataset, type Batch, Dataset, type HostArray, type LabeledBatch } from "./dataset.js";
export { DataLoader, type DataLoaderOptions } from "./loader.js";
export type { TrainAndTest } from "./mnist.js";
export { type SplitOptions, split } from "./split.js";

/** Well-known data sets, read from the files in which their authors publish them; nabla itself ships none. */
export const datasets = { mnist } as const;
