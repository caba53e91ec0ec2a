// Moments, layer norm and its gradient against plain loops in long double: every way of cutting, far from zero, with an
// epilogue.
#include <cmath>

#include "isas.h"

namespace nabla::test {
namespace {

class NormTest : public KernelTest {};
NABLA_ON_EVERY_ISA(NormTest);

struct Wanted {
  long double mean = 0, variance = 0;
};
template <class Value>
Wanted moments_of(int64_t n, Value value) {
  Wanted w;
  for (int64_t i = 0; i < n; ++i) w.mean += value(i) / n;
  for (int64_t i = 0; i < n; ++i) w.variance += (value(i) - w.mean) * (value(i) - w.mean) / n;
  return w;
}

template <class T>
void moments_of_every_shape(const Kernel& kernel) {
  Random random(61);
  const double unit = std::numeric_limits<T>::epsilon();
  for (const Shape& s : {Shape{1, 1, 1},
                         {3, 2, 1},
                         {2, 5, 3},
                         {0, 4, 2},
                         {2, 4, 0},
                         {2, 17, 15},
                         {4, 3, 16},
                         {1, 40, 33},
                         {3, 50, 64},
                         {1, 9, 70},
                         {5, 300, 1},
                         {2, 9000, 1},
                         {1, 70000, 1},
                         {1, 140000, 2},
                         {1, 1100, 64},
                         {2, 3000, 65},
                         {1, 40, 1025},
                         {1, 130, 1100},
                         {1, 66000, 3}}) {
    for (const double far : {0.0, 300.0}) {
      const int64_t outer = s[0], n = s[1], inner = s[2], size = outer * inner;
      Array<T> x({product(s)}, random.values<T>(product(s), far - 1, far + 1)), y({2 * size});
      const Ask ask = {{y.view()}, {x.view()}, {double(outer), double(n), double(inner)}};
      ASSERT_EQ(run(kernel, ask).complaint, "");
      EXPECT_TRUE(y.memory.intact());
      const std::vector<T> forwards = y.values();
      run(kernel, ask, true);
      ASSERT_EQ(forwards, y.values()) << "order of tasks matters";
      for (int64_t i = 0; i < size; ++i) {
        const Wanted want = moments_of(
            n, [&](int64_t j) { return static_cast<long double>(x[(i / inner * n + j) * inner + i % inner]); });
        const std::string where = testing::PrintToString(s) + " at " + std::to_string(i);
        ASSERT_NEAR(y[i], static_cast<double>(want.mean), 4 * unit * (1 + far)) << where;
        // Distances are of T, means are combined in double.
        ASSERT_NEAR(y[size + i], static_cast<double>(want.variance), 20 * unit + 4 * 0x1p-52 * far) << where;
      }
    }
  }
}
TEST_P(NormTest, MomentsF32) { moments_of_every_shape<float>(kernel("moments")); }
TEST_P(NormTest, MomentsF64) { moments_of_every_shape<double>(kernel("moments")); }

TEST_P(NormTest, MomentsOfNothingAndOfNan) {
  Array<float> none({0}), y({6});
  ASSERT_EQ(run(kernel("moments"), {{y.view()}, {none.view()}, {1, 0, 3}}).complaint, "");
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(std::isnan(y[i]));
  Array<float> x({6}, {1, 2, NAN, 4, 5, 6});
  ASSERT_EQ(run(kernel("moments"), {{y.view()}, {x.view()}, {1, 2, 3}}).complaint, "");
  EXPECT_EQ(y[0], 2.5f);
  EXPECT_EQ(y[3], 2.25f);
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[5]));
}

