// The three convolution kernels against a plain loop over taps in double, and against each other: they are adjoint,
// ⟨conv(x, w), gy⟩ = ⟨x, input_grad(gy, w)⟩ = ⟨w, filter_grad(x, gy)⟩.
#include <cmath>

#include "isas.h"

namespace nabla::test {
namespace {

class ConvTest : public KernelTest {};
NABLA_ON_EVERY_ISA(ConvTest);

struct Geometry {
  int64_t n, h, w, c, k, r, s, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups;
  int64_t extra = 0;  // padding at the bottom and right beyond that at the top and left
  bool direct = false;

  int64_t out(int64_t size, int64_t window, int64_t stride, int64_t pad, int64_t dilation) const {
    const int64_t room = size + 2 * pad + extra - (window - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
  int64_t oh() const { return out(h, r, stride_h, pad_top, dilation_h); }
  int64_t ow() const { return out(w, s, stride_w, pad_left, dilation_w); }
  Shape x() const { return {n, h, w, c}; }
  Shape f() const { return {r, s, c / groups, k}; }
  Shape y() const { return {n, oh(), ow(), k}; }
  std::vector<double> attrs() const {
    std::vector<double> a;
    for (int64_t v : {stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups})
      a.push_back(static_cast<double>(v));
    a.push_back(direct);
    return a;
  }
  std::string text() const {
    std::string t;
    for (int64_t v :
         {n, h, w, c, k, r, s, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups, extra})
      t += std::to_string(v) + ",";
    return "geometry {" + t + "}";
  }
  // visit(x element, filter element, y element) for every product of the sum.
  template <class Visit>
  void each(Visit visit) const {
    const int64_t cg = c / groups, kg = k / groups;
    for (int64_t z = 0; z < n; ++z)
      for (int64_t i = 0; i < oh(); ++i)
        for (int64_t j = 0; j < ow(); ++j)
          for (int64_t a = 0; a < r; ++a)
            for (int64_t b = 0; b < s; ++b) {
              const int64_t u = i * stride_h - pad_top + a * dilation_h, v = j * stride_w - pad_left + b * dilation_w;
              if (u < 0 || u >= h || v < 0 || v >= w) continue;
              for (int64_t q = 0; q < k; ++q)
                for (int64_t p = 0; p < cg; ++p)
                  visit(((z * h + u) * w + v) * c + q / kg * cg + p, ((a * s + b) * cg + p) * k + q,
                        ((z * oh() + i) * ow() + j) * k + q);
            }
  }
};

template <class T>
void expect_near(Array<T>& got, const std::vector<double>& want, double scale, const char* what) {
  ASSERT_TRUE(got.memory.intact()) << what;
  for (int64_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], (sizeof(T) == 4 ? 3e-7 : 6e-16) * scale) << what << " element " << i;
}

template <class T>
double inner(Array<T>& a, Array<T>& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

template <class T, class Kernels>
void all_passes(Kernels kernel, const Geometry& g, bool backwards = false) {
  SCOPED_TRACE(g.text());
  Random random(static_cast<uint64_t>(g.h * 131 + g.c * 17 + g.k));
  const auto make = [&](const Shape& s) { return Array<T>(s, random.values<T>(product(s))); };
  Array<T> x = make(g.x()), w = make(g.f()), gy = make(g.y()), y(g.y()), gx(g.x()), gw(g.f());
  ASSERT_EQ(run(kernel("conv2d"), {{y.view()}, {x.view(), w.view()}, g.attrs()}, backwards).complaint, "");
  ASSERT_EQ(run(kernel("conv2d_input_grad"), {{gx.view()}, {gy.view(), w.view()}, g.attrs()}, backwards).complaint, "");
  ASSERT_EQ(run(kernel("conv2d_filter_grad"), {{gw.view()}, {x.view(), gy.view()}, g.attrs()}, backwards).complaint,
            "");
  std::vector<double> y0(y.size()), gx0(gx.size()), gw0(gw.size());
  g.each([&](int64_t a, int64_t b, int64_t c) {
    y0[c] += static_cast<double>(x[a]) * w[b];
    gx0[a] += static_cast<double>(gy[c]) * w[b];
    gw0[b] += static_cast<double>(gy[c]) * x[a];
  });
  const double taps = static_cast<double>(g.r * g.s), pixels = static_cast<double>(g.n * g.oh() * g.ow());
  expect_near(y, y0, 4 + taps * static_cast<double>(g.c / g.groups), "y");
  expect_near(gx, gx0, 4 + taps * static_cast<double>(g.k / g.groups), "gx");
  expect_near(gw, gw0, 4 + pixels, "gw");
  if (sizeof(T) == 8) {
    const double one = inner(y, gy), size = 1 + std::fabs(one);
    ASSERT_NEAR(inner(x, gx), one, 1e-11 * size);
    ASSERT_NEAR(inner(w, gw), one, 1e-11 * size);
  }
}

TEST_P(ConvTest, KnownGeometries) {
  const Geometry cases[] = {
      {3, 28, 28, 1, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1},     // LeNet's first
      {3, 14, 14, 6, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1},    // and second
      {2, 9, 9, 16, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1},     // a residual block's
      {2, 11, 13, 8, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1},    // going down
      {2, 8, 8, 24, 40, 1, 1, 1, 1, 0, 0, 1, 1, 1},     // pointwise
      {2, 9, 9, 5, 7, 1, 1, 2, 2, 0, 0, 1, 1, 1},       // pointwise shortcut: some inputs meet no filter
      {1, 30, 30, 3, 10, 7, 7, 2, 2, 3, 3, 1, 1, 1},    // stem
      {2, 12, 12, 19, 19, 3, 3, 1, 1, 1, 1, 1, 1, 19},  // depthwise
      {2, 13, 12, 33, 33, 3, 5, 2, 3, 1, 2, 2, 1, 33},  // depthwise, strided and dilated
      {2, 7, 7, 4, 12, 3, 3, 1, 1, 1, 1, 1, 1, 4},      // several filters for a channel
      {2, 7, 8, 12, 18, 3, 2, 1, 2, 1, 0, 1, 1, 3},     // groups
      {1, 17, 17, 4, 4, 3, 3, 1, 1, 2, 2, 2, 2, 1},     // dilated
      {1, 16, 15, 3, 5, 3, 3, 2, 3, 4, 1, 3, 2, 1},     // stride and dilation with and without a common factor
      {1, 16, 16, 3, 5, 3, 2, 4, 4, 1, 0, 2, 6, 1},     //
      {2, 5, 5, 3, 4, 3, 3, 1, 1, 4, 4, 1, 1, 1},       // windows wholly in padding
      {2, 6, 6, 3, 4, 3, 3, 2, 2, 0, 0, 1, 1, 1, 1},    // "same" with an odd remainder: bottom and right only
      {1, 4, 4, 2, 3, 2, 2, 5, 5, 0, 0, 1, 1, 1},       // stride beyond the window: untouched inputs
      {1, 3, 3, 2, 3, 2, 2, 7, 9, 2, 1, 1, 1, 1},       // stride beyond the image
      {1, 20, 300, 2, 3, 2, 2, 1, 1, 0, 0, 1, 1, 1},    // wide
      {4, 32, 32, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1},    // enough for several blocks
      {8, 28, 28, 1, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1},     // long sums in the filter gradient
      {2, 16, 16, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1},   // whole tiles of 4 × 4
  };
  const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
  for (const Geometry& g : cases) {
    all_passes<float>(by_name, g);
    all_passes<double>(by_name, g, true);
  }
}

// Windows of 3 × 3 at stride 1: channels and filters that fill registers and do not, pads of every size, images of less
// than a tile and of tiles that reach beyond, more tiles than filters and fewer, blocks that the sum's parts do not
// divide.
TEST_P(ConvTest, Winograd) {
  const Geometry cases[] = {
      {1, 12, 12, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {2, 13, 10, 35, 71, 3, 3, 1, 1, 1, 1, 1, 1, 1},
      {3, 9, 9, 70, 33, 3, 3, 1, 1, 0, 0, 1, 1, 1},   {1, 11, 17, 40, 40, 3, 3, 1, 1, 2, 1, 1, 1, 1},
      {1, 10, 10, 32, 48, 3, 3, 1, 1, 3, 4, 1, 1, 1}, {2, 9, 9, 48, 32, 3, 3, 1, 1, 0, 0, 1, 1, 1, 2},
      {5, 4, 4, 130, 140, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {40, 4, 4, 36, 160, 3, 3, 1, 1, 1, 1, 1, 1, 1},
      {3, 3, 3, 64, 100, 3, 3, 1, 1, 1, 1, 1, 1, 1},  {1, 40, 36, 33, 80, 3, 3, 1, 1, 1, 1, 1, 1, 1},
      {1, 7, 7, 256, 130, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {2, 66, 64, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1},
  };
  for (Geometry g : cases) {
    all_passes<float>([&](const char* name) -> const Kernel& { return kernel(name); }, g);
    g.direct = true;
    all_passes<float>([&](const char* name) -> const Kernel& { return kernel(name); }, g, true);
  }
}

// Against sums in double, results of unit variance: the error of Winograd's form, and of the direct one.
TEST_P(ConvTest, ErrorsOfWinograd) {
  Geometry g = {1, 16, 16, 128, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1};
  Random random(5);
  Array<float> x(g.x(), random.values<float>(product(g.x()))), w(g.f(), random.values<float>(product(g.f())));
  Array<double> x64(g.x()), w64(g.f()), want(g.y());
  for (int64_t i = 0; i < x.size(); ++i) x64[i] = x[i];
  for (int64_t i = 0; i < w.size(); ++i) w64[i] = w[i];
  ASSERT_EQ(run(kernel("conv2d"), {{want.view()}, {x64.view(), w64.view()}, g.attrs()}).complaint, "");
  double size = 0;
  for (double v : want.values()) size += v * v / static_cast<double>(want.size());
  for (const bool direct : {false, true}) {
    g.direct = direct;
    Array<float> y(g.y());
    ASSERT_EQ(run(kernel("conv2d"), {{y.view()}, {x.view(), w.view()}, g.attrs()}).complaint, "");
    double worst = 0;
    for (int64_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::fabs(y[i] - want[i]) / std::sqrt(size));
    EXPECT_LT(worst, direct ? 4e-6 : 2e-5) << (direct ? "direct" : "Winograd");
  }
}

TEST_P(ConvTest, NothingToDo) {
  const Geometry cases[] = {
      {0, 5, 5, 2, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {2, 5, 5, 0, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1},
      {2, 5, 5, 2, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 3, 3, 3, 1, 1, 0, 0, 1, 1, 1},
      {2, 0, 5, 2, 3, 3, 3, 1, 1, 2, 2, 1, 1, 1}, {2, 2, 2, 4, 4, 3, 3, 1, 1, 0, 0, 1, 1, 4},
      {0, 5, 5, 4, 4, 3, 3, 1, 1, 1, 1, 1, 1, 4},
  };
  for (const Geometry& g : cases)
    all_passes<double>([&](const char* name) -> const Kernel& { return kernel(name); }, g);
}

TEST_P(ConvTest, RandomGeometries) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto pick = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    const int64_t groups = pick(0, 2) ? 1 : pick(2, 4);
    const Geometry g = {pick(1, 3), pick(1, 14), pick(1, 14), groups * pick(1, 9), groups * pick(1, 18), pick(1, 4),
                        pick(1, 4), pick(1, 3),  pick(1, 3),  pick(0, 3),          pick(0, 3),           pick(1, 3),
                        pick(1, 3), groups,      pick(0, 1)};
    const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
    if (seed % 2)
      all_passes<float>(by_name, g, seed % 4 == 1);
    else
      all_passes<double>(by_name, g, seed % 4 == 0);
  }
}

// Pixels on the lanes: one to eight channels on either side, rows around whole registers, every border.
TEST_P(ConvTest, FewChannels) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto pick = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    const int64_t r = pick(1, 5), s = pick(1, 5), a = pick(1, 2), b = pick(1, 2);
    const Geometry g = {pick(1, 3), pick(7, 40),          pick(7, 40),          pick(1, 9), pick(1, 9), r, s,         1,
                        1,          pick(0, (r - 1) * a), pick(0, (s - 1) * b), a,          b,          1, pick(0, 1)};
    const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
    if (seed % 2)
      all_passes<float>(by_name, g, seed % 4 == 1);
    else
      all_passes<double>(by_name, g, seed % 4 == 0);
  }
}

// Rows of pixels that one tile takes: their lengths around those of tiles, one or two registers of filters, short rows
// of windows.
TEST_P(ConvTest, EvenRows) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto pick = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    const int64_t r = pick(1, 5), s = pick(2, 5), stride = pick(1, 2), b = pick(1, 2), groups = pick(1, 2);
    const int64_t w = pick(9, 36) * stride + (s - 1) * b, h = pick(r, r + 4);
    const Geometry g = {pick(1, 3), h,          w,         pick(1, 6) * groups, pick(9, 33) * groups, r,
                        s,          pick(1, 2), stride,    pick(0, r - 1),      pick(0, s - 1),       1,
                        b,          groups,     pick(0, 1)};
    const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
    if (seed % 3)
      all_passes<float>(by_name, g, seed % 4 == 1);
    else
      all_passes<double>(by_name, g, seed % 4 == 0);
  }
}

// Every length of a run of columns, windows of neighbours and others, tails of channels.
TEST_P(ConvTest, Depthwise) {
  const auto by_name = [&](const char* name) -> const Kernel& { return kernel(name); };
  for (int64_t width = 1; width <= 20; ++width)
    for (int64_t s : {1, 2, 3, 5}) {
      const int64_t c = 2 + width * 7 % 35;
      all_passes<float>(by_name, {2, 5, width, c, c, 3, s, 1, 1, 1, s / 2, 1, 1, c}, width % 2 == 0);
      all_passes<double>(by_name, {1, 4, width, c, c, s, 3, 1, 1, 0, width % 4, 1, 1, c}, width % 2 == 1);
      all_passes<float>(by_name, {1, 4, width, c, c, 3, s, 2, 2, 1, width % 4, 1, 1, c}, width % 2 == 1);
    }
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto pick = [&](int64_t low, int64_t high) { return low + random.below(high - low + 1); };
    const int64_t c = pick(2, 40);
    const Geometry g = {pick(1, 3), pick(1, 14), pick(1, 30), c,          c,
                        pick(1, 5), pick(1, 6),  pick(1, 4),  pick(1, 4), pick(0, 5),
                        pick(0, 5), pick(1, 3),  pick(1, 3),  c,          pick(0, 1)};
    if (seed % 2)
      all_passes<float>(by_name, g, seed % 4 == 1);
    else
      all_passes<double>(by_name, g, seed % 4 == 0);
  }
}

// relu(result + bias over the last axis) beside the result, for every pass.
template <class T>
void epilogue(const Kernel& kernel, const Geometry& g, const Shape& a, const Shape& b, const Shape& c) {
  SCOPED_TRACE(testing::Message() << kernel.name << " " << g.text());
  Random random(5);
  const int64_t last = c.back();
  Array<T> first(a, random.values<T>(product(a))), second(b, random.values<T>(product(b)));
  Array<T> plain(c), own(c), y(c), bias({last}, random.values<T>(last));
  ASSERT_EQ(run(kernel, {{plain.view()}, {first.view(), second.view()}, g.attrs()}).complaint, "");
  TileBuilder t(dtype_of<T>, c);
  t.store(t.op(TileOp::maximum, t.op(TileOp::add, t.load(0), t.load(1)), t.constant(0)));
  const View bias_view = bias.strided(c, {0, 0, 0, 1});
  ASSERT_EQ(
      run(kernel, {{own.view(), y.view()}, {first.view(), second.view(), bias_view}, g.attrs(), t.tile()}).complaint,
      "");
  ASSERT_TRUE(own.memory.intact() && y.memory.intact());
  EXPECT_EQ(own.values(), plain.values());
  for (int64_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], std::max(plain[i] + bias[i % last], T(0))) << i;
  expect_sums<T>(kernel, {{}, {first.view(), second.view()}, g.attrs()}, c);
}

