/** Schedules give the rates of their formulas, step by step and epoch by epoch. */
import { optim, variable } from "nabla";
import { describe, expect, it } from "vitest";

const { schedule } = optim;
const rates = (of: optim.Schedule, count: number) => Array.from({ length: count }, (_, step) => of(step));
const close = (got: number[], expected: number[]) => {
  expect(got).toHaveLength(expected.length);
  expected.forEach((rate, i) => expect(got[i]).toBeCloseTo(rate, 12));
};

describe("schedules", () => {
  it("fall with the inverse of time: .1, .0667, .05, .04 after .2", () => {
    const perEpoch = schedule.inverseTime({ lr: 0.2, decay: 1 });
    close(rates(perEpoch, 5), [0.2, 0.1, 0.2 / 3, 0.05, 0.04]);
    close(rates(schedule.perEpoch(perEpoch, 3), 7), [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.2 / 3]);
  });

  it("fall exponentially, by roots, by stairs, by hand, along lines and powers", () => {
    close(rates(schedule.exponential({ lr: 2, gamma: 0.95 }), 3), [2, 1.9, 1.805]);
    close(rates(schedule.inverseSqrt({ k: 3 }), 4), [3, 3 / Math.SQRT2, Math.sqrt(3), 1.5]);
    close(rates(schedule.staircase({ lr: 1, gamma: 0.5, every: 2 }), 5), [1, 1, 0.5, 0.5, 0.25]);
    close(rates(schedule.piecewise({ 0: 0.1, 2: 0.01, 3: 0.5 }), 5), [0.1, 0.1, 0.01, 0.5, 0.5]);
    close(rates(schedule.linear({ from: 1, to: 3, steps: 4 }), 6), [1, 1.5, 2, 2.5, 3, 3]);
    close(rates(schedule.polynomial({ from: 4, steps: 2, power: 2 }), 4), [4, 1, 0, 0]);
  });

  it("warm up and cool down along cosines", () => {
    close(rates(schedule.cosine({ from: 2, to: 1, steps: 4 }), 6), [2, 1.5 + Math.SQRT1_2 / 2, 1.5, 1.5 - Math.SQRT1_2 / 2, 1, 1]);
    close(rates(schedule.warmupCosine({ peak: 4, warmup: 4, total: 6 }), 8), [1, 2, 3, 4, 4, 2, 0, 0]);
    close(rates(schedule.cosineRestarts({ from: 2, steps: 2, stretch: 2 }), 7), [2, 1, 2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2, 2]);
    close(rates(schedule.cosineRestarts({ from: 2, steps: 2 }), 5), [2, 1, 2, 1, 2]);
  });

  it("go through one cycle as PyTorch's OneCycleLR does", () => {
    // torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1, total_steps=10, pct_start=0.3)
    close(
      rates(schedule.oneCycle({ peak: 1, total: 10 }), 10),
      [
        0.04, 0.52, 1, 0.950484632013474, 0.811745653949763, 0.611262021936289, 0.388741978063711, 0.188258346050237, 0.049519367986526,
        4e-6,
      ],
    );
  });

  it("are chained and scaled", () => {
    const cycles = schedule.chain([schedule.linear({ from: 0, to: 2, steps: 2 }), 3], [7, 1], schedule.exponential({ lr: 1, gamma: 0.1 }));
    close(rates(cycles, 7), [0, 1, 2, 7, 1, 0.1, 0.01]);
    close(
      rates(
        schedule.scaled(cycles, (step) => step),
        3,
      ),
      [0, 1, 4],
    );
    close(rates(schedule.withWarmup(8, 4), 6), [2, 4, 6, 8, 8, 8]);
  });

  it("refuse what makes no sense", () => {
    const refused: (() => unknown)[] = [
      () => schedule.inverseTime({ lr: -1, decay: 1 }),
      () => schedule.staircase({ lr: 1, gamma: 0.5, every: 0 }),
      () => schedule.piecewise({ 1: 0.1 }),
      () => schedule.piecewise({}),
      () => schedule.warmupCosine({ peak: 1, warmup: 5, total: 5 }),
      () => schedule.chain(),
      () => schedule.chain([0.1, 3]),
      () => schedule.chain(0.1, 0.2),
      () => schedule.cosineRestarts({ from: 1, steps: 3, stretch: 0.5 }),
      () => schedule.perEpoch(() => 1, 0),
    ];
    for (const make of refused) expect(make).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
  });

  it("drive optimizers", async () => {
    const w = variable(0, { dtype: "f64" });
    const sgd = optim.sgd([w], { lr: schedule.inverseTime({ lr: 0.2, decay: 1 }) });
    for (let i = 0; i < 3; i++) sgd.minimize(w.value.sum());
    expect(await w.value.item()).toBeCloseTo(-(0.2 + 0.1 + 0.2 / 3), 14);
    expect(sgd.lr).toBeCloseTo(0.05, 14);
  });
});
