// A serial runner for kernels: builds a Call from vectors, checks it, plans it, runs all phases and tasks in order, and
// watches guard bytes behind every piece of memory it lends. It plays the engine, so that kernels are tested alone.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/kernel.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>  // its macros do nothing where AddressSanitizer is off
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

namespace nabla::test {

template <class T>
constexpr Dtype dtype_of = sizeof(T) == 8 ? Dtype::f64 : Dtype::f32;
template <>
inline constexpr Dtype dtype_of<int32_t> = Dtype::i32;
template <>
inline constexpr Dtype dtype_of<uint8_t> = Dtype::u8;

using Shape = std::vector<int64_t>;

inline int64_t product(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), [](int64_t a, int64_t b) { return a * b; });
}
inline Shape contiguous(const Shape& shape) {
  Shape strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) strides[i] = step, step *= shape[i];
  return strides;
}

// 64-byte aligned memory with a guard in front and behind: a pattern, which shows what was written there, and under
// AddressSanitizer no one may read it either.
class Memory {
 public:
  explicit Memory(size_t bytes, uint8_t fill = 0xA5) : bytes_(bytes), raw_(new uint8_t[bytes + 2 * kGuard + 64]) {
    const uintptr_t at = reinterpret_cast<uintptr_t>(raw_.get()) + kGuard;
    base_ = reinterpret_cast<uint8_t*>((at + 63) / 64 * 64);
    std::memset(base_ - kGuard, kPattern, kGuard);
    std::memset(base_, fill, bytes);
    std::memset(base_ + bytes, kPattern, kGuard);
    ASAN_POISON_MEMORY_REGION(base_ - kGuard, kGuard);
    ASAN_POISON_MEMORY_REGION(base_ + bytes_, kGuard);
  }
  Memory(Memory&&) = default;
  ~Memory() {
    if (raw_) ASAN_UNPOISON_MEMORY_REGION(base_ - kGuard, bytes_ + 2 * kGuard);
  }
  char* data() const { return reinterpret_cast<char*>(base_); }
  size_t bytes() const { return bytes_; }
  bool intact() const { return is_intact(base_ - kGuard) && is_intact(base_ + bytes_); }

 private:
  static constexpr size_t kGuard = 128;
  static constexpr uint8_t kPattern = 0xC3;
  static bool is_intact(const uint8_t* guard) {
    ASAN_UNPOISON_MEMORY_REGION(guard, kGuard);
    const bool intact = std::all_of(guard, guard + kGuard, [](uint8_t byte) { return byte == kPattern; });
    ASAN_POISON_MEMORY_REGION(guard, kGuard);
    return intact;
  }
  size_t bytes_;
  std::unique_ptr<uint8_t[]> raw_;
  uint8_t* base_;
};

// An n-dimensional array that owns guarded memory; `view` and `strided` make operands of it.
template <class T>
struct Array {
  Shape shape;
  Memory memory;

  explicit Array(Shape s) : shape(std::move(s)), memory(product(shape) * sizeof(T)) {}
  Array(Shape s, const std::vector<T>& values) : Array(std::move(s)) {
    EXPECT_EQ(static_cast<size_t>(product(shape)), values.size());
    if (!values.empty()) std::memcpy(memory.data(), values.data(), values.size() * sizeof(T));
  }
  T* data() { return reinterpret_cast<T*>(memory.data()); }
  int64_t size() const { return product(shape); }
  T& operator[](int64_t i) { return data()[i]; }
  std::vector<T> values() { return std::vector<T>(data(), data() + size()); }

  View view(Dtype dtype = dtype_of<T>) { return strided(shape, contiguous(shape), 0, dtype); }
  View strided(const Shape& dims, const Shape& strides, int64_t offset = 0, Dtype dtype = dtype_of<T>) {
    View v{};
    v.data = memory.data() + offset * static_cast<int64_t>(sizeof(T));
    v.dtype = dtype;
    v.rank = static_cast<int>(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) v.shape[i] = dims[i], v.strides[i] = strides[i];
    return v;
  }
};

