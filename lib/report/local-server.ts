/** A server for pages of one user on one machine: whoever does not know its token gets nothing. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers a request; `body` is what was sent with it. */
export type Route = (response: ServerResponse, body: string, request: IncomingMessage) => void | Promise<void>;

const mostBytes = 1e6;

export class LocalServer {
  private readonly token = randomBytes(16).toString("hex");
  private readonly server: Server;

  /** Routes by method and path: `GET /`. */
  constructor(private readonly routes: Readonly<Record<string, Route>>) {
    this.server = createServer((request, response) => this.receive(request, response));
  }

  /** Begins to listen; resolves to the address of the page, token included. The process does not stay for its sake. */
  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, host, resolve);
    });
    this.server.unref();
    const { port: actual } = this.server.address() as AddressInfo;
    return `http://${host.includes(":") ? `[${host}]` : host}:${actual}/?token=${this.token}`;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Referrer-Policy", "no-referrer"); // the token stands in the address
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const name = `${request.method} ${pathname}`;
    const route = Object.hasOwn(this.routes, name) ? this.routes[name] : undefined;
    if (!this.knows(searchParams.get("token") ?? "")) answer(response, 403, "this page needs the token that the program has printed");
    else if (route === undefined) answer(response, 404, "there is nothing here");
    else {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (piece) => {
        body += piece;
        if (body.length > mostBytes) request.destroy();
      });
      request.on("end", async () => {
        try {
          await route(response, body, request);
        } catch (error) {
          answer(response, 400, (error as Error).message);
        }
      });
    }
  }

  private knows(token: string): boolean {
    const [given, own] = [Buffer.from(token), Buffer.from(this.token)];
    return given.length === own.length && timingSafeEqual(given, own);
  }
}

/** A whole answer: a page where `type` is "html". */
export function answer(response: ServerResponse, status: number, text: string, type: "html" | "plain" = "plain"): void {
  response.writeHead(status, { "Content-Type": `text/${type}; charset=utf-8`, Connection: "close" }).end(text);
}
