/**
 * The reference device: runs programs in plain TypeScript loops. It is the oracle of the tests, the pure-JavaScript side
 * of the benchmarks, and the announced fallback where no native binary serves.
 *
 * A run happens inside `run()`, on the calling thread; only its completion is reported later.
 */
import { arrayOf, bytesPerElement, type TypedArray } from "../../base/dtype.js";
import { DeviceError, type NablaError, OutOfMemoryError } from "../../base/errors.js";
import {
  type Device,
  type DeviceStats,
  type Executable,
  failureError,
  type InstructionRecord,
  maxRecords,
  type Storage,
  type Ticket,
} from "../device.js";
import { isKernelName, kernels } from "../kernels.js";
import type { BufferSpec, Program } from "../program.js";
import { interpret } from "./interpret.js";
import { validate } from "./validate.js";

class ReferenceStorage implements Storage {
  /** Null once freed. */
  memory: ArrayBuffer | null;
  /** What made the run fail that should have written it: whoever reads it fails for the same reason. */
  failure: NablaError | null = null;

  constructor(
    readonly device: ReferenceDevice,
    readonly bytes: number,
  ) {
    this.memory = newMemory(bytes);
  }
}

class ReferenceExecutable implements Executable {
  /** Scratch of all runs: they follow one another. */
  readonly arena: ArrayBuffer;
  /** The storages each run must bring. */
  readonly placed: readonly BufferSpec[];
  /** May stop halfway: states are put back then. */
  readonly fallible: boolean;

  constructor(
    readonly device: ReferenceDevice,
    readonly program: Program,
  ) {
    this.arena = newMemory(program.arenaBytes);
    this.placed = program.buffers.filter(({ kind }) => kind !== "arena");
    this.fallible = program.instructions.some(({ kernel }) => isKernelName(kernel) && kernels[kernel].fallible);
  }
}

/** Memory full of ones, which read as NaN, so that reading what was never written shows. */
function newMemory(bytes: number): ArrayBuffer {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new DeviceError(`reference: cannot allocate ${bytes} bytes`, { inputs: [bytes] });
  try {
    const memory = new ArrayBuffer(bytes);
    new Uint8Array(memory).fill(0xff);
    return memory;
  } catch (cause) {
    throw new OutOfMemoryError(`reference: cannot allocate ${bytes} bytes`, { inputs: [bytes], cause });
  }
}

const bytesOf = (array: TypedArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export class ReferenceDevice implements Device {
  readonly name = "reference";
  /** Always 0: a run has ended when `run` returns. */
  readonly pending = 0;
  private lastTicket: Ticket = 0;
  private storageBytes = 0;
  /** Unreachable storages count as freed. */
  private readonly lost = new FinalizationRegistry<number>((bytes) => {
    this.storageBytes -= bytes;
  });
  private records: InstructionRecord[] | null = null;
  private readonly failures = new Map<Ticket, NablaError>();

  allocate(bytes: number): Storage {
    const storage = new ReferenceStorage(this, bytes);
    this.storageBytes += bytes;
    this.lost.register(storage, bytes, storage);
    return storage;
  }

  write(storage: Storage, source: TypedArray): void {
    const own = this.open(storage, source.byteLength);
    new Uint8Array(own.memory).set(bytesOf(source));
  }

  read(storage: Storage, target: TypedArray): void {
    const own = this.open(storage, target.byteLength);
    if (own.failure !== null) throw own.failure;
    bytesOf(target).set(new Uint8Array(own.memory, 0, target.byteLength));
  }

  free(storage: Storage): void {
    const own = this.owned(storage);
    if (own.memory === null) return;
    own.memory = null;
    this.storageBytes -= own.bytes;
    this.lost.unregister(own);
  }

  prepare(program: Program): Executable {
    validate(program);
    return new ReferenceExecutable(this, program);
  }

  run(executable: Executable, storages: readonly Storage[], uniforms: Float64Array): Ticket {
    if (!(executable instanceof ReferenceExecutable) || executable.device !== this) {
      throw new DeviceError("reference: the program was prepared by another device");
    }
    const { program, placed } = executable;
    if (uniforms.length !== program.uniformCount) {
      throw new DeviceError(`reference: the program takes ${program.uniformCount} uniforms but received ${uniforms.length}`);
    }
    for (const { place } of placed) {
      if (place >= storages.length) throw new DeviceError(`reference: the program has storage ${place} but received ${storages.length}`);
    }
    const at = ({ place, size, dtype }: BufferSpec) => this.open(storages[place], size * bytesPerElement[dtype]);
    const memory = program.buffers.map((buffer) => {
      const [bytes, start] = buffer.kind === "arena" ? [executable.arena, buffer.place] : [at(buffer).memory, 0];
      return new (arrayOf(buffer.dtype))(bytes, start, buffer.size);
    });

    const ticket = ++this.lastTicket;
    const failure =
      placed
        .filter(({ kind }) => kind !== "output")
        .map((buffer) => at(buffer).failure)
        .find((failure) => failure !== null) ?? this.attempt(executable, memory, uniforms, ticket);
    if (failure !== null) this.failures.set(ticket, failure);
    for (const buffer of placed) if (buffer.kind === "output") at(buffer).failure = failure;
    return ticket;
  }

  async settled(ticket: Ticket): Promise<void> {
    await null;
    this.wait(ticket);
  }

  wait(ticket: Ticket): void {
    if (!(ticket >= 0 && ticket <= this.lastTicket)) throw new DeviceError(`reference: there is no run ${ticket}`, { inputs: [ticket] });
    const failure = this.failures.get(ticket);
    if (failure !== undefined) throw failure;
  }

  stats(): DeviceStats {
    return { storageBytes: this.storageBytes, sharedBytes: 0, submitted: this.lastTicket, pending: 0 };
  }

  startRecording(): void {
    this.records = [];
  }

  stopRecording(): InstructionRecord[] {
    const records = this.records ?? [];
    this.records = null;
    return records;
  }

  /** Runs a program; if it fails, states are as they were and the failure is returned. */
  private attempt(
    { program, fallible }: ReferenceExecutable,
    memory: readonly TypedArray[],
    uniforms: Float64Array,
    run: Ticket,
  ): NablaError | null {
    const states = memory
      .filter((_, i) => fallible && program.buffers[i].kind === "state")
      .map((state) => ({ state, before: state.slice() }));
    const { records } = this;
    const failure = interpret(
      program,
      memory,
      uniforms,
      records &&
        ((instruction, start, duration) => {
          if (records.length < maxRecords) records.push({ run, program, instruction, start, duration });
        }),
    );
    if (failure === null) return null;
    for (const { state, before } of states) state.set(before);
    return failureError(program, failure);
  }

  private owned(storage: Storage): ReferenceStorage {
    if (storage instanceof ReferenceStorage && storage.device === this) return storage;
    throw new DeviceError(`reference: the storage belongs to ${storage?.device?.name ?? "no device"}`);
  }

  /** A storage of this device that is not freed and holds at least `bytes`. */
  private open(storage: Storage, bytes: number): ReferenceStorage & { memory: ArrayBuffer } {
    const own = this.owned(storage);
    if (own.memory === null) throw new DeviceError("reference: the storage has been freed");
    if (own.bytes < bytes)
      throw new DeviceError(`reference: the storage has ${own.bytes} bytes, ${bytes} are needed`, { inputs: [own.bytes, bytes] });
    return own as ReferenceStorage & { memory: ArrayBuffer };
  }
}
