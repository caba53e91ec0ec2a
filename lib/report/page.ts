/** HTML pages that need nothing beside themselves: text, tables, drawings, pictures. */
import { optionsOf } from "../base/options.js";
import { encodePng, escapeText, type Picture } from "../plot/index.js";

/** A part of a page under a heading of its own; `body` is HTML, as {@link table} and {@link figure} make it. */
export interface Section {
  readonly title: string;
  readonly body: string | readonly string[];
}

/** HTML that is put into a page as it is. */
export interface Html {
  readonly html: string;
}

/** What a table shows of each row. */
export interface Column<Row> {
  readonly title: string;
  /** Text, which is escaped; numbers are shown in four digits and stand to the right; a picture is drawn. */
  readonly value: (row: Row, i: number) => Cell;
}

type Cell = string | number | Picture | Html | null;

const style = `
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #ddd; }
svg, img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; } figcaption { color: #666; font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #eee; text-align: left; vertical-align: middle; }
th { background: #fafafa; } td.number { text-align: right; }
td img { width: 56px; image-rendering: pixelated; display: block; }
@media (max-width: 40rem) { .wide svg { max-width: none; } } /* letters stay as large as they are: one scrolls */
pre { overflow-x: auto; background: #f6f6f6; padding: .6rem; font-size: .85rem; }`;

/** A whole page. `head` is added to the head of the document: scripts of pages that act. */
export function page(title: string, sections: readonly Section[], options: { head?: string } = {}): string {
  const { head = "" } = optionsOf("page", options, ["head"]);
  const parts = sections.map(
    ({ title: heading, body }) => `<section><h2>${escapeText(heading)}</h2>\n${[body].flat().join("\n")}\n</section>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title><style>${style}</style>${head}</head>
<body><h1>${escapeText(title)}</h1>
${parts.join("\n")}
</body></html>
`;
}

/** A table, a row each; where it is too wide for the screen it scrolls by itself. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cell = (value: Cell) => {
    if (value === null) return "<td></td>";
    if (typeof value === "number") return `<td class="number">${Number.isInteger(value) ? value : Number(value.toPrecision(4))}</td>`;
    if (typeof value === "string") return `<td>${escapeText(value)}</td>`;
    return `<td>${"html" in value ? value.html : image(value)}</td>`;
  };
  const head = columns.map(({ title }) => `<th>${escapeText(title)}</th>`).join("");
  const body = rows.map((row, i) => `<tr>${columns.map(({ value }) => cell(value(row, i))).join("")}</tr>`);
  return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>\n${body.join("\n")}\n</tbody></table></div>`;
}

/** A drawing with a line below it. */
export function figure(svg: string, caption = ""): string {
  return `<figure><div class="wide">${svg}</div><figcaption>${escapeText(caption)}</figcaption></figure>`;
}

function image(picture: Picture): string {
  return `<img alt="" src="data:image/png;base64,${Buffer.from(encodePng(picture)).toString("base64")}">`;
}
