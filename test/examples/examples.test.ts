/** Examples on real data run, reduced, from its command line to its last figure and its pictures. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { lookForData } from "../../examples/find-data.js";

const examples = fileURLToPath(new URL("../../examples", import.meta.url));
const text = readFileSync(new URL("../../docs/examples.md", import.meta.url), "utf8");

let out: string;
const argv = process.argv;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "nabla-"));
});
afterEach(() => {
  process.argv = argv;
  vi.restoreAllMocks();
  rmSync(out, { recursive: true });
});

interface Reduced {
  /** The data sets it needs, beside the digits, which are a package. */
  needs?: string | readonly string[];
  args?: readonly string[];
  /** What its last line says, with the figure. */
  last: RegExp;
  /** What the figure must reach even so: somewhat less than it does over several seeds. */
  least: number;
  pictures: readonly string[];
}

const reduced: Readonly<Record<string, Reduced>> = {
  minimise: { args: ["--steps", "1000"], last: /^w (4\.9999999916)$/, least: 4.9, pictures: ["path.svg"] },
  edges: {
    needs: "sklearn",
    args: ["--width", "128", "--steps", "1500"],
    last: /filter to ([\d.]+) decimal places$/,
    least: 0.8, // 1.2 on AVX-512
    pictures: ["edges.svg"],
  },
  iris: { needs: "sklearn", args: ["--epochs", "100"], last: /cross-validation ([\d.]+) %$/, least: 90, pictures: ["flowers.svg"] },
  "house-prices": {
    needs: "sklearn",
    args: ["--networkEpochs", "10"],
    last: /test error (4\.4\d+)$/,
    least: 4.4,
    pictures: ["prices.svg"],
  },
  "breast-cancer": {
    needs: "sklearn",
    last: /^test accuracy ([\d.]+) %; scikit-learn: 96.49 %$/,
    least: 96.4,
    pictures: ["probabilities.svg"],
  },
  "cats-logistic": {
    needs: "cats",
    args: ["--steps", "100"],
    last: /^test accuracy ([\d.]+) %$/,
    least: 75,
    pictures: ["curves.svg", "weights.svg", "mistakes.svg"],
  },
  "cats-network": {
    needs: "cats",
    args: ["--steps", "100", "--members", "1"],
    last: /^test accuracy ([\d.]+) %$/,
    least: 70,
    pictures: ["curves.svg", "mistakes.svg"],
  },
  "mnist-softmax": {
    args: ["--epochs", "1", "--limit", "6000"],
    last: /^test accuracy ([\d.]+) %$/,
    least: 85,
    pictures: ["curves.svg", "weights.svg"],
  },
  "mnist-mlp": { args: ["--epochs", "1", "--limit", "3000"], last: /^test accuracy ([\d.]+) %$/, least: 80, pictures: ["curves.svg"] },
  "lenet-mnist": {
    args: ["--epochs", "2", "--limit", "5000"],
    last: /^test accuracy ([\d.]+)$/,
    least: 0.78, // 0.83 to 0.85 over five seeds
    pictures: ["curves.svg", "misread.svg"],
  },
  "lenet-augmented": {
    args: ["--epochs", "3", "--limit", "3000"],
    last: /digits misread; test accuracy ([\d.]+) %$/,
    least: 92, // 94.6 to 95.6 over four seeds
    pictures: ["curves.svg", "misread.svg"],
  },
  "gradient-check": { args: ["--count", "3"], last: /^sound great, wrong wrong()$/, least: 0, pictures: ["errors.svg"] },
  "loss-surface": {
    args: ["--epochs", "2", "--limit", "500", "--points", "5"],
    last: /^loss where it started ([\d.]+), where it has learnt [01]\.\d+$/,
    least: 2.2, // ln 10 and what chance adds
    pictures: ["saddle.svg", "line.svg", "plane.svg", "gradient.svg"],
  },
  optimizers: {
    args: ["--epochs", "2", "--limit", "1000"],
    last: /^accuracy of the slowest, \w+: ([\d.]+) %$/,
    least: 30,
    pictures: ["losses.svg"],
  },
  "class-weights": {
    needs: "sklearn",
    args: ["--epochs", "100"],
    last: /^weighted test error 0\.0\d+, without weights in training 0(\.\d+)$/,
    least: 0.05, // the error that weights are there against
    pictures: ["probabilities.svg"],
  },
  schedules: {
    args: ["--epochs", "1", "--limit", "2000"],
    last: /^test accuracy: constant [\d.]+ %; on plateau [\d.]+ %; warm-up, cosine ([\d.]+) %$/,
    least: 75,
    pictures: ["schedules.svg", "trainings.svg"],
  },
  regularisation: {
    args: ["--epochs", "12", "--limit", "400", "--testLimit", "2000"],
    last: /^test loss: nothing ([\d.]+), L2 0\.[78]\d+, decay 0\.[78]\d+, dropout 0\.[78]\d+, smoothing 0\.[78]\d+, stopped 0\.[78]\d+$/,
    least: 0.8, // 0.845; the others 0.776 to 0.824
    pictures: ["losses.svg"],
  },
  "image-folder": {
    needs: "cifar10-subset",
    args: ["--rounds", "2", "--limit", "512", "--width", "8"],
    last: /^test accuracy, CIFAR-10 subset: ([\d.]+) %$/,
    least: 18, // 24 to 28 over four seeds; by chance 10
    pictures: ["seconds.svg"],
  },
  augmentation: {
    needs: ["cifar10-subset", "sklearn"],
    args: ["--epochs", "5", "--limit", "1000", "--testLimit", "300", "--width", "6"],
    last: /^test accuracy, CIFAR-10 subset: as they are [\d.]+ %, changed [\d.]+ %, ten crops [\d.]+ %, two models ([\d.]+) %$/,
    least: 20, // 27 to 33 over three seeds; by chance 10
    pictures: ["sheet.svg"],
  },
  "resnet-fashion": {
    needs: "fashion-mnist",
    args: ["--epochs", "8", "--limit", "1000", "--testLimit", "500", "--width", "4", "--seeds", "2"],
    last: /^test accuracy, Fashion-MNIST, 2 networks together: ([\d.]+) %$/,
    least: 68, // 74 to 77; each alone 72 to 75 over four seeds
    pictures: ["misread.svg"],
  },
  "resnet-cifar": {
    needs: "cifar10-subset",
    args: ["--epochs", "12", "--limit", "512", "--testLimit", "300", "--seeds", "1"],
    last: /^test accuracy, CIFAR-10 subset \(4 660 \/ 932\): [\d.]+ %; mean ([\d.]+) %$/,
    least: 24, // 32 to 34 over three seeds; by chance 10
    pictures: [],
  },
  splits: {
    needs: "sklearn",
    args: ["--epochs", "2", "--limit", "4000"],
    last: /^the app's digits misread, learnt from the web's ([\d.]+) %, from all [12]?\d\.\d+ %$/,
    least: 35, // the error that digits of the app among those learnt from are there against
    pictures: ["digits.svg"],
  },
  norms: {
    args: ["--epochs", "1", "--limit", "2000", "--testLimit", "1000"],
    last: /^test accuracy: none [\d.]+ %, batch ([\d.]+) %(?:, (?:layer|group|instance|RMS) [6-9]\d\.\d+ %){4}$/,
    least: 70, // 76 to 79 over four seeds, without a norm 10 to 28
    pictures: ["losses.svg"],
  },
  "transfer-digits": {
    args: ["--epochs", "1", "--limit", "4000", "--headEpochs", "20"],
    last: /all of it tuned: ([\d.]+) %$/,
    least: 52, // 55.7 to 60.5 over five seeds
    pictures: ["losses.svg"],
  },
};

