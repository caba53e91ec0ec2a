/** The event loop has its turns, however short the runs are that a loop awaits. */
import { compile, losses, type Tensor, tensor, zeros } from "nabla";
import { describe, expect, it } from "vitest";
import { testedDevices } from "../devices.js";

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
