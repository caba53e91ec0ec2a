// Elementary functions over Vec<T>: the same polynomials on every instruction set, no libm on any ordinary path.
//
// Coefficients are minimax fits printed by scripts/fit-math.py. Largest errors in units in the last place, f32 and f64,
// with or without fused multiply-add (test/native/math_test.cpp holds each function to them): exp, log 1 · expm1 2 ·
// erf 1.5 · pow 2 (within the normal numbers) · sin, cos, log1p, tanh, sigmoid 2.5 · mod exact.
#pragma once
#include "vec.h"

namespace nabla::NABLA_ISA {

// A floating-point format, with constants split so that products with the integers that meet them are exact.
template <class T>
struct Real;
template <>
struct Real<float> {
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float smallest_normal = 0x1p-126f, subnormal_exponent = 24, subnormal_scale = 0x1p24f;
  static constexpr float exp_low = -104, exp_high = 89;
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float two_thirds_high = 0x1.555556p-1f, two_thirds_low = -0x1.555556p-26f;
  static constexpr float half_pi[4] = {0x1.92p+0f, 0x1.fb4p-12f, 0x1.444p-24f, 0x1.68c234p-39f};
  static constexpr float trig_limit = 8192;
  static constexpr float splitter = 0x1.002p+12f;
  static constexpr float erf_end = 4;
};
template <>
struct Real<double> {
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double smallest_normal = 0x1p-1022, subnormal_exponent = 54, subnormal_scale = 0x1p54;
  static constexpr double exp_low = -746, exp_high = 710;
  static constexpr double ln2_high = 0x1.62e42fefa3p-1, ln2_low = 0x1.3de6af278ece6p-42;
  static constexpr double two_thirds_high = 0x1.5555555555555p-1, two_thirds_low = 0x1.5555555555555p-55;
  static constexpr double half_pi[4] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2ep-69, 0x1.b839a252049c1p-104};
  static constexpr double trig_limit = 1e6;
  static constexpr double splitter = 0x1.0000002p+27;
  static constexpr double erf_end = 6;
};

// c0 + c1 x + c2 x² + …
template <class T, class... Rest>
NABLA_INLINE Vec<T> polynomial(Vec<T> x, double c0, Rest... rest) {
  const Vec<T> head = Vec<T>::all(static_cast<T>(c0));
  if constexpr (sizeof...(rest) == 0)
    return head;
  else
    return fma(polynomial(x, rest...), x, head);
}

// 2ⁿ for integral n in the range of normal numbers: n + bias is shifted from the low bits into the exponent.
template <class T>
NABLA_INLINE Vec<T> power_of_two(Vec<T> n) {
  using R = Real<T>;
  constexpr T magic = T(3) * T(Bits<T>(1) << (R::mantissa - 1)) + T(R::bias);
  return shift_left<R::mantissa>(n + Vec<T>::all(magic));
}

// f(lane) for the lanes whose magnitude exceeds `limit`: the way out for arguments that ordinary data does not have.
template <class T, class F>
NABLA_INLINE Vec<T> mend_large(Vec<T> x, Vec<T> y, T limit, F f) {
  if (!any(abs(x) > Vec<T>::all(limit))) return y;
  T in[Vec<T>::lanes], out[Vec<T>::lanes];
  x.store(in);
  y.store(out);
  for (int i = 0; i < Vec<T>::lanes; ++i)
    if (in[i] > limit || in[i] < -limit) out[i] = static_cast<T>(f(in[i]));
  return Vec<T>::load(out);
}

