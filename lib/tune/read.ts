/** A search that has been, out of its store. */
import { ValueError } from "../base/errors.js";
import { SearchResult } from "./result.js";
import { Store } from "./store.js";

/** What a store holds, finished or not. @throws {ValueError} if no search was begun there, none of its trials finished, or a process has it. */
export async function readSearch(path: string): Promise<SearchResult> {
  const op = "readSearch";
  const store = await Store.open(op, path);
  try {
    const begun = store.config("");
    if (begun === "") throw new ValueError(`${op}: no search was begun in ${path}`, { op, inputs: [path] });
    const { space, goal } = JSON.parse(begun);
    return new SearchResult(op, space, goal, store.trials());
  } finally {
    store.close();
  }
}
