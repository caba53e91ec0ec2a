#include "isas.h"

#include "engine/isa.h"

namespace nabla::test {

std::vector<const KernelSet*> runnable_sets() { return supported_kernels(); }

}  // namespace nabla::test
