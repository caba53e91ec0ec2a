/** Searches draw what they say, keep what has happened, end what is hopeless. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { fit, losses, nn, optim } from "nabla";
import {
  choice,
  draw,
  integer,
  logUniform,
  narrow,
  oneMinusLogUniform,
  panda,
  readSearch,
  type SearchOptions,
  type Space,
  search,
  type TrialContext,
  uniform,
} from "nabla/tune";
import { afterAll, beforeAll, expect, it } from "vitest";
import { goesOn } from "../../lib/tune/halving.js";
import { centreOf, quantile, shareOf } from "../../lib/tune/space.js";
import type { Trial } from "../../lib/tune/store.js";
import { suggest } from "../../lib/tune/tpe.js";
import { numbered } from "../data/numbered.js";
import { firstSeed } from "../seeds.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nabla-tune-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Largest distance between the distribution of a sample and F; below 1.95 / √n in 999 of 1000 cases. Source: Smirnov 1948. */
function kolmogorov(sample: readonly number[], F: (x: number) => number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  const n = sorted.length;
  return Math.max(...sorted.map((x, i) => Math.max(Math.abs(F(x) - i / n), Math.abs(F(x) - (i + 1) / n))));
}

it("ranges are drawn from the distributions they name (Kolmogorov–Smirnov), choices and whole numbers evenly (χ²)", () => {
  const space = {
    plain: uniform(-2, 5),
    rate: logUniform(1e-4, 1),
    beta: oneMinusLogUniform(0.9, 0.999),
    units: integer(1, 10),
    layers: integer(1, 7, { log: true }),
    kind: choice(["relu", "tanh", "gelu"]),
  };
  const n = 4000;
  const draws = Array.from({ length: n }, (_, i) => draw(space, firstSeed, i));
  const F = {
    plain: (x: number) => (x + 2) / 7,
    rate: (x: number) => Math.log10(x) / 4 + 1,
    beta: (x: number) => (-Math.log10(1 - x) - 1) / 2,
  };
  for (const [name, f] of Object.entries(F)) {
    const sample = draws.map((one) => one[name as keyof typeof F]);
    expect(kolmogorov(sample, f), name).toBeLessThan(1.95 / Math.sqrt(n));
    expect(
      kolmogorov(sample, (x) => f(x) ** 1.2),
      `${name}, wrongly`,
    ).toBeGreaterThan(1.95 / Math.sqrt(n)); // the test can fail
  }
  const chi = (name: "units" | "layers" | "kind", shares: ReadonlyMap<unknown, number>) =>
    [...shares].reduce(
      (sum, [value, share]) => sum + (draws.filter((one) => one[name] === value).length - n * share) ** 2 / (n * share),
      0,
    );
  expect(chi("units", new Map(Array.from({ length: 10 }, (_, i) => [i + 1, 0.1])))).toBeLessThan(27.9); // 9 degrees, p = 0.001
  expect(chi("layers", new Map(Array.from({ length: 7 }, (_, i) => [i + 1, Math.log((i + 2) / (i + 1)) / Math.log(8)])))).toBeLessThan(
    22.5,
  );
  expect(chi("kind", new Map(space.kind.values.map((value) => [value, 1 / 3])))).toBeLessThan(13.8);
  expect(draw(space, firstSeed, 17)).toEqual(draws[17]);
});

it("shares are the inverse of quantiles, and a narrowed space holds what it was narrowed to", () => {
  const space: Space = { a: uniform(0, 1), b: logUniform(1e-3, 1e3), c: oneMinusLogUniform(0.9, 0.9999), d: integer(3, 30, { log: true }) };
  for (const parameter of Object.values(space)) {
    for (const u of [0.01, 0.3, 0.77]) {
      const value = quantile(parameter, u);
      const share = shareOf(parameter, value);
      if (parameter.kind === "range" && parameter.isInteger) expect(quantile(parameter, share + 1e-9)).toBe(value);
      else expect(share).toBeCloseTo(u, 9);
    }
  }
  const wide = { rate: logUniform(1e-4, 1), kind: choice(["a", "b", "c"]) };
  const narrowed = narrow(wide, [
    { rate: 1e-2, kind: "a" },
    { rate: 1e-3, kind: "c" },
  ]);
  expect(narrowed.kind.values).toEqual(["a", "c"]);
  expect(Math.log10(narrowed.rate.low)).toBeCloseTo(-3.4, 9);
  expect(Math.log10(narrowed.rate.high)).toBeCloseTo(-1.6, 9);
});

