/** `nabla/diagnose`: what is wrong with a model or its data, and what to do next. */
export { Corrections, type Examined, type Verdict } from "./corrections.js";
export { type Diagnosis, diagnose, type ErrorRates, type Gap, type Problem } from "./diagnose.js";
export { type Cause, ErrorAnalysis, type ErrorAnalysisOptions, type ErrorRow } from "./error-analysis.js";
export { findLabelErrors, outOfSample, type Suspect } from "./label-errors.js";
export { type Contender, LearningCurve, type LearningCurveOptions, learningCurve } from "./learning-curve.js";
export { type TagPageOptions, tagErrors } from "./tag-page.js";
