// Chooses the kernels for this processor: the widest instruction set that both it and the operating system support.
#pragma once
#include <vector>

#include "kernels/kernel.h"

namespace nabla {

// The kernel sets that can run here, narrowest first.
const std::vector<const KernelSet*>& supported_kernels();

// The widest of them, or the one named by the environment variable NABLA_ISA; throws std::runtime_error if that names
// none or one that cannot run here.
const KernelSet& active_kernels();

}  // namespace nabla
