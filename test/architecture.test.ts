/** The shape of the house: imports and includes only ever point down the list in docs/architecture.md, and no room repeats another. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) return filesUnder(path, ending);
    return ending.test(name) ? [path] : [];
  });
}

/** Rooms of the table in docs/architecture.md, top first; rooms in one row do not import each other. */
function rooms(prefix: string): string[][] {
  const table = readFileSync(join(root, "docs/architecture.md"), "utf8").split("## The rooms")[1].split("##")[0];
  return [...table.matchAll(/^\| (.*?) \|/gm)]
    .map(([, cell]) => [...cell.matchAll(/`([\w/.]+)`/g)].map(([, path]) => path).filter((path) => path.startsWith(prefix)))
    .filter((row) => row.length > 0);
}

function checkEdges(prefix: string, ending: RegExp, imports: (file: string, text: string) => string[]): void {
  const rows = rooms(prefix);
  const level = new Map(rows.flatMap((row, i) => row.map((room) => [room, i] as const)));
  const roomOf = (file: string) => rows.flat().find((room) => file === room || file.startsWith(`${room}/`));
  const wrong: string[] = [];
  for (const file of filesUnder(prefix, ending)) {
    const from = roomOf(file);
    expect(from, `${file} is in no room of docs/architecture.md`).toBeDefined();
    for (const target of imports(file, readFileSync(join(root, file), "utf8"))) {
      const to = roomOf(target);
      if (to === undefined || to === from) continue;
      if (level.get(to)! <= level.get(from!)!) wrong.push(`${file} → ${target}`);
    }
  }
  expect(wrong).toEqual([]);
}

it("TypeScript imports point down", () => {
  checkEdges("lib", /\.ts$/, (file, text) =>
    [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path]) =>
      relative(root, join(root, dirname(file), path)).replace(/\.js$/, ".ts"),
    ),
  );
});

it("C++ includes point down", () => {
  checkEdges("native", /\.(h|cpp)$/, (file, text) =>
    [...text.matchAll(/#include "([^"]+)"/g)].map(([, path]) => {
      const beside = join(dirname(file), path);
      try {
        statSync(join(root, beside));
        return beside;
      } catch {
        return join("native", path);
      }
    }),
  );
});

/** Lines of a file that say something: without comments, imports and brackets that stand alone, spaces squeezed. */
function telling(file: string): { text: string; line: number }[] {
  const code = readFileSync(join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|^import [^;]*;/gm, (text) => text.replace(/[^\n]/g, ""));
  return code
    .split("\n")
    .map((text, i) => ({
      text: text
        .replace(/\/\/.*$/, "")
        .replace(/\s+/g, " ")
        .trim(),
      line: i + 1,
    }))
    .filter(({ text }) => /\w/.test(text) && !/^(export \{|#include|using|namespace)/.test(text));
}

/** Runs of `length` telling lines that stand, to the letter, in two files of different folders. */
function repetitions(files: readonly string[], length: number): string[] {
  const seen = new Map<string, string>();
  const found: string[] = [];
  for (const file of files) {
    const lines = telling(file);
    for (let i = 0; i + length <= lines.length; i++) {
      const run = lines.slice(i, i + length);
      const key = run.map(({ text }) => text).join("\n");
      const place = `${file}:${run[0].line}`;
      const before = seen.get(key);
      if (before === undefined) seen.set(key, place);
      else if (dirname(before.split(":")[0]) !== dirname(file)) found.push(`${before} = ${place}`);
    }
  }
  return found;
}

it("no room repeats another at length", () => {
  const files = [...filesUnder("lib", /\.ts$/), ...filesUnder("native", /\.(h|cpp)$/)];
  expect(repetitions(files, 6)).toEqual([]);
});
