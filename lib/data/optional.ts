/** Packages that read foreign formats: nabla does not depend on them, whoever reads such files installs them. */
import { DataError } from "../base/errors.js";

/** The package `name`, or a sentence saying how to get it. `T` is what it exports. */
export async function optional<T>(op: string, what: string, name: string): Promise<T> {
  try {
    return await import(/* @vite-ignore */ name);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (!/MODULE_NOT_FOUND$/.test(code ?? "") || !message.includes(name)) throw cause;
    throw new DataError(`${op}: ${what} are read by the package ${name}, which is not installed; run \`npm install ${name}\``, {
      op,
      inputs: [name],
      cause,
    });
  }
}
