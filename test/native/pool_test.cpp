// The pools against a plain scalar reading of docs/kernels.md: padding, overlap, gaps, ties, NaN, epilogues.
#include <cmath>
#include <limits>

#include "isas.h"

namespace nabla::test {
namespace {

class PoolTest : public KernelTest {};
NABLA_ON_EVERY_ISA(PoolTest);

struct Geometry {
  int64_t n, h, w, c, oh, ow, window_h, window_w, stride_h, stride_w, pad_top, pad_left;
  Shape x() const { return {n, h, w, c}; }
  Shape y() const { return {n, oh, ow, c}; }
  std::vector<double> attrs() const {
    std::vector<double> a;
    for (int64_t v : {window_h, window_w, stride_h, stride_w, pad_top, pad_left}) a.push_back(static_cast<double>(v));
    return a;
  }
  std::vector<double> attrs(double count_pad) const {
    std::vector<double> a = attrs();
    a.push_back(count_pad);
    return a;
  }
  std::string text() const {
    std::string t;
    for (int64_t v : {n, h, w, c, oh, ow, window_h, window_w, stride_h, stride_w, pad_top, pad_left})
      t += std::to_string(v) + ",";
    return "geometry {" + t + "}";
  }
  // visit(result element, image elements of its window inside the image, row-major)
  template <class Visit>
  void each(Visit visit) const {
    for (int64_t z = 0; z < n; ++z)
      for (int64_t i = 0; i < oh; ++i)
        for (int64_t j = 0; j < ow; ++j)
          for (int64_t q = 0; q < c; ++q) {
            std::vector<int64_t> cells;
            for (int64_t a = 0; a < window_h; ++a)
              for (int64_t b = 0; b < window_w; ++b) {
                const int64_t u = i * stride_h - pad_top + a, v = j * stride_w - pad_left + b;
                if (u >= 0 && u < h && v >= 0 && v < w) cells.push_back(((z * h + u) * w + v) * c + q);
              }
            visit(((z * oh + i) * ow + j) * c + q, cells);
          }
  }
};

const Geometry geometries[] = {
    {3, 28, 28, 6, 14, 14, 2, 2, 2, 2, 0, 0},  // LeNet's
    {9, 10, 10, 16, 5, 5, 2, 2, 2, 2, 0, 0},   //
    {2, 11, 9, 33, 5, 4, 3, 3, 2, 2, 0, 0},    // overlapping
    {1, 7, 8, 40, 7, 8, 3, 3, 1, 1, 1, 1},     // "same", few images: cut by channels
    {2, 9, 9, 5, 2, 3, 2, 2, 5, 3, 0, 0},      // gaps between windows
    {1, 3, 3, 3, 5, 5, 2, 3, 1, 1, 2, 2},      // windows wholly in padding
    {2, 6, 7, 17, 1, 1, 6, 7, 1, 1, 0, 0},     // one window for all
    {1, 4, 4, 1, 2, 2, 1, 1, 3, 3, 0, 0},      // single cells
    {2, 9, 11, 21, 4, 5, 2, 2, 2, 2, 0, 0},    // apart, a row and a column left over
    {2, 8, 8, 50, 5, 5, 2, 2, 2, 2, 1, 1},     // apart and padded
    {1, 9, 9, 20, 3, 3, 3, 3, 3, 3, 0, 0},     // three by three, apart
    {1, 12, 12, 3, 3, 2, 3, 4, 5, 7, 1, 2},    // gaps all around
    {1, 8, 9, 18, 4, 9, 2, 2, 2, 1, 0, 0},     // apart by rows only
    {1, 9, 8, 18, 9, 4, 2, 2, 1, 2, 0, 0},     // apart by columns only
    {1, 2, 2, 5, 7, 3, 2, 2, 2, 2, 6, 0},      // rows of windows above and below the image
    {0, 4, 4, 3, 2, 2, 2, 2, 2, 2, 0, 0},      // nothing
    {2, 4, 4, 0, 2, 2, 2, 2, 2, 2, 0, 0},      //
    {2, 4, 4, 3, 0, 2, 2, 2, 2, 2, 0, 0},      // no windows
    {2, 0, 4, 3, 1, 2, 2, 2, 2, 2, 1, 0},      // no cells
};

// Small whole numbers, so that ties abound; some NaN, infinities and negative zeros if asked for.
template <class T>
Array<T> image(const Shape& shape, uint64_t seed, bool odd) {
  Random random(seed);
  Array<T> x(shape);
  for (int64_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<T>(random.below(7)) - 3;
    if (!odd) continue;
    const int64_t pick = random.below(12);
    if (pick == 0) x[i] = static_cast<T>(NAN);
    if (pick == 1) x[i] = -std::numeric_limits<T>::infinity();
    if (pick == 2) x[i] = std::numeric_limits<T>::infinity();
  }
  return x;
}

template <class T>
int64_t first_maximum(Array<T>& x, const std::vector<int64_t>& cells) {
  int64_t best = cells[0];
  for (int64_t p : cells) {
    if (std::isnan(x[best])) break;
    if (std::isnan(x[p]) || x[p] > x[best]) best = p;
  }
  return best;
}

template <class T>
void expect_same(Array<T>& got, const std::vector<T>& want) {
  ASSERT_TRUE(got.memory.intact());
  for (int64_t i = 0; i < got.size(); ++i)
    if (std::isnan(want[i]))
      ASSERT_TRUE(std::isnan(got[i])) << i;
    else
      ASSERT_EQ(got[i], want[i]) << i;
}

template <class T, class Kernels>
void maximum(Kernels kernel, const Geometry& g, bool odd) {
  SCOPED_TRACE(testing::Message() << g.text() << " odd " << odd);
  Array<T> x = image<T>(g.x(), 3, odd), other = image<T>(g.x(), 4, false), gy = image<T>(g.y(), 5, false);
  Array<T> y(g.y()), picked(g.y()), gx(g.x());
  ASSERT_EQ(run(kernel("max_pool2d"), {{y.view()}, {x.view()}, g.attrs()}).complaint, "");
  ASSERT_EQ(run(kernel("max_pool2d_gather"), {{picked.view()}, {x.view(), other.view()}, g.attrs()}).complaint, "");
  ASSERT_EQ(run(kernel("max_pool2d_scatter"), {{gx.view()}, {x.view(), gy.view()}, g.attrs()}, odd).complaint, "");
  std::vector<T> y0(y.size(), -std::numeric_limits<T>::infinity()), picked0(y.size(), T(0)), gx0(x.size(), T(0));
  g.each([&](int64_t at, const std::vector<int64_t>& cells) {
    if (cells.empty()) return;
    const int64_t best = first_maximum(x, cells);
    y0[at] = x[best];
    picked0[at] = other[best];
    gx0[best] += gy[at];  // small whole numbers: exact in any order
  });
  expect_same(y, y0);
  expect_same(picked, picked0);
  expect_same(gx, gx0);
}
TEST_P(PoolTest, Maximum) {
  const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
  for (const Geometry& g : geometries)
    for (bool odd : {false, true}) {
      maximum<float>(by_name, g, odd);
      maximum<double>(by_name, g, odd);
    }
}

template <class T, class Kernels>
void average(Kernels kernel, const Geometry& g, bool count_pad) {
  SCOPED_TRACE(testing::Message() << g.text() << " countPad " << count_pad);
  Random random(7);
  Array<T> x(g.x(), random.values<T>(product(g.x()))), gy(g.y(), random.values<T>(product(g.y())));
  Array<T> y(g.y()), gx(g.x());
  ASSERT_EQ(run(kernel("avg_pool2d"), {{y.view()}, {x.view()}, g.attrs(count_pad)}).complaint, "");
  ASSERT_EQ(run(kernel("avg_pool2d_grad"), {{gx.view()}, {gy.view()}, g.attrs(count_pad)}).complaint, "");
  ASSERT_TRUE(y.memory.intact() && gx.memory.intact());
  std::vector<double> y0(y.size()), gx0(x.size());
  g.each([&](int64_t at, const std::vector<int64_t>& cells) {
    const double share = count_pad ? static_cast<double>(g.window_h * g.window_w) : static_cast<double>(cells.size());
    for (int64_t p : cells) {
      y0[at] += x[p] / share;
      gx0[p] += gy[at] / share;
    }
  });
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 4e-15;
  for (int64_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], y0[i], tolerance) << "y " << i;
  for (int64_t i = 0; i < x.size(); ++i) ASSERT_NEAR(gx[i], gx0[i], tolerance) << "gx " << i;
}
TEST_P(PoolTest, Average) {
  const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
  for (const Geometry& g : geometries)
    for (bool count_pad : {false, true}) {
      average<float>(by_name, g, count_pad);
      average<double>(by_name, g, count_pad);
    }
}

// Images larger than caches, whose gradients are written past them.
TEST_P(PoolTest, LargeImages) {
  const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
  const Geometry g = {4, 128, 128, 64, 64, 64, 2, 2, 2, 2, 0, 0};
  maximum<float>(by_name, g, false);
  average<float>(by_name, g, false);
}

// y = relu(2·own + 1), for kernels that write rows, whole images, and images cut by channels.
TEST_P(PoolTest, Epilogue) {
  const auto expect = [&](const char* name, const Geometry& g, bool to_image, std::vector<double> attrs, int inputs) {
    SCOPED_TRACE(testing::Message() << name << " " << g.text());
    const Shape shape = to_image ? g.x() : g.y();
    Array<float> x = image<float>(g.x(), 8, false), second = image<float>(to_image ? g.y() : g.x(), 9, false);
    Array<float> plain(shape), own(shape), y(shape);
    std::vector<View> in = {inputs == 1 && to_image ? second.view() : x.view()};
    if (inputs == 2) in.push_back(second.view());
    ASSERT_EQ(run(kernel(name), {{plain.view()}, in, attrs}).complaint, "");
    TileBuilder t(Dtype::f32, shape);
    const int scaled = t.op(TileOp::add, t.op(TileOp::mul, t.load(0), t.constant(2)), t.constant(1));
    t.store(t.op(TileOp::maximum, scaled, t.constant(0)));
    ASSERT_EQ(run(kernel(name), {{own.view(), y.view()}, in, attrs, t.tile()}).complaint, "");
    EXPECT_EQ(own.values(), plain.values());
    for (int64_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], std::max(plain[i] * 2 + 1, 0.0f)) << i;
    expect_sums<float>(kernel(name), {{}, in, attrs}, shape);
  };
  for (const Geometry& g : {geometries[0], geometries[1], geometries[3], geometries[8]}) {
    expect("max_pool2d", g, false, g.attrs(), 1);
    expect("max_pool2d_gather", g, false, g.attrs(), 2);
    expect("max_pool2d_scatter", g, true, g.attrs(), 2);
    expect("avg_pool2d", g, false, g.attrs(1), 1);
    expect("avg_pool2d_grad", g, true, g.attrs(0), 1);
  }
}

