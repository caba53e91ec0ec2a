// Strided copies against an odometer: permutations, slices, broadcasts, reversals, all element sizes.
#include "isas.h"

namespace nabla::test {
namespace {

class CopyTest : public KernelTest {};
NABLA_ON_EVERY_ISA(CopyTest);

int64_t address(const Shape& shape, const Shape& strides, int64_t i) {
  int64_t at = 0;
  for (int d = static_cast<int>(shape.size()) - 1; d >= 0; --d) at += i % shape[d] * strides[d], i /= shape[d];
  return at;
}

// Strides of a window inside a larger contiguous array whose dimensions stand in random order.
Shape random_window(const Shape& shape, Random& random, int64_t& offset, int64_t& memory, bool broadcast) {
  const int rank = static_cast<int>(shape.size());
  std::vector<int> order(rank);
  std::iota(order.begin(), order.end(), 0);
  if (random.below(3))
    for (int i = rank - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  Shape strides(rank, 0);
  offset = 0;
  int64_t step = 1;
  for (int k = rank - 1; k >= 0; --k) {
    const int d = order[k];
    if (broadcast && random.below(4) == 0) continue;
    const int64_t around = shape[d] + (random.below(3) == 0 ? random.below(4) : 0);
    const int64_t skip = random.below(around - shape[d] + 1);
    strides[d] = step;
    offset += skip * step;
    if (random.below(6) == 0) {
      offset += (shape[d] > 0 ? shape[d] - 1 : 0) * step;
      strides[d] = -step;
    }
    step *= std::max<int64_t>(around, 1);
  }
  memory = step;
  return strides;
}

template <class T>
void random_copies(const Kernel& kernel, Dtype dtype) {
  const std::vector<Shape> shapes = {{},
                                     {1},
                                     {5},
                                     {100000},
                                     {3, 5},
                                     {64, 64},
                                     {65, 63},
                                     {1000, 17},
                                     {17, 1000},
                                     {2, 3, 4},
                                     {28, 28, 6},
                                     {2, 3, 4, 5},
                                     {1, 7, 1, 9},
                                     {0, 4},
                                     {4, 0},
                                     {5, 40, 50},
                                     {2, 2, 2, 2, 2, 2, 2, 2},
                                     {300, 2, 300},
                                     {600, 130},
                                     {2, 67, 520}};
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const Shape shape = shapes[random.below(static_cast<int64_t>(shapes.size()))];
    int64_t x_offset, y_offset, x_memory, y_memory;
    const Shape from = random_window(shape, random, x_offset, x_memory, true);
    const Shape to = random_window(shape, random, y_offset, y_memory, false);
    Array<T> x({x_memory}), y({y_memory});
    for (int64_t i = 0; i < x_memory; ++i) x[i] = static_cast<T>(random.below(100));
    std::vector<T> want = y.values();
    const int64_t size = product(shape);
    for (int64_t i = 0; i < size; ++i) want[y_offset + address(shape, to, i)] = x[x_offset + address(shape, from, i)];
    const Ask ask = {{y.strided(shape, to, y_offset, dtype)}, {x.strided(shape, from, x_offset, dtype)}};
    ASSERT_EQ(run(kernel, ask, random.below(2)).complaint, "") << "seed " << seed;
    // bit patterns: memory outside the window must keep its own
    ASSERT_EQ(0, std::memcmp(want.data(), y.data(), want.size() * sizeof(T)))
        << "seed " << seed << " " << testing::PrintToString(shape);
    ASSERT_TRUE(y.memory.intact()) << "seed " << seed;
  }
}
TEST_P(CopyTest, F32) { random_copies<float>(kernel("copy"), Dtype::f32); }
TEST_P(CopyTest, F64) { random_copies<double>(kernel("copy"), Dtype::f64); }
TEST_P(CopyTest, I32) { random_copies<int32_t>(kernel("copy"), Dtype::i32); }
TEST_P(CopyTest, Bytes) { random_copies<uint8_t>(kernel("copy"), Dtype::boolean); }

// What is larger than caches takes other stores where it lies on the boundaries of registers: rows of 2064 are, of 2061
// are not.
TEST_P(CopyTest, LargeOutputs) {
  const int64_t rows = 2050, columns = 2059;
  Array<float> x({rows * columns});
  for (int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 251);
  for (const int64_t pitch : {2064, 2061}) {
    for (const Shape& from : {Shape{columns, 1}, Shape{1, rows}}) {
      Array<float> y({rows * pitch});
      std::vector<float> want = y.values();
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) want[r * pitch + c] = x[r * from[0] + c * from[1]];
      const Ask ask = {{y.strided({rows, columns}, {pitch, 1})}, {x.strided({rows, columns}, from)}};
      ASSERT_EQ(run(kernel("copy"), ask).complaint, "");
      EXPECT_EQ(0, std::memcmp(want.data(), y.data(), want.size() * sizeof(float))) << pitch << ", " << from[0];
      EXPECT_TRUE(y.memory.intact());
    }
  }
}

TEST_P(CopyTest, Complaints) {
  Array<float> x({4}), y({4});
  Array<int32_t> z({4});
  const Kernel& copy = kernel("copy");
  EXPECT_NE(run(copy, {{y.strided({4}, {0})}, {x.view()}}).complaint, "");
  EXPECT_NE(run(copy, {{y.strided({2, 2}, {1, 1})}, {x.strided({2, 2}, {2, 1})}}).complaint, "");
  EXPECT_NE(run(copy, {{z.view()}, {x.view()}}).complaint, "");
  EXPECT_NE(run(copy, {{y.strided({2}, {1})}, {x.view()}}).complaint, "");
}

}  // namespace
}  // namespace nabla::test
