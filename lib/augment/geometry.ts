/**
 * Maps of the plane, from places in the picture that is made to places in the picture there was. Pixel (row i, column j) covers x from j to j + 1
 * and y from i to i + 1.
 */

/** Row by row; (x, y) goes to ((a·x + b·y + c) / w, (d·x + e·y + f) / w) with w = g·x + h·y + i. */
export type Matrix = readonly [number, number, number, number, number, number, number, number, number];

/** A bend of the plane: what is added to x and y at a place. */
export interface Bend {
  shift(x: number, y: number): readonly [dx: number, dy: number];
}

export type Warp = Matrix | Bend;
export type Point = readonly [x: number, y: number];

export const isMatrix = (warp: Warp): warp is Matrix => Array.isArray(warp);

export const identity: Matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];
export const translation = (dx: number, dy: number): Matrix => [1, 0, dx, 0, 1, dy, 0, 0, 1];
export const scaling = (sx: number, sy: number): Matrix => [sx, 0, 0, 0, sy, 0, 0, 0, 1];

/** The map that does b first and a then. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  return Array.from({ length: 9 }, (_, k) => {
    const [row, column] = [3 * Math.floor(k / 3), k % 3];
    return a[row] * b[column] + a[row + 1] * b[column + 3] + a[row + 2] * b[column + 6];
  }) as unknown as Matrix;
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

export function apply(warp: Warp, [x, y]: Point): Point {
  if (!isMatrix(warp)) {
    const [dx, dy] = warp.shift(x, y);
    return [x + dx, y + dy];
  }
  const [a, b, c, d, e, f, g, h, i] = warp;
  const w = g * x + h * y + i;
  return [(a * x + b * y + c) / w, (d * x + e * y + f) / w];
}

/** Where a place of the old picture comes to lie. Of a bend by fixed-point steps: it must be slight enough not to fold. */
export function applyInverse(warp: Warp, point: Point): Point {
  if (isMatrix(warp)) return apply(inverse(warp), point);
  let [x, y] = point;
  for (let k = 0; k < 12; k++) {
    const [dx, dy] = warp.shift(x, y);
    [x, y] = [point[0] - dx, point[1] - dy];
  }
  return [x, y];
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

  shift(x: number, y: number): readonly [number, number] {
    const { n } = this;
    const [u, v] = [clamp((x / this.width) * (n - 1), n - 1), clamp((y / this.height) * (n - 1), n - 1)];
    const [column, row] = [Math.min(Math.floor(u), n - 2), Math.min(Math.floor(v), n - 2)];
    const [wx, wy] = [spline(u - column), spline(v - row)];
    let [dx, dy] = [0, 0];
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) {
        const weight = wy[i] * wx[j];
        const at = 2 * ((row + i) * (n + 2) + column + j);
        dx += weight * this.shifts[at];
        dy += weight * this.shifts[at + 1];
      }
    }
    return [dx, dy];
  }
}

const clamp = (t: number, most: number) => Math.min(Math.max(t, 0), most);

/** Weights of the four control points around a place at t in [0, 1] between the middle two. */
function spline(t: number): readonly [number, number, number, number] {
  const s = 1 - t;
  return [s ** 3 / 6, (3 * t ** 3 - 6 * t * t + 4) / 6, (3 * s ** 3 - 6 * s * s + 4) / 6, t ** 3 / 6];
}
