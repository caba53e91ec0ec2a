/** `npm start`: trains LeNet-5 on the MNIST digits, after building what is older than its sources. Passes its arguments on. */
import "./node-version.mjs";

const example = new URL("../build/examples/lenet-mnist.js", import.meta.url);

import("./build.mjs").then(async ({ build, stop }) => {
  await build();
  try {
    await import(example);
  } catch (error) {
    if (error.code !== "ERR_DATA") throw error;
    stop([error.message]); // data that is not there is no bug: its sentence says how to get it
  }
});