TEST_P(ConvTest, Epilogue) {
  const Geometry cases[] = {
      {3, 14, 14, 6, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1},  {3, 28, 28, 1, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1},
      {2, 9, 9, 8, 12, 3, 3, 2, 2, 1, 1, 1, 1, 2},    {2, 9, 9, 20, 20, 3, 3, 1, 1, 1, 1, 1, 1, 20},
      {0, 9, 9, 20, 20, 3, 3, 1, 1, 1, 1, 1, 1, 20},  {4, 20, 20, 8, 80, 3, 3, 1, 1, 1, 1, 1, 1, 1},
      {2, 21, 18, 32, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {2, 8, 8, 48, 136, 3, 3, 1, 1, 1, 1, 1, 1, 1}};
  for (const Geometry& g : cases) {
    epilogue<float>(kernel("conv2d"), g, g.x(), g.f(), g.y());
    epilogue<double>(kernel("conv2d_input_grad"), g, g.y(), g.f(), g.x());
    epilogue<float>(kernel("conv2d_filter_grad"), g, g.x(), g.y(), g.f());
  }
}

// Chains of steps that results go through in registers, in place of the raw result: to the bit what a tile of its own
// computes afterwards, NaNs included; and the same where a step is none of a chain's.
template <class T>
void chain_as_tile(const Kernel& kernel, const Kernel& tile, const Ask& plain, const Shape& shape, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << kernel.name << " seed " << seed);
  Random random(seed);
  const int64_t columns = shape.back(), size = product(shape);
  Array<T> raw(shape), want(shape), got(shape);
  Array<T> column({columns}, random.values<T>(columns)), element(shape, random.values<T>(size));
  Shape repeated(shape.size(), 0);
  repeated.back() = 1;
  const View operands[] = {column.strided(shape, repeated), element.view(),
                           column.strided(shape, Shape(shape.size(), 0))};
  Ask ask = plain;
  ask.outputs = {raw.view()};
  ASSERT_EQ(run(kernel, ask).complaint, "");
  constexpr TileOp ops[] = {TileOp::add, TileOp::mul, TileOp::sub, TileOp::maximum, TileOp::minimum, TileOp::div};
  TileBuilder t(dtype_of<T>, shape);
  const std::vector<double> uniforms = {0.75, -0.25};
  int x = t.load(0);
  for (int64_t links = 1 + random.below(5); links > 0; --links) {
    const int64_t kind = random.below(5);
    const int other = kind < 3 ? t.load(static_cast<int>(1 + kind)) : kind == 3 ? t.constant(0.5) : t.uniform(1);
    if (random.below(4) == 0) {  // as the gradients of ReLU and ReLU6
      const int above = t.op(TileOp::gt, other, t.constant(-0.25)), below = t.op(TileOp::lt, other, t.constant(0.75));
      x = t.op(TileOp::where, random.below(2) == 0 ? above : t.op(TileOp::logical_and, above, below), x,
               t.constant(random.below(4) == 0 ? 1 : 0));
      continue;
    }
    if (random.below(4) == 0) {  // as hard swish
      const int line = t.op(TileOp::add, t.op(TileOp::mul, x, t.constant(0.25)), t.constant(0.5));
      const int gate = t.op(TileOp::minimum, t.op(TileOp::maximum, line, t.constant(0)), t.constant(1));
      x = random.below(2) == 0 ? t.op(TileOp::mul, x, gate) : t.op(TileOp::mul, gate, x);
      continue;
    }
    const TileOp op = ops[random.below(random.below(4) == 0 ? 6 : 5)];
    x = random.below(3) == 0 ? t.op(op, other, x) : t.op(op, x, other);
  }
  t.store(x);
  const bool apart = random.below(2) == 0;  // then the raw result is wanted, too
  Array<T> kept(shape);
  ask.outputs = {apart ? kept.view() : got.view(), got.view()};
  ask.inputs.insert(ask.inputs.end(), std::begin(operands), std::end(operands));
  ask.tile = t.tile();
  ask.uniforms = uniforms;
  ASSERT_EQ(run(kernel, ask).complaint, "");
  const auto same = [](T a, T b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (int64_t i = 0; apart && i < size; ++i)
    ASSERT_TRUE(same(kept[i], raw[i])) << i << ": " << kept[i] << " " << raw[i];
  ASSERT_EQ(
      run(tile, {{want.view()}, {raw.view(), operands[0], operands[1], operands[2]}, {}, t.tile(), uniforms}).complaint,
      "");
  ASSERT_TRUE(got.memory.intact());
  for (int64_t i = 0; i < size; ++i) ASSERT_TRUE(same(got[i], want[i])) << i << ": " << got[i] << " " << want[i];
}

TEST_P(ConvTest, ChainAsTile) {
  // products, thin and wide, in one slice and in several; depthwise; Winograd's form with filters first and tiles first
  const Geometry cases[] = {
      {2, 9, 9, 24, 37, 1, 1, 1, 1, 0, 0, 1, 1, 1},    {1, 1, 1, 700, 300, 1, 1, 1, 1, 0, 0, 1, 1, 1},
      {2, 12, 9, 20, 36, 3, 3, 2, 2, 1, 1, 1, 1, 1},   {2, 13, 9, 37, 37, 3, 3, 1, 1, 1, 1, 1, 1, 37},
      {1, 11, 14, 20, 20, 5, 5, 2, 1, 2, 2, 1, 1, 20}, {3, 22, 19, 32, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1},
      {1, 6, 7, 48, 140, 3, 3, 1, 1, 1, 1, 1, 1, 1},   {2, 9, 9, 8, 12, 3, 3, 1, 1, 1, 1, 1, 1, 2}};
  const auto all = [&](auto zero, const Geometry& g, uint64_t seed) {
    using T = decltype(zero);
    SCOPED_TRACE(g.text());
    Random random(seed);
    Array<T> x(g.x(), random.values<T>(product(g.x()))), w(g.f(), random.values<T>(product(g.f())));
    if (seed % 3 == 0) x[product(g.x()) / 2] = static_cast<T>(NAN);
    chain_as_tile<T>(kernel("conv2d"), kernel("tile"), {{}, {x.view(), w.view()}, g.attrs()}, g.y(), seed);
  };
  for (const Geometry& g : cases)
    for (uint64_t seed = 1; seed <= 24; ++seed) {
      all(float(0), g, seed);
      all(double(0), g, seed);
    }
}

// Pointwise and depthwise convolutions, and their filter gradients, of what a prologue computes: channels in one block
// and several, more channels than filters and fewer, rows of several pieces, windows beyond the image.
TEST_P(ConvTest, Prologue) {
  const Geometry cases[] = {
      {2, 8, 8, 24, 40, 1, 1, 1, 1, 0, 0, 1, 1, 1},     {2, 7, 5, 3, 5, 1, 1, 1, 1, 0, 0, 1, 1, 1},
      {3, 20, 20, 96, 24, 1, 1, 1, 1, 0, 0, 1, 1, 1},   {1, 30, 31, 16, 96, 1, 1, 1, 1, 0, 0, 1, 1, 1},
      {2, 14, 14, 300, 70, 1, 1, 1, 1, 0, 0, 1, 1, 1},  {2, 7, 7, 1100, 130, 1, 1, 1, 1, 0, 0, 1, 1, 1},
      {1, 3, 3, 40, 1200, 1, 1, 1, 1, 0, 0, 1, 1, 1},   {1, 1, 2, 700, 20, 1, 1, 1, 1, 0, 0, 1, 1, 1},
      {2, 100, 100, 12, 10, 1, 1, 1, 1, 0, 0, 1, 1, 1}, {2, 0, 3, 12, 10, 1, 1, 1, 1, 0, 0, 1, 1, 1},
      {2, 12, 12, 19, 19, 3, 3, 1, 1, 1, 1, 1, 1, 19},  {2, 13, 12, 33, 33, 3, 5, 2, 3, 1, 2, 2, 1, 33},
      {2, 40, 60, 70, 70, 3, 3, 1, 1, 1, 1, 1, 1, 70},  {3, 41, 59, 96, 96, 3, 3, 2, 2, 1, 1, 1, 1, 96},
      {2, 60, 50, 32, 32, 5, 5, 2, 2, 2, 2, 1, 1, 32},  {2, 5, 5, 4, 4, 3, 3, 1, 1, 4, 4, 1, 1, 4},
      {1, 4, 4, 6, 6, 2, 2, 5, 5, 0, 0, 1, 1, 6},       {1, 3, 700, 200, 200, 3, 3, 1, 1, 1, 1, 1, 1, 200},
      {1, 120, 40, 64, 64, 9, 3, 1, 1, 4, 1, 1, 1, 64}, {2, 6, 6, 3, 3, 3, 3, 2, 2, 0, 0, 1, 1, 3, 1},
  };
  const auto expect = [&](auto zero, const Geometry& g) {
    using T = decltype(zero);
    SCOPED_TRACE(g.text());
    Random random(9);
    const auto make = [&](const Shape& s) { return Array<T>(s, random.values<T>(product(s))); };
    Array<T> x = make(g.x()), w = make(g.f()), gy = make(g.y());
    const int64_t taps = g.r * g.s * g.c / g.groups, pixels = g.n * g.oh() * g.ow();
    expect_prologue<T>(kernel("conv2d"), kernel("tile"), {{}, {x.view(), w.view()}, g.attrs()}, g.x(), g.y(), taps);
    expect_prologue<T>(kernel("conv2d_filter_grad"), kernel("tile"), {{}, {x.view(), gy.view()}, g.attrs()}, g.x(),
                       g.f(), pixels);
  };
  for (const Geometry& g : cases) {
    expect(0.f, g);
    expect(0.0, g);
  }
}

TEST_P(ConvTest, ComplaintsOfPrologues) {
  const auto complaint = [&](const char* name, const Geometry& g, Dtype dtype, int stores) {
    Array<double> x({4096}), w({4096}), y({4096}), bias({16});
    const auto view = [](Array<double>& a, const Shape& s) { return a.strided(s, contiguous(s), 0, Dtype::f32); };
    TileBuilder t(dtype, g.x());
    for (int j = 0; j < stores; ++j) t.store(t.op(TileOp::add, t.load(0), t.load(1)));
    const View other = bias.strided(g.x(), {0, 0, 0, 1}, 0, Dtype::f32);
    Ask ask = {{view(y, g.y())}, {view(x, g.x()), view(w, g.f()), other}, g.attrs()};
    if (std::string(name) == "conv2d_input_grad") ask.inputs[0] = view(x, g.y()), ask.outputs[0] = view(y, g.x());
    ask.prologue = t.tile();
    return run(kernel(name), ask).complaint;
  };
  const Geometry pointwise = {1, 5, 5, 4, 6, 1, 1, 1, 1, 0, 0, 1, 1, 1},
                 depthwise = {1, 5, 5, 4, 4, 3, 3, 1, 1, 1, 1, 1, 1, 4};
  EXPECT_EQ(complaint("conv2d", pointwise, Dtype::f32, 1), "");
  EXPECT_EQ(complaint("conv2d", depthwise, Dtype::f32, 1), "");
  EXPECT_NE(complaint("conv2d", depthwise, Dtype::f64, 1), "");
  EXPECT_NE(complaint("conv2d", depthwise, Dtype::f32, 0), "");
  EXPECT_NE(complaint("conv2d", depthwise, Dtype::f32, 2), "");
  EXPECT_NE(complaint("conv2d_input_grad", depthwise, Dtype::f32, 1), "");
  EXPECT_NE(complaint("conv2d", {1, 5, 5, 4, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1}, Dtype::f32, 1), "");
  EXPECT_NE(complaint("conv2d", {1, 5, 5, 4, 6, 1, 1, 2, 2, 0, 0, 1, 1, 1}, Dtype::f32, 1), "");
  EXPECT_NE(complaint("conv2d", {1, 5, 5, 4, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1}, Dtype::f32, 1), "");
}

TEST_P(ConvTest, Complaints) {
  const Geometry g = {1, 5, 5, 4, 6, 3, 3, 1, 1, 1, 1, 1, 1, 2};
  Array<float> x(g.x()), w(g.f()), y(g.y()), odd({1, 5, 5, 3});
  const auto complaint = [&](std::vector<View> outputs, std::vector<View> inputs, std::vector<double> attrs) {
    return run(kernel("conv2d"), {outputs, inputs, attrs}).complaint;
  };
  EXPECT_EQ(complaint({y.view()}, {x.view(), w.view()}, g.attrs()), "");
  EXPECT_NE(complaint({y.view()}, {x.view()}, g.attrs()), "");
  EXPECT_NE(complaint({y.view()}, {odd.view(), w.view()}, g.attrs()), "");
  EXPECT_NE(complaint({odd.view()}, {x.view(), w.view()}, g.attrs()), "");
  EXPECT_NE(complaint({y.view()}, {x.view(), w.view()}, {1, 1, 1, 1, 1, 1}), "");
  for (int i = 0; i < 8; ++i)
    for (double bad : {-1.0, 0.5, 1e300, static_cast<double>(NAN)}) {
      std::vector<double> attrs = g.attrs();
      attrs[i] = bad;
      EXPECT_NE(complaint({y.view()}, {x.view(), w.view()}, attrs), "") << i << " " << bad;
    }
}

}  // namespace
}  // namespace nabla::test
