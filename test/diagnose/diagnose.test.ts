/** Diagnosis: the cases that the curriculum works out. */
import { diagnose, type ErrorRates } from "nabla/diagnose";
import { describe, expect, it } from "vitest";

const sizes = (errors: ErrorRates) => diagnose(errors).gaps.map(({ size }) => size);

describe("diagnose", () => {
  it("takes each step between two errors for its own cause", () => {
    expect(sizes({ human: 4, train: 7, trainDev: 10, dev: 12, test: 12 })).toEqual([3, 3, 2, 0]);
    expect(sizes({ human: 0.1, train: 0.3, dev: 0.7 })).toEqual([0.2, 0.4, null, null]);
  });

  it.each<[ErrorRates, ReturnType<typeof diagnose>["problems"]]>([
    [{ human: 1, train: 8, dev: 10 }, ["avoidable bias", "variance"]],
    [{ human: 7.5, train: 8, dev: 10 }, ["variance"]],
    [{ train: 1, dev: 11 }, ["variance"]],
    [{ train: 15, dev: 16 }, ["avoidable bias"]],
    [{ train: 15, dev: 30 }, ["avoidable bias", "variance"]],
    [{ train: 0.5, dev: 1 }, []],
    [{ human: 4, train: 4, trainDev: 4, dev: 14, test: 20 }, ["data mismatch", "overfitting to dev"]],
  ])("%o: %o", (errors, problems) => {
    const found = diagnose(errors);
    expect(found.problems).toEqual(problems);
    for (const { moves } of found.gaps) expect(moves.length).toBeGreaterThan(0);
  });

  it("takes the best people for the least possible error", () => {
    expect(diagnose({ human: [3, 1, 0.7, 0.5], train: 1, dev: 1.2 }).bayesError).toBe(0.5);
  });

  it("does not know the bias of a model that is better than people", () => {
    const found = diagnose({ human: 0.5, train: 0.3, dev: 0.4 });
    expect(found.gaps[0]).toMatchObject({ problem: "avoidable bias", size: null, isLarge: false });
    expect(String(found)).toContain("bias is left is unknown");
  });

  it("says what to do", () => {
    expect(String(diagnose({ human: 4, train: 15, dev: 16 }))).toMatch(
      /avoidable bias\s+11\n.*Against avoidable bias: train a larger network/s,
    );
    expect(String(diagnose({ train: 0.5, dev: 1 }))).toContain("wrong metric");
  });

  it.each<[string, ErrorRates]>([
    ["negative rates", { train: -1, dev: 2 }],
    ["NaN", { train: 1, dev: Number.NaN }],
    ["a missing rate", { train: 1 } as ErrorRates],
    ["no people at all", { human: [], train: 1, dev: 2 }],
  ])("refuses %s", (_, errors) => {
    expect(() => diagnose(errors)).toThrow(expect.objectContaining({ code: "ERR_VALUE", op: "diagnose" }));
  });
});
