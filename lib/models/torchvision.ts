/**
 * Weights as torchvision's models have them. The architectures here name their parts as torchvision does, so that the names of a
 * `state_dict()` become ours by a rule, and layouts by a permutation that the numbers of axes decide.
 */
import { ShapeError, ValueError } from "../base/errors.js";
import { format, sizeOf } from "../base/shape.js";
import type { Module, StateDict } from "../nn/index.js";
import type { Tensor } from "../tensor/index.js";

/**
 * The name that a tensor of torchvision's `state_dict()` has here: words are joined by capitals, and branches of Inception v3 count
 * from 0: `layer1.0.bn1.running_mean` → `layer1.0.bn1.runningMean`, `Mixed_7b.branch3x3_2a.conv.weight` →
 * `Mixed_7b.branch3x3.1.a.conv.weight`. Names of ours stay.
 */
export function torchvisionName(name: string): string {
  return name
    .replace(/(branch\w+)_(\d)([ab]?)(?=\.)/, (_, branch, n, letter) => [branch, n - 1, letter].filter((part) => part !== "").join("."))
    .replace(/layer_scale$/, "layer_scale.weight")
    .replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
}

/** The axes of a parameter in PyTorch's order → ours: filters [k, c, r, s] → [r, s, c, k], matrices [out, in] → [in, out]. */
function toLayout(x: Tensor): Tensor {
  if (x.shape.length === 4) return x.permute([2, 3, 1, 0]);
  return x.shape.length === 2 ? x.transpose() : x;
}

/**
 * A state for {@link Module.loadStateDict} of one of the models here, from the tensors of torchvision's model of the same name, under
 * the names of its `state_dict()` or ours. Counts of batches (`num_batches_tracked`) are left out.
 * @throws ValueError if the model has no tensor of a name; ShapeError if one has another number of elements.
 * @example
 * const { resnet18, fromTorchvision } = await import("nabla/models");
 * model.loadStateDict(fromTorchvision(model, state));
 */
export function fromTorchvision(model: Module, state: Readonly<Record<string, Tensor>>): StateDict {
  const ours = new Map([...model.namedParameters(), ...model.namedBuffers()]);
  const entries = Object.entries(state).filter(([name]) => !name.endsWith("num_batches_tracked"));
  return Object.fromEntries(
    entries.map(([theirs, x]) => {
      const name = torchvisionName(theirs);
      const variable = ours.get(name);
      const context = { op: "fromTorchvision", inputs: [x.shape] };
      if (variable === undefined) {
        throw new ValueError(`fromTorchvision: the model has no "${name}" for "${theirs}"; is it the same architecture?`, context);
      }
      const { shape } = variable;
      if (sizeOf(shape) !== sizeOf(x.shape)) {
        throw new ShapeError(
          `fromTorchvision: "${theirs}" is ${format(x.shape)} where the model has ${format(shape)}; make it with as many classes and channels`,
          context,
        );
      }
      return [name, toLayout(x).reshape(shape)];
    }),
  );
}
