// The tile machine against a plain interpreter in scalar code: every op, tails, dtypes, broadcasting, in-place, NaN
// rules.
#include <cmath>

#include "isas.h"

namespace nabla::test {
namespace {

class TileTest : public KernelTest {
 protected:
  Outcome run_tile(const Ask& ask, bool backwards = false) { return run(kernel("tile"), ask, backwards); }
};
NABLA_ON_EVERY_ISA(TileTest);

constexpr const char* kOpNames[] = {
#define X(name, arity) #name,
    NABLA_TILE_OPS(X)
#undef X
};
constexpr int kArity[] = {
#define X(name, arity) arity,
    NABLA_TILE_OPS(X)
#undef X
};

double floored_mod(double a, double b) {
  double r = std::fmod(a, b);
  if (r != 0 && (r < 0) != (b < 0)) r += b;
  return r;
}

// What docs/kernels.md says each op is, in double.
double meaning(TileOp op, double a, double b, double c) {
  switch (op) {
    case TileOp::neg:
      return -a;
    case TileOp::abs:
      return std::fabs(a);
    case TileOp::sign:
      return std::isnan(a) ? a : a > 0 ? 1 : a < 0 ? -1 : 0;
    case TileOp::exp:
      return std::exp(a);
    case TileOp::expm1:
      return std::expm1(a);
    case TileOp::log:
      return std::log(a);
    case TileOp::log1p:
      return std::log1p(a);
    case TileOp::sqrt:
      return std::sqrt(a);
    case TileOp::sin:
      return std::sin(a);
    case TileOp::cos:
      return std::cos(a);
    case TileOp::tanh:
      return std::tanh(a);
    case TileOp::sigmoid:
      return 1 / (1 + std::exp(-a));
    case TileOp::erf:
      return std::erf(a);
    case TileOp::floor:
      return std::floor(a);
    case TileOp::ceil:
      return std::ceil(a);
    case TileOp::round:
      return std::nearbyint(a);
    case TileOp::trunc:
      return std::trunc(a);
    case TileOp::logical_not:
      return a == 0;
    case TileOp::add:
      return a + b;
    case TileOp::sub:
      return a - b;
    case TileOp::mul:
      return a * b;
    case TileOp::div:
      return a / b;
    case TileOp::pow:
      return std::pow(a, b);
    case TileOp::mod:
      return floored_mod(a, b);
    case TileOp::maximum:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
    case TileOp::minimum:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
    case TileOp::eq:
      return a == b;
    case TileOp::ne:
      return a != b;
    case TileOp::lt:
      return a < b;
    case TileOp::le:
      return a <= b;
    case TileOp::gt:
      return a > b;
    case TileOp::ge:
      return a >= b;
    case TileOp::logical_and:
      return a != 0 && b != 0;
    case TileOp::logical_or:
      return a != 0 || b != 0;
    case TileOp::where:
      return a != 0 ? b : c;
    default:
      ADD_FAILURE() << "no meaning";
      return 0;
  }
}

template <class T>
void expect_close(T got, double want, double ulps, const std::string& what) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(want)) {
    EXPECT_TRUE(std::isnan(got)) << what << ": got " << got << ", want NaN";
  } else if (std::isinf(rounded) || std::isinf(got)) {
    EXPECT_EQ(got, rounded) << what;
  } else {
    const T unit = std::nextafter(std::fabs(rounded), T(INFINITY)) - std::fabs(rounded);
    EXPECT_LE(std::fabs(static_cast<double>(got) - want), ulps * static_cast<double>(unit))
        << what << ": got " << got << ", want " << want;
  }
}

