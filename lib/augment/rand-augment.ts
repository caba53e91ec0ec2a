/** RandAugment: a few of fourteen changes, drawn anew for each picture, all of one strength. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import type { WordStream } from "../base/philox.js";
import { type Canvas, checkNumber } from "./canvas.js";
import { adjust } from "./colors.js";
import { rotation, shear, shift } from "./places.js";
import type { Step } from "./steps.js";

type Change = (canvas: Canvas, strength: number, random: WordStream) => void;

/** From no change at strength 0 to the utmost at 1, one way or the other. */
const signed =
  (change: (by: number) => Step): Change =>
  (canvas, strength, random) =>
    change(random.below(2) === 1 ? strength : -strength)(canvas, random);
const exactly = (by: number) => [by, by] as const;
const factor = (name: "brightness" | "saturation" | "contrast" | "sharpness"): Change =>
  signed(
    (by) =>
      ({ pixels }) =>
        adjust[name](pixels, 1 + 0.9 * by),
  );
const degrees = (tangent: number) => (Math.atan(tangent) * 180) / Math.PI;

/** Their ranges as in torchvision. */
const changes: readonly Change[] = [
  () => {},
  signed((by) => shear(exactly(degrees(0.3 * by)))),
  signed((by) => shear(exactly(0), exactly(degrees(0.3 * by)))),
  signed((by) => shift(exactly((150 / 331) * by), exactly(0))),
  signed((by) => shift(exactly(0), exactly((150 / 331) * by))),
  signed((by) => rotation(exactly(30 * by))),
  factor("brightness"),
  factor("saturation"),
  factor("contrast"),
  factor("sharpness"),
  ({ pixels }, strength) => adjust.posterize(pixels, 8 - Math.round(4 * strength)),
  ({ pixels }, strength) => adjust.solarize(pixels, 1 - strength),
  ({ pixels }) => adjust.autoContrast(pixels),
  ({ pixels }) => adjust.equalize(pixels),
];

/**
 * `count` changes (default 2) out of identity, shears, shifts, rotation, brightness, saturation, contrast, sharpness, posterizing, solarizing,
 * autocontrast and equalizing, of a `magnitude` from 0 to 30 (default 9). Source: Cubuk, Zoph, Shlens, Le, "RandAugment", 2020.
 */
export function randAugment(options: { count?: number; magnitude?: number } = {}): Step {
  const op = "randAugment";
  const { count = 2, magnitude = 9 } = optionsOf(op, options, ["count", "magnitude"]);
  if (!Number.isInteger(count) || count < 0)
    throw new ValueError(`${op}: count must be a whole number ≥ 0 but is ${count}`, { op, inputs: [count] });
  checkNumber(op, "magnitude", magnitude, 0, 30);
  return (canvas, random) => {
    for (let k = 0; k < count; k++) changes[random.below(changes.length)](canvas, magnitude / 30, random);
  };
}
