// Errors of the elementary functions in units in the last place, against libm in long double, through the tile machine.
#include <cmath>

#include "isas.h"

namespace nabla::test {
namespace {

class MathTest : public KernelTest {};
NABLA_ON_EVERY_ISA(MathTest);

template <class T>
std::vector<T> evaluate(const Kernel& kernel, TileOp op, const std::vector<T>& a, const std::vector<T>& b) {
  const int64_t n = static_cast<int64_t>(a.size());
  Array<T> x({n}, a), z({n}, b), y({n});
  TileBuilder t(dtype_of<T>, {n});
  const int p = t.load(0), q = t.load(1);
  t.store(t.op(op, p, q));
  EXPECT_EQ(run(kernel, {{y.view()}, {x.view(), z.view()}, {}, t.tile()}).complaint, "");
  return y.values();
}

// Distance in units of the last place of the exact result; a result that rounds to a subnormal is measured in theirs.
template <class T>
double ulps(T got, long double want) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(want)) return std::isnan(got) ? 0 : INFINITY;
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded ? 0 : INFINITY;
  const T size = std::fabs(rounded);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) /
                             (std::nextafter(size, T(INFINITY)) - size));
}

struct Case {
  TileOp op;
  const char* name;
  long double (*exact)(long double);
  double bound;
  double low, high;      // in f32
  double low64, high64;  // in f64
  bool logarithmic;      // magnitudes spread evenly in the exponent; both signs if low is negative
};
const Case kCases[] = {
    {TileOp::exp, "exp", std::exp, 1, -103, 89, -744, 710, false},
    {TileOp::exp, "exp", std::exp, 1, -1, 1, -1, 1, true},
    {TileOp::expm1, "expm1", std::expm1, 2, -50, 89, -50, 710, false},
    {TileOp::expm1, "expm1", std::expm1, 2, -1, 1, -1, 1, true},
    {TileOp::log, "log", std::log, 1, 1e-44, 3e38, 1e-320, 1e308, true},
    {TileOp::log, "log", std::log, 1, 0.5, 2, 0.5, 2, false},
    {TileOp::log1p, "log1p", std::log1p, 2.5, -0.9999, 2, -0.9999, 2, false},
    {TileOp::log1p, "log1p", std::log1p, 2.5, 1e-10, 1e30, 1e-10, 1e300, true},
    {TileOp::log1p, "log1p", std::log1p, 2.5, -0.9, 0.9, -0.9, 0.9, true},
    {TileOp::sin, "sin", std::sin, 2.5, -8000, 8000, -1e6, 1e6, false},
    {TileOp::sin, "sin", std::sin, 2.5, -1e9, 1e9, -1e9, 1e9, true},
    {TileOp::cos, "cos", std::cos, 2.5, -8000, 8000, -1e6, 1e6, false},
    {TileOp::cos, "cos", std::cos, 2.5, -1e9, 1e9, -1e9, 1e9, true},
    {TileOp::tanh, "tanh", std::tanh, 2.5, -20, 20, -20, 20, false},
    {TileOp::tanh, "tanh", std::tanh, 2.5, -1, 1, -1, 1, true},
    {TileOp::sigmoid, "sigmoid", [](long double x) { return 1 / (1 + std::exp(-x)); }, 2.5, -87, 40, -700, 40, false},
    {TileOp::erf, "erf", std::erf, 1.5, -7, 7, -7, 7, false},
    {TileOp::erf, "erf", std::erf, 1.5, -1, 1, -1, 1, true},
    {TileOp::sqrt, "sqrt", std::sqrt, 0.5, 0, 1e30, 0, 1e300, false},
};

double sample(Random& random, double low, double high, bool logarithmic) {
  if (!logarithmic) return random.uniform(low, high);
  const double bottom = std::log2(low > 0 ? low : 1e-12);
  const double x = std::exp2(random.uniform(bottom, std::log2(high)));
  return low < 0 && random.below(2) ? -x : x;
}

template <class T>
void within_bounds(const Kernel& kernel) {
  constexpr int64_t kSamples = 100000;
  Random random(11);
  for (const Case& c : kCases) {
    std::vector<T> x(kSamples);
    for (T& v : x)
      v = static_cast<T>(sizeof(T) == 4 ? sample(random, c.low, c.high, c.logarithmic)
                                        : sample(random, c.low64, c.high64, c.logarithmic));
    const std::vector<T> y = evaluate(kernel, c.op, x, x);
    double worst = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < kSamples; ++i) {
      const double e = ulps<T>(y[i], c.exact(static_cast<long double>(x[i])));
      if (e > worst) worst = e, at = i;
    }
    EXPECT_LE(worst, c.bound) << c.name << "(" << x[at] << ") = " << y[at];
    testing::Test::RecordProperty(std::string(c.name) + (c.logarithmic ? "_log" : ""), std::to_string(worst));
  }
}
TEST_P(MathTest, UnaryF32) { within_bounds<float>(kernel("tile")); }
TEST_P(MathTest, UnaryF64) { within_bounds<double>(kernel("tile")); }

// Bases over many scales, exponents that keep the result in range: where the logarithm must be better than T.
template <class T>
void power(const Kernel& kernel) {
  constexpr int64_t kSamples = 100000;
  const double range = sizeof(T) == 4 ? 87 : 707;
  Random random(13);
  for (const double spread : {1e-3, 1.0, 20.0}) {
    std::vector<T> x(kSamples), y(kSamples);
    for (int64_t i = 0; i < kSamples; ++i) {
      x[i] = static_cast<T>(std::exp(random.uniform(-spread, spread)));
      y[i] = static_cast<T>(random.uniform(-range, range) / std::log(static_cast<double>(x[i])));
      if (!std::isfinite(y[i])) y[i] = 1;
    }
    const std::vector<T> z = evaluate(kernel, TileOp::pow, x, y);
    for (int64_t i = 0; i < kSamples; ++i) {
      const long double want = std::pow(static_cast<long double>(x[i]), static_cast<long double>(y[i]));
      if (want < static_cast<long double>(std::numeric_limits<T>::min())) continue;
      ASSERT_LE(ulps<T>(z[i], want), 2) << x[i] << " ** " << y[i];
    }
  }
}
TEST_P(MathTest, PowF32) { power<float>(kernel("tile")); }
TEST_P(MathTest, PowF64) { power<double>(kernel("tile")); }

template <class T>
void remainder_is_exact(const Kernel& kernel) {
  constexpr int64_t kSamples = 100000;
  Random random(17);
  std::vector<T> x(kSamples), y(kSamples);
  for (int64_t i = 0; i < kSamples; ++i) {
    y[i] = static_cast<T>(random.uniform(-7, 7));
    x[i] = i % 3 ? static_cast<T>(random.uniform(-1000, 1000)) : y[i] * static_cast<T>(random.below(40) - 20);
    if (i % 7 == 0) x[i] *= static_cast<T>(1e12);
  }
  const std::vector<T> z = evaluate(kernel, TileOp::mod, x, y);
  for (int64_t i = 0; i < kSamples; ++i) {
    T r = std::fmod(x[i], y[i]);
    if (r != 0 && (r < 0) != (y[i] < 0)) r += y[i];
    ASSERT_EQ(z[i], r) << x[i] << " mod " << y[i];
  }
}
TEST_P(MathTest, ModF32) { remainder_is_exact<float>(kernel("tile")); }
TEST_P(MathTest, ModF64) { remainder_is_exact<double>(kernel("tile")); }

}  // namespace
}  // namespace nabla::test
