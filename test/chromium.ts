/** A browser without a window, driven through two pipes by Chromium's DevTools protocol. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const names = ["chromium", "chromium-browser", "google-chrome"];
const found = names.find((name) => spawnSync(name, ["--version"]).status === 0);
if (found === undefined) console.warn(`SKIPPED what needs a browser: none of ${names.join(", ")} is installed`);
export const hasBrowser = found !== undefined;

export class Browser {
  private readonly folder = mkdtempSync(join(tmpdir(), "nabla-browser-"));
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, (answer: { result?: unknown; error?: { message: string } }) => void>();
  private sent = 0;
  private session: string | undefined;

  private constructor() {
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${this.folder}`];
    this.child = spawn(found!, [...flags, "--remote-debugging-pipe", "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    let rest = "";
    (this.child.stdio[4] as Readable).setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop()!;
      for (const message of messages.map((one) => JSON.parse(one))) this.waiting.get(message.id)?.(message);
    });
  }

  /** Opens a page of the given size in a browser of its own. */
  static async open(url: string, width: number, height: number): Promise<Browser> {
    const browser = new Browser();
    const { targetId } = await browser.ask("Target.createTarget", { url: "about:blank" });
    browser.session = (await browser.ask("Target.attachToTarget", { targetId, flatten: true })).sessionId as string;
    await browser.ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 500 });
    await browser.ask("Page.navigate", { url });
    return browser;
  }

  private ask(method: string, params: object): Promise<Record<string, unknown>> {
    const id = ++this.sent;
    (this.child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId: this.session })}\0`);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ result, error }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result as Record<string, unknown>),
      );
    });
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    return (result as { value: unknown }).value;
  }

  /** Waits until an expression in the page is true. */
  async until(expression: string): Promise<void> {
    const end = performance.now() + 20_000;
    while ((await this.evaluate(expression)) !== true) {
      if (performance.now() > end) throw new Error(`the page never came to: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.ask("Page.captureScreenshot", { captureBeyondViewport: true });
    return Buffer.from(data as string, "base64");
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("close", resolve));
    this.session = undefined;
    this.ask("Browser.close", {}).catch(() => {}); // its other processes end with it, and write no more
    await ended;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
