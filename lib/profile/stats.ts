/** Counts of what nabla holds and has done. */
import { nativeInfo } from "../runtime/native.js";
import { currentDevice, programCache } from "../tensor/devices.js";

export interface Stats {
  readonly device: string;
  /** Instruction set of the kernels; null where they are TypeScript. */
  readonly isa: string | null;
  readonly threads: number;
  /** Bytes of tensors and variables; bytes that runs share for intermediate values and workspaces. */
  readonly memory: { readonly storages: number; readonly shared: number };
  /** Programs handed to the device, each in one crossing; those that have not ended. */
  readonly runs: { readonly submitted: number; readonly pending: number };
  /** Compiled programs that are kept; how often one was found there; how many were compiled. */
  readonly programs: { readonly kept: number; readonly found: number; readonly compiled: number };
}

/** What the current device holds and has done since the process started. */
export function stats(): Stats {
  const device = currentDevice();
  const { storageBytes, sharedBytes, submitted, pending } = device.stats();
  const { size, hits, misses } = programCache(device);
  const { isa, threads } = device.name === "cpu" ? nativeInfo() : { isa: null, threads: 1 };
  return {
    device: device.name,
    isa,
    threads,
    memory: { storages: storageBytes, shared: sharedBytes },
    runs: { submitted, pending },
    programs: { kept: size, found: hits, compiled: misses },
  };
}