// eʳ = 1 + r + r²·q(r) for |r| <= ln2/2
template <class T>
NABLA_INLINE Vec<T> exp_series(Vec<T> r) {
  if constexpr (sizeof(T) == 4)
    return polynomial(r, 0.50000000441961349893, 0.16666666371150988932, 0.041666360820993453238,
                      0.0083333892410944079085, 0.0013940633368710818285, 0.00019845939561955099746);
  else
    return polynomial(r, 0.50000000000000000085, 0.16666666666666676506, 0.041666666666666508324,
                      0.0083333333333216921233, 0.0013888888888962602444, 0.00019841269885965434173,
                      0.000024801587172077496402, 2.755724437424482674e-6, 2.7557403038364961189e-7,
                      2.5108978934991539183e-8, 2.0875207536740435589e-9);
}

// x = n·ln2 + r, with x held where its exponential is neither 0 nor infinite nor NaN.
template <class T>
struct ExpParts {
  Vec<T> n, r;
};
template <class T>
NABLA_INLINE ExpParts<T> exp_parts(Vec<T> x) {
  using R = Real<T>;
  const Vec<T> n = round(x * Vec<T>::all(T(0x1.71547652b82fep+0)));
  return {n, fnma(n, Vec<T>::all(R::ln2_low), fnma(n, Vec<T>::all(R::ln2_high), x))};
}
// max and min give their second operand if it is a NaN.
template <class T>
NABLA_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {
  return min(Vec<T>::all(high), max(Vec<T>::all(low), x));
}

// y·2ⁿ in two steps, as 2ⁿ itself may overflow or be subnormal.
template <class T>
NABLA_INLINE Vec<T> scale(Vec<T> y, Vec<T> n) {
  const Vec<T> half = floor(n * Vec<T>::all(T(0.5)));
  return y * power_of_two(half) * power_of_two(n - half);
}

template <class T>
NABLA_INLINE Vec<T> exp(Vec<T> x) {
  const auto [n, r] = exp_parts(clamp(x, Real<T>::exp_low, Real<T>::exp_high));
  return scale(fma(r * r, exp_series(r), r) + Vec<T>::all(T(1)), n);
}

// 2·(2ⁿ⁻¹·(eʳ − 1) + (2ⁿ⁻¹ − ½)): exact where n = 0, and no overflow before the result does.
template <class T>
NABLA_INLINE Vec<T> expm1(Vec<T> x) {
  const auto [n, r] = exp_parts(clamp(x, T(-40), Real<T>::exp_high));
  const Vec<T> s = power_of_two(n - Vec<T>::all(T(1)));
  const Vec<T> y = fma(fma(r * r, exp_series(r), r), s, s - Vec<T>::all(T(0.5)));
  return y + y;
}

// x = 2ᵏ·(1 + f) with √½ <= 1 + f <= √2, for positive normal x.
template <class T>
struct LogParts {
  Vec<T> k, f;
};
template <class T>
NABLA_INLINE LogParts<T> log_parts(Vec<T> x) {
  using R = Real<T>;
  const Vec<T> magic = Vec<T>::all(T(Bits<T>(1) << R::mantissa)), one = Vec<T>::all(T(1));
  const Vec<T> exponent = bit_or(shift_right<R::mantissa>(x), magic) - magic;
  const Vec<T> m = bit_or(bit_and(x, Vec<T>::from_bits((Bits<T>(1) << R::mantissa) - 1)), one);
  const Mask<T> upper = m > Vec<T>::all(T(1.4142135623730951));
  return {exponent - select(upper, Vec<T>::all(T(R::bias - 1)), Vec<T>::all(T(R::bias))),
          select(upper, m * Vec<T>::all(T(0.5)), m) - one};
}

