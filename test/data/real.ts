/** Tests with real data run where the data are, and say by name which they miss elsewhere. */
import { describe } from "vitest";
import { lookForData } from "../../examples/find-data.js";

/** A suite that needs the data set `name`; `body` gets its folder. */
export function describeWithData(name: string, title: string, body: (folder: string) => void): void {
  const folder = lookForData(name);
  if (folder !== null) describe(title, () => body(folder));
  else {
    console.warn(`SKIPPED "${title}": the data set ${name} is not there; set NABLA_DATA to the folder that holds it`);
    describe.skip(`${title} (no data set ${name})`, () => body(""));
  }
}
