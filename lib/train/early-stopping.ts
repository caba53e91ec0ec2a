/** Callbacks that act when a score has stopped getting better: the end of the training, or a smaller learning rate. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { checkState } from "../nn/state.js";
import type { Tensor } from "../tensor/index.js";
import { type Callback, isCount, isScore, savedData } from "./callbacks.js";
import { checkPatience, type MonitorOptions, monitored, monitorNames } from "./monitor.js";

export interface EarlyStoppingOptions extends MonitorOptions {
  /** Epochs without improvement that are put up with. Default 0. */
  patience?: number;
  /** Give the model the weights of its best epoch when the training has ended, early or not. Default false. */
  restoreBest?: boolean;
}

/**
 * Ends the training when a score has not improved for more than `patience` epochs.
 * @example earlyStopping({ monitor: "dev.accuracy", patience: 3, restoreBest: true })
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  const op = "earlyStopping";
  const { patience = 0, restoreBest = false, ...how } = optionsOf(op, options, ["patience", "restoreBest", ...monitorNames]);
  checkPatience(op, patience);
  const watch = monitored(op, how);
  let waited = 0;
  let weights: Readonly<Record<string, Tensor>> | null = null;
  return {
    onTrainBegin() {
      watch.restart();
      waited = 0;
      weights = null;
    },
    onEpochEnd(state, record) {
      if (watch.improves(record)) {
        waited = 0;
        if (restoreBest) weights = state.model.stateDict();
      } else if (++waited > patience) {
        state.stop();
      }
    },
    onTrainEnd({ model, isDone }) {
      if (isDone && weights !== null) model.loadStateDict(weights);
    },
    save: () => ({ data: { best: watch.best, waited, hasWeights: weights !== null }, tensors: weights ?? {} }),
    restore({ data, tensors = {} }, { model }) {
      const before = savedData<{ best: number | null; waited: number; hasWeights: boolean }>(op, data, {
        best: isScore,
        waited: isCount,
        hasWeights: (value) => typeof value === "boolean",
      });
      const targets = new Map(before.hasWeights ? [...model.namedParameters(), ...model.namedBuffers()] : []);
      checkState({ op }, targets, new Map(Object.entries(tensors)), true);
      return () => {
        watch.best = before.best;
        waited = before.waited;
        weights = before.hasWeights ? tensors : null;
      };
    },
  };
}

export interface ReduceOnPlateauOptions extends MonitorOptions {
  /** Default 0.1. */
  factor?: number;
  /** Epochs without improvement that are put up with. Default 10. */
  patience?: number;
  /** Epochs after a reduction that are not counted. Default 0. */
  cooldown?: number;
  /** Smallest factor of the rates that the schedules give. Default 0. */
  minScale?: number;
}

/**
 * Multiplies all learning rates by `factor` (through `optimizer.lrScale`) when a score has not improved for more than `patience` epochs.
 * @example fit(model, train, { …, callbacks: [reduceOnPlateau({ monitor: "dev.loss", factor: 0.5, patience: 3 })] });
 */
export function reduceOnPlateau(options: ReduceOnPlateauOptions = {}): Callback {
  const op = "reduceOnPlateau";
  const names = ["factor", "patience", "cooldown", "minScale", ...monitorNames] as const;
  const { factor = 0.1, patience = 10, cooldown = 0, minScale = 0, ...how } = optionsOf(op, options, names);
  checkPatience(op, patience);
  if (!(factor > 0 && factor < 1))
    throw new ValueError(`${op}: factor must lie between 0 and 1 but is ${factor}`, { op, inputs: [factor] });
  for (const [name, value] of Object.entries({ cooldown, minScale })) {
    if (!(value >= 0)) throw new ValueError(`${op}: ${name} must be at least 0 but is ${value}`, { op, inputs: [value] });
  }
  const watch = monitored(op, how);
  let waited = 0;
  let cooling = 0;
  return {
    onTrainBegin() {
      watch.restart();
      waited = 0;
      cooling = 0;
    },
    onEpochEnd({ optimizer }, record) {
      const isBetter = watch.improves(record);
      if (cooling > 0) cooling--;
      else if (!isBetter) waited++;
      if (isBetter) waited = 0;
      if (waited <= patience) return;
      optimizer.lrScale = Math.max(optimizer.lrScale * factor, minScale);
      waited = 0;
      cooling = cooldown;
    },
    save: () => ({ data: { best: watch.best, waited, cooling } }),
    restore({ data }) {
      const fields = { best: isScore, waited: isCount, cooling: isCount };
      const before = savedData<{ best: number | null; waited: number; cooling: number }>(op, data, fields);
      return () => {
        watch.best = before.best;
        waited = before.waited;
        cooling = before.cooling;
      };
    },
  };
}