template <class T>
void every_op(const Kernel& kernel) {
  const T nan = static_cast<T>(NAN), inf = static_cast<T>(INFINITY);
  const std::vector<T> special = {0,      T(-0.0), 1,   -1,   2,   -2,      T(0.5),    T(-0.5),
                                  T(1.5), T(2.5),  inf, -inf, nan, T(1e30), T(-1e-30), 3};
  Random random(7);
  for (int op = static_cast<int>(TileOp::neg); op < static_cast<int>(TileOp::count); ++op) {
    for (int64_t n : {0, 1, 3, 7, 8, 15, 16, 17, 31, 257, 521, 1031}) {
      std::vector<T> a = random.values<T>(n, -4, 4), b = random.values<T>(n, -4, 4), c = random.values<T>(n);
      if (n > 256)  // all pairs of special values
        for (int64_t i = 0; i < 256; ++i) a[i] = special[i / 16], b[i] = special[i % 16];
      Array<T> x({n}, a), y({n}, b), z({n}, c), out({n});
      TileBuilder t(dtype_of<T>, {n});
      const int p = t.load(0), q = t.load(1), r = t.load(2);
      t.store(t.op(static_cast<TileOp>(op), p, q, r));
      const Outcome o = run(kernel, {{out.view()}, {x.view(), y.view(), z.view()}, {}, t.tile()});
      ASSERT_EQ(o.complaint, "");
      EXPECT_TRUE(out.memory.intact()) << kOpNames[op] << " n = " << n;
      for (int64_t i = 0; i < n; ++i)
        expect_close<T>(out[i], meaning(static_cast<TileOp>(op), a[i], b[i], c[i]), 3.5,
                        std::string(kOpNames[op]) + "(" + std::to_string(a[i]) + ", " + std::to_string(b[i]) + ")");
    }
  }
}
TEST_P(TileTest, EveryOpF32) { every_op<float>(kernel("tile")); }
TEST_P(TileTest, EveryOpF64) { every_op<double>(kernel("tile")); }

// A random chain over random operands, evaluated element by element.
struct Chain {
  TileBuilder builder;
  std::vector<TileStep> steps;
  std::vector<int> stores;
};
double value_at(const Tile& tile, int reg, const std::vector<std::vector<double>>& operands, int64_t i,
                const std::vector<double>& uniforms) {
  std::vector<double> r(tile.step_count);
  for (int s = 0; s < tile.step_count; ++s) {
    const TileStep& step = tile.steps[s];
    if (step.op == TileOp::load)
      r[s] = operands[step.args[0]][i];
    else if (step.op == TileOp::constant)
      r[s] = step.value;
    else if (step.op == TileOp::uniform)
      r[s] = uniforms[step.args[0]];
    else if (step.op == TileOp::index)
      r[s] = static_cast<double>(i);
    else
      r[s] = meaning(step.op, r[step.args[0]], r[step.args[1]], r[step.args[2]]);
  }
  return r[reg];
}