it("ranges that make no sense are refused", () => {
  for (const wrong of [
    () => uniform(1, 1),
    () => logUniform(0, 1),
    () => oneMinusLogUniform(0.9, 1),
    () => integer(1, 2.5),
    () => choice([]),
  ])
    expect(wrong).toThrow(expect.objectContaining({ code: "ERR_VALUE" }));
});

const scored = (number: number, params: Trial["params"], value: number): Trial => ({
  number,
  params,
  value,
  state: "finished",
  seconds: 0,
  error: null,
  reports: [],
});

/** Branin's function, whose least value is 0.397887 at three places. Source: Dixon, Szegö, "Towards global optimization 2", 1978. */
const branin = (x: number, y: number) =>
  (y - (5.1 * x * x) / (4 * Math.PI ** 2) + (5 * x) / Math.PI - 6) ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;

it("Parzen estimators come nearer to Branin's least value in 60 trials than random search, in the median of 21 seeds", () => {
  const space = { x: uniform(-5, 10), y: uniform(0, 15) };
  const off = (next: (trials: readonly Trial[], seed: number) => { x: number; y: number }) => {
    const bests = Array.from({ length: 21 }, (_, seed) => {
      const trials: Trial[] = [];
      while (trials.length < 60) {
        const params = next(trials, seed);
        trials.push(scored(trials.length, params, branin(params.x, params.y)));
      }
      return Math.min(...trials.map(({ value }) => value!)) - 0.397887;
    });
    return bests.sort((a, b) => a - b)[10];
  };
  const random = off((trials, seed) => draw(space, seed, trials.length));
  const parzen = off((trials, seed) => suggest(space, trials, -1, seed, trials.length));
  expect(parzen).toBeLessThan(0.2 * random);
});

it("Parzen estimators draw from every kind of parameter within its bounds, most where the good trials lie", () => {
  const space = {
    rate: logUniform(1e-4, 1),
    beta: oneMinusLogUniform(0.9, 0.999),
    units: integer(1, 100, { log: true }),
    layers: integer(1, 3),
    kind: choice(["relu", "tanh", "gelu", "selu"]),
  };
  const off = (params: Trial["params"]) =>
    Object.entries(space).reduce((sum, [name, parameter]) => sum + Math.abs(centreOf(parameter, params[name]) - 0.4), 0);
  const trials = Array.from({ length: 150 }, (_, i) => draw(space, firstSeed, i)).map((params, i) => scored(i, params, -off(params)));
  const shares = (next: (number: number) => Trial["params"]) => {
    const draws = Array.from({ length: 100 }, (_, i) => next(1000 + i));
    return Object.entries(space).map(([name, parameter]) => {
      const within = draws.map((params) => centreOf(parameter, params[name]));
      for (const share of within) expect(share >= 0 && share <= 1, name).toBe(true);
      return within.filter((share) => Math.abs(share - 0.4) < 0.25).length / draws.length;
    });
  };
  const [random, parzen] = [
    shares((number) => draw(space, firstSeed, number)),
    shares((number) => suggest(space, trials, 1, firstSeed, number)),
  ];
  random.forEach((share, k) => {
    expect(parzen[k], Object.keys(space)[k]).toBeGreaterThan(share + 0.1);
  });
  for (const { units, layers } of trials.slice(0, 50).map((_, i) => suggest(space, trials, 1, firstSeed, i)))
    expect(Number.isInteger(units) && Number.isInteger(layers)).toBe(true);
  // Ten trials are drawn at random, failed ones not counted; the same trials give the same values.
  expect(suggest(space, trials.slice(0, 9), 1, 3, 9)).toEqual(draw(space, 3, 9));
  expect(suggest(space, [...trials.slice(0, 9), { ...trials[9], state: "failed", value: null }], 1, 3, 9)).toEqual(draw(space, 3, 9));
  expect(suggest(space, trials, 1, 3, 9)).toEqual(suggest(space, trials, 1, 3, 9));
  expect(suggest(space, trials, 1, 3, 9)).not.toEqual(draw(space, 3, 9));
});

