// Validation of index operands, shared by the kernels that look rows up.
#pragma once
#include "../simd/vec.h"
#include "kernel.h"

namespace nabla::NABLA_ISA {

// Reports the first index outside [0, limit). Called by one task alone, over all indices, so that what is reported does
// not depend on which task comes first; the others merely step over bad indices.
NABLA_INLINE void report_bad_index(const int32_t* index, int64_t count, int64_t limit, Report& report) {
  for (int64_t i = 0; i < count; ++i) {
    if (index[i] >= 0 && index[i] < limit) continue;
    report = {Failure::index, static_cast<double>(index[i]), static_cast<double>(limit)};
    return;
  }
}

}  // namespace nabla::NABLA_ISA