// k·ln2 + log(1 + f) + c, where c is a small correction. With s = f/(2+f): log(1+f) = 2s + ⅔s³ + ⅖s⁵ + …
// = f − f²/2 + s·(f²/2 + s²·(⅔ + ⅖s² + …)).
template <class T>
NABLA_INLINE Vec<T> log_sum(Vec<T> k, Vec<T> f, Vec<T> c) {
  const Vec<T> half_square = f * f * Vec<T>::all(T(0.5));
  const Vec<T> s = f / (f + Vec<T>::all(T(2)));
  const Vec<T> z = s * s;
  Vec<T> series;
  if constexpr (sizeof(T) == 4)
    series = polynomial(z, 0.6666677668432549936, 0.39977499416398163614, 0.29872983493553636498);
  else
    series = polynomial(z, 0.66666666666667348781, 0.3999999999941114215, 0.28571428743259575051,
                        0.22222198475691302263, 0.18183569780281886922, 0.15313901701737420514, 0.14797527202229669101);
  const Vec<T> low = fma(s, fma(z, series, half_square), fma(k, Vec<T>::all(Real<T>::ln2_low), c));
  return fma(k, Vec<T>::all(Real<T>::ln2_high), f - (half_square - low));
}

// y where 0 < x < ∞, and what a logarithm is elsewhere.
template <class T>
NABLA_INLINE Vec<T> log_edges(Vec<T> x, Vec<T> y) {
  const Vec<T> inf = Vec<T>::all(kInfinity), zero = Vec<T>::zero();
  const Vec<T> edge = select(x == zero, -inf, select(x == inf, inf, Vec<T>::all(kNan)));
  return select((x > zero) & (x < inf), y, edge);
}

template <class T>
NABLA_INLINE LogParts<T> log_parts_of_any(Vec<T> x) {
  using R = Real<T>;
  const Mask<T> subnormal = x < Vec<T>::all(R::smallest_normal);
  auto [k, f] = log_parts(select(subnormal, x * Vec<T>::all(R::subnormal_scale), x));
  return {select(subnormal, k - Vec<T>::all(R::subnormal_exponent), k), f};
}

template <class T>
NABLA_INLINE Vec<T> log(Vec<T> x) {
  const auto [k, f] = log_parts_of_any(x);
  return log_edges(x, log_sum(k, f, Vec<T>::zero()));
}

// With u = 1 + x rounded, log(1 + x) = log u + (1 + x − u)/u; where u lies in [√½, √2], x itself is f.
template <class T>
NABLA_INLINE Vec<T> log1p(Vec<T> x) {
  const Vec<T> one = Vec<T>::all(T(1)), zero = Vec<T>::zero();
  const Vec<T> u = x + one;
  const auto [k, f] = log_parts(u);
  const Vec<T> lost = select(k > zero, one - (u - x), x - (u - one)) / u;
  const Mask<T> near = k == zero;
  const Vec<T> y = log_sum(k, select(near, x, f), select(near, zero, lost));
  return select(x == zero, x, log_edges(u, y));
}

template <class T>
struct SinCos {
  Vec<T> sin, cos;
};

// sin and cos of the quadrant's rest r, |r| <= π/4.
template <class T>
NABLA_INLINE SinCos<T> sin_cos_series(Vec<T> r) {
  const Vec<T> z = r * r;
  Vec<T> s, c;
  if constexpr (sizeof(T) == 4) {
    s = polynomial(z, -0.16666654913232951615, 0.0083321760867983038286, -0.00019517003369321921288);
    c = polynomial(z, 0.041666646806622910448, -0.0013887364475461901592, 0.000024438090518854071669);
  } else {
    s = polynomial(z, -0.1666666666666663187, 0.008333333333322370954, -0.00019841269829771511209,
                   2.7557313678691497698e-6, -2.505075595472630307e-8, 1.5896665643179243601e-10);
    c = polynomial(z, 0.041666666666666599167, -0.0013888888888874067153, 0.000024801587289444865372,
                   -2.7557314341059403166e-7, 2.087572167838192011e-9, -1.1359562171883833259e-11);
  }
  return {fma(z * r, s, r), fma(z * z, c, fma(z, Vec<T>::all(T(-0.5)), Vec<T>::all(T(1))))};
}

