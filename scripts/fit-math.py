"""Fits the minimax polynomials of native/simd/math.h (Remez exchange in 60-digit arithmetic) and prints them as C++.

Needs mpmath: `pip install mpmath && python3 scripts/fit-math.py`.
"""
from mpmath import mp, mpf, matrix, lu_solve, cos, sin, exp, expm1, log, atanh, erf, erfc, pi, sqrt

mp.dps = 60


def remez(f, weight, low, high, degree, rounds=12):
    """Polynomial p of the given degree that minimises max |weight·(f − p)| on [low, high]; also that maximum."""
    n = degree + 2
    low, high = mpf(low), mpf(high)
    xs = [(low + high) / 2 - (high - low) / 2 * cos(pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    for _ in range(rounds):
        a, b = matrix(n, n), matrix(n, 1)
        for i, x in enumerate(xs):
            for j in range(degree + 1):
                a[i, j] = x**j
            a[i, degree + 1] = (-1) ** i / weight(x)
            b[i] = f(x)
        c = lu_solve(a, b)
        p = [c[j] for j in range(degree + 1)]
        error = lambda x: weight(x) * (f(x) - sum(k * x**j for j, k in enumerate(p)))
        grid = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / (24 * n)) for i in range(24 * n + 1)]
        es = [error(x) for x in grid]
        runs, current = [], [0]  # the extreme of each stretch of one sign
        for i in range(1, len(grid)):
            if es[i] * es[current[-1]] < 0:
                runs.append(current)
                current = []
            current.append(i)
        runs.append(current)
        peaks = [max(run, key=lambda i: abs(es[i])) for run in runs]
        if len(peaks) < n:
            break
        while len(peaks) > n:
            peaks.pop(0 if abs(es[peaks[0]]) < abs(es[peaks[-1]]) else -1)
        xs = [grid[i] for i in peaks]
    return p, max(abs(e) for e in es)


def show(name, p, error):
    print(f"// {name}: {len(p)} coefficients, error {mp.nstr(error, 3)}")
    for c in p:
        print(f"    {mp.nstr(c, 20)},")


tiny = mpf(10) ** -25
half = log(mpf(2)) / 2 * mpf("1.0001")
# (eʳ − 1 − r)/r² on |r| ≤ ln2/2, relative to eʳ − 1
q = lambda r: (expm1(r) - r) / r**2 if abs(r) > mpf(10) ** -20 else mpf(1) / 2
w = lambda r: abs(r**2 / expm1(r)) if r else tiny
for name, degree in (("exp f32", 5), ("exp f64", 10)):
    show(name, *remez(q, lambda r: w(r) + tiny, -half, half, degree))

# (atanh(s)/s − 1)·2/s² in z = s², s = f/(2+f), √½ ≤ 1+f ≤ √2, relative to log
zmax = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.001")
l = lambda z: 2 * (atanh(sqrt(z)) / sqrt(z) - 1) / z if z > mpf(10) ** -20 else mpf(2) / 3
for name, degree in (("log f32", 2), ("log f64", 6)):
    show(name, *remez(l, lambda z: z + tiny, 0, zmax, degree))
# the same less its first term, for the extended logarithm of pow
l2 = lambda z: (l(z) - mpf(2) / 3) / z if z > mpf(10) ** -15 else mpf(2) / 5
for name, degree in (("log2 f32", 2), ("log2 f64", 6)):
    show(name, *remez(l2, lambda z: z**2 + tiny, 0, zmax, degree))

quarter = (pi / 4) ** 2 * mpf("1.001")
s = lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z if z > mpf(10) ** -20 else -mpf(1) / 6
c = lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2 if z > mpf(10) ** -12 else mpf(1) / 24
for name, degree in (("sin f32", 2), ("sin f64", 5)):
    show(name, *remez(s, lambda z: z + tiny, 0, quarter, degree))
for name, degree in (("cos f32", 2), ("cos f64", 5)):
    show(name, *remez(c, lambda z: z**2 + tiny, 0, quarter, degree))

# erf(x)/x − 1 in x² for |x| ≤ 1. Beyond, f32: log₂ erfc(x), and 2ʳ, |r| ≤ ½, to raise it by; f64: erfc(x)·exp(x²) in
# t = (x − 2)/(x + 2), absolute after the factor exp(−x²).
e = lambda z: erf(sqrt(z)) / sqrt(z) - 1 if z > mpf(10) ** -40 else 2 / sqrt(pi) - 1
for name, degree in (("erf near f32", 6), ("erf near f64", 11)):
    show(name, *remez(e, lambda z: mpf(1), 0, 1, degree))
show("erf far f32", *remez(lambda x: log(erfc(x), 2), lambda x: erfc(x) * log(mpf(2)) / erf(x), 1, 4, 6))
show("exp2 f32", *remez(lambda r: 2**r, lambda r: 2**-r, mpf("-0.5"), mpf("0.5"), 5))
g = lambda t: erfc(2 * (1 + t) / (1 - t)) * exp((2 * (1 + t) / (1 - t)) ** 2)
show("erf far f64", *remez(g, lambda t: exp(-(2 * (1 + t) / (1 - t)) ** 2) if t < 1 else 0, mpf(-1) / 3, mpf(4) / 8, 13))
