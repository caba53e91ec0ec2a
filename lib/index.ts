/** nabla: deep learning for Node.js. */
export type { ErrorDetails } from "./base/errors.js";
export {
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  FormatError,
  IndexError,
  NablaError,
  OutOfMemoryError,
  ShapeError,
  StaleVariableError,
  TraceError,
  ValueError,
} from "./base/errors.js";
export { dashboard, tensorBoard } from "./dashboard/index.js";
export * as data from "./data/index.js";
export {
  ArrayDataset,
  DataLoader,
  Dataset,
  datasets,
  kFold,
  type LabeledBatch,
  StreamDataset,
  samplers,
  split,
  splitSources,
} from "./data/index.js";
export * as debug from "./debug/index.js";
export { checkGradients } from "./debug/index.js";
export { diagnose } from "./diagnose/index.js";
export * as losses from "./losses/index.js";
export * as metrics from "./metrics/index.js";
export * as nn from "./nn/index.js";
export { impute, normalize } from "./nn/index.js";
export * as optim from "./optim/index.js";
export * as plot from "./plot/index.js";
export { Profile, type ProfileRow, profile, type Stats, stats } from "./profile/index.js";
export * as report from "./report/index.js";
export * as synthesis from "./synthesis/index.js";
export * from "./tensor/index.js";
export * from "./train/index.js";
export * as tune from "./tune/index.js";
