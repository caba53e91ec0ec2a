/**
 * `npm start`: trains LeNet-5 on the MNIST digits; `npm run example NAME`: runs examples/NAME.ts. Both build first what is older than its
 * sources, and pass further arguments on.
 */
import "./node-version.mjs";
import { existsSync, readdirSync } from "node:fs";

const isNamed = process.argv[2] !== undefined && !process.argv[2].startsWith("-");
const [name] = isNamed ? process.argv.splice(2, 1) : ["lenet-mnist"];
const sources = new URL("../examples/", import.meta.url);

import("./build.mjs").then(async ({ build, stop }) => {
  if (!existsSync(new URL(`${name}.ts`, sources))) {
    const names = readdirSync(sources).flatMap((file) => /^(?!find-data|setting|cats\.|resnet\.)(.*)\.ts$/.exec(file)?.[1] ?? []); // the rest is shared
    stop([`there is no example ${name}; there are ${names.join(", ")}; docs/examples.md says what they show`]);
  }
  await build();
  try {
    await import(new URL(`../build/examples/${name}.js`, import.meta.url));
  } catch (error) {
    if (error.code !== "ERR_DATA") throw error;
    stop([error.message]); // data that is not there is no bug: its sentence says how to get it
  }
});
