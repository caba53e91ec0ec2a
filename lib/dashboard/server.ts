/** The server of the dashboard: sends parts of its page to whoever looks, and hands back what they press. */
import type { ServerResponse } from "node:http";
import { ValueError } from "../base/errors.js";
import { answer, LocalServer } from "../report/index.js";
import { dashboardPage, type Part } from "./page.js";

export interface Action {
  readonly action: "pause" | "resume" | "stop" | "scale" | "rate";
  readonly value?: number;
}

const names: readonly Action["action"][] = ["pause", "resume", "stop", "scale", "rate"];

export class PageServer {
  private readonly listeners = new Set<ServerResponse>();
  /** What each part shows now, for those who come later. */
  private readonly shown: Partial<Record<Part, string>> = {};
  private readonly server: LocalServer;

  constructor(act: (action: Action) => void) {
    this.server = new LocalServer({
      "GET /": (response) => answer(response, 200, dashboardPage(), "html"),
      "GET /stream": (response) => {
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        response.write(`data: ${JSON.stringify(this.shown)}\n\n`);
        this.listeners.add(response);
        response.on("close", () => this.listeners.delete(response));
      },
      "POST /control": (response, body) => {
        act(parse(body));
        answer(response, 204, "");
      },
    });
  }

  listen(host: string, port: number): Promise<string> {
    return this.server.listen(host, port);
  }

  /** Whether anybody looks. */
  get isWatched(): boolean {
    return this.listeners.size > 0;
  }

  send(parts: Readonly<Partial<Record<Part, string>>>): void {
    Object.assign(this.shown, parts);
    for (const listener of this.listeners) listener.write(`data: ${JSON.stringify(parts)}\n\n`);
  }

  async close(): Promise<void> {
    for (const listener of this.listeners) listener.end("event: end\ndata: \n\n");
    this.listeners.clear();
    await this.server.close();
  }
}

function parse(text: string): Action {
  const { action, value } = JSON.parse(text);
  const needsValue = action === "scale" || action === "rate";
  if (names.includes(action) && (!needsValue || (typeof value === "number" && value > 0 && Number.isFinite(value))))
    return { action, value };
  throw new ValueError(`expected an action: ${names.join(", ")}; scale and rate with a value above 0`, { op: "dashboard" });
}
