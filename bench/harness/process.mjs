/** A contender's process: started with one setting, asked one thing at a time, ended. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** @import { Setting } from "../contenders/index.mjs" */

export class ContenderProcess {
  #child;
  #replies;

  /** @param {Setting} setting */
  constructor({ command, args, env }) {
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "ignore", "pipe", "pipe"] });
    this.#child.on("error", () => {});
    this.#child.stdin.on("error", () => {});
    this.complaints = "";
    this.#child.stderr.on("data", (chunk) => {
      this.complaints = (this.complaints + chunk).slice(-2000);
    });
    const replies = /** @type {import("node:stream").Readable} */ (this.#child.stdio[3]);
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
    this.#child.stdin.write(`${JSON.stringify({ name, ...details })}\n`);
    return this.#reply();
  }

  end() {
    this.#child.stdin.end();
  }

  async #reply() {
    const { value, done } = await this.#replies.next();
    if (done) throw new Error(`ended early: ${this.complaints.trim().split("\n").at(-1) || "without a word"}`);
    const reply = JSON.parse(value);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }
}