it("a search by Parzen estimators that is interrupted and resumed tries what one that is not tries", async () => {
  const whole = await search(options("tpe.sqlite", { sampler: "tpe", trials: 15 }));
  const controller = new AbortController();
  const until = { sampler: "tpe", trials: 15, signal: controller.signal } as const;
  const onTrial = ({ number }: Trial) => number === 12 && controller.abort(new Error("interrupted"));
  await expect(search(options("tpe-again.sqlite", { ...until, onTrial: (trial) => void onTrial(trial) }))).rejects.toThrow("interrupted");
  const again = await search(options("tpe-again.sqlite", { sampler: "tpe", trials: 15 }));
  expect(again.trials.map(({ params }) => params)).toEqual(whole.trials.map(({ params }) => params));
  expect(whole.trials.slice(0, 10).map(({ params }) => params)).toEqual(whole.trials.slice(0, 10).map((_, i) => draw(whole.space, 0, i)));
  await expect(search(options("tpe.sqlite", { trials: 15 }))).rejects.toMatchObject({ code: "ERR_VALUE", op: "search" });
  // Several at a time: what was under way when it was interrupted is tried again with the values that it had.
  const three = await search(options("tpe-three.sqlite", { sampler: "tpe", trials: 15, processes: 3 }));
  expect(new Set(three.trials.map(({ params }) => params.x)).size).toBe(15);
  const wrong = { sampler: "bayes" as never };
  await expect(search(options("tpe-wrong.sqlite", wrong))).rejects.toMatchObject({ code: "ERR_VALUE", inputs: ["bayes"] });
});

it("halving lets the best third go on at each rung, and judges nothing between rungs", () => {
  const trial = (number: number, ...values: number[]) => ({
    number,
    params: {},
    state: "running" as const,
    value: null,
    seconds: 0,
    error: null,
    reports: values.map((value, i) => ({ spent: i + 1, value })),
  });
  const others = [trial(0, 1, 1, 5), trial(1, 2), trial(2, 3), trial(3, 4), trial(4, 5), trial(5)];
  const asks = (spent: number, value: number, sign: 1 | -1 = 1) =>
    goesOn(others, { number: 9, spent, value }, sign, { least: 1, factor: 3 });
  expect([asks(1, 4.5), asks(1, 3.5), asks(1, 0)]).toEqual([true, false, false]); // 2 of 6 go on
  expect([asks(1, 1.5, -1), asks(1, 2.5, -1)]).toEqual([true, false]);
  expect([asks(2, -9), asks(3, 6), asks(3, 4), asks(9, -9)]).toEqual([true, true, false, true]);
  expect(asks(2, Number.NaN)).toBe(false);
});

const bowl = async ({ x }: { x: number }, trial: TrialContext) => {
  for (const spent of [1, 2, 3]) await trial.report(spent, -Math.abs(Math.log10(x) + 2) - 1 / spent);
  return -Math.abs(Math.log10(x) + 2);
};
const quick = ({ x }: { x: number }) => -Math.abs(Math.log10(x) + 2);
const options = (name: string, more: Partial<SearchOptions<{ x: ReturnType<typeof logUniform> }>> = {}) =>
  ({
    trial: quick,
    space: { x: logUniform(1e-4, 1) },
    trials: 20,
    goal: "maximize",
    store: join(folder, name),
    processes: 1,
    ...more,
  }) as const;

it("a search finds, stops, narrows, and shows what it found", async () => {
  const plain = await search(options("plain.sqlite"));
  expect(plain.trials.map(({ state }) => state)).toEqual(Array(20).fill("finished"));
  expect(plain.best.value).toBe(Math.max(...plain.trials.map(({ value }) => value!)));

  const halved = await search(options("halved.sqlite", { trial: bowl, halving: { factor: 3 } }));
  expect(halved.best.params).toEqual(plain.best.params); // what is best at every point is never stopped
  expect(halved.trials.filter(({ state }) => state === "stopped").length).toBeGreaterThan(8);

  const rounds = await search(options("rounds.sqlite", { rounds: 2 }));
  const spread = (from: number, to: number) => {
    const logs = rounds.trials.slice(from, to).map(({ params }) => Math.log10(params.x as number));
    return Math.max(...logs) - Math.min(...logs);
  };
  expect(spread(10, 20)).toBeLessThan(spread(0, 10) / 1.5);

  expect(plain.toString().split("\n")[1]).toMatch(new RegExp(`^ *${plain.best.number} .*finished`));
  await plain.save(join(folder, "search.html"));
  const page = readFileSync(join(folder, "search.html"), "utf8");
  expect(page.match(/<path /g)).toHaveLength(20);
  expect(page).toContain("<th>x</th>");
  const again = await readSearch(join(folder, "plain.sqlite"));
  expect(again.trials).toEqual(plain.trials);
});

