/**
 * Edges of a photo by convolution: the filters of Prewitt (a plain difference of neighbours), Sobel and Scharr, all in one call; and Sobel's filter
 * found again by gradient descent, from the photo and its edges alone.
 */
import { join } from "node:path";
import { compile, conv2d, losses, nn, optim, plot, setSeed, type Tensor, tensor } from "nabla";
import sharp from "sharp";
import { findData } from "./find-data.js";
import { picture, setting } from "./setting.js";

const { width, steps, data: folder, draw } = setting("edges", { width: 320, steps: 2000 });

/** Differences between the left and the right of a pixel, by how much the rows count; turned, between above and below. */
const weights = { Prewitt: [1, 1, 1], Sobel: [1, 2, 1], Scharr: [3, 10, 3] };
const vertical = (rows: readonly number[]) => rows.map((w) => [w, 0, -w]);
const horizontal = (rows: readonly number[]) => [1, 0, -1].map((sign) => rows.map((w) => sign * w));
/** Matrices as filters [3, 3, 1, k]. */
const filters = (matrices: readonly (readonly (readonly number[])[])[]): Tensor =>
  tensor([0, 1, 2].map((i) => [0, 1, 2].map((j) => [matrices.map((m) => m[i][j])])));

// Half bright, half dark: a 6 × 6 picture becomes 4 × 4, and the edge is where both halves are seen.
const half = tensor(Array.from({ length: 6 }, () => [10, 10, 10, 0, 0, 0])).reshape([1, 6, 6, 1]);
const found = await conv2d(half, filters([vertical(weights.Prewitt)])).data();
console.log(`6 × 6, bright and dark, by a 3 × 3 filter: 4 × 4 with rows ${[...found.subarray(0, 4)].join(" ")}`);

const { data: bytes, info } = await sharp(join(findData("sklearn", folder), "../images/china.jpg"))
  .resize(width, width)
  .greyscale()
  .raw()
  .toBuffer({ resolveWithObject: true });
const photo = tensor(Float32Array.from(bytes, (byte) => byte / 255)).reshape([1, info.height, info.width, 1]);

const kinds = Object.entries(weights);
const all = filters(kinds.flatMap(([, rows]) => [vertical(rows), horizontal(rows)]));
const edges = conv2d(photo, all); // [1, h − 2, w − 2, 6]
const [h, w] = edges.shape.slice(1);
const channel = (k: number) => edges.slice([0, 0, 0, k], [1, h, w, k + 1]);
/** Values from 0 to the largest as grey. */
const grey = async (x: Tensor) => picture(await x.div(x.max()).data(), x.shape[2], x.shape[1], 1);
const entries = [{ picture: await grey(photo), caption: `photo, ${info.width} × ${info.height}` }];
for (const [i, [name]] of kinds.entries()) {
  const [across, down] = [channel(2 * i), channel(2 * i + 1)];
  entries.push({ picture: await grey(across.abs()), caption: `${name}, vertical edges` });
  entries.push({ picture: await grey(down.abs()), caption: `${name}, horizontal edges` });
  if (name !== "Prewitt") entries.push({ picture: await grey(across.square().add(down.square()).sqrt()), caption: `${name}, all edges` });
}
await draw("edges.svg", plot.imageGrid(entries, { columns: 3, size: 320 }));

setSeed(1);
const layer = nn.conv2d(1, 1, { kernel: 3, bias: false });
const adam = optim.adam(layer.parameters(), { lr: optim.schedule.cosine({ from: 0.1, steps }) });
const target = channel(2).stopGradient();
const step = compile(() => {
  const loss = losses.mse(layer.forward(photo), target);
  adam.minimize(loss);
  return loss;
});
for (let i = 0; i < steps; i++) await step();
const learnt = await layer.weight.value.data();
const rows = [0, 1, 2].map((i) => [...learnt.subarray(3 * i, 3 * i + 3)].map((value) => value.toFixed(3)).join(" "));
const error = Math.max(
  ...vertical(weights.Sobel)
    .flat()
    .map((value, i) => Math.abs(value - learnt[i])),
);
console.log(`learnt from the photo and its edges: ${rows.join(" / ")}`);
console.log(`that is Sobel's filter to ${(-Math.log10(error)).toFixed(1)} decimal places`);