// A tile program written step by step: `int y = t.op(TileOp::add, t.load(0), t.constant(1)); t.store(y);`
class TileBuilder {
 public:
  TileBuilder(Dtype dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {}
  int load(int operand) { return push({TileOp::load, {operand, 0, 0}, 0}); }
  int constant(double value) { return push({TileOp::constant, {0, 0, 0}, value}); }
  int uniform(int slot) { return push({TileOp::uniform, {slot, 0, 0}, 0}); }
  int index() { return push({TileOp::index, {0, 0, 0}, 0}); }
  int op(TileOp op, int a, int b = 0, int c = 0) { return push({op, {a, b, c}, 0}); }
  void store(int reg) { stores_.push_back(reg); }
  // Valid as long as the builder lives and is not added to.
  const Tile* tile() {
    tile_ = Tile{};
    tile_.dtype = dtype_;
    tile_.rank = static_cast<int>(shape_.size());
    for (size_t i = 0; i < shape_.size(); ++i) tile_.shape[i] = shape_[i];
    tile_.step_count = static_cast<int>(steps_.size());
    tile_.store_count = static_cast<int>(stores_.size());
    tile_.steps = steps_.data();
    tile_.stores = stores_.data();
    return &tile_;
  }

 private:
  int push(TileStep step) {
    steps_.push_back(step);
    return static_cast<int>(steps_.size()) - 1;
  }
  Dtype dtype_;
  Shape shape_;
  std::vector<TileStep> steps_;
  std::vector<int32_t> stores_;
  Tile tile_;
};

struct Outcome {
  std::string complaint;  // what `check` said; empty: it ran
  Failure failure = Failure::none;
  double value = 0, limit = 0;
};

// What a kernel is asked to do; views refer to arrays that outlive it.
struct Ask {
  std::vector<View> outputs, inputs;
  std::vector<double> attrs = {};
  const Tile* tile = nullptr;
  std::vector<double> uniforms = {};
  const Tile* prologue = nullptr;
};

inline Call call_of(const Ask& ask) {
  Call call{};
  call.output_count = static_cast<int>(ask.outputs.size());
  call.input_count = static_cast<int>(ask.inputs.size());
  call.attr_count = static_cast<int>(ask.attrs.size());
  call.uniform_count = static_cast<int>(ask.uniforms.size());
  call.outputs = ask.outputs.data();
  call.inputs = ask.inputs.data();
  call.attrs = ask.attrs.data();
  call.tile = ask.tile;
  call.prologue = ask.prologue;
  call.uniforms = ask.uniforms.data();
  return call;
}

// Checks, plans and prepares with null data, as the engine does, then runs every task; `backwards` runs the tasks of
// each phase in reverse order, which must not change a bit.
inline Outcome run(const Kernel& kernel, const Ask& ask, bool backwards = false) {
  Ask blank = ask;
  for (View& v : blank.outputs) v.data = nullptr;
  for (View& v : blank.inputs) v.data = nullptr;
  Call planning = call_of(blank);
  planning.uniforms = nullptr;

  Outcome outcome;
  if (const char* complaint = kernel.check(planning)) {
    outcome.complaint = complaint;
    return outcome;
  }
  Plan plan{};
  kernel.plan(planning, plan);
  EXPECT_GE(plan.phases, 0) << kernel.name;
  EXPECT_LE(plan.phases, kMaxPhases) << kernel.name;
  Memory workspace(plan.workspace), scratch(plan.scratch), state(plan.state);
  if (kernel.prepare && plan.state) kernel.prepare(planning, state.data());

  Report report{};
  const Call call = call_of(ask);
  for (int phase = 0; phase < plan.phases; ++phase) {
    for (int64_t i = 0; i < plan.tasks[phase]; ++i) {
      std::memset(scratch.data(), 0xFF, scratch.bytes());  // NaN, whatever float it is read as
      const int64_t task = backwards ? plan.tasks[phase] - 1 - i : i;
      kernel.run(call, {phase, task, &plan, workspace.data(), scratch.data(), state.data(), &report, nullptr});
    }
  }
  EXPECT_TRUE(workspace.intact()) << kernel.name << ": workspace overrun";
  EXPECT_TRUE(scratch.intact()) << kernel.name << ": scratch overrun";
  EXPECT_TRUE(state.intact()) << kernel.name << ": state overrun";
  outcome.failure = report.failure;
  outcome.value = report.value;
  outcome.limit = report.limit;
  return outcome;
}

// xorshift64*: the same numbers on every platform.
class Random {
 public:
  explicit Random(uint64_t seed) : s_(seed * 2654435769u + 88172645463325252ull) {}
  uint64_t next() {
    s_ ^= s_ >> 12, s_ ^= s_ << 25, s_ ^= s_ >> 27;
    return s_ * 2685821657736338717ull;
  }
  double uniform(double low = -1, double high = 1) { return low + (high - low) * ((next() >> 11) * 0x1p-53); }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  template <class T>
  std::vector<T> values(int64_t n, double low = -1, double high = 1) {
    std::vector<T> v(n);
    for (T& x : v) x = static_cast<T>(uniform(low, high));
    return v;
  }

