// libFuzzer's way to the validator: bytes become the words of a program, steered by what has been covered so far.
// NABLA_CORPUS=folder writes the programs to start from there.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "program_attempts.h"

namespace nabla::test {
namespace {

// Numbers that do not fit into two bytes, from the top of their range downwards.
constexpr double kSpecial[] = {0.5, 0x1p31, 0x1p32, 0x1p40, -0x1p40, 0x1p53, 1e300, NAN, INFINITY};
constexpr int kFirstSpecial = INT16_MAX + 1 - static_cast<int>(std::size(kSpecial));

// All kernels and tile operations, so that a word can stand for any.
std::vector<std::string> all_names() {
  std::vector<std::string> names = {"loop", "end"};
  const KernelSet& set = active_kernels();
  for (int i = 0; i < set.count; ++i) names.push_back(set.kernels[i]->name);
  for (int i = 0; i < static_cast<int>(TileOp::count); ++i) names.push_back(tile_op_names[i].name);
  return names;
}

void write_corpus(const std::string& folder) {
  int number = 0;
  for (const ProgramSpec& spec : seeds()) {
    std::ofstream file(folder + "/seed-" + std::to_string(number++), std::ios::binary);
    for (const double word : spec.encode(all_names()).words) {
      const auto value = static_cast<int16_t>(word == 0.5 ? kFirstSpecial : word);
      file.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
  }
}

}  // namespace
}  // namespace nabla::test

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  testing::GTEST_FLAG(break_on_failure) = true;
  if (const char* folder = std::getenv("NABLA_CORPUS")) nabla::test::write_corpus(folder);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nabla::test;
  static const std::vector<std::string> names = all_names();
  Numbers words;
  for (size_t i = 0; i + 1 < size; i += 2) {
    int16_t value;
    std::memcpy(&value, data + i, sizeof value);
    words.push_back(value >= kFirstSpecial ? kSpecial[value - kFirstSpecial] : value);
  }
  Random random(size);
  attempt(words, names, nabla::active_kernels(), random);
  return 0;
}
