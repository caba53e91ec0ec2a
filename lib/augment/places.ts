/** Steps that move pixels: boxes and masks move with them. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";
import { type Canvas, checkNumber } from "./canvas.js";
import { about, inverse, type Matrix, multiply, type Point, SplineBend, scaling, translation, turn, unitSquareTo } from "./geometry.js";
import { between, type Interval, interval, type Step, sometimes } from "./steps.js";

/** Height and width, or one number for both. */
export type Size = number | readonly [height: number, width: number];

function sides(op: string, size: Size): readonly [number, number] {
  const [height, width] = typeof size === "number" ? [size, size] : size;
  if (!(Number.isInteger(height) && Number.isInteger(width) && height > 0 && width > 0))
    throw new ValueError(`${op}: sizes are whole numbers ≥ 1 but are ${height} and ${width}`, { op, inputs: [height, width] });
  return [height, width];
}

/** Puts a map around the middle of the picture. */
const amid = ({ height, width }: Canvas, matrix: Matrix) => about(width / 2, height / 2, matrix);

/** A step that does the same to every picture. */
const fixed =
  (change: (canvas: Canvas) => void): Step =>
  (canvas) =>
    change(canvas);

/**
 * Left and right change places (`axis: "vertical"`: top and bottom), for a share `p` of the pictures.
 * @example augment([mirror()])
 */
export function mirror(options: { p?: number; axis?: "horizontal" | "vertical" } = {}): Step {
  const { p = 0.5, axis = "horizontal" } = optionsOf("mirror", options, ["p", "axis"]);
  return sometimes(
    p,
    fixed((canvas) => canvas.warp(amid(canvas, axis === "horizontal" ? scaling(-1, 1) : scaling(1, -1)))),
  );
}

/** The part of a picture from (left, top) on, stretched to a size. */
function cut(canvas: Canvas, [left, top]: Point, [h, w]: readonly [number, number], [height, width]: readonly [number, number]): void {
  canvas.warp(multiply(translation(left, top), scaling(w / width, h / height)), height, width);
}

/** A part of the given size, anywhere in the picture after it was made larger by `pad` pixels (default 0) on each side. */
export function randomCrop(size: Size, options: { pad?: number } = {}): Step {
  const { pad = 0 } = optionsOf("randomCrop", options, ["pad"]);
  const [height, width] = sides("randomCrop", size);
  checkNumber("randomCrop", "pad", pad, 0);
  return (canvas, random) => {
    const rooms = [canvas.width + 2 * pad - width, canvas.height + 2 * pad - height];
    const [left, top] = rooms.map((room) => (room < 0 ? Math.floor(room / 2) : random.below(room + 1)) - pad);
    cut(canvas, [left, top], [height, width], [height, width]);
  };
}

/** The middle of the picture, of the given size; for pictures that are not to be changed at random. */
export function centerCrop(size: Size): Step {
  const [height, width] = sides("centerCrop", size);
  return fixed((canvas) =>
    cut(canvas, [Math.round((canvas.width - width) / 2), Math.round((canvas.height - height) / 2)], [height, width], [height, width]),
  );
}

/** The whole picture stretched, or shrunk, to the given size; what shrinks is averaged. */
export function resize(size: Size): Step {
  const [height, width] = sides("resize", size);
  return fixed((canvas) => cut(canvas, [0, 0], [canvas.height, canvas.width], [height, width]));
}

export interface ResizedCropOptions {
  /** Share of the picture's area that is taken. Default 0.08 to 1. */
  scale?: Interval;
  /** Width of the part over its height, drawn on a log scale. Default 3/4 to 4/3. */
  ratio?: Interval;
}

/** A part of any size and, within bounds, any proportions, stretched to the given size. Source: Szegedy et al., "Going deeper with convolutions", 2015. */
export function resizedCrop(size: Size, options: ResizedCropOptions = {}): Step {
  const op = "resizedCrop";
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = optionsOf(op, options, ["scale", "ratio"]);
  const target = sides(op, size);
  const [areas, ratios] = [interval(op, "scale", scale, 0, 1), interval(op, "ratio", ratio, 0)];
  return (canvas, random) => {
    for (let attempt = 0; attempt < 10; attempt++) {
      const area = between(areas, random) * canvas.height * canvas.width;
      const proportion = Math.exp(between([Math.log(ratios[0]), Math.log(ratios[1])], random));
      const [h, w] = [Math.round(Math.sqrt(area / proportion)), Math.round(Math.sqrt(area * proportion))];
      if (h < 1 || w < 1 || h > canvas.height || w > canvas.width) continue;
      cut(canvas, [random.below(canvas.width - w + 1), random.below(canvas.height - h + 1)], [h, w], target);
      return;
    }
    // The largest part in the middle whose proportions are allowed.
    const allowed = Math.min(Math.max(canvas.width / canvas.height, ratios[0]), ratios[1]);
    const [h, w] = [Math.min(canvas.height, canvas.width / allowed), Math.min(canvas.width, canvas.height * allowed)];
    cut(canvas, [(canvas.width - w) / 2, (canvas.height - h) / 2], [h, w], target);
  };
}

