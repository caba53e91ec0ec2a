/**
 * A contender's process: started with one setting, asked one thing at a time, ended. Between questions it is stopped: the
 * threads of some libraries spin for long after their work, on cores that are others' by then.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * @import { Readable, Writable } from "node:stream"
 * @import { Setting } from "../contenders/index.mjs"
 */

export class ContenderProcess {
  #child;
  #commands;
  #replies;
  #complaints = "";

  /** @param {Setting} setting */
  constructor({ command, args, env }) {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "ignore", "pipe", "pipe"] });
    const [stdin, , stderr, replies] = /** @type {[Writable, null, Readable, Readable]} */ (/** @type {unknown} */ (child.stdio));
    child.on("error", (error) => this.#complain(error.message));
    stdin.on("error", () => {}); // the process has ended; the missing reply says so
    stderr.on("data", (chunk) => this.#complain(chunk));
    this.pid = child.pid ?? 0; // 0 if it could not be started, of which the first reply tells
    this.#child = child;
    this.#commands = stdin;
    this.#replies = createInterface({ input: replies })[Symbol.asyncIterator]();
  }

  /** What the process says when its library is loaded. */
  async started() {
    return this.#reply();
  }

  /**
   * Asks and waits; throws what the contender could not do.
   * @param {string} name
   * @param {object} [details]
   */
  async ask(name, details) {
    this.#child.kill("SIGCONT");
    this.#commands.write(`${JSON.stringify({ name, ...details })}\n`);
    return this.#reply();
  }

  end() {
    this.#child.kill("SIGCONT");
    this.#commands.end();
  }

  /** @param {string} text */
  #complain(text) {
    this.#complaints = (this.#complaints + text).slice(-2000);
  }

  async #reply() {
    const { value, done } = await this.#replies.next();
    this.#child.kill("SIGSTOP");
    if (done) throw new Error(`ended early: ${this.#complaints.trim().split("\n").at(-1) || "without a word"}`);
    const reply = JSON.parse(value);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }
}