// sin and cos of n·π/2 + r.
template <class T>
NABLA_INLINE SinCos<T> turn(Vec<T> n, Vec<T> r) {
  const auto [s, c] = sin_cos_series(r);
  const Vec<T> quadrant = n - Vec<T>::all(T(4)) * floor(n * Vec<T>::all(T(0.25)));
  const Vec<T> one = Vec<T>::all(T(1)), two = Vec<T>::all(T(2)), three = Vec<T>::all(T(3));
  const Mask<T> odd = (quadrant == one) | (quadrant == three);
  const Vec<T> sin = select(odd, c, s), cos = select(odd, s, c);
  return {select(quadrant >= two, -sin, sin), select((quadrant == one) | (quadrant == two), -cos, cos)};
}

// Cody and Waite's reduction: n times each of the first three parts of π/2 is exact.
template <class T>
NABLA_INLINE SinCos<T> sin_cos_of_positive(Vec<T> x) {
  using R = Real<T>;
  const Vec<T> n = round(x * Vec<T>::all(T(0x1.45f306dc9c883p-1)));
  Vec<T> r = x;
  for (int i = 0; i < 4; ++i) r = fnma(n, Vec<T>::all(R::half_pi[i]), r);
  return turn(n, r);
}

template <class T>
NABLA_INLINE Vec<T> sin(Vec<T> x) {
  const Vec<T> sign = bit_and(x, Vec<T>::all(T(-0.0)));
  const Vec<T> y = bit_xor(sin_cos_of_positive(abs(x)).sin, sign);
  return mend_large(x, y, Real<T>::trig_limit, [](double v) { return __builtin_sin(v); });
}
template <class T>
NABLA_INLINE Vec<T> cos(Vec<T> x) {
  return mend_large(x, sin_cos_of_positive(abs(x)).cos, Real<T>::trig_limit, [](double v) { return __builtin_cos(v); });
}
// sin and cos of 2πu, 0 <= u < 1: whole quarter turns are taken off exactly.
template <class T>
NABLA_INLINE SinCos<T> sin_cos_of_turns(Vec<T> u) {
  const Vec<T> n = round(u * Vec<T>::all(T(4)));
  return turn(n, fnma(n, Vec<T>::all(T(0.25)), u) * Vec<T>::all(T(6.283185307179586)));
}

// tanh |x| = −t/(t + 2) with t = e^(−2|x|) − 1
template <class T>
NABLA_INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> t = expm1(abs(x) * Vec<T>::all(T(-2)));
  return copysign(t / (t + Vec<T>::all(T(2))), x);
}

// 1/(1 + e⁻ˣ), from e^−|x| so that nothing overflows and small results keep their digits.
template <class T>
NABLA_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> one = Vec<T>::all(T(1)), e = exp(-abs(x));
  return select(x < Vec<T>::zero(), e, one) / (one + e);
}

