/** The native CPU device, and the only file that knows the addon: loads it, and speaks its three classes. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { TypedArray } from "../base/dtype.js";
import { DeviceError, type NablaError, OutOfMemoryError, ValueError } from "../base/errors.js";
import {
  type Device,
  type DeviceStats,
  type Executable,
  failureError,
  type InstructionRecord,
  maxRecords,
  type RunFailure,
  type Storage,
  type Ticket,
} from "./device.js";
import { encodeProgram } from "./encode.js";
import { kernels } from "./kernels.js";
import { type Program, tileOps } from "./program.js";

/** A failure with the run in which it happened; runs that read what that one should have written fail with it. */
type NativeFailure = RunFailure & { readonly ticket: Ticket };

interface StorageHandle {
  /** What runs name it by. */
  readonly number: number;
  write(source: TypedArray): void;
  read(target: TypedArray): NativeFailure | undefined;
  free(): void;
  /** After `free`: memory anew. */
  allocate(bytes: number): void;
}

interface DeviceHandle {
  run(program: object, storages: Float64Array, uniforms: Float64Array, isAwaited: boolean): Ticket;
  wait(ticket: Ticket): void;
  settled(): Ticket;
  takeFailures(): (NativeFailure & { readonly run: Ticket })[] | undefined;
  /** Records up to `most` instructions from now on; 0 ends it. */
  record(most: number): void;
  /** Run, instruction, start and duration in nanoseconds, of each instruction recorded so far. */
  takeTimings(): Float64Array;
  ref(): void;
  unref(): void;
}

/** What the binary and the processor offer. */
export interface NativeInfo {
  /** Instruction set in use: `avx512`, `avx2`, `base`. */
  readonly isa: string;
  /** Those that this processor runs; `NABLA_ISA` chooses one. */
  readonly isas: readonly string[];
  readonly threads: number;
  readonly kernels: readonly string[];
  readonly tileOps: Readonly<Record<string, number>>;
  /** Bytes of all storages of the process, and of what runs share. */
  readonly storageBytes: number;
  readonly sharedBytes: number;
}

interface Addon {
  readonly Storage: new (bytes: number) => StorageHandle;
  readonly Program: new (words: Float64Array, names: readonly string[]) => object;
  readonly Device: new (onSettled: () => void) => DeviceHandle;
  info(): NativeInfo;
  setThreads(threads: number): void;
}

let loaded: Addon | null = null;

/** The addon, loaded on first use. Throws {@link DeviceError} where there is none that runs here. */
function addon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  let found: Addon;
  try {
    found = createRequire(import.meta.url)("node-gyp-build")(root);
  } catch (cause) {
    const { message } = cause as Error;
    if (message.startsWith("NABLA_")) throw new ValueError(message, { op: "load", cause }); // of the environment
    const platform = `${process.platform}-${process.arch}, Node ${process.versions.node}`;
    throw new DeviceError(
      `No native binary of nabla loads here (${platform}): ${message.split("\n")[0]}. In a clone, npm install builds it; it needs a C++17 compiler and CMake.`,
      { op: "load", cause },
    );
  }
  const offered = found.info();
  const unknown = Object.keys(kernels).filter((name) => !offered.kernels.includes(name));
  const differing = Object.entries(tileOps).filter(([name, arity]) => offered.tileOps[name] !== arity);
  if (unknown.length + differing.length > 0) {
    const names = [...unknown, ...differing.map(([name]) => name)].join(", ");
    throw new DeviceError(`The native binary of nabla is of another version: it lacks ${names}. In a clone, npm install builds it anew.`, {
      op: "load",
    });
  }
  return found;
}

export function nativeInfo(): NativeInfo {
  return addon().info();
}

/** Threads that compute, shared by the whole process; takes effect with the next run. Results do not depend on it. */
export function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 256)
    throw new ValueError(`setThreads: expected a whole number from 1 to 256 but received ${threads}`, {
      op: "setThreads",
      inputs: [threads],
    });
  addon().setThreads(threads);
}

class NativeStorage implements Storage {
  constructor(
    readonly device: NativeDevice,
    readonly bytes: number,
    /** Null once it has been freed: another storage may have it. */
    public handle: StorageHandle | null,
  ) {}
}

/** Handles of freed storages that wait for the next: one that is used again needs no collecting. */
const maxSpare = 64;

class NativeExecutable implements Executable {
  constructor(
    readonly device: NativeDevice,
    readonly program: Program,
    readonly handle: object,
  ) {
    this.numbers = new Float64Array(program.buffers.filter(({ kind }) => kind !== "arena").length);
  }

  /** Of the storages of the run that is being submitted. */
  readonly numbers: Float64Array;

  /** Runs of late for which the event loop did nothing but wait. */
  awaited = 0;
}

