/** The devices of this process: which one runs what is evaluated, and the programs each has made ready. */
import { DeviceError, ValueError } from "../base/errors.js";
import { log } from "../base/log.js";
import { type Compiled, compileGraph } from "../compile/compile.js";
import { printProgram } from "../compile/print.js";
import { type Graph, hashGraph, Signature } from "../graph/signature.js";
import type { Device, Executable } from "../runtime/device.js";
import { NativeDevice, nativeInfo, setThreads } from "../runtime/native.js";
import { ReferenceDevice } from "../runtime/reference/device.js";

/** `cpu`: native threads. `reference`: plain TypeScript, slow, the oracle of the tests. */
export type DeviceName = "cpu" | "reference";

const makers: Readonly<Record<DeviceName, () => Device>> = { cpu: () => new NativeDevice(), reference: () => new ReferenceDevice() };
const devices = new Map<DeviceName, Device>();
let wasChosen = process.env.NABLA_DEVICE !== undefined;
let currentName: DeviceName = deviceFromEnvironment();

function deviceFromEnvironment(): DeviceName {
  const name = process.env.NABLA_DEVICE ?? "cpu";
  if (!(name in makers)) throw new DeviceError(`NABLA_DEVICE is "${name}"; devices are ${Object.keys(makers).join(" and ")}`);
  return name as DeviceName;
}

/** The device that evaluates from now on; tensors that are already on another one stay there. Default: `cpu`, or `NABLA_DEVICE`. */
export function setDevice(name: DeviceName): void {
  if (!(name in makers))
    throw new ValueError(`setDevice: expected ${Object.keys(makers).join(" or ")} but received ${String(name)}`, { op: "setDevice" });
  currentName = name;
  wasChosen = true;
}

export function getDevice(): DeviceName {
  return currentName;
}

export { setThreads };

/** Threads that compute; at first `NABLA_THREADS`, or as many as there are processors. */
export function getThreads(): number {
  return nativeInfo().threads;
}

/** @internal The current device, started on first use. */
export function currentDevice(): Device {
  const device = devices.get(currentName) ?? start(currentName);
  devices.set(currentName, device);
  return device;
}

/** Where the native binary does not load and no device was asked for by name, the reference device stands in, and says so. */
function start(name: DeviceName): Device {
  try {
    return makers[name]();
  } catch (error) {
    if (!(error instanceof DeviceError) || name !== "cpu" || wasChosen) throw error;
    process.emitWarning(`${error.message} Running on the reference device, in plain TypeScript: correct, but hundreds of times slower.`, {
      code: "NABLA_REFERENCE",
    });
    return makers.reference();
  }
}

/** A graph compiled for a device, ready to run. */
export interface Prepared extends Compiled {
  readonly executable: Executable;
}

interface Entry {
  readonly signature: Signature;
  readonly prepared: Prepared;
  readonly bytes: number;
}

/** Programs by structure, least recently used first out when they outgrow the budget. */
class ProgramCache {
  hits = 0;
  misses = 0;
  private readonly entries = new Map<number, Entry[]>();
  private bytes = 0;

  constructor(
    private readonly device: Device,
    private readonly budget: number,
  ) {}

  /** Programs kept. */
  get size(): number {
    return [...this.entries.values()].reduce((count, bucket) => count + bucket.length, 0);
  }

  find(graph: Graph): Prepared {
    const hash = hashGraph(graph);
    const bucket = this.entries.get(hash);
    const entry = bucket?.find(({ signature }) => signature.matches(graph));
    if (bucket !== undefined && entry !== undefined) {
      this.hits++;
      this.entries.delete(hash);
      this.entries.set(hash, bucket);
      return entry.prepared;
    }
    this.misses++;
    return this.add(hash, graph);
  }

  private add(hash: number, graph: Graph): Prepared {
    const signature = new Signature(graph);
    const began = performance.now();
    const compiled = compileGraph(graph);
    const prepared = { ...compiled, executable: this.device.prepare(compiled.program) };
    const { instructions, arenaBytes } = compiled.program;
    log("compile", () => {
      const took = (performance.now() - began).toFixed(1);
      return `${graph.order.length} nodes, ${instructions.length} instructions, ${arenaBytes} bytes of intermediate values, ${took} ms`;
    });
    log("program", () => printProgram(compiled.program));
    const bytes = 500 * graph.order.length + 2000 * compiled.program.instructions.length;
    this.entries.set(hash, [...(this.entries.get(hash) ?? []), { signature, prepared, bytes }]);
    this.bytes += bytes;
    for (const [oldest, bucket] of this.entries) {
      if (this.bytes <= this.budget || oldest === hash) break;
      this.entries.delete(oldest);
      for (const old of bucket) this.bytes -= old.bytes;
    }
    return prepared;
  }
}

const cacheBudget = 64 * 1024 * 1024;
const caches = new Map<Device, ProgramCache>();

/** @internal */
export function programCache(device: Device): ProgramCache {
  const cache = caches.get(device) ?? new ProgramCache(device, cacheBudget);
  caches.set(device, cache);
  return cache;
}
