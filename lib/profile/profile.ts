/** Where the time of training goes: each instruction of each program, as a table and as a trace for a viewer. */
import { inspect } from "node:util";
import { TraceError } from "../base/errors.js";
import { writeFileAtomic } from "../io/index.js";
import type { InstructionRecord } from "../runtime/device.js";
import { currentDevice } from "../tensor/devices.js";

/** All instructions of one op and one kernel together. */
export interface ProfileRow {
  /** The op that was written: `matmul`; a fused chain of them: `mul+sub`. */
  readonly op: string;
  readonly kernel: string;
  readonly calls: number;
  readonly milliseconds: number;
  /** Part of the time of all instructions. */
  readonly share: number;
}

/** What was recorded while a function ran. */
export class Profile<T = unknown> {
  constructor(
    /** What the function returned. */
    readonly result: T,
    /** Wall-clock time of the function. */
    readonly milliseconds: number,
    /** Each instruction of each run, in order. */
    readonly records: readonly InstructionRecord[],
  ) {}

  /** Runs of programs that were recorded. */
  get runs(): number {
    return new Set(this.records.map(({ run }) => run)).size;
  }

  /** Time by op and kernel, the longest first. */
  get rows(): ProfileRow[] {
    const rows = new Map<string, { op: string; kernel: string; calls: number; milliseconds: number }>();
    let total = 0;
    for (const { program, instruction, duration } of this.records) {
      const { label, kernel } = program.instructions[instruction];
      const key = `${label} ${kernel}`;
      const row = rows.get(key) ?? { op: label, kernel, calls: 0, milliseconds: 0 };
      rows.set(key, row);
      row.calls++;
      row.milliseconds += duration;
      total += duration;
    }
    return [...rows.values()].sort((a, b) => b.milliseconds - a.milliseconds).map((row) => ({ ...row, share: row.milliseconds / total }));
  }

  /**
   * Writes the recording in Chrome's trace format, a bar for each run and below it one for each instruction; opens in Perfetto
   * (https://ui.perfetto.dev) and chrome://tracing. Source: "Trace Event Format", complete events.
   */
  async writeTrace(path: string): Promise<void> {
    const from = this.records[0]?.start ?? 0;
    const event = (name: string, tid: number, start: number, duration: number, args: object) =>
      ({ name, ph: "X", pid: 1, tid, ts: (start - from) * 1e3, dur: duration * 1e3, args }) as const;
    const named = (tid: number, name: string) => ({ name: "thread_name", ph: "M", pid: 1, tid, args: { name } });
    const runs = new Map<number, { start: number; end: number; instructions: number }>();
    const instructions = this.records.map(({ run, program, instruction, start, duration }) => {
      const seen = runs.get(run) ?? { start, end: start, instructions: program.instructions.length };
      runs.set(run, { ...seen, end: start + duration });
      const { label, kernel, outputs } = program.instructions[instruction];
      return event(label, 2, start, duration, { kernel, shapes: outputs.map(({ shape }) => shape.join("×")) });
    });
    const bars = [...runs].map(([run, { start, end, ...args }]) => event(`run ${run}`, 1, start, end - start, args));
    await writeFileAtomic(path, JSON.stringify({ traceEvents: [named(1, "runs"), named(2, "instructions"), ...bars, ...instructions] }));
  }

  [inspect.custom](): string {
    const busy = this.rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const lines = this.rows.map(({ op, kernel, calls, milliseconds, share }) =>
      [
        milliseconds.toFixed(2).padStart(10),
        `${(100 * share).toFixed(1)} %`.padStart(8),
        String(calls).padStart(8),
        `${op}  (${kernel})`,
      ].join(" "),
    );
    const head = `${this.runs} runs in ${this.milliseconds.toFixed(1)} ms, ${busy.toFixed(1)} of them in instructions`;
    return [head, "        ms    share    calls  op (kernel)", ...lines].join("\n");
  }
}

let isActive = false;

/**
 * Runs `body`, waits for the programs it has started, and tells how long each of their instructions took on the current device.
 * @example console.log(await profile(() => fit(model, train, options)));
 * @throws {TraceError} inside another profile.
 */
export async function profile<T>(body: () => T | Promise<T>): Promise<Profile<T>> {
  if (isActive) throw new TraceError("profile: another profile is being recorded; one at a time", { op: "profile" });
  isActive = true;
  const device = currentDevice();
  const began = performance.now();
  device.startRecording();
  let result: T;
  let records: InstructionRecord[];
  try {
    result = await body();
    await device.settled(device.stats().submitted).catch(() => {}); // told to whoever reads the failed run's results
  } finally {
    records = device.stopRecording();
    isActive = false;
  }
  return new Profile(result, performance.now() - began, records);
}