it("what has ended is not run again; another search is refused, and so is a store in use", async () => {
  let runs = 0;
  const counted = options("counted.sqlite", {
    trials: 6,
    trial: ({ x }) => {
      runs++;
      return x;
    },
  });
  const first = await search(counted);
  const second = await search({ ...counted, trials: 8 });
  expect(runs).toBe(8);
  expect(second.trials.slice(0, 6)).toEqual(first.trials);
  await expect(search({ ...counted, seed: 2 })).rejects.toMatchObject({
    code: "ERR_VALUE",
    message: expect.stringContaining("another search"),
  });
  const trial = () => search(counted).then(() => 1);
  await expect(search({ ...counted, trials: 9, trial })).resolves.toMatchObject({
    trials: expect.arrayContaining([expect.objectContaining({ state: "failed", error: expect.stringContaining("in use") })]),
  });
  await expect(search(options("none.sqlite", { trials: 2, trial: () => undefined }))).rejects.toThrow(/gave no score/);
});

/** A program of fixtures/ in a process of its own, and what it prints. */
function begin(name: string, ...args: string[]) {
  const path = fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  return { child, ended: new Promise<string>((resolve) => child.on("close", () => resolve(said))) };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it("a search in processes that is killed loses and repeats no trial that has ended", async () => {
  const [store, log] = [join(folder, "killed.sqlite"), join(folder, "killed.log")];
  const args = ["search.mjs", store, log, "20"] as const;
  await writeFile(log, "");
  const lines = (word: string) =>
    readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(word));
  const kills = [1, 3];
  for (const target of kills) {
    const { child, ended } = begin(...args);
    while (lines("end").length < target && child.exitCode === null) await pause(5);
    child.kill("SIGKILL");
    await ended;
  }
  const { states } = JSON.parse(await begin(...args).ended);
  expect(states).toEqual(Array(6).fill("finished"));
  const kept = (await readSearch(store)).trials;
  expect(existsSync(`${store}.owner`)).toBe(false);
  for (const { number, params } of kept) {
    const mine = lines("begin").filter((line) => line.startsWith(`begin ${number} `));
    expect(new Set(mine)).toEqual(new Set([`begin ${number} ${params.x}`])); // the same values each time
  }
  expect(lines("begin").length).toBeGreaterThan(6);
  expect(lines("begin").length).toBeLessThanOrEqual(6 + 2 * kills.length); // two were under way at each kill
});

it.runIf(process.env.NABLA_LONG)(
  "forty trials on MNIST beat the usual recipe, and survive being killed three times",
  async () => {
    const store = join(folder, "mnist.sqlite");
    for (const seconds of [15, 25, 20]) {
      const { child, ended } = begin("search-mnist.mjs", store, join(folder, "mnist.html"));
      await pause(1000 * seconds);
      child.kill("SIGKILL");
      await ended;
    }
    const { states, best, usual, params } = JSON.parse(await begin("search-mnist.mjs", store, join(folder, "mnist.html")).ended);
    console.log({ best, usual, params });
    expect(states).toHaveLength(40);
    expect(states.filter((state: string) => state === "running" || state === "failed")).toEqual([]);
    expect(best).toBeGreaterThan(usual);
  },
  1_800_000,
);

it("a training is looked after by hand: rates, pause, stop", async () => {
  const keys = new PassThrough();
  const model = nn.linear(2, 1);
  const optimizer = optim.sgd(model.parameters(), { lr: 1e-6 });
  const watched = panda({ input: keys, factor: 2 });
  let paused = 0;
  const history = await fit(
    model,
    numbered(40).map(({ x, y }) => ({ x, y: { ...y, data: Float32Array.from(y.data), shape: [y.shape[0], 1], dtype: "f32" as const } })),
    {
      loss: losses.mse,
      optimizer,
      epochs: 5,
      batchSize: 10,
      callbacks: [
        {
          onBatchEnd({ epoch, batch }) {
            if (epoch === 1 && batch === 1) keys.write("++-");
            if (epoch === 2 && batch === 1) {
              keys.write("p");
              setTimeout(() => {
                paused++;
                keys.write("p");
              }, 50);
            }
            if (epoch === 2 && batch === 4) expect(paused).toBe(1);
            if (epoch === 3 && batch === 1) keys.write("s");
          },
        },
        watched,
      ],
    },
  );
  expect(optimizer.lrScale).toBe(2);
  expect(watched.changes.map(({ lrScale }) => lrScale)).toEqual([2, 4, 2]);
  expect(history.epochs).toHaveLength(3);
});
