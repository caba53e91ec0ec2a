/** Which classes are taken for which. */
import { ShapeError, ValueError } from "../base/errors.js";

/**
 * Counts of examples by true class (row) and predicted class (column): `matrix[3][5]` threes were taken for fives.
 * @example confusionMatrix(await logits.argmax(-1).data(), await labels.data(), 10)
 * @throws ShapeError if the lengths differ, ValueError if a class number is not one of 0 … classes − 1.
 */
export function confusionMatrix(predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number): number[][] {
  if (predicted.length !== actual.length) {
    throw new ShapeError(`confusionMatrix: ${predicted.length} predictions for ${actual.length} labels`, {
      op: "confusionMatrix",
      inputs: [predicted.length, actual.length],
    });
  }
  if (!Number.isInteger(classes) || classes < 1) {
    throw new ValueError(`confusionMatrix: classes must be a whole number ≥ 1 but is ${classes}`, {
      op: "confusionMatrix",
      inputs: [classes],
    });
  }
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < actual.length; i++) {
    const row = matrix[actual[i]];
    if (row?.[predicted[i]] === undefined) {
      throw new ValueError(
        `confusionMatrix: example ${i} is of class ${actual[i]}, taken for ${predicted[i]}; classes are whole numbers from 0 to ${classes - 1}`,
        { op: "confusionMatrix", inputs: [predicted[i], actual[i], classes] },
      );
    }
    row[predicted[i]]++;
  }
  return matrix;
}
