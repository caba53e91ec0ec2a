/** `nabla/metrics`: how good a model is, in numbers that people read. */
export { accuracy, binaryAccuracy, errorRate, topKAccuracy, type WeightOptions } from "./accuracy.js";
export { confusionMatrix } from "./confusion.js";
export {
  type CalibrationBin,
  calibration,
  type OperatingPoint,
  operatingPoint,
  type PrecisionRecallCurve,
  precisionRecallCurve,
  type RocCurve,
  rocCurve,
} from "./ranking.js";
export { type DetectionRates, detectionRates } from "./rates.js";
export { type RegressionScores, regressionScores } from "./regression.js";
export {
  byGroup,
  type ClassScores,
  classScores,
  fMeasure,
  fScore,
  type GroupTable,
  precision,
  recall,
  type ScoreOptions,
} from "./scores.js";
export { type Bounds, type SelectOptions, select } from "./select.js";
export {
  type Streamed,
  type StreamedClassScores,
  streamedClasses,
  streamedMean,
  streamedRanking,
  streamedRegression,
} from "./streamed.js";
