/** The event loop has its turns, however short the runs are that a loop awaits. */
import { compile, losses, stats, type Tensor, tensor, zeros } from "nabla";
import { beforeAll, describe, expect, it } from "vitest";
import { testedDevices } from "../devices.js";

describe.runIf(testedDevices.includes("cpu"))("runs", () => {
  const work = compile((x: Tensor) => x.add(1));
  /** The operand of a run of 300 µs or little more: longer than is done where it is submitted without anything being known of it, shorter than the
   * millisecond up to which the event loop may do it, and so much more than JavaScript takes around it that the loop is idle for most of it. */
  let x: Tensor;

  beforeAll(async () => {
    for (let side = 512, least = 0; least < 0.3; side += 64) {
      x = zeros([side, side]);
      least = Infinity;
      for (let i = 0; i < 20; i++) {
        const start = performance.now();
        (await work(x)).dispose();
        least = Math.min(least, performance.now() - start);
      }
    }
  });

  /** Whether a run had ended when it had been submitted. */
  async function isOverAtOnce(): Promise<boolean> {
    const y = work(x);
    const isOver = stats().runs.pending === 0;
    (await y).dispose();
    return isOver;
  }

  it("that the event loop only waits for are done by its own thread", async () => {
    let inARow = 0;
    for (let i = 0; i < 30_000 && inARow < 32; i++) inARow = (await isOverAtOnce()) ? inARow + 1 : 0;
    expect(inARow).toBe(32);
  });

  it("are done by another while JavaScript has work of its own, or is ahead", async () => {
    const busily = async (): Promise<boolean> => {
      const y = work(x);
      const isOver = stats().runs.pending === 0;
      for (const until = performance.now() + 1; performance.now() < until; );
      (await y).dispose();
      return isOver;
    };
    let elsewhere = 0;
    for (let i = 0; i < 100; i++) if (!(await busily())) elsewhere++;
    expect(elsewhere).toBeGreaterThan(0);
    elsewhere = 0;
    let last = work(x);
    for (let i = 0; i < 100; i++) {
      const next = work(x);
      if (stats().runs.pending > 0) elsewhere++;
      (await last).dispose();
      last = next;
    }
    await last;
    expect(elsewhere).toBeGreaterThan(0);
  });
});

describe.runIf(testedDevices.includes("cpu"))("the event loop", () => {
  /** How often a timer fires during a loop that goes on until it has fired three times, or long enough to know that it does not. */
  async function timersDuring(body: () => Promise<unknown>): Promise<number> {
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    for (let i = 0; i < 30_000 && fired < 3; i++) await body();
    clearInterval(timer);
    return fired;
  }

  it("turns while steps are awaited that are over at once", async () => {
    const step = compile((x: Tensor) => x.mul(2).sum());
    const x = zeros([4]);
    expect(await timersDuring(() => step(x))).toBe(3);
  });

  it("turns while values are read", async () => {
    const x = zeros([4]);
    expect(await timersDuring(() => x.data())).toBe(3);
  });

  it("turns while steps fail", async () => {
    const step = compile((x: Tensor, y: Tensor) => losses.crossEntropy(x, y));
    const [x, y] = [zeros([1, 2]), tensor(Int32Array.of(9))];
    expect(await timersDuring(() => expect(step(x, y)).rejects.toMatchObject({ code: "ERR_INDEX" }))).toBe(3);
  });
});