 private:
  uint64_t s_;
};

// A kernel that takes max(x·c + e, r), computed by a prologue, for its first input beside the same on what `tile` has
// computed, the largest sum of which has so many `terms`; and to the bit with tasks backwards. x is ask.inputs[0],
// whose memory is of `shape`; c is one number for each column, r one for each element of the first axis, e of the shape
// of x.
template <class T>
void expect_prologue(const Kernel& kernel, const Kernel& tile, Ask ask, const Shape& shape, const Shape& out,
                     int64_t terms) {
  SCOPED_TRACE(testing::Message() << kernel.name << " " << testing::PrintToString(shape) << " to "
                                  << testing::PrintToString(out) << " f" << 8 * sizeof(T));
  const int64_t size = product(shape);
  Random random(static_cast<uint64_t>(size) + 3);
  Shape by_column(shape.size()), by_first(shape.size());
  by_column.back() = by_first.front() = 1;
  Array<T> x(shape), computed(shape), e(shape, random.values<T>(size)),
      c({shape.back()}, random.values<T>(shape.back()));
  Array<T> r({shape.front()}, random.values<T>(shape.front(), -1, 0)), want(out), got(out), again(out), scaled(out);
  if (size > 0) std::memcpy(x.data(), ask.inputs[0].data, static_cast<size_t>(size) * sizeof(T));
  const View column = c.strided(shape, by_column), first = r.strided(shape, by_first);
  TileBuilder t(dtype_of<T>, shape);
  const int sum = t.op(TileOp::add, t.op(TileOp::mul, t.load(0), t.load(1)), t.load(2));
  t.store(t.op(TileOp::maximum, sum, t.load(3)));
  ASSERT_EQ(run(tile, {{computed.view()}, {x.view(), column, e.view(), first}, {}, t.tile()}).complaint, "");
  Ask plain = ask;
  plain.inputs[0].data = computed.memory.data();
  plain.outputs = {want.view()};
  ASSERT_EQ(run(kernel, plain).complaint, "");

  ask.inputs.insert(ask.inputs.end(), {column, e.view(), first});
  ask.prologue = t.tile();
  for (auto* y : {&got, &again}) {
    ask.outputs = {y->view()};
    ASSERT_EQ(run(kernel, ask, y == &again).complaint, "");
    ASSERT_TRUE(y->memory.intact());
  }
  EXPECT_EQ(got.values(), again.values());
  const double tolerance = (sizeof(T) == 4 ? 6e-7 : 1.2e-15) * (4 + static_cast<double>(terms));
  for (int64_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance) << "element " << i;

  TileBuilder twice(dtype_of<T>, out);
  twice.store(twice.op(TileOp::mul, twice.load(0), twice.constant(2)));
  ask.tile = twice.tile();
  ask.outputs = {got.view(), scaled.view()};
  ASSERT_EQ(run(kernel, ask).complaint, "");
  for (int64_t i = 0; i < got.size(); ++i) ASSERT_EQ(scaled[i], 2 * got[i]) << "element " << i;
  EXPECT_EQ(got.values(), again.values());
}

// Sums of what a kernel's epilogue computes of its result y, an element e and a column c, over all axes but the last
// `kept` ones: y, z = y·e + c, which is stored, and z·(e − c). Beside sums in double, and to the bit with tasks
// backwards.
template <class T>
void expect_sums(const Kernel& kernel, Ask ask, const Shape& shape, size_t kept = 1) {
  SCOPED_TRACE(testing::Message() << kernel.name << " " << testing::PrintToString(shape) << " keeping " << kept);
  Random random(static_cast<uint64_t>(product(shape)) + kept);
  const size_t first = shape.size() - kept;
  const Shape rest(shape.begin() + static_cast<int64_t>(first), shape.end());
  Shape strides = contiguous(shape);
  for (size_t d = 0; d < first; ++d) strides[d] = 0;
  const int64_t period = product(rest), size = product(shape);
  if (size == 0) return;  // views of nothing do not tell sums from the rest
  Array<T> y(shape), z(shape), e(shape, random.values<T>(size)), c(rest, random.values<T>(period));
  Array<T> sums[] = {Array<T>(rest), Array<T>(rest), Array<T>(rest)};
  const bool is_tile = ask.inputs.empty();  // which has operand 0 from outside
  if (is_tile) {
    const std::vector<T> values = random.values<T>(size);
    std::copy(values.begin(), values.end(), y.data());
    ask.inputs.push_back(y.view());
  } else {
    ask.outputs = {y.view()};
  }
  ask.outputs.push_back(z.view());
  for (Array<T>& sum : sums) ask.outputs.push_back(sum.strided(shape, strides));
  ask.inputs.push_back(e.view());
  ask.inputs.push_back(c.strided(shape, strides));
  TileBuilder t(dtype_of<T>, shape);
  const int result = t.load(0), element = t.load(1), column = t.load(2);
  const int stored = t.op(TileOp::add, t.op(TileOp::mul, result, element), column);
  t.store(stored), t.store(result), t.store(stored);
  t.store(t.op(TileOp::mul, stored, t.op(TileOp::sub, element, column)));
  ask.tile = t.tile();
  ASSERT_EQ(run(kernel, ask).complaint, "");
  for (Array<T>& sum : sums) ASSERT_TRUE(sum.memory.intact());
  ASSERT_TRUE(y.memory.intact() && z.memory.intact());
  std::vector<T> before[] = {sums[0].values(), sums[1].values(), sums[2].values()};
  for (int64_t j = 0; j < period; ++j) {
    long double want[3] = {}, magnitude[3] = {};
    for (int64_t i = j; i < size; i += period) {
      ASSERT_NEAR(z[i], static_cast<double>(y[i]) * e[i] + c[j], 4e-7 * (1 + std::abs(z[i]))) << i;
      const long double terms[] = {y[i], z[i], static_cast<long double>(z[i]) * (e[i] - c[j])};
      for (int k = 0; k < 3; ++k) want[k] += terms[k], magnitude[k] += std::abs(terms[k]);
    }
    const long double unit = (sizeof(T) == 4 ? 4 : 32) * std::numeric_limits<T>::epsilon();  // beyond a tile in double
    for (int k = 0; k < 3; ++k)
      ASSERT_NEAR(before[k][static_cast<size_t>(j)], want[k], unit * (magnitude[k] + 1)) << j << " of sum " << k;
  }
  ASSERT_EQ(run(kernel, ask, true).complaint, "");
  for (int k = 0; k < 3; ++k) ASSERT_EQ(sums[k].values(), before[k]) << "of sum " << k;

  // Means and variances of y beside z, also where y lies far from 0.
  Array<T> moments({2, period});
  Shape both = shape, halves = strides;
  both.insert(both.begin(), 2), halves.insert(halves.begin(), period);
  TileBuilder m(dtype_of<T>, shape);
  const int y_again = m.load(0);
  m.store(m.op(TileOp::sub, y_again, m.load(2))), m.store(y_again);
  ask.tile = m.tile();
  ask.outputs.resize(is_tile ? 1 : 2);
  ask.outputs.push_back(moments.strided(both, halves));
  if (size == period) return;  // those of one row are no moments to a tile
  for (const double offset : {0.0, 1000.0}) {
    if (offset > 0 && !is_tile) break;
    for (int64_t i = 0; is_tile && i < size; ++i) y[i] += static_cast<T>(offset);
    ASSERT_EQ(run(kernel, ask).complaint, "");
    ASSERT_TRUE(moments.memory.intact() && z.memory.intact());
    const double rows = static_cast<double>(size / period);
    for (int64_t j = 0; j < period; ++j) {
      long double mean = 0, variance = 0, largest = 0;
      for (int64_t i = j; i < size; i += period) {
        mean += y[i] / rows;
        ASSERT_EQ(z[i], y[i] - c[j]);
      }
      for (int64_t i = j; i < size; i += period) {
        variance += (y[i] - mean) * (y[i] - mean) / rows;
        largest = std::max(largest, std::abs(y[i] - mean));
      }
      const long double unit = 32 * std::numeric_limits<T>::epsilon();
      ASSERT_NEAR(moments[j], mean, unit * (std::abs(mean) + largest) + 1e-30) << j;
      ASSERT_NEAR(moments[period + j], variance, unit * largest * largest + 1e-30) << j;
    }
    const std::vector<T> forwards = moments.values();
    ASSERT_EQ(run(kernel, ask, true).complaint, "");
    ASSERT_EQ(moments.values(), forwards);
  }
}

}  // namespace nabla::test