// x + x·p(x²) for |x| < 1. Beyond, f32: 1 − 2^q(|x|), where q = log₂ erfc is smooth; f64: 1 − e^(−x²)·q(t) with
// t = (|x| − 2)/(|x| + 2).
template <class T>
NABLA_INLINE Vec<T> erf(Vec<T> x) {
  const Vec<T> one = Vec<T>::all(T(1)), two = Vec<T>::all(T(2));
  const Vec<T> a = min(Vec<T>::all(Real<T>::erf_end), abs(x)), z = a * a;
  Vec<T> near, far;
  if constexpr (sizeof(T) == 4) {
    near =
        polynomial(z, 0.12837916591438864582, -0.37612627138213846275, 0.11283600184405424892, -0.026854444641367595696,
                   0.0051895351919513591072, -0.0008020839007886707757, 0.000078891104739272787749);
    const Vec<T> q = polynomial(a, -0.00049300564904854003647, -1.6260447535756448138, -0.92065050283570513431,
                                -0.14874970638023978035, 0.031504732492800108366, -0.0042523323995287361285,
                                0.0002688633261609638382);
    const Vec<T> n = round(q);
    const Vec<T> fraction = polynomial(q - n, 1.0000000716692327848, 0.69314696690511331602, 0.24022119687586285188,
                                       0.055507134705359736525, 0.0096755432440544162323, 0.0013276423335682509439);
    far = fnma(fraction, power_of_two(n), one);
  } else {
    near = polynomial(z, 0.12837916709551256679, -0.37612638903183546628, 0.11283791670945253232,
                      -0.026866170643276218303, 0.0052239776074234678405, -0.00085483259896967580333,
                      0.00012055295320494294236, -0.000014924744663335489733, 1.6447517677871873706e-6,
                      -1.6209175911748695663e-7, 1.372297626592450327e-8, -7.8011888740977515657e-10);
    const Vec<T> t = (a - two) / (a + two);
    const Vec<T> q = polynomial(t, 0.2553956763105057502, -0.42718584741395828071, 0.24165819424245821141,
                                -0.078978581015875300463, 0.0037328924051642694946, 0.0069974617635199497431,
                                -0.00084714319580904358599, -0.00098197812509531220351, 0.000043549363867948437242,
                                0.00017436939790417986075, 0.000027666202180883120425, -0.000027312692251300426842,
                                -0.000014599249634054494752, -1.6211790121207352677e-6);
    far = fnma(exp(-z), q, one);
  }
  return copysign(select(a < one, fma(a, near, a), far), x);
}

// An unevaluated sum of two numbers, |low| <= ulp(high)/2: twice the precision (Dekker 1971).
template <class T>
struct Double {
  Vec<T> high, low;
};
template <class T>
NABLA_INLINE Double<T> exact_sum_ordered(Vec<T> a, Vec<T> b) {  // |a| >= |b|
  const Vec<T> s = a + b;
  return {s, b - (s - a)};
}
template <class T>
NABLA_INLINE Double<T> exact_sum(Vec<T> a, Vec<T> b) {
  const Vec<T> s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
template <class T>
NABLA_INLINE Double<T> exact_product(Vec<T> a, Vec<T> b) {
  const Vec<T> p = a * b;
  if constexpr (kFusedMultiplyAdd) {
    return {p, fma(a, b, -p)};
  } else {
    const Vec<T> splitter = Vec<T>::all(Real<T>::splitter), ca = splitter * a, cb = splitter * b;
    const Vec<T> ah = ca - (ca - a), al = a - ah, bh = cb - (cb - b), bl = b - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
  }
}

// log x of positive finite x to about 1½ times T's precision: what pow needs, as y·log x is the exponent.
template <class T>
NABLA_INLINE Double<T> log_double(Vec<T> x) {
  using R = Real<T>;
  const auto [k, f] = log_parts_of_any(x);
  // s = f/(2 + f), with the remainder of the division
  const Double<T> d = exact_sum_ordered(Vec<T>::all(T(2)), f);
  const Vec<T> s = f / d.high;
  const Double<T> sd = exact_product(s, d.high);
  const Vec<T> s_low = (((f - sd.high) - sd.low) - s * d.low) / d.high;
  // z = s², cube = s³
  Double<T> z = exact_product(s, s);
  z.low = fma(s + s, s_low, z.low);
  Double<T> cube = exact_product(s, z.high);
  cube.low = cube.low + fma(s, z.low, s_low * z.high);
  Vec<T> series;  // ⅖ + 2/7 z + …
  if constexpr (sizeof(T) == 4)
    series = polynomial(z.high, 0.4000015262374049905, 0.28547085545985990589, 0.23419781270528125144);
  else
    series = polynomial(z.high, 0.40000000000002270801, 0.28571428570092173792, 0.22222222521302890454,
                        0.18181784241325323034, 0.15386763349093028808, 0.13256672684589160806, 0.13197718333489463634);
  Double<T> third = exact_product(cube.high, Vec<T>::all(R::two_thirds_high));
  third.low = third.low + fma(cube.high, Vec<T>::all(R::two_thirds_low), cube.low * Vec<T>::all(R::two_thirds_high));
  third.low = fma(cube.high * z.high, series, third.low);
  const Double<T> a = exact_sum(k * Vec<T>::all(R::ln2_high), s + s);
  const Double<T> b = exact_sum(a.high, third.high);
  const Vec<T> low = ((s_low + s_low) + third.low) + fma(k, Vec<T>::all(R::ln2_low), a.low) + b.low;
  return exact_sum_ordered(b.high, low);
}

// C99's pow: eʸ ˡᵒᵍ ˣ with the logarithm in extended precision, then the special cases.
template <class T>
NABLA_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
  using R = Real<T>;
  const Vec<T> zero = Vec<T>::zero(), one = Vec<T>::all(T(1)), inf = Vec<T>::all(kInfinity), nan = Vec<T>::all(kNan);
  const Vec<T> a = abs(x);
  // Beyond 2⁸⁰ every exponent drives every base but 1 to 0 or infinity; the bound keeps the products finite.
  const Vec<T> bounded = clamp(y, T(-0x1p80), T(0x1p80));
  const Double<T> log_a = log_double(a);
  const Double<T> p = exact_product(bounded, log_a.high);
  const Vec<T> high = clamp(p.high, R::exp_low, R::exp_high);
  const Vec<T> low = select(high == p.high, fma(bounded, log_a.low, p.low), zero);
  const auto [n, r0] = exp_parts(high);
  const Vec<T> r = r0 + low;
  Vec<T> z = scale(fma(r * r, exp_series(r), r) + one, n);

  const Mask<T> rising = y > zero;
  z = select(a == zero, select(rising, zero, inf), z);
  z = select(a == inf, select(rising, inf, zero), z);
  const Mask<T> integral = trunc(y) == y;
  const Vec<T> half = y * Vec<T>::all(T(0.5));
  const Mask<T> odd = integral & (floor(half) != half);
  z = select(odd, copysign(z, x), z);
  z = select((x < zero) & (x > -inf) & ~integral, nan, z);
  z = select((x != x) | (y != y), nan, z);
  return select((y == zero) | (x == one) | ((x == -one) & (abs(y) == inf)), one, z);
}