/** Runs in a row that must have been awaited, before the next are done by the thread that awaits them … */
const enoughAwaited = 4;
/** … until it is looked into again. */
const mostAwaited = 64;
/** Part of a run's time for which the event loop must have been idle. */
const mostlyIdle = 0.7;

/** How many failed runs are remembered: an old one's outputs still refuse to be read, but no longer say why. */
const maxFailures = 1000;

interface Waiter {
  readonly ticket: Ticket;
  readonly resolve: () => void;
  readonly reject: (error: NablaError) => void;
}

/** Milliseconds for which code that awaits only what has already been computed keeps timers and sockets waiting. */
const longestTurn = 1;

/** The event loop's turn: short runs have ended when they are awaited, and a loop of those alone would never let anything else happen. */
class Turn {
  private next: Promise<void> | null = null;
  private began = 0;

  /** The next turn, if this one has lasted long enough since the first call in it. */
  overdue(): Promise<void> | null {
    if (this.next !== null) return performance.now() - this.began > longestTurn ? this.next : null;
    this.began = performance.now();
    this.next = new Promise((resolve) =>
      setImmediate(() => {
        this.next = null;
        resolve();
      }),
    );
    return null;
  }
}

export class NativeDevice implements Device {
  readonly name = "cpu";
  private readonly addon = addon();
  private readonly handle: DeviceHandle;
  private submitted: Ticket = 0;
  /** Programs of the runs that may not have ended, to say which op failed; the first is that of run `firstProgram`. */
  private programs: Program[] = [];
  private firstProgram: Ticket = 1;
  private readonly failures = new Map<Ticket, NablaError>();
  private waiters: Waiter[] = [];
  private readonly turn = new Turn();
  private readonly spare: StorageHandle[] = [];
  private isRecording = false;
  private firstRecorded: Ticket = 1;
  /** A run that nothing else was under way with, and when it began. */
  private watched: { readonly executable: NativeExecutable; readonly ticket: Ticket; readonly time: number; readonly idle: number } | null =
    null;

  constructor() {
    this.handle = new this.addon.Device(() => this.onSettled());
  }

  get pending(): number {
    return this.submitted - this.handle.settled();
  }

  allocate(bytes: number): Storage {
    try {
      const spare = this.spare.pop();
      spare?.allocate(bytes);
      return new NativeStorage(this, bytes, spare ?? new this.addon.Storage(bytes));
    } catch (cause) {
      if ((cause as { code?: string }).code !== "out-of-memory") throw cause;
      throw new OutOfMemoryError(`cpu: there is no memory for a tensor of ${bytes} bytes`, { inputs: [bytes], cause });
    }
  }

  write(storage: Storage, source: TypedArray): void {
    this.handleOf(storage).write(source);
  }

  read(storage: Storage, target: TypedArray): void {
    const failure = this.handleOf(storage).read(target);
    if (failure === undefined) return;
    this.collectFailures();
    throw this.failures.get(failure.ticket) ?? new DeviceError(`cpu: the run that should have computed this tensor failed`);
  }

  free(storage: Storage): void {
    const handle = this.handleOf(storage);
    handle.free();
    (storage as NativeStorage).handle = null;
    if (this.spare.length < maxSpare) this.spare.push(handle);
  }

  prepare(program: Program): Executable {
    const { words, names } = encodeProgram(program);
    try {
      return new NativeExecutable(this, program, new this.addon.Program(words, names));
    } catch (cause) {
      const { code, message } = cause as { code?: string; message: string };
      if (code === "out-of-memory") throw new OutOfMemoryError(`cpu: there is no memory for the program itself`, { cause });
      throw new DeviceError(`cpu: the program is malformed: ${message}`, { cause });
    }
  }

  run(executable: Executable, storages: readonly Storage[], uniforms: Float64Array): Ticket {
    if (!(executable instanceof NativeExecutable) || executable.device !== this)
      throw new DeviceError("cpu: the program was prepared by another device");
    const { numbers } = executable;
    if (storages.length !== numbers.length)
      throw new DeviceError(`cpu: expected ${numbers.length} storages but received ${storages.length}`);
    for (let i = 0; i < numbers.length; i++) numbers[i] = this.handleOf(storages[i]).number;
    const isAlone = this.pending === 0;
    const isAwaited = isAlone && executable.awaited >= enoughAwaited;
    const time = performance.now();
    let ticket: Ticket;
    try {
      ticket = this.handle.run(executable.handle, numbers, uniforms, isAwaited);
    } catch (cause) {
      throw new DeviceError(`cpu: ${(cause as Error).message}`, { cause });
    }
    this.submitted = ticket;
    this.watch(executable, { isAlone, isAwaited, time });
    this.programs.push(executable.program);
    if (this.programs.length > 256 && !this.isRecording) this.forgetPrograms();
    return ticket;
  }

