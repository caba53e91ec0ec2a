// Programs spoilt at random are refused, or harmless. NABLA_FUZZ=1000000 tries that many.
#include <cmath>
#include <cstdlib>

#include "program_attempts.h"

namespace nabla::test {
namespace {

constexpr int kUsual = 40000;

double spoilt(double word, Random& random) {
  constexpr double kValues[] = {0,  1,   2,    3,      4,      7,      8,       16,     64,    -1,
                                -2, 0.5, 1000, 0x1p31, 0x1p32, 0x1p40, -0x1p40, 0x1p53, 1e300, NAN};
  switch (random.below(4)) {
    case 0:
      return kValues[random.below(std::size(kValues))];
    case 1:
      return word + static_cast<double>(random.below(5) - 2);
    case 2:
      return word * 2;
    default:
      return word - static_cast<double>(random.below(9));
  }
}

void spoil(Numbers& words, Random& random) {
  for (int64_t n = 1 + random.below(3); n > 0 && !words.empty(); --n) {
    const auto at = random.below(static_cast<int64_t>(words.size())),
               other = random.below(static_cast<int64_t>(words.size()));
    switch (random.below(12)) {
      case 0:
        words.erase(words.begin() + at);
        break;
      case 1:
        words.insert(words.begin() + at, words[static_cast<size_t>(other)]);
        break;
      case 2:
        std::swap(words[static_cast<size_t>(at)], words[static_cast<size_t>(other)]);
        break;
      case 3:
        words[static_cast<size_t>(at)] = words[static_cast<size_t>(other)];
        break;
      default:
        words[static_cast<size_t>(at)] = spoilt(words[static_cast<size_t>(at)], random);
    }
  }
}

TEST(ProgramFuzz, WhatIsAcceptedStaysInItsBuffers) {
  const char* const wanted = std::getenv("NABLA_FUZZ");
  const int64_t tries = wanted == nullptr ? kUsual : std::atoll(wanted);
  const std::vector<ProgramSpec> specs = seeds();
  const auto& sets = supported_kernels();
  Random random(41);
  for (const ProgramSpec& spec : specs) {
    const ProgramSpec::Encoded e = spec.encode();
    ASSERT_NO_THROW(make(spec));
    for (const KernelSet* set : sets)
      ASSERT_EQ(attempt(e.words, e.names, *set, random), Fate::run) << spec.instructions[0].kernel;
  }
  int64_t count[3] = {};
  for (int64_t i = 0; i < tries; ++i) {
    ProgramSpec::Encoded e = specs[static_cast<size_t>(i) % specs.size()].encode();
    spoil(e.words, random);
    const KernelSet& set = *sets[static_cast<size_t>(random.below(static_cast<int64_t>(sets.size())))];
    ++count[static_cast<int>(attempt(e.words, e.names, set, random))];
    ASSERT_FALSE(HasFailure()) << "try " << i << " on " << set.isa << ": " << testing::PrintToString(e.words);
  }
  RecordProperty("refused", std::to_string(count[0]));
  RecordProperty("run", std::to_string(count[2]));
  EXPECT_GT(count[2], tries / 20) << "too few of them run";
}

}  // namespace
}  // namespace nabla::test