// Strides that lay out `shape` in one of many ways: contiguous, broadcast along any dimensions, permuted, padded,
// reversed.
struct Layout {
  Shape strides;
  int64_t offset, memory;
};
Layout random_layout(const Shape& shape, Random& random) {
  const int rank = static_cast<int>(shape.size());
  Layout l{Shape(rank, 0), 0, 1};
  if (random.below(3) == 0) {
    l.strides = contiguous(shape);
    l.memory = product(shape);
    return l;
  }
  std::vector<int> order(rank);
  std::iota(order.begin(), order.end(), 0);
  if (random.below(2))
    std::reverse(order.begin(), order.end());
  else if (random.below(3) == 0)
    for (int i = rank - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  const int64_t pad = random.below(3) == 0 ? 2 : 1;
  int64_t step = pad;
  for (int d : order) {
    if (random.below(3) == 0) continue;  // broadcast
    l.strides[d] = step;
    step *= std::max<int64_t>(shape[d], 1);
    if (random.below(8) == 0) {
      l.offset += l.strides[d] * (std::max<int64_t>(shape[d], 1) - 1);
      l.strides[d] = -l.strides[d];
    }
  }
  l.memory = step;
  return l;
}

template <class T>
void random_chains(const Kernel& kernel, uint64_t seed) {
  Random random(seed);
  const std::vector<Shape> shapes = {{},
                                     {1},
                                     {6},
                                     {37, 6},
                                     {1000, 10},
                                     {3, 700},
                                     {5, 1},
                                     {2, 3, 4, 5},
                                     {17, 130},
                                     {9, 255},
                                     {4, 1024},
                                     {0, 3},
                                     {3, 0},
                                     {64, 64, 3},
                                     {2, 5, 300},
                                     {1, 7, 1, 9},
                                     {2, 2, 2, 2, 2, 2, 2, 2},
                                     {70000},
                                     {300, 300}};
  const Shape shape = shapes[random.below(static_cast<int64_t>(shapes.size()))];
  const int64_t size = product(shape);
  const int operand_count = 1 + static_cast<int>(random.below(5));
  std::vector<std::unique_ptr<Array<T>>> floats;
  std::vector<std::unique_ptr<Array<int32_t>>> ints;
  std::vector<std::unique_ptr<Array<uint8_t>>> bytes;
  std::vector<std::vector<double>> logical;
  Ask ask;
  TileBuilder t(dtype_of<T>, shape);
  std::vector<int> registers;
  for (int k = 0; k < operand_count; ++k) {
    const Layout l = random_layout(shape, random);
    View v;
    std::vector<double> memory(l.memory);
    const int64_t kind = random.below(5);
    if (kind == 0) {
      ints.push_back(std::make_unique<Array<int32_t>>(Shape{l.memory}));
      for (int64_t i = 0; i < l.memory; ++i)
        memory[i] = (*ints.back())[i] = static_cast<int32_t>(random.below(100)) - 50;
      v = ints.back()->strided(shape, l.strides, l.offset);
    } else if (kind == 1) {
      bytes.push_back(std::make_unique<Array<uint8_t>>(Shape{l.memory}));
      for (int64_t i = 0; i < l.memory; ++i) memory[i] = (*bytes.back())[i] = static_cast<uint8_t>(random.below(256));
      v = bytes.back()->strided(shape, l.strides, l.offset);
    } else {
      floats.push_back(std::make_unique<Array<T>>(Shape{l.memory}, random.values<T>(l.memory)));
      for (int64_t i = 0; i < l.memory; ++i) memory[i] = (*floats.back())[i];
      v = floats.back()->strided(shape, l.strides, l.offset);
    }
    ask.inputs.push_back(v);
    std::vector<double> values(size);
    for (int64_t i = 0; i < size; ++i) {
      int64_t rest = i, at = l.offset;
      for (int d = static_cast<int>(shape.size()) - 1; d >= 0; --d)
        at += rest % shape[d] * l.strides[d], rest /= shape[d];
      values[i] = memory[at];
    }
    logical.push_back(values);
    registers.push_back(t.load(k));
  }
  registers.push_back(t.constant(0.75));
  registers.push_back(t.uniform(1));
  if (random.below(3) == 0) registers.push_back(t.op(TileOp::sin, t.index()));
  ask.uniforms = {100, -0.5};
  const TileOp ops[] = {TileOp::add,  TileOp::sub,   TileOp::mul, TileOp::maximum, TileOp::neg,
                        TileOp::tanh, TileOp::where, TileOp::lt,  TileOp::abs};
  const int64_t length = random.below(12);
  const auto pick = [&] { return registers[random.below(static_cast<int64_t>(registers.size()))]; };
  for (int64_t i = 0; i < length; ++i) {
    // tanh keeps values, and with them the error of f32, small
    const TileOp op = ops[random.below(9)];
    registers.push_back(t.op(TileOp::tanh, t.op(op, pick(), pick(), pick())));
  }
  const int store_count = 1 + static_cast<int>(random.below(3));
  std::vector<int> stores;
  std::vector<std::unique_ptr<Array<T>>> outs;
  for (int j = 0; j < store_count; ++j) {
    stores.push_back(pick());
    t.store(stores.back());
    // In place of a contiguous float operand, if one is free, else into fresh memory.
    bool placed = false;
    if (random.below(2)) {
      for (View& in : ask.inputs) {
        Ask probe;
        bool used = in.dtype != dtype_of<T>;
        for (View& out : ask.outputs) used = used || out.data == in.data;
        int64_t step = 1;
        for (int d = in.rank - 1; d >= 0; --d)
          used = used || (in.shape[d] != 1 && in.strides[d] != step), step *= in.shape[d];
        if (!used) {
          ask.outputs.push_back(in);
          placed = true;
          break;
        }
      }
    }
    if (!placed) {
      outs.push_back(std::make_unique<Array<T>>(shape));
      ask.outputs.push_back(outs.back()->view());
    }
  }
  ask.tile = t.tile();
  const Outcome o = run(kernel, ask, random.below(2));
  ASSERT_EQ(o.complaint, "") << "seed " << seed;
  for (auto& a : floats) ASSERT_TRUE(a->memory.intact()) << "seed " << seed;
  for (auto& a : outs) ASSERT_TRUE(a->memory.intact()) << "seed " << seed;
  for (int j = 0; j < store_count; ++j) {
    const T* got = reinterpret_cast<const T*>(ask.outputs[j].data);
    const int64_t stride = std::max<int64_t>(1, size / 5000);
    for (int64_t i = 0; i < size; i += i < 1100 ? 1 : stride) {
      const double want = value_at(*ask.tile, stores[j], logical, i, ask.uniforms);
      // A comparison of nearly equal values may fall either way in f32: skip what is discontinuous there by tolerance.
      const double error = std::fabs(static_cast<double>(got[i]) - want);
      ASSERT_LE(error, (sizeof(T) == 4 ? 2e-4 : 1e-12) * (1 + std::fabs(want)))
          << "seed " << seed << " store " << j << " element " << i;
    }
  }
}
TEST_P(TileTest, RandomChainsF64) {
  for (uint64_t seed = 1; seed <= 400; ++seed) random_chains<double>(kernel("tile"), seed);
}
TEST_P(TileTest, RandomChainsF32) {
  for (uint64_t seed = 1; seed <= 400; ++seed) random_chains<float>(kernel("tile"), seed);
}

// Operands that repeat, of one period and of two, in tasks that begin anywhere in them; and their sums.
template <class T>
void periods(const Kernel& tile, const Kernel& reduce) {
  for (int64_t inner : {3, 16, 24, 48, 96, 144, 160, 192, 250, 256, 257})
    for (int64_t outer : {1, 2, 5}) {
      SCOPED_TRACE(testing::Message() << inner << " in " << outer);
      Random random(static_cast<uint64_t>(inner * outer));
      const Shape s = {14000 / inner / outer + 1, outer, inner};
      const int64_t size = product(s), period = outer * inner;
      Array<T> x(s, random.values<T>(size)), long_one({period}, random.values<T>(period)), y(s), sums({inner});
      Array<uint8_t> short_one({inner});
      for (int64_t i = 0; i < inner; ++i) short_one[i] = static_cast<uint8_t>(random.below(100));
      TileBuilder t(dtype_of<T>, s);
      t.store(t.op(TileOp::add, t.op(TileOp::mul, t.load(0), t.load(1)), t.load(2)));
      const std::vector<View> operands = {x.view(), long_one.strided(s, {0, inner, 1}),
                                          short_one.strided(s, {0, 0, 1}, 0, Dtype::u8)};
      ASSERT_EQ(run(tile, {{y.view()}, operands, {}, t.tile()}, outer == 2).complaint, "");
      ASSERT_TRUE(y.memory.intact());
      std::vector<double> wanted(static_cast<size_t>(inner));
      for (int64_t i = 0; i < size; ++i) {
        ASSERT_EQ(y[i], x[i] * long_one[i % period] + static_cast<T>(short_one[i % inner])) << i;
        wanted[static_cast<size_t>(i % inner)] += static_cast<double>(y[i]);
      }
      const std::vector<double> attrs = {0, 1, static_cast<double>(size / inner), static_cast<double>(inner)};
      ASSERT_EQ(run(reduce, {{sums.view()}, operands, attrs, t.tile()}, outer == 2).complaint, "");
      for (int64_t i = 0; i < inner; ++i)
        ASSERT_NEAR(sums[i], wanted[static_cast<size_t>(i)], 1e-5 * (1 + std::fabs(wanted[static_cast<size_t>(i)])));
    }
}
TEST_P(TileTest, PeriodsF32) { periods<float>(kernel("tile"), kernel("reduce")); }
TEST_P(TileTest, PeriodsF64) { periods<double>(kernel("tile"), kernel("reduce")); }

TEST_P(TileTest, InPlaceOperandIsReadBeforeItIsWritten) {
  // a := -b, c := a + b, with a's old value still needed after the first step has its result.
  const int64_t n = 1500;
  Random random(3);
  const std::vector<float> av = random.values<float>(n), bv = random.values<float>(n);
  Array<float> a({n}, av), b({n}, bv), c({n});
  TileBuilder t(Dtype::f32, {n});
  const int y = t.load(1), negated = t.op(TileOp::neg, y), x = t.load(0);
  t.store(negated);
  t.store(t.op(TileOp::add, x, y));
  ASSERT_EQ(run_tile({{a.view(), c.view()}, {a.view(), b.view()}, {}, t.tile()}).complaint, "");
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_EQ(a[i], -bv[i]);
    ASSERT_EQ(c[i], av[i] + bv[i]);
  }
}

