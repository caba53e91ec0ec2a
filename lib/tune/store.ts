/** The durable record of a search, in one SQLite file: what is written there has happened, whatever becomes of the process. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { ValueError } from "../base/errors.js";
import { optional } from "../data/optional.js";
import type { Params } from "./space.js";

/** finished: it gave its score. stopped: ended early, as others were better at the same point. failed: it threw. running: under way, or interrupted. */
export type TrialState = "running" | "finished" | "stopped" | "failed";

export interface Trial {
  /** From 0. */
  readonly number: number;
  readonly params: Params;
  readonly state: TrialState;
  /** Its score; of a stopped trial the last one reported; null if there is none. */
  readonly value: number | null;
  readonly seconds: number;
  /** Why it failed. */
  readonly error: string | null;
  /** Scores on the way: how much had been spent (epochs), and the score then. */
  readonly reports: readonly { readonly spent: number; readonly value: number }[];
}

/** As much of the package `node-sqlite3-wasm` as is used here. */
interface Database {
  exec(sql: string): void;
  run(sql: string, values?: readonly (string | number | null)[]): unknown;
  all(sql: string, values?: readonly (string | number | null)[]): Record<string, string | number | null>[];
  close(): void;
}

const schema = `
  CREATE TABLE IF NOT EXISTS search (config TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS trials (
    number INTEGER PRIMARY KEY, params TEXT NOT NULL, state TEXT NOT NULL, value REAL, seconds REAL NOT NULL DEFAULT 0, error TEXT
  );
  CREATE TABLE IF NOT EXISTS reports (trial INTEGER, spent REAL, value REAL, PRIMARY KEY (trial, spent));`;

/** Files this process has open: the process number alone would not tell a second search in it from one that a former process left. */
const open = new Set<string>();

export class Store {
  private constructor(
    readonly path: string,
    private readonly database: Database,
  ) {}

  /**
   * Opens or makes a store. One process at a time may have it.
   * @throws {ValueError} if another process has it, or this one already.
   */
  static async open(op: string, path: string): Promise<Store> {
    const { default: sqlite } = await optional<{ default: { Database: new (path: string) => Database } }>(
      op,
      "stores of trials",
      "node-sqlite3-wasm",
    );
    const full = resolve(path);
    mkdirSync(dirname(full), { recursive: true });
    await takeOver(op, full);
    const database = new sqlite.Database(full);
    database.exec(schema);
    return new Store(full, database);
  }

  close(): void {
    this.database.close();
    rmSync(ownerFile(this.path));
    open.delete(this.path);
  }

  /** What the search is, as it was begun; begins it if the store is new. */
  config(begun: string): string {
    const [row] = this.database.all("SELECT config FROM search");
    if (row !== undefined) return row.config as string;
    this.database.run("INSERT INTO search VALUES (?)", [begun]);
    return begun;
  }

  begin(number: number, params: Params): void {
    this.database.run("INSERT OR IGNORE INTO trials (number, params, state) VALUES (?, ?, 'running')", [number, JSON.stringify(params)]);
  }

  report(number: number, spent: number, value: number): void {
    this.database.run("INSERT OR REPLACE INTO reports VALUES (?, ?, ?)", [number, spent, value]);
  }

  end(number: number, { state, value, seconds, error }: Pick<Trial, "state" | "value" | "seconds" | "error">): void {
    const values = [state, value, seconds, error, number];
    this.database.run("UPDATE trials SET state = ?, value = ?, seconds = seconds + ?, error = ? WHERE number = ?", values);
  }

  trials(): Trial[] {
    const reports = this.database.all("SELECT trial, spent, value FROM reports ORDER BY trial, spent") as Record<string, number>[];
    return this.database.all("SELECT * FROM trials ORDER BY number").map((row) => ({
      number: row.number as number,
      params: JSON.parse(row.params as string),
      state: row.state as TrialState,
      value: row.value as number | null,
      seconds: row.seconds as number,
      error: row.error as string | null,
      reports: reports.filter(({ trial }) => trial === row.number).map(({ spent, value }) => ({ spent, value })),
    }));
  }
}

const ownerFile = (path: string) => `${path}.owner`;

/** Milliseconds that a process which was killed is given to be gone. */
const patience = 2000;

/** Claims the file for this process. The lock that a killed process has left, a folder beside the file, goes with its claim. */
async function takeOver(op: string, path: string): Promise<void> {
  const file = ownerFile(path);
  const owner = existsSync(file) ? Number(readFileSync(file, "utf8")) : process.pid;
  const end = performance.now() + patience;
  while (owner !== process.pid && isAlive(owner) && performance.now() < end) await setTimeout(50);
  if (open.has(path) || (owner !== process.pid && isAlive(owner))) {
    throw new ValueError(`${op}: ${path} is in use by process ${owner}; wait for it, or delete ${file} if that is no search of nabla`, {
      op,
      inputs: [path],
    });
  }
  rmSync(`${path}.lock`, { recursive: true, force: true });
  writeFileSync(file, String(process.pid));
  open.add(path);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8")); // one that has ended and that nobody has asked about
  } catch {
    return true; // a system without /proc
  }
}
