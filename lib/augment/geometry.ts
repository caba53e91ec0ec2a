/**
 * Maps of the plane, from places in the picture that is made to places in the picture there was. Pixel (row i, column j) covers x from j to j + 1
 * and y from i to i + 1.
 */

/** Row by row; (x, y) goes to ((a·x + b·y + c) / w, (d·x + e·y + f) / w) with w = g·x + h·y + i. */
export type Matrix = readonly [number, number, number, number, number, number, number, number, number];

/** A bend of the plane: moves places (xs[k], ys[k]), and so slightly that it does not fold. */
export interface Bend {
  displace(xs: Float64Array, ys: Float64Array): void;
}

export type Warp = Matrix | Bend;
export type Point = readonly [x: number, y: number];

export const isMatrix = (warp: Warp): warp is Matrix => Array.isArray(warp);

export const identity: Matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];
export const translation = (dx: number, dy: number): Matrix => [1, 0, dx, 0, 1, dy, 0, 0, 1];
export const scaling = (sx: number, sy: number): Matrix => [sx, 0, 0, 0, sy, 0, 0, 0, 1];

/** The map that does b first and a then. */
export function multiply([a, b, c, d, e, f, g, h, i]: Matrix, [j, k, l, m, n, o, p, q, r]: Matrix): Matrix {
  return [
    a * j + b * m + c * p,
    a * k + b * n + c * q,
    a * l + b * o + c * r,
    d * j + e * m + f * p,
    d * k + e * n + f * q,
    d * l + e * o + f * r,
    g * j + h * m + i * p,
    g * k + h * n + i * q,
    g * l + h * o + i * r,
  ];
}

/** The same map with (x, y) in the place of (0, 0). */
export const about = (x: number, y: number, matrix: Matrix): Matrix => multiply(translation(x, y), multiply(matrix, translation(-x, -y)));

/** By the adjugate: the determinant is a common factor of all three coordinates. */
export function inverse([a, b, c, d, e, f, g, h, i]: Matrix): Matrix {
  return [
    e * i - f * h,
    c * h - b * i,
    b * f - c * e,
    f * g - d * i,
    a * i - c * g,
    c * d - a * f,
    d * h - e * g,
    b * g - a * h,
    a * e - b * d,
  ];
}

/** A turn by an angle in degrees, exact for quarters: what is made shows the picture turned against the clock. */
export function turn(degrees: number): Matrix {
  const quarters = degrees / 90;
  const [cos, sin] = Number.isInteger(quarters)
    ? [[1, 0, -1, 0][((quarters % 4) + 4) % 4], [0, 1, 0, -1][((quarters % 4) + 4) % 4]]
    : [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return [cos, -sin, 0, sin, cos, 0, 0, 0, 1];
}

/**
 * The map that takes the corners of the unit square (0, 0), (1, 0), (1, 1), (0, 1) to four points. Source: Heckbert, "Fundamentals of Texture
 * Mapping and Image Warping", 1989, section 2.2.3.
 */
export function unitSquareTo([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: readonly [Point, Point, Point, Point]): Matrix {
  const [dx1, dx2, sx] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, sy] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const area = dx1 * dy2 - dx2 * dy1;
  const [g, h] = [(sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area];
  return [x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h, 1];
}

/** Takes places to where a map takes them. */
export function apply(warp: Warp, xs: Float64Array, ys: Float64Array): void {
  if (!isMatrix(warp)) {
    warp.displace(xs, ys);
    return;
  }
  const [a, b, c, d, e, f, g, h, i] = warp;
  if (g === 0 && h === 0 && i === 1) {
    for (let k = 0; k < xs.length; k++) {
      const x = xs[k];
      const y = ys[k];
      xs[k] = a * x + b * y + c;
      ys[k] = d * x + e * y + f;
    }
    return;
  }
  for (let k = 0; k < xs.length; k++) {
    const x = xs[k];
    const y = ys[k];
    const w = g * x + h * y + i;
    xs[k] = (a * x + b * y + c) / w;
    ys[k] = (d * x + e * y + f) / w;
  }
}

/** Takes places of the old picture to where they come to lie; those of a bend are found by fixed-point steps. */
export function applyInverse(warp: Warp, xs: Float64Array, ys: Float64Array): void {
  if (isMatrix(warp)) {
    apply(inverse(warp), xs, ys);
    return;
  }
  const [toX, toY] = [xs.slice(), ys.slice()];
  for (let step = 0; step < 12; step++) {
    const [nowX, nowY] = [xs.slice(), ys.slice()];
    apply(warp, nowX, nowY);
    for (let k = 0; k < xs.length; k++) {
      xs[k] += toX[k] - nowX[k];
      ys[k] += toY[k] - nowY[k];
    }
  }
}

/**
 * A smooth bend: displacements on a grid of `n` × `n` control points over a picture, between them a cubic B-spline.
 * `shifts`: (n + 2)² pairs, as the spline reaches one point beyond each side.
 */
export class SplineBend implements Bend {
  constructor(
    private readonly n: number,
    private readonly width: number,
    private readonly height: number,
    private readonly shifts: Float64Array,
  ) {}

  displace(xs: Float64Array, ys: Float64Array): void {
    const { n, width, height, shifts } = this;
    const weights = new Float64Array(4);
    // Σᵢ wᵢ · shifts of four neighbouring columns: the same for all places of a row between the same control points.
    const columns = new Float64Array(8);
    let [from, of] = [-1, Number.NaN];
    for (let k = 0; k < xs.length; k++) {
      const u = clamp((xs[k] / width) * (n - 1), n - 1);
      const v = clamp((ys[k] / height) * (n - 1), n - 1);
      const column = Math.min(u | 0, n - 2);
      if (column !== from || v !== of) {
        [from, of] = [column, v];
        const row = Math.min(v | 0, n - 2);
        spline(v - row, weights);
        for (let j = 0; j < 8; j++) {
          const at = 2 * (row * (n + 2) + column) + j;
          const down = 2 * (n + 2);
          columns[j] =
            weights[0] * shifts[at] +
            weights[1] * shifts[at + down] +
            weights[2] * shifts[at + 2 * down] +
            weights[3] * shifts[at + 3 * down];
        }
      }
      spline(u - column, weights);
      xs[k] += weights[0] * columns[0] + weights[1] * columns[2] + weights[2] * columns[4] + weights[3] * columns[6];
      ys[k] += weights[0] * columns[1] + weights[1] * columns[3] + weights[2] * columns[5] + weights[3] * columns[7];
    }
  }
}

const clamp = (t: number, most: number) => Math.min(Math.max(t, 0), most);

/** Weights of the four control points around a place at t in [0, 1] between the middle two. */
function spline(t: number, weights: Float64Array): void {
  const s = 1 - t;
  weights[0] = (s * s * s) / 6;
  weights[1] = (3 * t * t * t - 6 * t * t + 4) / 6;
  weights[2] = (3 * s * s * s - 6 * s * s + 4) / 6;
  weights[3] = (t * t * t) / 6;
}
