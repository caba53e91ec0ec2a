/** Where the examples, and the tests, find data sets. nabla ships none; whoever runs an example has them in a folder. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "nabla";

/** Where Debian's packages python3-sklearn and dataset-fashion-mnist keep theirs. */
const installed: Readonly<Record<string, string>> = {
  sklearn: "/usr/lib/python3/dist-packages/sklearn/datasets/data",
  "fashion-mnist": "/usr/share/datasets/fashion-mnist",
};

/** Folders that are looked into, in order: `given`, that in NABLA_DATA, `data` and the `shared/data` beside this folder or above it. */
function folders(given: string | undefined): string[] {
  if (given !== undefined) return [given];
  const { NABLA_DATA } = process.env;
  return NABLA_DATA ? [NABLA_DATA] : ["data", "shared/data", "../shared/data"];
}

/** The folder of the data set `name`, or null: tests that need it are skipped then. */
export function lookForData(name: string, given?: string): string | null {
  const places = folders(given).map((folder) => join(folder, name));
  return [...places, installed[name] ?? []].flat().find((path) => existsSync(path)) ?? null;
}

const howToGet: Readonly<Record<string, string>> = {
  cats: "train.safetensors and test.safetensors with images u8 [n, 64, 64, 3] and labels u8 [n]",
  sklearn: "the tables of scikit-learn (sklearn/datasets/data); on Debian and Ubuntu: apt install python3-sklearn",
  "fashion-mnist":
    "the four IDX files of Fashion-MNIST, plain or .gz; on Debian and Ubuntu: apt install dataset-fashion-mnist, which is found by itself",
  "cifar10-subset": "CIFAR-10's binary version, or a part of it, as train.bin and test.bin",
};

/** The folder of the data set `name`. `given`: the folder of data sets, if the user has said. */
export function findData(name: string, given?: string): string {
  const folder = lookForData(name, given);
  if (folder !== null) return folder;
  const what = howToGet[name] === undefined ? "" : ` It holds ${howToGet[name]}.`;
  throw new DataError(
    `there is no folder ${name} in ${folders(given).join(", ")}.${what} Say where data sets lie: --data FOLDER, or NABLA_DATA=FOLDER`,
    { op: "findData", inputs: [name] },
  );
}
