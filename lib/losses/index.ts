/** `nabla/losses`: what training minimises. */
export { bceWithLogits, crossEntropy } from "./classification.js";
export type { LossOptions } from "./reduction.js";
export { mse } from "./regression.js";
