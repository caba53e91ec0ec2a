// Runs a test once on every instruction set that this processor has.
#pragma once
#include "harness.h"

namespace nabla::test {

// The kernel sets that this processor can run (isas.cpp).
std::vector<const KernelSet*> runnable_sets();

class KernelTest : public testing::TestWithParam<const KernelSet*> {
 protected:
  const Kernel& kernel(const std::string& name) {
    const KernelSet& set = *GetParam();
    for (int i = 0; i < set.count; ++i)
      if (name == set.kernels[i]->name) return *set.kernels[i];
    throw std::runtime_error("no kernel " + name + " for " + set.isa);
  }
};

#define NABLA_ON_EVERY_ISA(fixture)                                 \
  INSTANTIATE_TEST_SUITE_P(                                         \
      , fixture, testing::ValuesIn(::nabla::test::runnable_sets()), \
      [](const testing::TestParamInfo<const ::nabla::KernelSet*>& info) { return std::string(info.param->isa); })

}  // namespace nabla::test
