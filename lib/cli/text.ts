/** Tables in a terminal. */

/** A header and rows as lines whose columns stand below each other; what looks like a number stands to the right. */
export function columns(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [header, ...rows];
  const widths = header.map((_, k) => Math.max(...all.map((row) => row[k].length)));
  const isNumber = header.map((_, k) => rows.length > 0 && rows.every((row) => /^[-\d.,]+( |$)/.test(row[k])));
  return all.map((row) =>
    row
      .map((text, k) => (isNumber[k] ? text.padStart(widths[k]) : text.padEnd(widths[k])))
      .join("  ")
      .trimEnd(),
  );
}
