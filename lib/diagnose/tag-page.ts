/** A page on this machine on which errors are tagged by hand; every change is in the CSV file at once. */
import { existsSync } from "node:fs";
import { optionsOf } from "../base/options.js";
import { escapeText } from "../plot/index.js";
import { answer, LocalServer, page, table } from "../report/index.js";
import type { ErrorAnalysis, ErrorRow } from "./error-analysis.js";

export interface TagPageOptions {
  /** The CSV file that keeps the tags; what it holds already is shown. */
  readonly path: string;
  /** Causes offered; any others can be written. */
  readonly causes?: readonly string[];
  /** Default 0: any that is free. */
  readonly port?: number;
  /** Default 127.0.0.1, which no other machine reaches. */
  readonly host?: string;
}

const script = `
const token = new URLSearchParams(location.search).get("token");
addEventListener("change", async ({ target }) => {
  const row = target.closest("tr");
  const [tags, note] = [...row.querySelectorAll("input")].map((input) => input.value);
  const body = JSON.stringify({ index: Number(row.cells[0].textContent), tags: tags.split(";").map((tag) => tag.trim()).filter(Boolean), note });
  const { ok } = await fetch("tag?token=" + token, { method: "POST", body });
  row.style.background = ok ? "#eaf6ec" : "#fbe9e7";
});`;

/**
 * Serves the page; resolves to its address, token included, and a function that ends it.
 * @example const { url, close } = await tagErrors(analysis, { path: "errors.csv", causes: ["blurred", "wrong label", "great cat"] });
 */
export async function tagErrors(
  analysis: ErrorAnalysis,
  options: TagPageOptions,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { path, causes = [], port = 0, host = "127.0.0.1" } = optionsOf("tagErrors", options, ["path", "causes", "port", "host"]);
  if (existsSync(path)) await analysis.readCsv(path);
  let saving = Promise.resolve();
  const server = new LocalServer({
    "GET /": (response) => answer(response, 200, draw(analysis, causes), "html"),
    "POST /tag": async (response, body) => {
      const { index, tags, note } = JSON.parse(body);
      analysis.tag(Number(index), tags.map(String), String(note));
      saving = saving.then(() => analysis.writeCsv(path));
      await saving;
      answer(response, 204, "");
    },
  });
  return { url: await server.listen(host, port), close: () => server.close() };
}

function draw({ rows }: ErrorAnalysis, causes: readonly string[]): string {
  const field = (name: string, value: string, list = "") => ({
    html: `<input aria-label="${name}" value="${escapeText(value)}"${list} size="24">`,
  });
  const body = table(rows, [
    { title: "example", value: ({ index }: ErrorRow) => index },
    { title: "", value: ({ picture }) => picture },
    { title: "label", value: ({ label }) => label },
    { title: "predicted", value: ({ predicted }) => predicted },
    { title: "causes, apart by ;", value: ({ tags }) => field("causes", tags.join("; "), ' list="causes"') },
    { title: "note", value: ({ note }) => field("note", note) },
  ]);
  const options = causes.map((cause) => `<option value="${escapeText(cause)}">`).join("");
  return page("Errors", [{ title: `${rows.length} to be tagged`, body: [`<datalist id="causes">${options}</datalist>`, body] }], {
    head: `<script>${script}</script>`,
  });
}
