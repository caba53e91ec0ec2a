/** One training watched by hand, as pandas bring up their young: one at a time, and looked after. */
import type { Readable } from "node:stream";
import type { ReadStream } from "node:tty";
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { savedData } from "../train/callbacks.js";
import type { Callback } from "../train/index.js";

export interface PandaOptions {
  /** Where keys come from. Default: the terminal. */
  input?: Readable;
  /** What + multiplies the learning rates by, and − divides them by. Default 1.5. */
  factor?: number;
}

export interface Panda extends Callback {
  /** What was changed, and when. */
  readonly changes: readonly { readonly step: number; readonly lrScale: number }[];
}

/**
 * Changes a training while it runs: + and − change the learning rates (through `optimizer.lrScale`), p pauses it and lets it go on, s ends it
 * in order. The changes are kept with the callback's state.
 * @example await fit(model, train, { …, callbacks: [progress(), tune.panda()] });
 */
export function panda(options: PandaOptions = {}): Panda {
  const { input = process.stdin, factor = 1.5 } = optionsOf("panda", options, ["input", "factor"]);
  if (!(factor > 1)) throw new ValueError(`panda: factor must be more than 1 but is ${factor}`, { op: "panda", inputs: [factor] });
  const changes: { step: number; lrScale: number }[] = [];
  const keys: string[] = [];
  let wake: (() => void) | null = null;
  const listen = (data: Buffer | string) => {
    keys.push(...data.toString());
    wake?.();
  };
  const raw = (isOn: boolean) => {
    const terminal = input as ReadStream;
    if (terminal.isTTY) terminal.setRawMode(isOn);
  };
  return {
    changes,
    onTrainBegin() {
      raw(true);
      input.on("data", listen);
    },
    async onBatchEnd(state) {
      let isPaused = false;
      for (;;) {
        const key = keys.shift();
        if (key === undefined) {
          if (!isPaused) return;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = null;
        } else if (key === "+" || key === "-") {
          state.optimizer.lrScale *= key === "+" ? factor : 1 / factor;
          changes.push({ step: state.step, lrScale: state.optimizer.lrScale });
        } else if (key === "p") isPaused = !isPaused;
        else if (key === "s") {
          state.stop();
          return;
        } else if (key === "\u0003") process.kill(process.pid, "SIGINT"); // raw terminals do not
      }
    },
    onTrainEnd() {
      input.off("data", listen);
      input.pause();
      raw(false);
    },
    save: () => ({ data: changes }),
    restore({ data }) {
      const before = savedData<{ changes: typeof changes }>("panda", { changes: data }, { changes: Array.isArray });
      return () => void changes.splice(0, changes.length, ...before.changes);
    },
  };
}
