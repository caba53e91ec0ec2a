/** Runs an example of examples/ in this process, reduced by its options, and returns the lines that it printed. */
import { vi } from "vitest";

export async function runExample(name: string, ...options: string[]): Promise<string[]> {
  const lines: string[] = [];
  const print = vi.spyOn(console, "log").mockImplementation((...values) => void lines.push(values.join(" ")));
  const before = process.argv;
  process.argv = ["node", name, ...options];
  try {
    await import(`../../examples/${name}.ts`);
  } finally {
    process.argv = before;
    print.mockRestore();
  }
  return lines;
}
