// Sums over a long axis are split into a number of parts that depends on the shape alone, and added up in order.
#pragma once
#include "../simd/vec.h"

namespace nabla::NABLA_ISA {

// y[i] = Σ_s partials[s·size + i], s ascending, for i in [start, start + count).
template <class T>
static void sum_partials(const T* partials, int64_t parts, int64_t size, int64_t start, int64_t count, T* y) {
  const T* x = partials + start;
  sweep<T>(count, [&](int64_t i, auto some) {
    Vec<T> sum = load(x + i, some);
    for (int64_t s = 1; s < parts; ++s) sum = sum + load(x + s * size + i, some);
    store(y + start + i, sum, some);
  });
}

}  // namespace nabla::NABLA_ISA