TEST_P(PoolTest, Complaints) {
  const Geometry g = {1, 4, 4, 3, 2, 2, 2, 2, 2, 2, 0, 0};
  Array<float> x(g.x()), y(g.y()), odd({1, 2, 2, 4});
  const auto complaint = [&](const char* name, std::vector<View> outputs, std::vector<View> inputs,
                             std::vector<double> attrs) {
    return run(kernel(name), {outputs, inputs, attrs}).complaint;
  };
  EXPECT_EQ(complaint("max_pool2d", {y.view()}, {x.view()}, g.attrs()), "");
  EXPECT_NE(complaint("max_pool2d", {odd.view()}, {x.view()}, g.attrs()), "");
  EXPECT_NE(complaint("max_pool2d", {y.view()}, {x.view()}, g.attrs(1)), "");
  EXPECT_NE(complaint("avg_pool2d", {y.view()}, {x.view()}, g.attrs()), "");
  EXPECT_NE(complaint("avg_pool2d", {y.view()}, {x.view()}, g.attrs(2)), "");
  EXPECT_NE(complaint("max_pool2d_gather", {y.view()}, {x.view(), y.view()}, g.attrs()), "");
  EXPECT_NE(complaint("max_pool2d_scatter", {x.view()}, {x.view()}, g.attrs()), "");
  for (int i = 0; i < 6; ++i)
    for (double bad : {-1.0, 0.5, 1e300, static_cast<double>(NAN)}) {
      std::vector<double> attrs = g.attrs();
      attrs[i] = bad;
      EXPECT_NE(complaint("max_pool2d", {y.view()}, {x.view()}, attrs), "") << i << " " << bad;
    }
}

}  // namespace
}  // namespace nabla::test
