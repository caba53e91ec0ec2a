/** Writes the tables of docs/models.md: sizes counted from the models themselves, times from result files of the suite `models`. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { figure } from "./harness/compare.mjs";
import { readResults } from "./harness/results.mjs";
import { cases } from "./suites/models.mjs";

const document = fileURLToPath(new URL("../docs/models.md", import.meta.url));
const marker = "<!-- tables: written by npm run bench -- models-table, from here to the end -->";

/** Function, source, edge and channels of the images. @type {[string, string, number, number][]} */
const architectures = [
  ["lenet5", "LeCun et al. 1998", 28, 1],
  ["alexnet2012", "Krizhevsky et al. 2012", 224, 3],
  ["alexnet", "Krizhevsky 2014", 224, 3],
  ["networkInNetwork", "Lin et al. 2014", 32, 3],
  ["vgg11", "Simonyan & Zisserman 2015", 224, 3],
  ["vgg13", "Simonyan & Zisserman 2015", 224, 3],
  ["vgg16", "Simonyan & Zisserman 2015", 224, 3],
  ["vgg19", "Simonyan & Zisserman 2015", 224, 3],
  ["googlenet", "Szegedy et al. 2015", 224, 3],
  ["inceptionV3", "Szegedy et al. 2016", 299, 3],
  ["resnet18", "He et al. 2016", 224, 3],
  ["resnet34", "He et al. 2016", 224, 3],
  ["resnet50", "He et al. 2016", 224, 3],
  ["resnet101", "He et al. 2016", 224, 3],
  ["resnet152", "He et al. 2016", 224, 3],
  ["cifarResnet(20)", "He et al. 2016", 32, 3],
  ["cifarResnet(56)", "He et al. 2016", 32, 3],
  ["cifarResnet(110)", "He et al. 2016", 32, 3],
  ["densenet121", "Huang et al. 2017", 224, 3],
  ["mobilenetV1", "Howard et al. 2017", 224, 3],
  ["mobilenetV2", "Sandler et al. 2018", 224, 3],
  ["mobilenetV3Small", "Howard et al. 2019", 224, 3],
  ["mobilenetV3Large", "Howard et al. 2019", 224, 3],
  ["efficientnetB0", "Tan & Le 2019", 224, 3],
  ["efficientnetB1", "Tan & Le 2019", 240, 3],
  ["efficientnetB2", "Tan & Le 2019", 260, 3],
  ["efficientnetB3", "Tan & Le 2019", 300, 3],
  ["efficientnetB4", "Tan & Le 2019", 380, 3],
  ["efficientnetB5", "Tan & Le 2019", 456, 3],
  ["efficientnetB6", "Tan & Le 2019", 528, 3],
  ["efficientnetB7", "Tan & Le 2019", 600, 3],
  ["vitB16", "Dosovitskiy et al. 2021", 224, 3],
  ["convnextTiny", "Liu et al. 2022", 224, 3],
];

/** @param {string[]} cells */
const row = (cells) => `| ${cells.join(" | ")} |`;
const million = (/** @type {number} */ n) => (n / 1e6).toLocaleString("en", { maximumSignificantDigits: 4, useGrouping: false });

/** Without auxiliary classifiers, which only trainings have. */
async function sizes() {
  const models = await import(new URL("../dist/models/index.js", import.meta.url).href);
  const lines = architectures.map(([call, source, edge, channels]) => {
    const [, name, depth] = /** @type {RegExpExecArray} */ (/^(\w+)(?:\((\d+)\))?$/.exec(call));
    const options = ["googlenet", "inceptionV3"].includes(call) ? { auxiliary: false } : {};
    const model = depth === undefined ? models[name](options) : models[name](Number(depth), options);
    const { parameters, multiplyAdds } = model.eval().summary([edge, edge, channels]).total;
    return row([`\`${call}\``, source, `${edge}² × ${channels}`, parameters.toLocaleString("en"), million(multiplyAdds)]);
  });
  return [row(["model", "source", "images", "parameters", "multiply-adds, millions"]), row(["---", "---", "---", "---", "---"]), ...lines];
}

/** @param {readonly string[]} files */
function times(files) {
  const place = (/** @type {{ case: string }} */ line) => cases.indexOf(line.case);
  const results = readResults(files)
    .filter(({ suite, metric }) => suite === "models" && metric !== "memory plan")
    .sort((a, b) => place(a) - place(b));
  const cells = results.map(({ case: name, unit, value, peer, peerValue, ratio }) => [
    `\`${name.split("/")[0]}\``,
    name.split("/")[1],
    unit,
    ...[value, peerValue].map((n) => (n === null ? "–" : figure(n))),
    String(peer),
    ratio === null ? "–" : `${figure(ratio)} ×`,
  ]);
  const titles = ["model", "what, of how many images", "unit", "nabla", "peer's", "peer", "nabla is better"];
  return [`Measured on: ${results[0]?.machine}.`, "", row(titles), row(titles.map(() => "---")), ...cells.map(row)];
}

/** @param {readonly string[]} files */
export async function writeModels(files) {
  const head = readFileSync(document, "utf8").split(marker)[0];
  const parts = [marker, "", "## Sizes", "", ...(await sizes()), "", "## Times and memory", "", ...times(files), ""];
  writeFileSync(document, head + parts.join("\n"));
  return document;
}
