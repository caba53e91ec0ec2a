/** A page on this machine alone: sends parts of it to whoever knows the token, and hands back what they press. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dashboardPage, type Part } from "./page.js";

export interface Action {
  readonly action: "pause" | "resume" | "stop" | "scale" | "rate";
  readonly value?: number;
}

const names: readonly Action["action"][] = ["pause", "resume", "stop", "scale", "rate"];
const mostBytes = 1024;

export class PageServer {
  private readonly token = randomBytes(16).toString("hex");
  private readonly listeners = new Set<ServerResponse>();
  /** What each part shows now, for those who come later. */
  private readonly shown: Partial<Record<Part, string>> = {};
  private readonly server: Server;
  url = "";

  constructor(private readonly act: (action: Action) => void) {
    this.server = createServer((request, response) => this.answer(request, response));
  }

  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, host, resolve);
    });
    this.server.unref();
    const { port: actual } = this.server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${actual}/?token=${this.token}`;
    return this.url;
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
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Referrer-Policy", "no-referrer"); // the token stands in the address
    const route = this.knows(searchParams.get("token") ?? "") ? `${request.method} ${pathname}` : "stranger";
    if (route === "stranger") end(response, 403, "this page needs the token that the program has printed");
    else if (route === "GET /") {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", Connection: "close" }).end(dashboardPage());
    } else if (route === "GET /stream") this.stream(request, response);
    else if (route === "POST /control") this.control(request, response);
    else end(response, 404, "there is nothing here");
  }

  private knows(token: string): boolean {
    const [given, own] = [Buffer.from(token), Buffer.from(this.token)];
    return given.length === own.length && timingSafeEqual(given, own);
  }

  private stream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(this.shown)}\n\n`);
    this.listeners.add(response);
    request.on("close", () => this.listeners.delete(response));
  }

  private control(request: IncomingMessage, response: ServerResponse): void {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (piece) => {
      text += piece;
      if (text.length > mostBytes) request.destroy();
    });
    request.on("end", () => {
      const action = parse(text);
      if (action === null) end(response, 400, `expected an action: ${names.join(", ")}; scale and rate with a value above 0`);
      else {
        this.act(action);
        end(response, 204, "");
      }
    });
  }
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", Connection: "close" }).end(text);
}

function parse(text: string): Action | null {
  try {
    const { action, value } = JSON.parse(text);
    if (!names.includes(action)) return null;
    const needsValue = action === "scale" || action === "rate";
    return needsValue && !(typeof value === "number" && value > 0 && Number.isFinite(value)) ? null : { action, value };
  } catch {
    return null;
  }
}
