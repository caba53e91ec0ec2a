/** Which classes are taken for which. */
import { ShapeError, ValueError } from "../base/errors.js";

/**
 * Counts of examples by true class (row) and predicted class (column): `matrix[3][5]` threes were taken for fives.
 * @example confusionMatrix(await logits.argmax(-1).data(), await labels.data(), 10)
 * @throws ShapeError if the lengths differ, ValueError if a class number is not one of 0 … classes − 1.
 */
export function confusionMatrix(predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number): number[][] {
  return addToMatrix(emptyMatrix(classes), predicted, actual);
}

export function emptyMatrix(classes: number): number[][] {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new ValueError(`confusionMatrix: classes must be a whole number ≥ 1 but is ${classes}`, {
      op: "confusionMatrix",
      inputs: [classes],
    });
  }
  return Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
}

/** Counts further examples; where one is refused none is counted. */
export function addToMatrix(matrix: number[][], predicted: ArrayLike<number>, actual: ArrayLike<number>): number[][] {
  const classes = matrix.length;
  if (predicted.length !== actual.length) {
    throw new ShapeError(`confusionMatrix: ${predicted.length} predictions for ${actual.length} labels`, {
      op: "confusionMatrix",
      inputs: [predicted.length, actual.length],
    });
  }
  for (let i = 0; i < actual.length; i++) {
    if (matrix[actual[i]]?.[predicted[i]] === undefined) {
      throw new ValueError(
        `confusionMatrix: example ${i} is of class ${actual[i]}, taken for ${predicted[i]}; classes are whole numbers from 0 to ${classes - 1}`,
        { op: "confusionMatrix", inputs: [predicted[i], actual[i], classes] },
      );
    }
  }
  for (let i = 0; i < actual.length; i++) matrix[actual[i]][predicted[i]]++;
  return matrix;
}
