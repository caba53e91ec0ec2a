/**
 * A training that is killed and goes on. It runs in a process of its own, which is killed with SIGKILL again and again, wherever it happens to be;
 * the next one resumes from the last checkpoint. In the end the weights are those of a training that nobody disturbed, to the bit.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { checkpoint, datasets, fit, losses, metrics, nn, optim, plot, setSeed } from "nabla";
import { setting } from "./setting.js";

/** `child`: this is the process that trains, into the folder --out. */
const { epochs, limit, kills, child, file, draw } = setting("resume", { epochs: 4, limit: 12_000, kills: 4, child: 0 });
const batchSize = 64;

/** What a training says in the end. */
interface Result {
  readonly digest: string;
  readonly accuracies: readonly number[];
}

if (child === 1) await train(file("."));
else await parent();

/** Trains with a checkpoint every 25 steps; prints a line a step, and in the end the result. */
async function train(run: string): Promise<void> {
  const { train: all, test } = await datasets.mnist();
  const digits = all.take(limit);
  setSeed(1);
  const model = nn.sequential(nn.flatten(), nn.linear(784, 64), nn.batchNorm(64), nn.relu(), nn.dropout(0.2), nn.linear(64, 10));
  const total = epochs * Math.ceil(digits.length / batchSize);
  const history = await fit(model, digits, {
    loss: losses.crossEntropy,
    optimizer: optim.adamW(model.parameters(), { lr: optim.schedule.cosine({ from: 2e-3, steps: total }) }),
    epochs,
    batchSize,
    validation: { test: test.take(2000) },
    metrics: { accuracy: metrics.accuracy },
    callbacks: [checkpoint(run, { everySteps: 25 }), { onBatchEnd: () => void process.stdout.write("step\n") }],
    resume: run,
  });
  const digest = createHash("sha256");
  for (const [name, value] of Object.entries(model.stateDict())) digest.update(name).update(await value.data());
  process.stdout.write(
    `${JSON.stringify({ digest: digest.digest("hex"), accuracies: history.series("test.accuracy") } satisfies Result)}\n`,
  );
}

/** Runs the training in a process, which is killed after so many steps; what it printed in the end, or null. */
async function run(into: string, steps: number): Promise<{ steps: number; result: Result | null }> {
  const numbers = Object.entries({ epochs, limit }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const training = spawn(process.execPath, [fileURLToPath(import.meta.url), "--child", "1", "--out", into, ...numbers], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let lines: string[] = [];
  let rest = "";
  training.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const all = (rest + chunk).split("\n");
    rest = all.pop()!;
    lines = [...lines, ...all];
    if (lines.length >= steps) training.kill("SIGKILL");
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => training.on("close", (...end) => resolve(end)));
  if (signal === "SIGKILL") return { steps: lines.length, result: null };
  if (code !== 0) throw new Error(`the training ended with code ${code}`);
  return { steps: lines.length - 1, result: JSON.parse(lines.at(-1)!) };
}

async function parent(): Promise<void> {
  const folders = ["undisturbed", "killed"].map(file);
  for (const old of folders) await rm(old, { recursive: true, force: true });
  const whole = await run(folders[0], Number.POSITIVE_INFINITY);
  let killed = 0;
  let again: Awaited<ReturnType<typeof run>>;
  do {
    const after = killed < kills ? 1 + Math.floor((Math.random() * 1.5 * whole.steps) / kills) : Number.POSITIVE_INFINITY;
    again = await run(folders[1], after);
    if (again.result === null) console.log(`killed ${++killed} times; this process had come ${again.steps} steps far`);
  } while (again.result === null);

  const lines = [whole, again].map(({ result }, i) => ({ name: ["undisturbed", "killed"][i], values: result!.accuracies }));
  await draw("accuracies.svg", plot.lineChart([{ title: "test accuracy", lines }]));
  console.log(`undisturbed   ${whole.result!.digest}`);
  console.log(`${killed} × killed    ${again.result.digest}`);
  const isSame = again.result.digest === whole.result!.digest;
  console.log(isSame ? "the same weights, to the bit" : "THE WEIGHTS DIFFER");
  if (!isSame) process.exitCode = 1;
}
