// Reductions against plain loops in long double: shapes around every cut, NaN, empty axes, accuracy, order of tasks.
#include <cmath>

#include "isas.h"

namespace nabla::test {
namespace {

class ReduceTest : public KernelTest {};
NABLA_ON_EVERY_ISA(ReduceTest);

enum Op { kSum, kMax, kMin, kProd };

long double fold(Op op, long double a, long double b) {
  switch (op) {
    case kSum:
      return a + b;
    case kProd:
      return a * b;
    case kMax:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
    default:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
  }
}
long double neutral(Op op) { return op == kSum ? 0 : op == kProd ? 1 : op == kMax ? -INFINITY : INFINITY; }

const Shape kShapes[] = {{1, 1, 1},     {1, 0, 1},     {3, 0, 4},      {0, 5, 2},     {2, 5, 0},      {1, 10, 1},
                         {60, 10, 1},   {513, 7, 1},   {3, 511, 1},    {3, 512, 1},   {3, 513, 1},    {2, 2049, 1},
                         {1, 32768, 1}, {1, 32769, 1}, {1, 100003, 1}, {1, 17, 6},    {1, 60, 6},     {1, 100, 6},
                         {1, 6000, 6},  {1, 7000, 10}, {5, 300, 3},    {4, 5, 7},     {100, 4, 3},    {1, 3, 511},
                         {1, 3, 512},   {1, 3, 513},   {2, 70, 1025},  {1, 200, 256}, {1, 200, 257},  {7, 1, 9},
                         {1, 1, 1000},  {2, 1, 600},   {1000, 1, 1},   {1, 2, 40000}, {1, 300, 5000}, {2, 140, 4097}};

template <class T>
void every_shape(const Kernel& kernel, Op op) {
  Random random(23);
  for (const Shape& s : kShapes) {
    for (const bool with_nan : {false, true}) {
      const int64_t size = product(s), outer = s[0], n = s[1], inner = s[2];
      if (with_nan && (size == 0 || op == kProd)) continue;
      std::vector<T> x = random.values<T>(size, op == kProd ? 0.9 : -1, op == kProd ? 1.1 : 1);
      if (op == kProd && n > 500)
        for (int64_t i = 0; i < size; ++i) x[i] = i % 2 ? T(1.5) : T(1 / 1.5);
      if (with_nan) x[random.below(size)] = T(NAN);
      Array<T> in({size}, x), out({outer * inner});
      // Σ x²·¼ + x, a chain, or just what lies in memory
      const bool chain = op == kSum && !with_nan;
      TileBuilder t(dtype_of<T>, {size});
      const int r = t.load(0);
      t.store(chain ? t.op(TileOp::add, t.op(TileOp::mul, t.op(TileOp::mul, r, r), t.constant(0.25)), r) : r);
      const Ask ask = {{out.view()}, {in.view()}, {double(op), double(outer), double(n), double(inner)}, t.tile()};
      const Outcome o = run(kernel, ask);
      ASSERT_EQ(o.complaint, "");
      EXPECT_TRUE(out.memory.intact());
      const std::vector<T> forwards = out.values();
      run(kernel, ask, true);
      for (size_t i = 0; i < forwards.size(); ++i)
        ASSERT_TRUE(forwards[i] == out[i] || std::isnan(out[i])) << "order of tasks matters";
      for (int64_t i = 0; i < outer; ++i) {
        for (int64_t k = 0; k < inner; ++k) {
          long double want = neutral(op), size_of_terms = 0;
          for (int64_t j = 0; j < n; ++j) {
            const long double v = x[(i * n + j) * inner + k], term = chain ? v * v * 0.25L + v : v;
            want = fold(op, want, term);
            size_of_terms += std::fabs(term);
          }
          const T got = out[i * inner + k];
          const std::string where = testing::PrintToString(s) + " at " + std::to_string(i) + "," + std::to_string(k);
          if (std::isnan(want)) {
            ASSERT_TRUE(std::isnan(got)) << where;
          } else if (op == kMax || op == kMin) {
            ASSERT_EQ(got, static_cast<T>(want)) << where;
          } else {
            const double unit = std::numeric_limits<T>::epsilon();
            const double scale = static_cast<double>(op == kSum ? size_of_terms : std::fabs(want) * (n + 1));
            ASSERT_LE(std::fabs(static_cast<double>(got - want)), 3 * unit * scale + 1e-300) << where;
          }
        }
      }
    }
  }
}
TEST_P(ReduceTest, SumF32) { every_shape<float>(kernel("reduce"), kSum); }
TEST_P(ReduceTest, SumF64) { every_shape<double>(kernel("reduce"), kSum); }
TEST_P(ReduceTest, MaxF32) { every_shape<float>(kernel("reduce"), kMax); }
TEST_P(ReduceTest, MaxF64) { every_shape<double>(kernel("reduce"), kMax); }
TEST_P(ReduceTest, MinF32) { every_shape<float>(kernel("reduce"), kMin); }
TEST_P(ReduceTest, ProdF32) { every_shape<float>(kernel("reduce"), kProd); }
TEST_P(ReduceTest, ProdF64) { every_shape<double>(kernel("reduce"), kProd); }

TEST_P(ReduceTest, TenMillionFloats) {
  const int64_t n = 10000000;
  Array<float> x({n}), y({1});
  Random random(29);
  double want = 0;
  for (int64_t i = 0; i < n; ++i) want += x[i] = static_cast<float>(random.uniform(0, 1));
  TileBuilder t(Dtype::f32, {n});
  t.store(t.load(0));
  ASSERT_EQ(run(kernel("reduce"), {{y.view()}, {x.view()}, {0, 1, double(n), 1}, t.tile()}).complaint, "");
  EXPECT_LE(std::fabs(y[0] - want) / want, 2e-7);
  // and as the columns of a tall matrix
  Array<float> columns({10});
  ASSERT_EQ(run(kernel("reduce"), {{columns.view()}, {x.view()}, {0, 1, double(n / 10), 10}, t.tile()}).complaint, "");
  for (int64_t c = 0; c < 10; ++c) {
    double sum = 0;
    for (int64_t i = c; i < n; i += 10) sum += x[i];
    EXPECT_LE(std::fabs(columns[c] - sum) / sum, 2e-7);
  }
}

TEST_P(ReduceTest, BroadcastOperandsAndUniforms) {
  // Σ over rows of (x − μ)²·s with x [33, 45] transposed, μ [45] repeated, s a uniform.
  Random random(31);
  const int64_t rows = 33, columns = 45;
  const std::vector<double> xv = random.values<double>(rows * columns), mv = random.values<double>(columns);
  Array<double> x({rows * columns}, xv), mean({columns}, mv), y({columns});
  TileBuilder t(Dtype::f64, {rows, columns});
  const int d = t.op(TileOp::sub, t.load(0), t.load(1));
  t.store(t.op(TileOp::mul, t.op(TileOp::mul, d, d), t.uniform(0)));
  const Ask ask = {{y.view()},
                   {x.strided({rows, columns}, {1, rows}), mean.strided({rows, columns}, {0, 1})},
                   {0, 1, double(rows), double(columns)},
                   t.tile(),
                   {0.5}};
  ASSERT_EQ(run(kernel("reduce"), ask).complaint, "");
  for (int64_t c = 0; c < columns; ++c) {
    double want = 0;
    for (int64_t r = 0; r < rows; ++r) want += 0.5 * (xv[c * rows + r] - mv[c]) * (xv[c * rows + r] - mv[c]);
    EXPECT_NEAR(y[c], want, 1e-13);
  }
}

// Σ g and Σ g·(x − m) of columns, in either order of the factors.
template <class T>
void pairs(const Kernel& reduce) {
  for (const int64_t inner : {2, 3, 17, 31, 33, 64, 65, 96, 144, 511, 512, 513, 576, 1280, 4099})
    for (const int64_t n : {int64_t(1), int64_t(7), 1 + 20000 / inner, 1 + 300000 / inner}) {
      SCOPED_TRACE(testing::Message() << n << " rows of " << inner);
      const Shape s = {n, inner};
      Random random(static_cast<uint64_t>(inner * n));
      Array<T> g(s, random.values<T>(n * inner)), x(s, random.values<T>(n * inner, 2, 4));
      Array<T> mean({inner}, random.values<T>(inner, 2, 4)), sums({inner}), products({inner});
      TileBuilder t(dtype_of<T>, s);
      const int from = t.load(0), distance = t.op(TileOp::sub, from, t.load(1)), factor = t.load(2);
      t.store(factor);
      t.store(n % 2 ? t.op(TileOp::mul, factor, distance) : t.op(TileOp::mul, distance, factor));
      const Ask ask = {{sums.view(), products.view()},
                       {x.view(), mean.strided(s, {0, 1}), g.view()},
                       {0, 1, double(n), double(inner)},
                       t.tile()};
      ASSERT_EQ(run(reduce, ask).complaint, "");
      EXPECT_TRUE(sums.memory.intact() && products.memory.intact());
      const std::vector<T> forwards[] = {sums.values(), products.values()};
      run(reduce, ask, true);
      ASSERT_TRUE(sums.values() == forwards[0] && products.values() == forwards[1]) << "order of tasks matters";
      for (int64_t c = 0; c < inner; ++c) {
        long double want[2] = {0, 0}, terms[2] = {0, 0};
        for (int64_t r = 0; r < n; ++r) {
          const long double v = g[r * inner + c], product = v * (static_cast<long double>(x[r * inner + c]) - mean[c]);
          want[0] += v, want[1] += product;
          terms[0] += std::fabs(v), terms[1] += std::fabs(v) * 4;
        }
        const double unit = std::numeric_limits<T>::epsilon();
        ASSERT_NEAR(sums[c], want[0], 3 * unit * terms[0] + 1e-300) << c;
        ASSERT_NEAR(products[c], want[1], 3 * unit * terms[1] + 1e-300) << c;
      }
    }
}
TEST_P(ReduceTest, PairsF32) { pairs<float>(kernel("reduce")); }
TEST_P(ReduceTest, PairsF64) { pairs<double>(kernel("reduce")); }

TEST_P(ReduceTest, Complaints) {
  Array<float> x({12}), y({3}), z({4});
  TileBuilder t(Dtype::f32, {12});
  t.store(t.load(0));
  const auto complaint = [&](std::vector<double> attrs, View out) {
    return run(kernel("reduce"), {{out}, {x.view()}, std::move(attrs), t.tile()}).complaint;
  };
  EXPECT_EQ(complaint({0, 3, 4, 1}, y.view()), "");
  EXPECT_NE(complaint({4, 3, 4, 1}, y.view()), "");
  EXPECT_NE(complaint({0, 3, 5, 1}, y.view()), "");
  EXPECT_NE(complaint({0, 3, 4}, y.view()), "");
  EXPECT_NE(complaint({0, -3, -4, 1}, y.view()), "");
  EXPECT_NE(complaint({0, 1.5, 8, 1}, y.view()), "");
  EXPECT_NE(complaint({0, 3, 4, 1}, z.view()), "");
}

template <class T>
void arg_extremes(const Kernel& kernel) {
  Random random(37);
  for (const Shape& s : kShapes) {
    if (s[1] == 0) continue;
    for (const int op : {0, 1}) {
      for (const bool with_nan : {false, true}) {
        const int64_t size = product(s), outer = s[0], n = s[1], inner = s[2];
        std::vector<T> x(size);
        for (T& v : x) v = static_cast<T>(random.below(50));  // many ties
        if (with_nan && size > 0) x[random.below(size)] = T(NAN);
        Array<T> in({size}, x);
        Array<int32_t> out({outer * inner});
        ASSERT_EQ(
            run(kernel, {{out.view()}, {in.view()}, {double(op), double(outer), double(n), double(inner)}}).complaint,
            "");
        EXPECT_TRUE(out.memory.intact());
        for (int64_t i = 0; i < outer * inner; ++i) {
          int64_t want = 0;
          const T* p = x.data() + i / inner * n * inner + i % inner;
          for (int64_t j = 1; j < n && !std::isnan(p[want * inner]); ++j) {
            const T v = p[j * inner], best = p[want * inner];
            if (std::isnan(v) || (op == 0 ? v > best : v < best)) want = j;
          }
          ASSERT_EQ(out[i], want) << testing::PrintToString(s) << " at " << i;
        }
      }
    }
  }
}
TEST_P(ReduceTest, ArgF32) { arg_extremes<float>(kernel("arg_reduce")); }
TEST_P(ReduceTest, ArgF64) { arg_extremes<double>(kernel("arg_reduce")); }

}  // namespace
}  // namespace nabla::test
