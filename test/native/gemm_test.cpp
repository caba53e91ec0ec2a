// gemm against a plain triple loop in double: sizes around tile, register and slice edges, any strides, batches,
// epilogues, and NaN where the mathematics has it.
#include <array>
#include <cmath>

#include "isas.h"

namespace nabla::test {
namespace {

class GemmTest : public KernelTest {};
NABLA_ON_EVERY_ISA(GemmTest);

// How an operand [batch, rows, cols] lies in memory.
enum class Layout { rows, columns, gapped, reversed, one_for_all };

template <class T>
struct Matrix {
  std::unique_ptr<Array<T>> array;
  View view;
  double at(int64_t b, int64_t i, int64_t j) const {
    const T* p = reinterpret_cast<const T*>(view.data);
    return p[b * view.strides[0] + i * view.strides[1] + j * view.strides[2]];
  }
};

template <class T>
Matrix<T> matrix(Layout layout, int64_t batch, int64_t rows, int64_t cols, Random& random) {
  Matrix<T> m;
  const auto make = [&](int64_t size, Shape strides, int64_t offset) {
    m.array = std::make_unique<Array<T>>(Shape{size}, random.values<T>(size));
    m.view = m.array->strided({batch, rows, cols}, strides, offset);
  };
  switch (layout) {
    case Layout::rows:
      make(batch * rows * cols, {rows * cols, cols, 1}, 0);
      break;
    case Layout::columns:
      make(batch * rows * cols, {rows * cols, 1, rows}, 0);
      break;
    case Layout::gapped:
      make(batch * rows * 2 * (2 * cols + 3) + 1, {rows * 2 * (2 * cols + 3), 2 * (2 * cols + 3), 2}, 1);
      break;
    case Layout::reversed:
      make(batch * rows * cols, {rows * cols, -cols, -1}, rows && cols ? rows * cols - 1 : 0);
      break;
    case Layout::one_for_all:
      make(rows * cols, {0, cols, 1}, 0);
      break;
  }
  return m;
}

template <class T>
void expect_product(const Kernel& kernel, Layout la, Layout lb, int64_t batch, int64_t m, int64_t n, int64_t k,
                    bool backwards = false) {
  SCOPED_TRACE(testing::Message() << "layouts " << static_cast<int>(la) << " " << static_cast<int>(lb) << " batch "
                                  << batch << " m " << m << " n " << n << " k " << k << " f" << 8 * sizeof(T));
  Random random(static_cast<uint64_t>(m * 1009 + n * 31 + k));
  const Matrix<T> a = matrix<T>(la, batch, m, k, random), b = matrix<T>(lb, batch, k, n, random);
  Array<T> c({batch, m, n});
  ASSERT_EQ(run(kernel, {{c.view()}, {a.view, b.view}}, backwards).complaint, "");
  ASSERT_TRUE(c.memory.intact());
  const double tolerance = (sizeof(T) == 4 ? 2e-7 : 4e-16) * (4 + static_cast<double>(k));
  int64_t e = 0;
  for (int64_t z = 0; z < batch; ++z)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j, ++e) {
        double want = 0;
        for (int64_t p = 0; p < k; ++p) want += a.at(z, i, p) * b.at(z, p, j);
        ASSERT_NEAR(c[e], want, tolerance) << "at " << z << " " << i << " " << j;
      }
}

template <class T>
void sizes(const Kernel& kernel) {
  const int64_t edges[] = {0, 1, 2, 5, 6, 7, 8, 13, 14, 15, 16, 17, 31, 33, 65};
  for (int64_t m : edges)
    for (int64_t n : edges)
      for (int64_t k : {0, 1, 3, 8, 17}) expect_product<T>(kernel, Layout::rows, Layout::rows, 1, m, n, k);
}
TEST_P(GemmTest, SmallSizesF32) { sizes<float>(kernel("gemm")); }
TEST_P(GemmTest, SmallSizesF64) { sizes<double>(kernel("gemm")); }

template <class T>
void layouts(const Kernel& kernel) {
  const Layout all[] = {Layout::rows, Layout::columns, Layout::gapped, Layout::reversed, Layout::one_for_all};
  const int64_t shapes[][3] = {{1, 37, 41}, {3, 3, 19}, {7, 129, 33}, {37, 1, 23}, {130, 10, 45}, {45, 50, 261}};
  for (Layout la : all)
    for (Layout lb : all)
      for (const auto& s : shapes)
        for (int64_t batch : {1, 3}) expect_product<T>(kernel, la, lb, batch, s[0], s[1], s[2]);
  for (Layout l : all) expect_product<T>(kernel, l, l, 0, 3, 4, 5);
}
TEST_P(GemmTest, LayoutsF32) { layouts<float>(kernel("gemm")); }
TEST_P(GemmTest, LayoutsF64) { layouts<double>(kernel("gemm")); }

// Several blocks in every direction, and sums long enough to be split.
template <class T>
void large(const Kernel& kernel) {
  const int64_t shapes[][3] = {{251, 67, 257},  {122, 1031, 255}, {121, 523, 259}, {25, 6, 10007}, {7, 5, 5003},
                               {512, 10, 128},  {10, 512, 128},   {1, 700, 600},   {700, 1, 600},  {150, 16, 3001},
                               {128, 120, 400}, {2, 2049, 300},   {230, 540, 70},  {180, 40, 8199}};
  for (const auto& s : shapes)
    for (bool backwards : {false, true})
      expect_product<T>(kernel, backwards ? Layout::columns : Layout::rows, Layout::rows, 1, s[0], s[1], s[2],
                        backwards);
  expect_product<T>(kernel, Layout::rows, Layout::columns, 1, 131, 257, 300);
  expect_product<T>(kernel, Layout::rows, Layout::one_for_all, 3, 131, 47, 300);
  expect_product<T>(kernel, Layout::one_for_all, Layout::rows, 3, 131, 7, 300);
}
TEST_P(GemmTest, LargeF32) { large<float>(kernel("gemm")); }
TEST_P(GemmTest, LargeF64) { large<double>(kernel("gemm")); }

// relu(a·b + bias) · mask, the way a layer's forward and a backward pass use the epilogue; in place, and beside c.
template <class T>
void epilogue(const Kernel& kernel, int64_t batch, int64_t m, int64_t n, int64_t k, bool in_place) {
  SCOPED_TRACE(testing::Message() << batch << " × " << m << " " << n << " " << k << " in place " << in_place);
  Random random(static_cast<uint64_t>(m + n + k));
  Array<T> a({batch, m, k}, random.values<T>(batch * m * k)), b({k, n}, random.values<T>(k * n));
  Array<T> bias({n}, random.values<T>(n)), c({batch, m, n}), y({batch, m, n});
  Array<uint8_t> mask({batch, m, n});
  for (int64_t i = 0; i < mask.size(); ++i) mask[i] = static_cast<uint8_t>(random.below(2));
  TileBuilder t(dtype_of<T>, {batch, m, n});
  const int z = t.op(TileOp::add, t.load(0), t.load(1));
  t.store(t.op(TileOp::mul, t.op(TileOp::maximum, z, t.constant(0)), t.load(2)));
  const View bias_view = bias.strided({batch, m, n}, {0, 0, 1});
  const Ask ask = {{c.view(), in_place ? c.view() : y.view()},
                   {a.view(), b.strided({batch, k, n}, {0, n, 1}), bias_view, mask.view(Dtype::boolean)},
                   {},
                   t.tile()};
  ASSERT_EQ(run(kernel, ask).complaint, "");
  ASSERT_TRUE(c.memory.intact() && y.memory.intact());
  const double tolerance = (sizeof(T) == 4 ? 2e-7 : 4e-16) * (4 + static_cast<double>(k));
  for (int64_t i = 0; i < batch * m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double dot = 0;
      for (int64_t p = 0; p < k; ++p) dot += static_cast<double>(a[i * k + p]) * b[p * n + j];
      const double want = std::fmax(dot + bias[j], 0) * mask[i * n + j];
      ASSERT_NEAR(in_place ? c[i * n + j] : y[i * n + j], want, tolerance) << i << " " << j;
      ASSERT_NEAR(c[i * n + j], in_place ? want : dot, tolerance) << i << " " << j;
    }
}
// One or two rows read wide pieces of B; rows a page apart are packed; some columns of B are packed along memory.
template <class T>
void paths(const Kernel& kernel) {
  for (int64_t m : {1, 2, 3})
    for (int64_t n : {127, 128, 129, 300}) expect_product<T>(kernel, Layout::rows, Layout::rows, 2, m, n, 520);
  for (Layout layout : {Layout::rows, Layout::columns})
    expect_product<T>(kernel, layout, Layout::rows, 1, 61, 150, 1024);
  expect_product<T>(kernel, Layout::columns, Layout::rows, 1, 1024, 140, 70);
  expect_product<T>(kernel, Layout::rows, Layout::rows, 1, 70, 333, 300);
}
TEST_P(GemmTest, PathsF32) { paths<float>(kernel("gemm")); }
TEST_P(GemmTest, PathsF64) { paths<double>(kernel("gemm")); }

TEST_P(GemmTest, Epilogue) {
  // whole rows, narrow and swapped, several column blocks, split sums, empty sums, batches
  const int64_t shapes[][4] = {{1, 128, 84, 120}, {1, 128, 10, 84}, {1, 260, 1100, 300}, {1, 25, 6, 8192},
                               {1, 9, 11, 0},     {4, 33, 17, 29},  {2, 70, 3, 40},      {1, 1, 1, 1},
                               {1, 3, 1500, 700}, {1, 0, 5, 3},     {1, 5, 0, 3},        {0, 5, 5, 3}};
  for (const auto& s : shapes)
    for (bool in_place : {false, true}) {
      epilogue<float>(kernel("gemm"), s[0], s[1], s[2], s[3], in_place);
      epilogue<double>(kernel("gemm"), s[0], s[1], s[2], s[3], in_place);
    }
}

TEST_P(GemmTest, Sums) {
  Random random(8);
  const auto expect = [&](auto zero, int64_t batch, int64_t m, int64_t n, int64_t k) {
    using T = decltype(zero);
    Array<T> a({batch, m, k}, random.values<T>(batch * m * k)), b({k, n}, random.values<T>(k * n));
    expect_sums<T>(kernel("gemm"), {{}, {a.view(), b.strided({batch, k, n}, {0, n, 1})}}, {batch, m, n});
  };
  for (const auto& [batch, m, n, k] : {std::array<int64_t, 4>{1, 1, 1, 1},
                                       {1, 8, 10, 5},
                                       {1, 128, 512, 64},
                                       {3, 200, 33, 20},
                                       {1, 500, 16, 40},
                                       {1, 16, 24, 20000},
                                       {1, 70, 1300, 9},
                                       {2, 5, 700, 0}}) {
    expect(0.f, batch, m, n, k);
    expect(0.0, batch, m, n, k);
  }
}

// x · row + other, then the square of that: to the bit what a tile of its own computes afterwards, for operands that
// the blocks of C lend, repeat, step over and gather.
template <class T>
void epilogue_as_tile(const Kernel& gemm, const Kernel& tile, int64_t m, int64_t n, int64_t k) {
  Random random(static_cast<uint64_t>(m + n + k));
  const Shape s = {1, m, n};
  Array<T> a({1, m, k}, random.values<T>(m * k)), b({1, k, n}, random.values<T>(k * n)), c(s), raw(s);
  Array<T> row({n}, random.values<T>(n)), data({m * (n + 5)}, random.values<T>(m * (n + 5)));
  const View others[] = {data.strided(s, {0, n, 1}), data.strided(s, {0, n + 5, 1}),
                         data.strided(s, {0, 1, m}), data.strided(s, {0, 1, 0}),
                         data.strided(s, {0, 0, 0}), data.strided(s, {0, -n, 1}, n * m - n)};
  for (const View& other : others) {
    SCOPED_TRACE(testing::Message() << m << " " << n << " " << k << " by " << other.strides[1] << " "
                                    << other.strides[2]);
    TileBuilder t(dtype_of<T>, s);
    const int y = t.op(TileOp::add, t.op(TileOp::mul, t.load(0), t.load(1)), t.load(2));
    t.store(y), t.store(t.op(TileOp::mul, y, y));
    Array<T> sum(s), square(s), want_sum(s), want_square(s);
    const View rows = row.strided(s, {0, 0, 1});
    ASSERT_EQ(run(gemm, {{raw.view()}, {a.view(), b.view()}}).complaint, "");
    ASSERT_EQ(run(tile, {{want_sum.view(), want_square.view()}, {raw.view(), rows, other}, {}, t.tile()}).complaint,
              "");
    const Ask fused = {{c.view(), sum.view(), square.view()}, {a.view(), b.view(), rows, other}, {}, t.tile()};
    ASSERT_EQ(run(gemm, fused).complaint, "");
    ASSERT_TRUE(c.memory.intact() && sum.memory.intact() && square.memory.intact());
    ASSERT_EQ(c.values(), raw.values());
    ASSERT_EQ(sum.values(), want_sum.values());
    ASSERT_EQ(square.values(), want_square.values());
  }
}
TEST_P(GemmTest, EpilogueAsTile) {
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{300, 150, 40}, {130, 300, 90}, {37, 1111, 300}, {700, 97, 33}}) {
    epilogue_as_tile<float>(kernel("gemm"), kernel("tile"), m, n, k);
    epilogue_as_tile<double>(kernel("gemm"), kernel("tile"), m, n, k);
  }
}

