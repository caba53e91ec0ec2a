/** The minimiser of (w − 5)², whose coefficients are fed at run time: 1, −10, 25. */
import { compile, optim, plot, tensor, variable } from "nabla";
import { setting } from "./setting.js";

const { steps, draw } = setting("minimise", { steps: 1000 });

const paths: { name: string; values: number[] }[] = [];
for (const dtype of ["f32", "f64"] as const) {
  const w = variable(0, { dtype });
  const sgd = optim.sgd([w], { lr: 0.01 });
  const step = compile((c: ReturnType<typeof tensor>) => {
    const cost = w.value
      .square()
      .mul(c.at(0))
      .add(w.value.mul(c.at(1)))
      .add(c.at(2));
    sgd.minimize(cost);
    return cost;
  });
  const coefficients = tensor([1, -10, 25], { dtype });
  const values: number[] = [];
  for (let i = 0; i < steps; i++) {
    await step(coefficients);
    if (i % 25 === 0) values.push(await w.value.item());
    if (i === 0) console.log(`${dtype}: w after 1 step: ${values[0]}`);
  }
  const last = await w.value.item();
  paths.push({ name: dtype, values: [...values, last] });
  console.log(`${dtype}: w after ${steps} steps: ${last}`);
}
await draw("path.svg", plot.lineChart([{ title: "w", lines: paths }], { xLabel: "25 steps" }));
console.log(`w ${paths[1].values.at(-1)!.toFixed(10)}`);
