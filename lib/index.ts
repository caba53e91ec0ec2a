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
export * from "./tensor/index.js";
