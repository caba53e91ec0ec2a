/** Writing files such that a crash leaves the old contents or the new, never half of them. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Replaces the file at `path`: writes beside it (contents, or what a function writes), waits until the bytes are on disk, then renames. */
export async function writeFileAtomic(path: string, contents: Uint8Array | string | ((file: FileHandle) => Promise<void>)): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
  try {
    const file = await open(beside, "wx");
    try {
      await (typeof contents === "function" ? contents(file) : file.writeFile(contents));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes the renaming itself durable, where the system lets folders be opened (Windows does not). */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
