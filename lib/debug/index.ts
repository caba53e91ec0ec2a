/** `nabla/debug`: looking into a model that does not learn. */
export { type CheckGradientsOptions, checkGradients, type GradientCheck, numericalGradient } from "./check-gradients.js";
export { type LayerStatistics, layerStatistics, type Statistics, type StatisticsReport } from "./layer-statistics.js";
export {
  type Direction,
  type LossLine,
  type LossPlane,
  type LossSurfaceOptions,
  lossLine,
  lossPlane,
  randomDirection,
} from "./loss-surface.js";
export { checkNumerics, NumericsError } from "./numerics.js";