for (const [name, { needs, args = [], last, least, pictures }] of Object.entries(reduced)) {
  const missing = [needs ?? []].flat().filter((set) => lookForData(set) === null);
  const isHere = missing.length === 0;
  if (!isHere)
    console.warn(`SKIPPED the example ${name}: the data set ${missing[0]} is not there; set NABLA_DATA to the folder that holds it`);
  it.skipIf(!isHere)(name, async () => {
    process.argv = [process.argv[0], name, ...args, "--out", out];
    const lines: string[] = [];
    vi.spyOn(console, "log").mockImplementation((line) => lines.push(String(line)));
    vi.spyOn(process.stdout, "write").mockReturnValue(true);
    await import(`../../examples/${name}.ts`);
    const figure = last.exec(lines.at(-1)!);
    expect(figure, lines.at(-1)).not.toBeNull();
    expect(Number(figure![1])).toBeGreaterThanOrEqual(least);
    expect(readdirSync(out)).toEqual(expect.arrayContaining([...pictures]));
    for (const picture of pictures) expect(readFileSync(join(out, picture), "utf8")).toMatch(/^<svg[\s\S]*<\/svg>\n$/);
  });
}

it("every example is listed in docs/examples.md", () => {
  const shared = ["find-data", "setting", "cats", "resnet"];
  const all = readdirSync(examples).flatMap((file) => /^(.*)\.ts$/.exec(file)?.[1] ?? []);
  for (const name of all.filter((example) => !shared.includes(example) && example !== "lenet-mnist"))
    expect(text).toContain(`npm run example ${name}`);
});
