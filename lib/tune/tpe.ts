/**
 * Tree-structured Parzen estimator: values are drawn where good trials lie more densely than the others. Source: Bergstra, Bardenet, Bengio,
 * Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section 4; each parameter by itself, widths of kernels and numbers as
 * in Optuna (Akiba et al. 2019).
 */
import { WordStream } from "../base/philox.js";
import { erf } from "../runtime/reference/math.js";
import { centreOf, draw, type Parameter, type Params, quantile, type Space } from "./space.js";
import type { Trial } from "./store.js";

/** Trials drawn at random before anything is concluded. */
const startup = 10;
/** Values that compete for being tried. */
const candidates = 24;
/** How many of n trials are good. */
const goodOf = (n: number) => Math.min(Math.ceil(0.1 * n), 25);
/** Trials that weigh 1: the latest; those before weigh less, the earliest 1/n. */
const fullWeight = 25;

/**
 * The values of trial `number`: a function of the seed, the number and the trials that have a score by now. `sign` is 1 where more is better, −1
 * where less is. Trials that were stopped count as worse than those that finished, the earlier the worse.
 */
export function suggest<S extends Space>(space: S, trials: readonly Trial[], sign: 1 | -1, seed: number, number: number): Params<S> {
  const order = { finished: 0, stopped: 1 };
  const spent = ({ reports }: Trial) => reports.at(-1)?.spent ?? 0;
  const scored = trials.filter((trial): trial is Trial & { state: keyof typeof order } => trial.state in order && trial.value !== null);
  if (scored.length < startup) return draw(space, seed, number);
  const ranked = [...scored].sort(
    (a, b) => order[a.state] - order[b.state] || (a.state === "stopped" ? spent(b) - spent(a) : 0) || sign * (b.value! - a.value!),
  );
  const good = new Set(ranked.slice(0, goodOf(scored.length)));
  const random = new WordStream(seed, number);
  const values = Object.entries(space).map(([name, parameter]) => {
    const shares = (isGood: boolean) =>
      scored.filter((trial) => good.has(trial) === isGood).map(({ params }) => centreOf(parameter, params[name]));
    const [better, worse] = [estimator(parameter, shares(true)), estimator(parameter, shares(false))];
    let best = { share: 0, gain: Number.NEGATIVE_INFINITY };
    for (let k = 0; k < candidates; k++) {
      const share = better.draw(random);
      const gain = Math.log(better.density(share)) - Math.log(worse.density(share));
      if (gain > best.gain) best = { share, gain };
    }
    return [name, quantile(parameter, best.share)];
  });
  return Object.fromEntries(values) as Params<S>;
}

/** A density over shares in [0, 1). */
interface Estimator {
  density(share: number): number;
  draw(random: WordStream): number;
}

/** What `shares`, in the order of their trials, say about a parameter, with one vote for the uniform prior. Those of values that it cannot take have none. */
function estimator(parameter: Parameter, shares: readonly number[]): Estimator {
  const votes = shares.map((share, i) => ({ share, weight: weightOf(i, shares.length) })).filter(({ share }) => share >= 0 && share <= 1);
  return parameter.kind === "choice" ? histogram(parameter.values.length, votes) : kernels(votes);
}

function weightOf(i: number, n: number): number {
  const ramp = n - fullWeight;
  return i >= ramp ? 1 : ramp === 1 ? 1 / n : 1 / n + ((1 - 1 / n) * i) / (ramp - 1);
}

type Votes = readonly { readonly share: number; readonly weight: number }[];

/** Votes for each of `n` values. */
function histogram(n: number, votes: Votes): Estimator {
  const weights = new Array<number>(n).fill(1 / n);
  for (const { share, weight } of votes) weights[Math.floor(share * n)] += weight;
  const cumulative = runningSums(weights);
  return {
    density: (share) => weights[Math.floor(share * n)],
    draw: (random) => (pick(cumulative, random) + random.uniform()) / n,
  };
}

/** A normal kernel on each vote and a wide one on the middle, cut off at 0 and 1, each as wide as the farther of its two neighbours is away. */
function kernels(votes: Votes): Estimator {
  const all = [...votes.map(({ share, weight }) => ({ mean: share, weight, isPrior: false })), { mean: 0.5, weight: 1, isPrior: true }];
  all.sort((a, b) => a.mean - b.mean);
  const narrowest = 1 / Math.min(100, 1 + all.length);
  const mixture = all.map(({ mean, weight, isPrior }, i) => {
    const gaps = [all[i - 1], all[i + 1]].flatMap((other) => (other === undefined ? [] : [Math.abs(other.mean - mean)]));
    const width = isPrior ? 1 : Math.min(Math.max(narrowest, ...gaps), 1);
    return { mean, width, weight, mass: normalCdf((1 - mean) / width) - normalCdf(-mean / width) };
  });
  const cumulative = runningSums(mixture.map(({ weight }) => weight));
  const total = cumulative[cumulative.length - 1];
  return {
    density: (share) =>
      mixture.reduce(
        (sum, { mean, width, weight, mass }) => sum + (weight * Math.exp(-0.5 * ((share - mean) / width) ** 2)) / (width * mass),
        0,
      ) / total,
    draw(random) {
      const { mean, width } = mixture[pick(cumulative, random)];
      for (;;) {
        const share = mean + width * random.normal(); // at least a third of them lie within
        if (share >= 0 && share < 1) return share;
      }
    },
  };
}

const normalCdf = (z: number) => 0.5 * (1 + erf(z / Math.SQRT2));

function runningSums(weights: readonly number[]): number[] {
  let sum = 0;
  return weights.map((weight) => (sum += weight));
}

/** A place, drawn by weights that have been summed up. */
function pick(cumulative: readonly number[], random: WordStream): number {
  const u = random.uniform() * cumulative[cumulative.length - 1];
  return Math.max(
    0,
    cumulative.findIndex((sum) => sum > u),
  );
}