  settled(ticket: Ticket): Promise<void> {
    this.check(ticket);
    if (this.handle.settled() >= ticket) {
      this.collectFailures();
      const failure = this.failures.get(ticket);
      const turn = this.turn.overdue();
      if (turn === null) return failure === undefined ? Promise.resolve() : Promise.reject(failure);
      return turn.then(() => {
        if (failure !== undefined) throw failure;
      });
    }
    return new Promise((resolve, reject) => {
      if (this.waiters.length === 0) this.handle.ref(); // the process lives until this has been answered
      this.waiters.push({ ticket, resolve, reject });
    });
  }

  wait(ticket: Ticket): void {
    this.check(ticket);
    this.handle.wait(ticket);
    this.collectFailures();
    const failure = this.failures.get(ticket);
    if (failure !== undefined) throw failure;
  }

  stats(): DeviceStats {
    const { storageBytes, sharedBytes } = this.addon.info();
    return { storageBytes, sharedBytes, submitted: this.submitted, pending: this.pending };
  }

  startRecording(): void {
    this.isRecording = true;
    this.firstRecorded = this.submitted + 1;
    this.handle.record(maxRecords);
  }

  stopRecording(): InstructionRecord[] {
    this.handle.record(0);
    this.isRecording = false;
    const timings = this.handle.takeTimings();
    return Array.from({ length: timings.length / 4 }, (_, i) => {
      const [run, instruction, start, duration] = timings.subarray(4 * i, 4 * i + 4);
      return { run, program: this.programs[run - this.firstProgram], instruction, start: start / 1e6, duration: duration / 1e6 };
    }).filter(({ run }) => run >= this.firstRecorded); // an earlier recording's runs may have ended late
  }

  /**
   * Learns whether runs are awaited one by one by an event loop that has nothing else to do: those need no thread of their own, from
   * which they would have to come back.
   */
  private watch(executable: NativeExecutable, { isAlone, isAwaited, time }: { isAlone: boolean; isAwaited: boolean; time: number }): void {
    if (!isAlone) {
      if (this.watched !== null) this.watched.executable.awaited = 0;
      this.watched = null;
      executable.awaited = 0;
    } else if (isAwaited) {
      executable.awaited = executable.awaited < mostAwaited ? executable.awaited + 1 : enoughAwaited - 1;
    } else if (this.pending > 0) {
      this.watched = { executable, ticket: this.submitted, time, idle: performance.eventLoopUtilization().idle };
    }
  }

  private judgeWatched(): void {
    const { executable, time, idle } = this.watched!;
    this.watched = null;
    const isAwaited = performance.eventLoopUtilization().idle - idle >= mostlyIdle * (performance.now() - time);
    executable.awaited = isAwaited ? executable.awaited + 1 : 0;
  }

  /** Called by the addon, on this thread, after runs have ended. */
  private onSettled(): void {
    const settled = this.handle.settled();
    if (this.watched !== null && this.watched.ticket <= settled) this.judgeWatched();
    this.collectFailures();
    const ended = this.waiters.filter(({ ticket }) => ticket <= settled);
    if (ended.length === 0) return;
    this.waiters = this.waiters.filter(({ ticket }) => ticket > settled);
    if (this.waiters.length === 0) this.handle.unref();
    for (const { ticket, resolve, reject } of ended) {
      const failure = this.failures.get(ticket);
      if (failure === undefined) resolve();
      else reject(failure);
    }
  }

  /** Turns what native code reports into errors; a run that was given the outputs of a failed one fails with its error. */
  private collectFailures(): void {
    const reports = this.handle.takeFailures();
    if (reports === undefined) return;
    for (const { run, ...failure } of reports) {
      const program = this.programs[failure.ticket - this.firstProgram];
      const known = this.failures.get(failure.ticket);
      const error =
        known ?? (program === undefined ? new DeviceError(`cpu: run ${failure.ticket} failed`) : failureError(program, failure));
      this.failures.set(run, error);
    }
    for (const ticket of this.failures.keys()) {
      if (this.failures.size <= maxFailures) break;
      this.failures.delete(ticket);
    }
  }

  private forgetPrograms(): void {
    const settled = this.handle.settled();
    this.collectFailures();
    const ended = settled - this.firstProgram + 1;
    this.programs = this.programs.slice(ended);
    this.firstProgram += ended;
  }

  private check(ticket: Ticket): void {
    if (!(ticket >= 0 && ticket <= this.submitted)) throw new DeviceError(`cpu: there is no run ${ticket}`, { inputs: [ticket] });
  }

  private handleOf(storage: Storage): StorageHandle {
    if (!(storage instanceof NativeStorage && storage.device === this))
      throw new DeviceError(`cpu: the storage belongs to ${storage?.device?.name ?? "no device"}`);
    if (storage.handle === null) throw new DeviceError("cpu: the storage has been freed");
    return storage.handle;
  }
}