/** A turn around the middle by an angle in degrees, against the clock. `degrees`: up to so many either way, or from … to. */
export function rotation(degrees: number | Interval): Step {
  const range = interval("rotation", "degrees", degrees);
  return (canvas, random) => canvas.warp(amid(canvas, turn(between(range, random))));
}

/** Turns by 0, 90, 180 or 270 degrees, each as likely: where there is no above and below. Pictures that are not square change their proportions. */
export function quarterTurns(): Step {
  return (canvas, random) => {
    const quarters = random.below(4);
    const { height, width } = canvas;
    const [h, w] = quarters % 2 === 0 ? [height, width] : [width, height];
    canvas.warp(multiply(translation(width / 2, height / 2), multiply(turn(90 * quarters), translation(-w / 2, -h / 2))), h, w);
  };
}

/** Lets rows slide by an angle in degrees, and columns too if `vertical` is given. Each: up to so many either way, or from … to. */
export function shear(horizontal: number | Interval, vertical: number | Interval = 0): Step {
  const ranges = [interval("shear", "horizontal", horizontal), interval("shear", "vertical", vertical)];
  return (canvas, random) => {
    const [a, b] = ranges.map((range) => Math.tan((between(range, random) * Math.PI) / 180));
    canvas.warp(amid(canvas, multiply([1, a, 0, 0, 1, 0, 0, 0, 1], [1, 0, 0, b, 1, 0, 0, 0, 1])));
  };
}

/** Moves by shares of width and height: up to so much either way, or from … to. */
export function shift(horizontal: number | Interval, vertical: number | Interval = horizontal): Step {
  const ranges = [interval("shift", "horizontal", horizontal), interval("shift", "vertical", vertical)];
  return (canvas, random) => {
    const [dx, dy] = ranges.map((range) => between(range, random));
    canvas.warp(translation(-dx * canvas.width, -dy * canvas.height));
  };
}

/** Makes what is seen larger by a factor, drawn on a log scale; the size of the picture stays. */
export function zoom(factor: Interval): Step {
  const [low, high] = interval("zoom", "factor", factor, 0);
  return (canvas, random) => {
    const by = Math.exp(-between([Math.log(low), Math.log(high)], random));
    canvas.warp(amid(canvas, scaling(by, by)));
  };
}

/**
 * As if the picture were seen at an angle: each corner moves inwards by up to `distortion` (default 0.5) halves of the sides, in a share `p`
 * (default 0.5) of the pictures.
 */
export function perspective(options: { distortion?: number; p?: number } = {}): Step {
  const { distortion = 0.5, p = 0.5 } = optionsOf("perspective", options, ["distortion", "p"]);
  checkNumber("perspective", "distortion", distortion, 0, 1);
  return sometimes(p, (canvas, random) => {
    const { height, width } = canvas;
    const inwards = (): Point => [(distortion * random.uniform() * width) / 2, (distortion * random.uniform() * height) / 2];
    const [a, b, c, d] = [inwards(), inwards(), inwards(), inwards()];
    const corners = unitSquareTo([a, [width - b[0], b[1]], [width - c[0], height - c[1]], [d[0], height - d[1]]]);
    canvas.warp(multiply(scaling(width, height), inverse(corners)));
  });
}

export interface LocalWarpOptions {
  /** Points a side that are moved; what lies between follows smoothly. Default 4. */
  grid?: number;
  /** Standard deviation of their displacements, as a share of the shorter side. Default 0.05. */
  amount?: number;
  /** Share of the pictures. Default 1. */
  p?: number;
}

/**
 * Bends the picture as if it were printed on rubber: points of a coarse grid are displaced at random, between them a cubic spline. Sources: Simard,
 * Steinkraus, Platt 2003; in this form Ronneberger, Fischer, Brox, "U-Net", 2015, section 3.1.
 */
export function localWarp(options: LocalWarpOptions = {}): Step {
  const { grid = 4, amount = 0.05, p = 1 } = optionsOf("localWarp", options, ["grid", "amount", "p"]);
  if (!Number.isInteger(grid) || grid < 2)
    throw new ValueError(`localWarp: grid must be a whole number ≥ 2 but is ${grid}`, { op: "localWarp", inputs: [grid] });
  checkNumber("localWarp", "amount", amount, 0);
  return sometimes(p, (canvas, random) => {
    const std = amount * Math.min(canvas.height, canvas.width);
    const shifts = Float64Array.from({ length: 2 * (grid + 2) ** 2 }, () => std * random.normal());
    canvas.warp(new SplineBend(grid, canvas.width, canvas.height, shifts));
  });
}
