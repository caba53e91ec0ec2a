/**
 * What a device is: the dozen functions that the native CPU, the TypeScript reference and later CUDA each provide.
 * Nothing above this file knows which of them it talks to.
 */
import type { TypedArray } from "../base/dtype.js";
import { IndexError, type NablaError, OutOfMemoryError } from "../base/errors.js";
import type { Program } from "./program.js";

/** Bytes owned by a device. */
export interface Storage {
  readonly device: Device;
  readonly bytes: number;
}

/** A program that a device has validated and made ready. */
export interface Executable {
  readonly program: Program;
}

/** Number of a submitted run; runs of a device finish in the order of their tickets. 0 stands for "before any run". */
export type Ticket = number;

/** Counts of a device since it was started. */
export interface DeviceStats {
  /** Bytes of storages that have not been freed, of the whole process. */
  readonly storageBytes: number;
  /** Bytes that runs share: intermediate values and the workspaces of kernels. */
  readonly sharedBytes: number;
  /** Runs, each of which crossed into the device once, and those that have not ended. */
  readonly submitted: number;
  readonly pending: number;
}

/** An instruction that ran. */
export interface InstructionRecord {
  readonly run: Ticket;
  readonly program: Program;
  readonly instruction: number;
  /** Milliseconds, `start` on the clock of `process.hrtime`. */
  readonly start: number;
  readonly duration: number;
}

export interface Device {
  /** `cpu`, `reference`. */
  readonly name: string;
  /** Fresh storage; contents are undefined. Throws {@link OutOfMemoryError}. */
  allocate(bytes: number): Storage;
  /** Fills a storage that no run has used yet. */
  write(storage: Storage, source: TypedArray): void;
  /** Copies a storage out. Runs that write it must have settled. */
  read(storage: Storage, target: TypedArray): void;
  /** Gives the bytes back as soon as no queued run needs them. Unreachable storages free themselves. */
  free(storage: Storage): void;
  /** Validates a program and makes it ready to run. Throws {@link DeviceError} if it is malformed. */
  prepare(program: Program): Executable;
  /** Queues a run: one storage for each place of the program's inputs, outputs and states. Returns at once. */
  run(executable: Executable, storages: readonly Storage[], uniforms: Float64Array): Ticket;
  /** Resolves when the run has ended and its outputs can be read; rejects with what made it fail. */
  settled(ticket: Ticket): Promise<void>;
  /** Blocks until the run has ended; throws what made it fail. */
  wait(ticket: Ticket): void;
  /** Runs submitted and not ended yet. */
  readonly pending: number;
  stats(): DeviceStats;
  /** Records every instruction of the runs submitted from now on, the first million, until {@link stopRecording}. */
  startRecording(): void;
  /** Ends the recording; runs that have not ended are missing from it. */
  stopRecording(): InstructionRecord[];
}

/** Most instructions that a recording holds. */
export const maxRecords = 1_000_000;

/** What a device reports of a run that failed. */
export interface RunFailure {
  readonly instruction: number;
  /** `index`: `value` is not in [0, `limit`). `out-of-memory`: `value` bytes were needed beside the storages. */
  readonly code: "index" | "out-of-memory";
  readonly value: number;
  readonly limit: number;
}

/** The error a user sees for a failed run. */
export function failureError(program: Program, failure: RunFailure): NablaError {
  if (failure.code === "out-of-memory") {
    return new OutOfMemoryError(
      `there is no memory for a run's intermediate values, which take ${failure.value} bytes; use smaller batches`,
      { inputs: [failure.value] },
    );
  }
  const op = program.instructions[failure.instruction]?.label ?? "?";
  return new IndexError(
    `${op}: index ${failure.value} is out of range: it must be at least 0 and below ${failure.limit}. Are the labels numbered from 0, and is there an output for each class?`,
    { op, inputs: [failure.value, failure.limit] },
  );
}
