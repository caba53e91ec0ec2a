/** Threads that run a user's transform module on batches: batches go out and come back as copies, in whatever order they are done. */
import { pathToFileURL } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import { ValueError } from "../base/errors.js";
import type { Batch } from "./batch.js";
import { Sampling } from "./sampling.js";

/** What the default export of a transform module is. */
export type Transform<B extends Batch> = (batch: B, sampling: Sampling) => B | Promise<B>;

interface Task<B> {
  readonly number: number;
  readonly batch: B;
  readonly sampling: Pick<Sampling, "indices" | "seed" | "epoch" | "transforms">;
}

type Answer<B> = { readonly number: number } & ({ readonly batch: B } | { readonly error: unknown });

async function loadTransform<B extends Batch>(module: string): Promise<Transform<B>> {
  const { default: transform } = await import(module);
  if (typeof transform === "function") return transform;
  throw new ValueError(`DataLoader: the transform module ${module} must export a function as its default but exports ${typeof transform}`, {
    op: "DataLoader",
    inputs: [module],
  });
}

/** What a worker does: it loads the module and answers one task after the other. Exported for the workers of the loader alone. */
export async function serveTransforms(module: string): Promise<void> {
  const port = parentPort!;
  const loading = loadTransform(module);
  loading.catch(() => {}); // told with the first task
  port.on("message", async ({ number, batch, sampling }: Task<Batch>) => {
    try {
      const transform = await loading;
      port.postMessage({
        number,
        batch: await transform(batch, new Sampling(sampling.indices, sampling, sampling.transforms)),
      } satisfies Answer<Batch>);
    } catch (error) {
      port.postMessage({ number, error: error instanceof Error ? error : new Error(String(error)) } satisfies Answer<Batch>);
    }
  });
}

/** Beside this file, or below the one file that is published, and in the same place in both. */
const library = new URL("../data/index.js", import.meta.url);

/** Runs a transform module in threads of its own, or without any in this one. */
export class TransformWorkers<B extends Batch> {
  private readonly module: string;
  private workers: Worker[] = [];
  private local: Promise<Transform<B>> | null = null;
  private readonly waiting = new Map<number, { resolve: (batch: B) => void; reject: (error: unknown) => void; worker: Worker }>();
  private started = 0;

  constructor(
    module: URL | string,
    private readonly count: number,
  ) {
    this.module = String(module instanceof URL || /^[a-z]+:\/\//.test(module) ? module : pathToFileURL(module));
  }

  async run(batch: B, sampling: Sampling): Promise<B> {
    const number = this.started++;
    if (this.count === 0) {
      this.local ??= loadTransform<B>(this.module);
      return (await this.local)(batch, sampling);
    }
    this.workers[number % this.count] ??= this.start(number % this.count);
    const worker = this.workers[number % this.count];
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject, worker });
      worker.ref(); // the process stays for what is still asked for
      worker.postMessage({ number, batch, sampling } satisfies Task<B>);
    });
  }

  async close(): Promise<void> {
    const workers = this.workers;
    this.workers = [];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  private start(place: number): Worker {
    const code = `import(${JSON.stringify(library.href)}).then((data) => data.serveTransforms(${JSON.stringify(this.module)}));`;
    const worker = new Worker(code, { eval: true, name: `nabla transform ${place}` });
    const rest = () => [...this.waiting].filter(([, task]) => task.worker === worker);
    worker.on("message", (answer: Answer<B>) => {
      const { resolve, reject } = this.waiting.get(answer.number)!;
      this.waiting.delete(answer.number);
      if (rest().length === 0) worker.unref();
      if ("error" in answer) reject(answer.error);
      else resolve(answer.batch);
    });
    const fail = (error: unknown) => {
      if (this.workers[place] === worker) delete this.workers[place]; // the next batch starts another
      for (const [number, { reject }] of rest()) {
        this.waiting.delete(number);
        reject(error);
      }
    };
    worker.on("error", fail);
    worker.on("exit", (code) => fail(new Error(`DataLoader: the worker ended with code ${code} before its batch was done`)));
    return worker;
  }
}
