#!/usr/bin/env node
/** `npx nabla`: what can be done from a terminal. */
import { parseArgs } from "node:util";
import { NablaError } from "../base/errors.js";
import { bench } from "./bench.js";
import { doctor } from "./doctor.js";
import { inspectFile } from "./inspect.js";
import { quickstart } from "./quickstart.js";
import { report } from "./report.js";

/** What a command is given: words, and flags by name. */
export interface Given {
  readonly words: readonly string[];
  readonly json: boolean;
  readonly out: string | undefined;
}

interface Command {
  readonly usage: string;
  readonly does: string;
  /** Numbers of words it takes. */
  readonly words: readonly [least: number, most: number];
  /** Resolves to whether all was well. */
  readonly run: (given: Given) => Promise<boolean>;
}

const commands: Readonly<Record<string, Command>> = {
  doctor: { usage: "doctor [--json]", does: "this machine, and whether nabla computes rightly on it", words: [0, 0], run: doctor },
  quickstart: { usage: "quickstart [FOLDER]", does: "writes a small project and trains it", words: [0, 1], run: quickstart },
  inspect: { usage: "inspect FILE [--json]", does: "what a safetensors file or a checkpoint holds", words: [1, 1], run: inspectFile },
  bench: { usage: "bench [--json]", does: "how fast this machine is with nabla, in half a minute", words: [0, 0], run: bench },
  report: {
    usage: "report PATH … [--out FILE]",
    does: "trainings, searches and drawings as one HTML page",
    words: [1, Number.POSITIVE_INFINITY],
    run: report,
  },
};

function help(): string {
  const lines = Object.values(commands).map(({ usage, does }) => `  npx nabla ${usage.padEnd(28)}${does}`);
  return ["nabla: deep learning for Node.js", "", ...lines, ""].join("\n");
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: "boolean", default: false }, out: { type: "string" }, help: { type: "boolean", short: "h", default: false } },
  });
  const [name, ...words] = positionals;
  if (values.help || name === undefined) {
    process.stdout.write(help());
    return values.help ? 0 : 2;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    process.stderr.write(`nabla: there is no command ${name}\n\n${help()}`);
    return 2;
  }
  const [least, most] = command.words;
  if (words.length < least || words.length > most) {
    process.stderr.write(`nabla: usage: npx nabla ${command.usage}\n`);
    return 2;
  }
  return (await command.run({ words, json: values.json, out: values.out })) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const isPlain = error instanceof NablaError || /^(ENOENT|EACCES|EISDIR|ERR_PARSE_ARGS)/.test(code ?? "");
  if (!isPlain) throw error;
  process.stderr.write(`nabla: ${message}\n`);
  process.exitCode = 1;
}
