/** The part of a checkpoint that is no tensors, as far as a reader wants to know it. */
import type { EpochRecord } from "../train/index.js";

export interface TrainingSummary {
  readonly config: Readonly<Record<string, unknown>>;
  readonly position: { readonly epoch: number; readonly batch: number; readonly step: number };
  readonly history: readonly EpochRecord[];
}

/** Of the metadata of a safetensors file; null if it is no checkpoint. */
export function trainingOf(metadata: Readonly<Record<string, string>>): TrainingSummary | null {
  const text = metadata["nabla.checkpoint"];
  if (text === undefined) return null;
  const { config, position, history } = JSON.parse(text);
  return { config, position, history };
}
