/**
 * What nabla has set out to reach on a machine with two cores. A bar beyond 0.92 of the roof stands at 0.92 of the roof.
 *
 * @typedef {object} Bar
 * @property {string} title
 * @property {{ suite: string, case: string, metric: string, peer?: string, threads?: number }} of which comparison it is about
 * @property {number} [times] better than the peer, at least
 * @property {number} [below] the value, in the unit of the comparison
 */

const roofEnough = 0.92;

/** @type {Bar[]} */
export const bars = [
  ...[
    { name: "mlp_sgd", peer: "tfjs-cpu", times: 150 },
    { name: "mlp_sgd", peer: "tfjs-wasm", times: 60 },
    { name: "lenet5_sgd", peer: "tfjs-cpu", times: 500 },
  ].map(({ name, peer, times }) => ({
    title: `${name}, 2 threads, against ${peer}`,
    of: { suite: "train", case: name, metric: "throughput", peer, threads: 2 },
    times,
  })),
  {
    title: "memory plan of resnet18c beside what is alive at once, at most a tenth more",
    of: { suite: "memory", case: "resnet18c_sgdm", metric: "memory plan", peer: "alive at once" },
    times: 1 / 1.1,
  },
  { title: "event loop while training, p99", of: { suite: "eventloop", case: "mlp_sgd", metric: "delay p99" }, below: 3 },
  { title: "event loop while training, longest", of: { suite: "eventloop", case: "mlp_sgd", metric: "delay max" }, below: 20 },
  { title: "JavaScript of a compiled step", of: { suite: "overhead", case: "tiny_mlp", metric: "calling thread a step" }, below: 30 },
  {
    title: "JavaScript of an op, traced and handed over",
    of: { suite: "overhead", case: "op", metric: "calling thread an op, written and run" },
    below: 1,
  },
  { title: "import in a new process", of: { suite: "overhead", case: "import", metric: "import" }, below: 60 },
  { title: "the addon, stripped", of: { suite: "overhead", case: "size", metric: "addon" }, below: 5 },
];

/**
 * Whether a comparison meets a bar; null if it was not measured.
 * @param {Bar} bar
 * @param {import("./harness/compare.mjs").Line | undefined} line
 */
export function isMet({ times, below }, line) {
  if (line === undefined || line.value === null) return null;
  if (below !== undefined) return line.value < below;
  if (line.ratio === null) return null;
  return line.ratio >= /** @type {number} */ (times) || (line.roof ?? 0) >= roofEnough;
}
