/** Predictions put together: of several models, and of several views of the same pictures. */
import { ShapeError, ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { format } from "../base/shape.js";
import { Module } from "../nn/index.js";
import { concat, logSigmoid, logSoftmax, logSumExp, mean, type Tensor } from "../tensor/index.js";

/** Several pictures of each: a batch [n, height, width, channels] → batches of one shape. */
export type Views = (x: Tensor) => readonly Tensor[];

export interface AverageOptions {
  /**
   * What the models give. `classes`: logits […, classes]; their probabilities are averaged, and the result is the logarithms of those means, which
   * serve as logits. `binary`: logits of two classes each; so is the result. `values`: numbers, whose mean is taken. Default classes.
   */
  outputs?: "classes" | "binary" | "values";
}

/** The mean of what models say about views. */
class Average extends Module {
  constructor(
    private readonly members: readonly Module[],
    private readonly views: Views,
    private readonly outputs: NonNullable<AverageOptions["outputs"]>,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    const views = this.views(x);
    // All views in one batch: the same weights go through it once.
    const all = views.length === 1 ? views[0] : concat(views, { axis: 0 });
    const opinions = this.members.map((member) => {
      const y = member.forward(all);
      return y.reshape([views.length, y.shape[0] / views.length, ...y.shape.slice(1)]);
    });
    const each = opinions.length === 1 ? opinions[0] : concat(opinions, { axis: 0 });
    /** log of the mean probability, of their logarithms. */
    const logMean = (logs: Tensor) => logSumExp(logs, { axis: 0 }).sub(Math.log(each.shape[0]));
    switch (this.outputs) {
      case "classes":
        return logMean(logSoftmax(each));
      case "binary":
        return logMean(logSigmoid(each)).sub(logMean(logSigmoid(each.neg())));
      case "values":
        return mean(each, { axis: 0 });
    }
  }
}

function average(op: string, members: readonly Module[], views: Views, options: AverageOptions): Module {
  const { outputs = "classes" } = optionsOf(op, options, ["outputs"]);
  if (members.length === 0) throw new ValueError(`${op}: there are no models`, { op });
  if (!["classes", "binary", "values"].includes(outputs))
    throw new ValueError(`${op}: outputs must be "classes", "binary" or "values" but is "${outputs as string}"`, { op, inputs: [outputs] });
  return new Average(members, views, outputs);
}

/**
 * Several models as one, whose probabilities are the mean of theirs; losses, metrics, `evaluate` and `predict` take it like any other.
 * @example await evaluate(ensemble([a, b, c]), test, { metrics: { accuracy: metrics.accuracy } })
 * @throws {ValueError} if there is none.
 */
export function ensemble(members: readonly Module[], options: AverageOptions = {}): Module {
  return average("ensemble", members, (x) => [x], options);
}

/**
 * A model that looks at each picture several times, and says the mean of what it then says: test-time augmentation.
 * @example await predict(multiView(model, tenCrop(224)), photos)
 */
export function multiView(model: Module, views: Views, options: AverageOptions = {}): Module {
  return average("multiView", [model], views, options);
}

/** The pictures, and mirrored. */
export const mirrored: Views = (x) => [x, x.flip(-2)];

/** The corners and the middle, of one size. Pictures: [n, height, width, channels]. @throws {ShapeError} if they are smaller. */
export function fiveCrop(size: number | readonly [height: number, width: number]): Views {
  const [h, w] = typeof size === "number" ? [size, size] : size;
  return (x) => {
    const [n, height, width, channels] = x.shape;
    if (x.shape.length !== 4 || h > height || w > width) {
      throw new ShapeError(
        `fiveCrop(x: ${format(x.shape)}): parts of ${h} × ${w} need pictures [n, height, width, channels] at least as large`,
        {
          op: "fiveCrop",
          inputs: [x.shape, h, w],
        },
      );
    }
    const [bottom, right] = [height - h, width - w];
    const places = [
      [0, 0],
      [0, right],
      [bottom, 0],
      [bottom, right],
      [Math.round(bottom / 2), Math.round(right / 2)],
    ];
    return places.map(([top, left]) => x.slice([0, top, left, 0], [n, top + h, left + w, channels]));
  };
}

/** {@link fiveCrop}, and each mirrored. Source: Krizhevsky, Sutskever, Hinton 2012, section 4.1. */
export function tenCrop(size: number | readonly [height: number, width: number]): Views {
  const five = fiveCrop(size);
  return (x) => five(x).flatMap(mirrored);
}