TEST_P(TileTest, SwapInPlace) {
  const int64_t n = 1500;
  Random random(4);
  const std::vector<double> av = random.values<double>(n), bv = random.values<double>(n);
  Array<double> a({n}, av), b({n}, bv);
  TileBuilder t(Dtype::f64, {n});
  const int x = t.load(0), y = t.load(1);
  t.store(y);
  t.store(x);
  ASSERT_EQ(run_tile({{a.view(), b.view()}, {a.view(), b.view()}, {}, t.tile()}).complaint, "");
  EXPECT_EQ(a.values(), bv);
  EXPECT_EQ(b.values(), av);
}

// What is larger than caches takes other stores, if it lies on the boundaries of registers and is no operand.
TEST_P(TileTest, LargeOutputs) {
  const int64_t n = (4 << 20) + 37;
  Random random(5);
  const std::vector<float> values = random.values<float>(n);
  for (const int64_t offset : {0, 1}) {
    for (const bool in_place : {false, true}) {
      Array<float> x({n + 1}), y({n + 1});
      std::copy(values.begin(), values.end(), x.data() + offset);
      TileBuilder t(Dtype::f32, {n});
      const int a = t.load(0);
      t.store(t.op(TileOp::mul, t.op(TileOp::add, a, t.constant(1)), a));
      Array<float>& to = in_place ? x : y;
      const Ask ask{{to.strided({n}, {1}, offset)}, {x.strided({n}, {1}, offset)}, {}, t.tile()};
      ASSERT_EQ(run_tile(ask).complaint, "");
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; ++i) wrong += to[offset + i] != (values[i] + 1) * values[i];
      EXPECT_EQ(wrong, 0) << "offset " << offset << ", in place " << in_place;
      EXPECT_TRUE(to.memory.intact());
    }
  }
}