template <class T>
void rows_of_every_length(const Kernel& forward, const Kernel& backward) {
  Random random(67);
  const double unit = std::numeric_limits<T>::epsilon();
  for (const Shape& s : {Shape{1, 1},
                         {0, 3},
                         {3, 2},
                         {5, 15},
                         {4, 16},
                         {3, 17},
                         {7, 64},
                         {2, 65},
                         {300, 33},
                         {3, 4096},
                         {2, 4100},
                         {2, 9001}}) {
    for (const int centered : {0, 1}) {
      const int64_t rows = s[0], n = s[1];
      const double eps = 0.125;
      Array<T> x(s, random.values<T>(rows * n, 1, 3)), w({n}, random.values<T>(n)), b({n}, random.values<T>(n));
      Array<T> gy(s, random.values<T>(rows * n)), e({1}, {T(eps)}), y(s), gx(s), z(s);
      ASSERT_EQ(run(forward, {{y.view()}, {x.view(), w.view(), b.view(), e.view()}, {double(centered)}}).complaint, "");
      const Ask ask = {{gx.view()}, {x.view(), w.view(), gy.view(), e.view()}, {double(centered)}};
      ASSERT_EQ(run(backward, ask).complaint, "");
      EXPECT_TRUE(y.memory.intact() && gx.memory.intact());
      // y² + gy as the epilogue, in place of y and beside it
      TileBuilder t(dtype_of<T>, s);
      const int r = t.load(0);
      t.store(t.op(TileOp::add, t.op(TileOp::mul, r, r), t.load(1)));
      Array<T> raw(s);
      for (Array<T>* own : {&raw, &z}) {
        const Ask fused = {
            {own->view(), z.view()}, {x.view(), w.view(), b.view(), e.view(), gy.view()}, {double(centered)}, t.tile()};
        ASSERT_EQ(run(forward, fused).complaint, "");
        for (int64_t i = 0; i < rows * n; ++i)
          ASSERT_NEAR(z[i], static_cast<double>(y[i]) * y[i] + gy[i], 4 * unit * (1 + std::fabs(z[i])));
      }
      expect_sums<T>(forward, {{}, {x.view(), w.view(), b.view(), e.view()}, {double(centered)}}, s);
      expect_sums<T>(backward, {{}, {x.view(), w.view(), gy.view(), e.view()}, {double(centered)}}, s);
      for (int64_t row = 0; row < rows; ++row) {
        const T *p = x.data() + row * n, *g = gy.data() + row * n;
        Wanted m = moments_of(n, [&](int64_t j) { return static_cast<long double>(p[j]); });
        if (!centered) m = {0, m.variance + m.mean * m.mean};
        const long double scale = 1 / std::sqrt(m.variance + eps);
        const auto standardized = [&](int64_t j) { return (p[j] - m.mean) * scale; };
        const auto cotangent = [&](int64_t j) { return static_cast<long double>(w[j]) * g[j]; };
        long double total = 0, along = 0;
        for (int64_t j = 0; j < n; ++j) total += cotangent(j) / n, along += cotangent(j) * standardized(j) / n;
        for (int64_t j = 0; j < n; ++j) {
          const std::string where = testing::PrintToString(s) + " at " + std::to_string(row) + "," + std::to_string(j);
          ASSERT_NEAR(y[row * n + j], static_cast<double>(standardized(j) * w[j] + b[j]), 40 * unit) << where;
          const long double want = scale * (cotangent(j) - (centered ? total : 0) - standardized(j) * along);
          ASSERT_NEAR(gx[row * n + j], static_cast<double>(want), 40 * unit) << where;
        }
      }
    }
  }
}
TEST_P(NormTest, RowsF32) { rows_of_every_length<float>(kernel("layer_norm"), kernel("layer_norm_grad")); }
TEST_P(NormTest, RowsF64) { rows_of_every_length<double>(kernel("layer_norm"), kernel("layer_norm_grad")); }

TEST_P(NormTest, Complaints) {
  Array<float> x({2, 3}), w({3}), long_w({4}), e({1}), y({2, 3}), flat({6}), four({4});
  const auto complaint = [&](std::vector<View> inputs, View out, std::vector<double> attrs,
                             const char* name = "layer_norm") {
    return run(kernel(name), {{out}, std::move(inputs), std::move(attrs)}).complaint;
  };
  EXPECT_EQ(complaint({x.view(), w.view(), w.view(), e.view()}, y.view(), {1}), "");
  EXPECT_NE(complaint({x.view(), w.view(), w.view(), e.view()}, y.view(), {2}), "");
  EXPECT_NE(complaint({x.view(), w.view(), w.view()}, y.view(), {1}), "");
  EXPECT_NE(complaint({x.view(), w.view(), w.view(), e.view(), x.view()}, y.view(), {1}), "");
  EXPECT_NE(complaint({x.view(), long_w.view(), long_w.view(), e.view()}, y.view(), {1}), "");
  EXPECT_NE(complaint({x.view(), w.view(), x.view(), e.view()}, y.view(), {1}), "");
  EXPECT_NE(complaint({x.view(), w.view(), w.view(), w.view()}, y.view(), {1}), "");
  EXPECT_NE(complaint({x.view(), w.view(), w.view(), e.view()}, flat.view(), {1}), "");
  EXPECT_NE(complaint({x.view(), w.view(), w.view(), e.view()}, y.view(), {1}, "layer_norm_grad"), "");
  EXPECT_EQ(complaint({x.view()}, four.view(), {2, 3, 1}, "moments"), "");
  EXPECT_NE(complaint({x.view()}, four.view(), {1, 3, 2, 1}, "moments"), "");
  EXPECT_NE(complaint({x.view()}, four.view(), {1, 6, 1}, "moments"), "");
  EXPECT_NE(complaint({x.view()}, four.view(), {1.5, 2, 2}, "moments"), "");
}

}  // namespace
}  // namespace nabla::test
