/** A callback that writes what TensorBoard shows. */
import { optionsOf } from "../base/options.js";
import type { Picture } from "../plot/index.js";
import type { Callback, TrainingState } from "../train/index.js";
import { EventFile } from "./event-file.js";

export interface TensorBoardOptions {
  /** Also the means so far, every so many steps within an epoch. Default: after each epoch only. */
  everySteps?: number;
  /** Distributions of all parameters after each epoch. Default true. */
  histograms?: boolean;
  /** Pictures to be shown after each epoch, by name. */
  images?: (state: TrainingState) => Readonly<Record<string, Picture>> | Promise<Readonly<Record<string, Picture>>>;
}

/**
 * Keeps an event file in `folder` for TensorBoard: scores (`loss/train`, `loss/dev`), learning rate, samples a second, histograms, pictures,
 * each at its step. Another run is another file; `tensorboard --logdir` takes the folder above.
 * @example await fit(model, train, { …, callbacks: [tensorBoard("runs/first")] });
 */
export function tensorBoard(folder: string, options: TensorBoardOptions = {}): Callback {
  const { everySteps, histograms = true, images } = optionsOf("tensorBoard", options, ["everySteps", "histograms", "images"]);
  let file: EventFile | null = null;
  const tagOf = (score: string) => {
    const dot = score.lastIndexOf(".");
    return dot < 0 ? `${score}/train` : `${score.slice(dot + 1)}/${score.slice(0, dot)}`;
  };
  return {
    async onTrainBegin() {
      file = await EventFile.create(folder);
    },
    async onBatchEnd({ step, scores }) {
      if (everySteps === undefined || step % everySteps !== 0) return;
      await file!.add("scalar", Object.fromEntries(Object.entries(scores).map(([name, value]) => [`${name}/running`, value])), step);
    },
    async onEpochEnd(state, { scores, samplesPerSecond }) {
      const { step, optimizer, model } = state;
      const scalars = Object.fromEntries(Object.entries(scores).map(([name, value]) => [tagOf(name), value]));
      await file!.add(
        "scalar",
        { ...scalars, "training/learning rate": optimizer.lr, "training/samples a second": samplesPerSecond },
        step,
      );
      if (histograms) {
        for (const [name, value] of Object.entries(model.stateDict())) await file!.add("histogram", { [name]: await value.data() }, step);
      }
      if (images !== undefined) await file!.add("image", await images(state), step);
    },
    async onTrainEnd() {
      await file?.close();
      file = null;
    },
  };
}
