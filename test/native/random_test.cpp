// Philox against the known answers published with Random123, the mapping to floats against docs/kernels.md, moments.
#include <cmath>

#ifndef NABLA_ISA
#define NABLA_ISA base
#endif
#include "isas.h"
#include "kernels/philox.h"

namespace nabla::test {
namespace {

class RandomTest : public KernelTest {
 protected:
  template <class T>
  std::vector<T> draw(int kind, double seed, double counter, int64_t n) {
    Array<T> y({n});
    EXPECT_EQ(run(kernel("random"), {{y.view()}, {}, {double(kind), 1, 0}, nullptr, {counter, seed}}).complaint, "");
    EXPECT_TRUE(y.memory.intact());
    return y.values();
  }
};
NABLA_ON_EVERY_ISA(RandomTest);

using Block = std::vector<uint32_t>;
Block philox(const Block& counter, const Block& key) {
  uint32_t words[4][1] = {{counter[0]}, {counter[1]}, {counter[2]}, {counter[3]}};
  NABLA_ISA::philox_rounds(key[0], key[1], words);
  return {words[0][0], words[1][0], words[2][0], words[3][0]};
}

TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t f = 0xffffffff;
  EXPECT_EQ(philox({f, f, f, f}, {f, f}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

Block block_of(uint64_t seed, uint64_t counter) {
  return philox({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0},
                {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
}

TEST_P(RandomTest, UniformsAreTheWordsInOrder) {
  const uint64_t seed = (uint64_t(77) << 32) + 12345, counter = 0xfffffffff0;  // the low counter word runs over
  for (const int64_t n : {0, 1, 3, 4, 63, 64, 65, 1000, 16384, 16385, 40001}) {
    const std::vector<float> y = draw<float>(0, seed, counter, n);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], (block_of(seed, counter + i / 4)[i % 4] >> 8) * 0x1p-24f) << i;
    const std::vector<double> z = draw<double>(0, seed, counter, n);
    for (int64_t i = 0; i < n; ++i) {
      const Block b = block_of(seed, counter + i / 2);
      ASSERT_EQ(z[i], ((b[2 * (i % 2)] >> 5) * 0x1p26 + (b[2 * (i % 2) + 1] >> 6)) * 0x1p-53) << i;
    }
  }
}

template <class T>
void normals(const std::vector<T>& u, const std::vector<T>& y) {
  for (size_t i = 0; i + 1 < u.size(); i += 2) {
    const double radius = std::sqrt(-2 * std::log(1 - static_cast<double>(u[i])));
    const double angle = 2 * M_PI * static_cast<double>(u[i + 1]);
    const double tolerance = (sizeof(T) == 4 ? 2e-6 : 4e-15) * (radius + 1e-6);
    ASSERT_NEAR(y[i], radius * std::cos(angle), tolerance) << i;
    ASSERT_NEAR(y[i + 1], radius * std::sin(angle), tolerance) << i;
  }
}
TEST_P(RandomTest, NormalsAreBoxMuller) {
  normals(draw<float>(0, 5, 9, 100002), draw<float>(1, 5, 9, 100002));
  normals(draw<double>(0, 5, 9, 100002), draw<double>(1, 5, 9, 100002));
  const std::vector<float> odd = draw<float>(1, 5, 9, 101), even = draw<float>(1, 5, 9, 102);
  EXPECT_TRUE(std::equal(odd.begin(), odd.end(), even.begin()));
}

TEST_P(RandomTest, Moments) {
  const int64_t n = 400000;
  double mean = 0, square = 0, fourth = 0;
  for (const float x : draw<float>(1, 3, 0, n)) mean += x, square += x * x, fourth += double(x) * x * x * x;
  EXPECT_NEAR(mean / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96.0 / n));
}

}  // namespace
}  // namespace nabla::test
