/** Scalar functions of the tile machine that JavaScript lacks or defines otherwise, in doubles. */

const twoOverRootPi = 2 / Math.sqrt(Math.PI);

/** erf(x) = 2/√π ∫₀ˣ e^(−t²) dt, to about 1e-15. Abramowitz & Stegun 7.1.6 and 7.1.14. */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x); // 1 − erf(6) = 2e-17
  if (z < 2) {
    // 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms have one sign, nothing cancels.
    let [term, sum] = [x, x];
    for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return twoOverRootPi * Math.exp(-x * x) * sum;
  }
  // √π · e^(x²) · erfc(x) = 1/(x + ½/(x + 1/(x + (3/2)/(x + …)))), from its 100th term up.
  let fraction = z;
  for (let n = 100; n >= 1; n--) fraction = z + n / 2 / fraction;
  return Math.sign(x) * (1 - (twoOverRootPi * Math.exp(-z * z)) / (2 * fraction));
}

/** Nearest integer, halves to the even one. */
export function round(x: number): number {
  return Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
}

/** Remainder with the sign of the divisor. */
export function mod(x: number, y: number): number {
  const r = x % y;
  return r !== 0 && r < 0 !== y < 0 ? r + y : r;
}

/** As C and NumPy have it: 1 to any power is 1, even to NaN; (−1)^±∞ is 1. */
export function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY)) return 1;
  return x ** y;
}
