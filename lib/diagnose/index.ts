/** `nabla/diagnose`: what is wrong with a model, and what to do next. */
export { type Diagnosis, diagnose, type ErrorRates, type Gap, type Problem } from "./diagnose.js";
