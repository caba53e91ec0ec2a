/** Options objects: a name that a function does not know is refused, so that no option is misspelt unnoticed. */
import { describe, ValueError } from "./errors.js";

/** Lists of names to which none of these options is missing; others do not compile. */
type Complete<Options, Names extends readonly string[]> = [Exclude<keyof Options, Names[number]>] extends [never]
  ? unknown
  : { readonly missing: Exclude<keyof Options, Names[number]> };

/**
 * The options as they were given; undefined ones count as not given.
 * @example const { slope = 0.01 } = optionsOf("leakyRelu", options, ["slope"]);
 * @throws ValueError if they are no object, or one of them is not among `names`.
 */
export function optionsOf<Options extends object, const Names extends readonly (keyof Options & string)[]>(
  op: string,
  given: Options,
  names: Names & Complete<Options, Names>,
): Options {
  checkOptions(op, given, names);
  return given;
}

/** {@link optionsOf} where the compiler cannot know whether the names are complete. */
export function checkOptions(op: string, given: object, names: readonly string[]): void {
  if (typeof given !== "object" || given === null) refuseValue(op, given, names);
  for (const name in given) if (!names.includes(name)) refuseName(op, name, given as Record<string, unknown>, names);
}

/**
 * All options: those that are not given are the defaults.
 * @throws ValueError as {@link optionsOf}, or if one is no number or boolean where its default is; functions may stand for numbers.
 */
export function settle<Options extends object>(op: string, given: Options, defaults: Required<Options>): Required<Options> {
  checkOptions(op, given, Object.keys(defaults));
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of entries) {
    const kind = typeof defaults[name as keyof Options];
    if ((kind !== "number" && kind !== "boolean") || typeof value === kind || typeof value === "function") continue;
    throw new ValueError(`${op}: ${name} must be ${kind === "number" ? "a number" : "true or false"} but is ${describe(value)}`, {
      op,
      inputs: [value],
    });
  }
  return { ...defaults, ...Object.fromEntries(entries) };
}

function refuseValue(op: string, given: unknown, names: readonly string[]): never {
  throw new ValueError(`${op}: expected options { ${names.join(", ")} } but received ${describe(given)}`, { op, inputs: [given] });
}

function refuseName(op: string, name: string, given: Record<string, unknown>, names: readonly string[]): void {
  const value = given[name];
  if (value === undefined) return;
  if (![Object.prototype, null].includes(Object.getPrototypeOf(given))) refuseValue(op, given, names); // a tensor, an array
  const meant = nearest(name, names);
  const mend = meant === undefined ? "there are" : `did you mean ${meant}? There are`;
  throw new ValueError(`${op}: there is no option ${name}; ${mend} ${names.join(", ")}`, { op, inputs: [name, value] });
}

/** The name that is probably meant: nearly the same, a part of the other, or what its words begin with (learningRate: lr). */
function nearest(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.replaceAll("_", "").toLowerCase();
  const given = plain(name);
  const initials = plain((name.match(/^.|[A-Z]|(?<=_)./g) ?? []).join(""));
  const ranked = names.flatMap((known) => {
    const other = plain(known);
    const [short, long] = given.length < other.length ? [given, other] : [other, given];
    const isPart = (short.length > 2 && long.includes(short)) || (initials.length > 1 && initials === other);
    const distance = isPart ? 1 : editDistance(given, other);
    return distance <= long.length / 3 || isPart ? [{ known, distance }] : [];
  });
  return ranked.sort((a, b) => a.distance - b.distance)[0]?.known;
}

/** Letters to insert, delete, replace or exchange with their neighbour. Source: Damerau 1964. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}
