/** The floor of the event-loop suite: threads that only spin, as many as the trained network would use. */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { serve } from "./serve.mjs";

await serve({
  async load() {
    for (let i = 0; i < Number(process.argv[2]); i++) new Worker("for (;;);", { eval: true });
  },
  prepare: () => ({ parameters: 0, run: () => sleep(5), loss: () => 0 }),
  express() {},
});
