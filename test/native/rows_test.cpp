// Softmax, log-softmax, cross-entropy and row lookup against plain loops; bad indices; stability.
#include <cmath>

#include "isas.h"

namespace nabla::test {
namespace {

class RowsTest : public KernelTest {};
NABLA_ON_EVERY_ISA(RowsTest);

template <class T>
void softmaxes(KernelTest&, const Kernel& softmax, const Kernel& log_softmax, const Kernel& cross_entropy,
               const Kernel& gradient) {
  Random random(41);
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
  for (const Shape& s : {Shape{1, 1},
                         {3, 2},
                         {0, 5},
                         {5, 7},
                         {4, 8},
                         {4, 9},
                         {7, 10},
                         {2, 17},
                         {3, 511},
                         {2, 513},
                         {300, 10},
                         {2, 5000}}) {
    const int64_t rows = s[0], n = s[1];
    const double scale = n == 7 ? 500 : 5;  // exp() of the unshifted numbers would overflow
    Array<T> x(s, random.values<T>(rows * n, -scale, scale)), p(s), l(s), loss({rows}), g(s);
    Array<T> weights({rows}, random.values<T>(rows)), weighted(s);
    Array<int32_t> labels({rows});
    for (int64_t r = 0; r < rows; ++r) labels[r] = static_cast<int32_t>(random.below(n));
    ASSERT_EQ(run(softmax, {{p.view()}, {x.view()}}).complaint, "");
    ASSERT_EQ(run(log_softmax, {{l.view()}, {x.view()}}).complaint, "");
    const Outcome o = run(cross_entropy, {{loss.view()}, {x.view(), labels.view()}});
    ASSERT_EQ(o.complaint, "");
    ASSERT_EQ(o.failure, Failure::none);
    EXPECT_TRUE(p.memory.intact() && l.memory.intact() && loss.memory.intact());
    ASSERT_EQ(run(gradient, {{g.view()}, {x.view(), labels.view()}}).complaint, "");
    for (int64_t i = 0; i < rows * n; ++i) ASSERT_EQ(g[i], p[i] - T(i % n == labels[i / n] ? 1 : 0));
    // Each row's weight as the epilogue, in place and beside the result.
    TileBuilder t(dtype_of<T>, s);
    t.store(t.op(TileOp::mul, t.load(0), t.load(1)));
    for (Array<T>* own : {&p, &weighted}) {
      const Ask fused = {
          {own->view(), weighted.view()}, {x.view(), labels.view(), weights.strided(s, {1, 0})}, {}, t.tile()};
      ASSERT_EQ(run(gradient, fused, own == &p).complaint, "");
      for (int64_t i = 0; i < rows * n; ++i) ASSERT_EQ(weighted[i], g[i] * weights[i / n]);
    }
    expect_sums<T>(gradient, {{}, {x.view(), labels.view()}}, s);
    EXPECT_TRUE(g.memory.intact() && weighted.memory.intact());
    run(softmax, {{p.view()}, {x.view()}});
    for (int64_t r = 0; r < rows; ++r) {
      long double top = -INFINITY, total = 0;
      for (int64_t i = 0; i < n; ++i) top = std::fmax(top, static_cast<long double>(x[r * n + i]));
      for (int64_t i = 0; i < n; ++i) total += std::exp(static_cast<long double>(x[r * n + i]) - top);
      for (int64_t i = 0; i < n; ++i) {
        const double log_p = static_cast<double>(static_cast<long double>(x[r * n + i]) - top - std::log(total));
        ASSERT_NEAR(l[r * n + i], log_p, tolerance * (1 + std::fabs(log_p)));
        ASSERT_NEAR(p[r * n + i], std::exp(log_p), tolerance * 3 * std::exp(log_p) + 1e-37);
      }
      ASSERT_NEAR(loss[r], -static_cast<double>(static_cast<long double>(x[r * n + labels[r]]) - top - std::log(total)),
                  tolerance * (1 + std::fabs(loss[r])));
    }
  }
}
TEST_P(RowsTest, SoftmaxF32) {
  softmaxes<float>(*this, kernel("softmax"), kernel("log_softmax"), kernel("cross_entropy"),
                   kernel("cross_entropy_grad"));
}
TEST_P(RowsTest, SoftmaxF64) {
  softmaxes<double>(*this, kernel("softmax"), kernel("log_softmax"), kernel("cross_entropy"),
                    kernel("cross_entropy_grad"));
}

TEST_P(RowsTest, SoftmaxOfNanAndInfinity) {
  const float nan = NAN, inf = INFINITY;
  Array<float> x({3, 3}, {0, nan, 1, 0, -inf, 0, 2, 1, 0}), y({3, 3});
  run(kernel("softmax"), {{y.view()}, {x.view()}});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(y[i]));
  EXPECT_EQ(y[3], 0.5f);
  EXPECT_EQ(y[4], 0);
  EXPECT_NEAR(y[6], 0.66524096, 1e-6);
}

TEST_P(RowsTest, FirstBadLabelIsReported) {
  const int64_t rows = 5000, n = 10;
  Array<float> x({rows, n}, std::vector<float>(rows * n, 0)), loss({rows});
  Array<int32_t> labels({rows}, std::vector<int32_t>(rows, 3));
  labels[4999] = -1;
  labels[1234] = 10;
  labels[2345] = 99;
  Array<float> g({rows, n});
  for (const bool backwards : {false, true})
    for (const auto& [name, y] : {std::pair{"cross_entropy", loss.view()}, {"cross_entropy_grad", g.view()}}) {
      const Outcome o = run(kernel(name), {{y}, {x.view(), labels.view()}}, backwards);
      EXPECT_EQ(o.failure, Failure::index) << name;
      EXPECT_EQ(o.value, 10);
      EXPECT_EQ(o.limit, 10);
    }
  EXPECT_TRUE(g.memory.intact() && loss.memory.intact());
}

TEST_P(RowsTest, Complaints) {
  Array<float> x({2, 3}), rows({2}), g({2, 3});
  Array<int32_t> labels({2}), three({3});
  const auto complaint = [&](const char* name, std::vector<View> inputs, View out) {
    return run(kernel(name), {{out}, std::move(inputs)}).complaint;
  };
  EXPECT_NE(complaint("cross_entropy", {x.view(), labels.view()}, g.view()), "");
  EXPECT_NE(complaint("cross_entropy_grad", {x.view(), labels.view()}, rows.view()), "");
  EXPECT_NE(complaint("cross_entropy_grad", {x.view(), three.view()}, g.view()), "");
  EXPECT_NE(complaint("cross_entropy_grad", {x.view(), rows.view()}, g.view()), "");
  EXPECT_NE(complaint("cross_entropy_grad", {x.view(), labels.view(), x.view()}, g.view()), "");
  EXPECT_NE(complaint("cross_entropy_grad", {x.view()}, g.view()), "");
}

template <class T>
void gather_and_scatter(const Kernel& gather, const Kernel& scatter) {
  Random random(43);
  for (const int64_t rows : {1, 7, 1000})
    for (const int64_t n : {1, 3, 8, 64, 65})
      for (const int64_t m : {0, 1, 9, 3000}) {
        Array<T> x({rows, n}, random.values<T>(rows * n)), y({m, n}), gx({rows, n});
        Array<int32_t> index({m});
        for (int64_t i = 0; i < m; ++i) index[i] = static_cast<int32_t>(random.below(rows));
        Outcome o = run(gather, {{y.view()}, {x.view(), index.view()}});
        ASSERT_EQ(o.complaint, "");
        ASSERT_EQ(o.failure, Failure::none);
        for (int64_t i = 0; i < m * n; ++i) ASSERT_EQ(y[i], x[index[i / n] * n + i % n]);
        o = run(scatter, {{gx.view()}, {y.view(), index.view()}}, true);
        ASSERT_EQ(o.complaint, "");
        std::vector<T> want(rows * n, 0);
        for (int64_t i = 0; i < m * n; ++i) want[index[i / n] * n + i % n] += y[i];
        ASSERT_EQ(gx.values(), want);  // the same order, so the same bits
        EXPECT_TRUE(y.memory.intact() && gx.memory.intact());
      }
}
TEST_P(RowsTest, GatherScatterF32) { gather_and_scatter<float>(kernel("gather_rows"), kernel("scatter_add_rows")); }
TEST_P(RowsTest, GatherScatterF64) { gather_and_scatter<double>(kernel("gather_rows"), kernel("scatter_add_rows")); }

TEST_P(RowsTest, GatherOfBytesAndBadIndex) {
  Array<uint8_t> x({3, 2}, {1, 2, 3, 4, 5, 6}), y({3, 2});
  Array<int32_t> index({3}, {2, 0, 1});
  EXPECT_EQ(run(kernel("gather_rows"), {{y.view()}, {x.view(), index.view()}}).failure, Failure::none);
  EXPECT_EQ(y.values(), (std::vector<uint8_t>{5, 6, 1, 2, 3, 4}));
  index[1] = -7;
  const Outcome o = run(kernel("gather_rows"), {{y.view()}, {x.view(), index.view()}});
  EXPECT_EQ(o.failure, Failure::index);
  EXPECT_EQ(o.value, -7);
  EXPECT_EQ(o.limit, 3);
}
TEST_P(RowsTest, ScatterIntoNothingReportsTheIndex) {
  Array<float> gx({0, 2}), gy({1, 2}, {1, 2});
  Array<int32_t> index({1}, {0});
  EXPECT_EQ(run(kernel("scatter_add_rows"), {{gx.view()}, {gy.view(), index.view()}}).failure, Failure::index);
}

}  // namespace
}  // namespace nabla::test