// Rows that meet the same operands again and again, also where results are written past the caches.
TEST_P(TileTest, Rows) {
  for (const int64_t width : {130, 320, 576, 1000, 1024, 1280})
    for (const int64_t size : {3 * width, int64_t(200'000), (int64_t(4) << 20) + 5000}) {
      if (size > 1 << 20 && width % 1000 > 24) continue;
      SCOPED_TRACE(testing::Message() << size << " in rows of " << width);
      const Shape s = {size / width, width};
      Random random(static_cast<uint64_t>(width));
      Array<float> x(s, random.values<float>(product(s))), y(s);
      Array<float> scale({width}, random.values<float>(width)), shift({width}, random.values<float>(width));
      TileBuilder t(Dtype::f32, s);
      t.store(t.op(TileOp::add, t.op(TileOp::mul, t.load(0), t.load(1)), t.load(2)));
      const std::vector<View> operands = {x.view(), scale.strided(s, {0, 1}), shift.strided(s, {0, 1})};
      ASSERT_EQ(run(kernel("tile"), {{y.view()}, operands, {}, t.tile()}, width % 3 == 0).complaint, "");
      EXPECT_TRUE(y.memory.intact());
      int64_t wrong = 0;
      for (int64_t i = 0; i < y.size(); ++i) wrong += y[i] != x[i] * scale[i % width] + shift[i % width];
      EXPECT_EQ(wrong, 0);
    }
}

template <class T>
void conversions(const Kernel& kernel) {
  const std::vector<T> x = {0,
                            T(-0.0),
                            T(0.9),
                            T(-0.9),
                            T(1.5),
                            T(-1.5),
                            255,
                            256,
                            T(300.7),
                            -1,
                            T(3e9),
                            T(-3e9),
                            T(INFINITY),
                            T(-INFINITY),
                            T(NAN),
                            T(2147483648.0),
                            T(-2147483648.0),
                            T(1e-30),
                            T(254.99),
                            7,
                            8,
                            9,
                            10};
  const int64_t n = static_cast<int64_t>(x.size());
  Array<T> in({n}, x);
  Array<int32_t> i32({n});
  Array<uint8_t> u8({n}), boolean({n});
  Array<float> f32({n});
  Array<double> f64({n});
  TileBuilder t(dtype_of<T>, {n});
  const int r = t.load(0);
  for (int j = 0; j < 5; ++j) t.store(r);
  ASSERT_EQ(
      run(kernel,
          {{i32.view(), u8.view(), boolean.view(Dtype::boolean), f32.view(), f64.view()}, {in.view()}, {}, t.tile()})
          .complaint,
      "");
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i];
    EXPECT_EQ(i32[i], std::isnan(v)        ? 0
                      : v >= 2147483647    ? INT32_MAX
                      : v <= -2147483648.0 ? INT32_MIN
                                           : static_cast<int32_t>(v))
        << v;
    EXPECT_EQ(u8[i], !(v > 0) ? 0 : v >= 255 ? 255 : static_cast<uint8_t>(v)) << v;
    EXPECT_EQ(boolean[i], v != 0 ? 1 : 0) << v;
    if (!std::isnan(v)) {
      EXPECT_EQ(f32[i], static_cast<float>(v));
      EXPECT_EQ(f64[i], v);
    }
  }
  EXPECT_TRUE(i32.memory.intact() && u8.memory.intact() && boolean.memory.intact() && f32.memory.intact() &&
              f64.memory.intact());
}
TEST_P(TileTest, ConversionsFromF32) { conversions<float>(kernel("tile")); }
TEST_P(TileTest, ConversionsFromF64) { conversions<double>(kernel("tile")); }

