/** What optimizers ask of the numbers they are given. */
import { ValueError } from "../base/errors.js";

/** Throws unless `value` is a number in [0, below), `below` being 1 for rates of decay; gives it back. */
export function checkNumber(op: string, name: string, value: number, below = Number.POSITIVE_INFINITY): number {
  if (typeof value === "number" && value >= 0 && value < below) return value;
  const expected = below < Number.POSITIVE_INFINITY ? `at least 0 and less than ${below}` : "finite and at least 0";
  throw new ValueError(`${op}: ${name} must be ${expected} but is ${value}`, { op, inputs: [value] });
}
