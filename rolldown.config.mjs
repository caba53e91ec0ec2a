/**
 * Joins the modules of lib/ into few files: Node reads one in a quarter of the time that a hundred small ones take. What the root
 * imports is one file, dist/lib/nabla.js, which every entry point shares, so that all share one state. What is seldom needed when a
 * program starts is late: left out of it, in files of its own, loaded by the first call.
 */
import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, RUNTIME_MODULE_ID } from "rolldown";
import { parseSync } from "rolldown/utils";

const root = fileURLToPath(new URL(".", import.meta.url));
const source = (name) => resolve(root, "lib", `${name}.ts`);

const { exports, bin } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const published = [...Object.values(exports).map((entry) => entry.default), ...Object.values(bin ?? {})].flatMap(
  (file) => /^(?:\.\/)?dist\/(.+)\.js$/.exec(file ?? "")?.[1] ?? [],
);

/** Modules that are late. They export functions and classes; their files in dist/ lie where they do in lib/. */
const late = [
  "autodiff/scan",
  "compile/bands",
  "compile/print",
  "compile/recompute",
  "compile/rematerialize",
  "dashboard/index",
  "data/cifar",
  "data/collate",
  "data/image-folder",
  "data/mnist",
  "data/readers",
  "data/split",
  "data/table",
  "data/workers",
  "debug/index",
  "diagnose/index",
  "io/index",
  "losses/index",
  "metrics/index",
  "nn/attention",
  "nn/bilinear",
  "nn/convolutional",
  "nn/embedding",
  "nn/preprocessing",
  "nn/summary",
  "ops/spatial",
  "optim/adaptive",
  "optim/schedule",
  "plot/index",
  "profile/index",
  "report/index",
  "runtime/reference/device",
  "synthesis/index",
  "train/cache-activations",
  "train/calibrate",
  "train/checkpoint",
  "train/early-stopping",
  "train/ensemble",
  "train/evaluate",
  "train/fit",
  "train/loggers",
  "train/progress",
  "train/trials",
  "tune/index",
];
const nameOf = new Map(late.map((name) => [source(name), name]));

/** What a module exports, without types: names with "function" or "class". */
function exportsOf(file) {
  const { program } = parseSync(file, readFileSync(file, "utf8"));
  const refuse = (what) => {
    throw new Error(`${relative(root, file)} cannot be late: ${what}`);
  };
  return program.body.flatMap((statement) => {
    if (statement.type === "ExportAllDeclaration" || statement.type === "ExportDefaultDeclaration") refuse(statement.type);
    if (statement.type !== "ExportNamedDeclaration" || statement.exportKind === "type") return [];
    const { declaration, specifiers } = statement;
    if (declaration?.type === "FunctionDeclaration") return [[declaration.id.name, "function"]];
    if (declaration?.type === "ClassDeclaration") return [[declaration.id.name, "class"]];
    if (declaration?.type === "VariableDeclaration") {
      const isFunction = ({ init }) => ["ArrowFunctionExpression", "CallExpression"].includes(init?.type); // a test looks whether it is
      return declaration.declarations.map((one) => [one.id.name, isFunction(one) ? "function" : "value"]);
    }
    if (declaration !== null) return []; // a type
    const there = new Map(exportsOf(resolve(dirname(file), statement.source.value.replace(/\.js$/, ".ts"))));
    return specifiers.flatMap(({ exportKind, local, exported }) => {
      if (exportKind === "type") return [];
      return [[exported.name, there.get(local.name) ?? refuse(`${local.name} is not declared where it comes from`)]];
    });
  });
}

/** Stands for a late module: the same names, each of which loads it when it is first called. */
function standIn(name) {
  const names = exportsOf(source(name));
  const value = names.find(([, kind]) => kind === "value");
  if (value !== undefined) throw new Error(`lib/${name}.ts cannot be late: ${value[0]} may be no function`);
  const parts = names.map(([what, kind]) => `export const ${what} = ${kind}From("${what}");`);
  return [`import { late } from "${stand}";`, `const { functionFrom, classFrom } = late("../${name}.js");`, ...parts].join("\n");
}

/** What makes the names of stand-ins: few bytes for each. */
const stand = "\0stand-in";
const standing = `
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
export function late(file) {
  let module;
  const load = () => (module ??= require(file));
  const functionFrom = (name) => (...args) => load()[name](...args);
  const classFrom = (name) => new Proxy(function () {}, {
    construct: (_, args, target) => Reflect.construct(load()[name], args, target),
    get: (_, key) => load()[name][key],
  });
  return { functionFrom, classFrom };
}`;

/** Everybody who imports a late module gets its stand-in; what the root reaches then is the common file. */
const common = new Set();
const prefix = "\0late:";
const loadLate = {
  name: "late",
  resolveId(specifier, importer) {
    if (specifier === stand) return stand;
    if (importer === undefined || !specifier.startsWith(".")) return null;
    const name = nameOf.get(resolve(dirname(importer), specifier.replace(/\.js$/, ".ts")));
    return name === undefined ? null : `${prefix}${name}`;
  },
  load: (id) => (id === stand ? standing : id.startsWith(prefix) ? standIn(id.slice(prefix.length)) : null),
  buildEnd() {
    const visit = (id) => {
      if (common.has(id)) return;
      common.add(id);
      const info = this.getModuleInfo(id);
      if (info !== null) info.importedIds.forEach(visit);
    };
    visit(source("index"));
  },
};

export default defineConfig({
  input: Object.fromEntries([...new Set([...published, ...late])].map((name) => [name, source(name)])),
  platform: "node",
  treeshake: false,
  plugins: [loadLate],
  output: {
    dir: "dist",
    sourcemap: true,
    keepNames: true,
    comments: false, // a third of what Node would have to read
    // One folder deep, like every module of lib/: what is found from import.meta.url lies where it did.
    chunkFileNames: "lib/[name].js",
    codeSplitting: { groups: [{ debugName: "common", name: (id) => (common.has(id) || id === RUNTIME_MODULE_ID ? "nabla" : null) }] },
  },
});
