/** Losses of predicted numbers. */
import { asTensor, floating, type TensorLike } from "../ops/convert.js";
import type { Tensor } from "../tensor/index.js";
import { checkAlike, type LossOptions, reduce } from "./reduction.js";

/** (prediction − target)². Both of one shape and dtype → scalar, or that shape with reduction "none". */
export function mse(predictionLike: TensorLike, targetLike: TensorLike, options: LossOptions = {}): Tensor {
  const prediction = floating("mse", predictionLike);
  const target = asTensor("mse", targetLike, prediction.dtype);
  checkAlike("mse", ["prediction", prediction], ["target", target]);
  return reduce("mse", prediction.sub(target).square(), options);
}