// Of what a prologue computes: a row-major and transposed, thin, wide, swapped, in several slices of k and blocks, with
// batches.
TEST_P(GemmTest, Prologue) {
  Random random(11);
  const auto expect = [&](auto zero, int64_t batch, int64_t m, int64_t n, int64_t k, bool transposed) {
    using T = decltype(zero);
    Array<T> a({batch, m, k}, random.values<T>(batch * m * k)), b({batch, k, n}, random.values<T>(batch * k * n));
    const View view = transposed ? a.strided({batch, m, k}, {m * k, 1, m}) : a.view();
    const Shape shape = transposed ? Shape{batch, k, m} : Shape{batch, m, k};
    expect_prologue<T>(kernel("gemm"), kernel("tile"), {{}, {view, b.view()}}, shape, {batch, m, n}, k);
  };
  for (const auto& [batch, m, n, k] : {std::array<int64_t, 4>{1, 1, 1, 1},
                                       {1, 1, 300, 90},
                                       {1, 90, 1, 300},
                                       {1, 128, 84, 120},
                                       {1, 200, 1300, 70},
                                       {1, 700, 10, 1100},
                                       {1, 24, 130, 9000},
                                       {1, 400, 30, 5},
                                       {1, 9, 11, 0},
                                       {1, 0, 5, 3},
                                       {3, 50, 40, 20}})
    for (bool transposed : {false, true}) {
      if (transposed && batch > 1) continue;
      expect(0.f, batch, m, n, k, transposed);
      expect(0.0, batch, m, n, k, transposed);
    }
}

