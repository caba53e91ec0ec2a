/** Which nabla this is, and where. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of the package. */
export const home = fileURLToPath(new URL("../..", import.meta.url));

export const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string };