TEST_P(TileTest, Sums) {
  const Shape shapes[] = {{1, 1},    {1, 40},   {2, 1},     {7, 3},     {1000, 1},    {5000, 16}, {900, 24},
                          {333, 64}, {50, 255}, {40, 256},  {41, 257},  {300, 700},   {9, 1280},  {3, 5000},
                          {33, 512}, {600, 96}, {2, 3, 80}, {70, 9, 9}, {4, 5, 6, 7}, {2000, 576}};
  for (const Shape& shape : shapes)
    for (size_t kept = 1; kept < shape.size(); ++kept) {
      expect_sums<float>(kernel("tile"), {}, shape, kept);
      expect_sums<double>(kernel("tile"), {}, shape, kept);
    }
}

// Of what is converted, repeats, and is the same everywhere; of a step that nothing else reads; into one number.
TEST_P(TileTest, SumsOfOperands) {
  constexpr int64_t rows = 203, columns = 37;
  const Shape shape = {rows, columns};
  Random random(5);
  Array<uint8_t> bytes(shape);
  for (int64_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(random.below(200));
  Array<float> row({columns}, random.values<float>(columns)),
      turned({columns, rows}, random.values<float>(rows * columns));
  Array<float> sums({4, columns}), total({1});
  TileBuilder t(Dtype::f32, shape);
  const int byte = t.load(0), repeated = t.load(1), crossed = t.load(2), half = t.constant(0.5);
  t.store(byte), t.store(repeated), t.store(crossed), t.store(half);
  t.store(t.op(TileOp::mul, crossed, half));
  const Shape over_rows = {0, 1};
  const Ask ask = {{sums.strided(shape, over_rows), sums.strided(shape, over_rows, columns),
                    sums.strided(shape, over_rows, 2 * columns), sums.strided(shape, over_rows, 3 * columns),
                    total.strided(shape, {0, 0})},
                   {bytes.view(), row.strided(shape, over_rows), turned.strided(shape, {1, rows})},
                   {},
                   t.tile()};
  ASSERT_EQ(run_tile(ask).complaint, "");
  double all = 0;
  for (int64_t j = 0; j < columns; ++j) {
    double of_bytes = 0, of_turned = 0;
    for (int64_t i = 0; i < rows; ++i) of_bytes += bytes[i * columns + j], of_turned += turned[j * rows + i];
    EXPECT_EQ(sums[j], of_bytes);
    EXPECT_NEAR(sums[columns + j], rows * static_cast<double>(row[j]), 1e-4);
    EXPECT_NEAR(sums[2 * columns + j], of_turned, 1e-4);
    EXPECT_EQ(sums[3 * columns + j], rows * 0.5);
    all += of_turned / 2;
  }
  EXPECT_NEAR(total[0], all, 1e-3);
  TileBuilder twice(Dtype::f32, shape);
  const int x = twice.load(0);
  twice.store(x), twice.store(x);
  EXPECT_NE(
      run_tile(
          {{sums.strided(shape, over_rows), sums.strided(shape, over_rows, columns)}, {bytes.view()}, {}, twice.tile()})
          .complaint,
      "");
  Array<double> wide({columns});
  TileBuilder narrow(Dtype::f32, shape);
  narrow.store(narrow.load(0));
  EXPECT_NE(run_tile({{wide.strided(shape, over_rows)}, {bytes.view()}, {}, narrow.tile()}).complaint, "");
}

// Sums that no memory holds ask for more than there can be, not for what is left of an overflow.
TEST_P(TileTest, SumsThatNoMemoryHolds) {
  Array<float> x({1});
  const Shape shape = {4, int64_t(1) << 38};
  TileBuilder t(Dtype::f32, shape);
  t.store(t.load(0));
  Ask ask = {{x.strided(shape, {0, 1})}, {x.strided(shape, {0, 0})}, {}, t.tile()};
  ask.outputs[0].data = ask.inputs[0].data = nullptr;
  Plan plan{};
  kernel("tile").plan(call_of(ask), plan);
  EXPECT_EQ(plan.workspace, SIZE_MAX);
}

// Moments of what is stored as it is, too; of nothing but an operand in the tile's dtype.
TEST_P(TileTest, MomentsOfOperands) {
  constexpr int64_t rows = 203, columns = 37;
  const Shape shape = {rows, columns};
  Random random(6);
  Array<float> x(shape, random.values<float>(rows * columns)), copy(shape), moments({2, columns});
  Array<uint8_t> bytes(shape);
  const View received = moments.strided({2, rows, columns}, {columns, 0, 1});
  TileBuilder t(Dtype::f32, shape);
  const int same = t.load(0);
  t.store(same), t.store(same);
  ASSERT_EQ(run_tile({{copy.view(), received}, {x.view()}, {}, t.tile()}).complaint, "");
  EXPECT_EQ(copy.values(), x.values());
  for (int64_t j = 0; j < columns; ++j) {
    double mean = 0;
    for (int64_t i = 0; i < rows; ++i) mean += x[i * columns + j] / static_cast<double>(rows);
    EXPECT_NEAR(moments[j], mean, 1e-6);
  }
  TileBuilder computed(Dtype::f32, shape);
  computed.store(computed.op(TileOp::neg, computed.load(0)));
  EXPECT_NE(run_tile({{received}, {x.view()}, {}, computed.tile()}).complaint, "");
  TileBuilder converted(Dtype::f32, shape);
  converted.store(converted.load(0));
  EXPECT_NE(run_tile({{received}, {bytes.view()}, {}, converted.tile()}).complaint, "");
  EXPECT_NE(run_tile({{moments.strided({2, rows, columns}, {1, 0, 1})}, {x.view()}, {}, converted.tile()}).complaint,
            "");
}

// Sums over different axes in one pass, beside what is stored.
TEST_P(TileTest, SumsOverDifferentAxes) {
  for (const Shape& shape : {Shape{2, 3, 7}, {5, 40, 9}, {30, 3, 100}, {3, 2, 600}, {2, 300, 2}}) {
    Random random(9);
    const int64_t size = product(shape), inner = shape[1] * shape[2];
    Array<double> x(shape, random.values<double>(size)), w({inner}, random.values<double>(inner)), y(shape);
    Array<double> all({1}), rows({inner}), last({shape[2]});
    TileBuilder t(Dtype::f64, shape);
    const int product_of = t.op(TileOp::mul, t.load(0), t.load(1)), square = t.op(TileOp::mul, product_of, product_of);
    const int rest = t.op(TileOp::sub, square, t.load(0));
    t.store(square), t.store(product_of), t.store(rest), t.store(y.size() > 100 ? product_of : rest);
    Ask ask = {{all.strided(shape, {0, 0, 0}), rows.strided(shape, {0, shape[2], 1}), last.strided(shape, {0, 0, 1}),
                y.view()},
               {x.view(), w.strided(shape, {0, shape[2], 1})},
               {},
               t.tile()};
    ASSERT_EQ(run_tile(ask).complaint, "");
    std::vector<double> want_rows(static_cast<size_t>(inner)), want_last(static_cast<size_t>(shape[2]));
    double want = 0;
    for (int64_t i = 0; i < size; ++i) {
      const double p = x[i] * w[i % inner];
      want += p * p;
      want_rows[static_cast<size_t>(i % inner)] += p;
      want_last[static_cast<size_t>(i % shape[2])] += p * p - x[i];
      EXPECT_EQ(y[i], size > 100 ? p : p * p - x[i]);
    }
    EXPECT_NEAR(all[0], want, 1e-10);
    // The same where a sum takes the place of what it is made of.
    std::vector<double> before = rows.values();
    ask.outputs[1] = w.strided(shape, {0, shape[2], 1});
    ASSERT_EQ(run_tile(ask).complaint, "");
    ASSERT_TRUE(w.memory.intact());
    ASSERT_EQ(w.values(), before);
    for (int64_t i = 0; i < inner; ++i) EXPECT_NEAR(rows[i], want_rows[static_cast<size_t>(i)], 1e-10) << i;
    for (int64_t i = 0; i < shape[2]; ++i) EXPECT_NEAR(last[i], want_last[static_cast<size_t>(i)], 1e-10) << i;
  }
}

TEST_P(TileTest, Complaints) {
  Array<float> x({4}), y({4}), z({5});
  TileBuilder t(Dtype::f32, {4});
  t.store(t.load(0));
  EXPECT_NE(run_tile({{y.view()}, {z.view()}, {}, t.tile()}).complaint, "");
  EXPECT_NE(run_tile({{z.view()}, {x.view()}, {}, t.tile()}).complaint, "");
  EXPECT_NE(run_tile({{}, {x.view()}, {}, t.tile()}).complaint, "");
  EXPECT_NE(run_tile({{y.strided({4}, {-1}, 3)}, {x.view()}, {}, t.tile()}).complaint, "");
  EXPECT_NE(run_tile({{y.view()}, {x.view()}}).complaint, "");
  EXPECT_EQ(run_tile({{y.view()}, {x.view()}, {}, t.tile()}).complaint, "");
}

}  // namespace
}  // namespace nabla::test