TEST_P(GemmTest, NanReachesItsRowAndColumnOnly) {
  const int64_t m = 20, n = 40, k = 30;
  Array<float> a({1, m, k}, std::vector<float>(m * k, 1)), b({1, k, n}, std::vector<float>(k * n, 1)), c({1, m, n});
  a[7 * k + 3] = NAN;
  b[5 * n + 39] = INFINITY;
  ASSERT_EQ(run(kernel("gemm"), {{c.view()}, {a.view(), b.view()}}).complaint, "");
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      if (i == 7)
        EXPECT_TRUE(std::isnan(c[i * n + j]));
      else
        EXPECT_EQ(c[i * n + j], j == 39 ? INFINITY : static_cast<float>(k));
    }
}

TEST_P(GemmTest, Complaints) {
  Array<float> a({2, 3, 4}), b({2, 4, 5}), c({2, 3, 5}), small({2, 3, 4});
  Array<double> wide({2, 4, 5});
  const auto complaint = [&](const Ask& ask) { return run(kernel("gemm"), ask).complaint; };
  EXPECT_EQ(complaint({{c.view()}, {a.view(), b.view()}}), "");
  EXPECT_NE(complaint({{c.view()}, {a.view()}}), "");
  EXPECT_NE(complaint({{c.view()}, {a.view(), a.view()}}), "");
  EXPECT_NE(complaint({{small.view()}, {a.view(), b.view()}}), "");
  EXPECT_NE(complaint({{c.view()}, {a.view(), wide.view()}}), "");
  EXPECT_NE(complaint({{c.view()}, {a.view(), b.view(), c.view()}}), "");
  EXPECT_NE(complaint({{c.strided({2, 3, 5}, {15, 1, 3})}, {a.view(), b.view()}}), "");
  EXPECT_NE(complaint({{c.view()}, {a.view(), b.view()}, {1}}), "");
}

}  // namespace
}  // namespace nabla::test
