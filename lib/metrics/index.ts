/** `nabla/metrics`: how good a model is, in numbers that people read. */
export { accuracy, binaryAccuracy } from "./accuracy.js";
export { confusionMatrix } from "./confusion.js";