// a − ⌊a/b⌋·b, the remainder with the divisor's sign, exactly.
template <class T>
NABLA_INLINE Vec<T> mod(Vec<T> a, Vec<T> b) {
  constexpr T largest_quotient = T(Bits<T>(1) << (Real<T>::mantissa - 1)), largest_divisor = T(0x1p100);
  const Vec<T> zero = Vec<T>::zero(), q = trunc(a / b);
  const Double<T> p = exact_product(q, b);
  Vec<T> r = (a - p.high) - p.low;
  // Huge, infinite and NaN operands.
  if (!all((abs(q) < Vec<T>::all(largest_quotient)) & (abs(b) < Vec<T>::all(largest_divisor)))) {
    T x[Vec<T>::lanes], y[Vec<T>::lanes], out[Vec<T>::lanes];
    a.store(x), b.store(y), r.store(out);
    for (int i = 0; i < Vec<T>::lanes; ++i)
      if (!(__builtin_fabs(x[i] / y[i]) < largest_quotient && __builtin_fabs(y[i]) < largest_divisor))
        out[i] = static_cast<T>(__builtin_fmod(x[i], y[i]));
    r = Vec<T>::load(out);
  }
  // Truncation where the floor is meant, or a quotient that rounded up to an integer.
  const Mask<T> opposite = ((r < zero) & (b > zero)) | ((r > zero) & (b < zero));
  return select(opposite, r + b, select(r == zero, copysign(zero, b), r));
}

template <class T>
NABLA_INLINE Vec<T> sign(Vec<T> x) {
  const Vec<T> zero = Vec<T>::zero(), one = Vec<T>::all(T(1));
  return select(x > zero, one, select(x < zero, -one, x));
}

}  // namespace nabla::NABLA_ISA
