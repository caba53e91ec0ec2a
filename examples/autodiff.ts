/** Gradients of a small expression, and gradients of gradients; broadcasting: `npm run example autodiff`. */
import { add, grad, mul, type Tensor, tensor } from "nabla";

const J = (a: Tensor, b: Tensor, c: Tensor) => mul(add(a, mul(b, c)), 3);
const at = [tensor(5), tensor(3), tensor(2)] as const;
console.log(`J = 3(a + bc) at a = 5, b = 3, c = 2: ${await J(...at).item()}`);

const gradient = grad(J, { argnums: [0, 1, 2] });
const [da, db, dc] = await Promise.all(gradient(...at).map((g) => g.item()));
console.log(`dJ/da = ${da}, dJ/db = ${db}, dJ/dc = ${dc}`);

const mixed = grad((a, b, c) => gradient(a, b, c)[1], { argnums: 2 });
console.log(`d²J/db dc = ${await mixed(...at).item()}`);

// Calories from carbohydrates, protein and fat (rows) in four kinds of food (columns).
const calories = tensor([
  [56, 0, 4.4, 68],
  [1.2, 104, 52, 8],
  [1.8, 135, 99, 0.9],
]);
const percent = calories.div(calories.sum({ axis: 0, keepDims: true })).mul(100); // [3, 4] by [1, 4]
const shares = Array.from(await percent.at(0).data(), (share) => `${share.toFixed(2)} %`);
console.log(`calories from carbohydrates: ${shares.join(", ")}`);
