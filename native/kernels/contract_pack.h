// Packing: copies a block of a virtual matrix into strips that a microkernel reads front to back.
//
// An element's address is the sum of an offset of its row and an offset of its column, so two small tables describe a
// block of any strided matrix, transposed or not, and of any matrix of image patches alike (the scatter vectors of
// Matthews, "High-Performance Tensor Contraction without Transposition", SIAM J. Sci. Comput. 40(1), 2018).
#pragma once
#include "../simd/transpose.h"
#include "views.h"

namespace nabla::NABLA_ISA {

constexpr int64_t kPackAhead = 8;  // rows that are fetched before they are packed

// to[k·width + i] = x[free[i] + summed[k]] for i < count; lanes count ≤ i < width hold finite numbers where x does. A
// strip narrower than kBlock may spill up to kBlock elements behind its end.
template <class T>
static void pack_strip(const T* x, const int64_t* free, int count, const int64_t* summed, int64_t depth, int width,
                       T* to) {
  constexpr int lanes = Vec<T>::lanes;
  if (count < width)
    for (int64_t k = 0; k < depth; ++k)
      for (int i = count; i < width; ++i) to[k * width + i] = 0;

  int pieces = 1;  // stretches of neighbours in memory
  for (int i = 1; i < count; ++i) pieces += free[i] != free[i - 1] + 1;
  if (pieces * 2 <= count) {
    for (int start = 0, end; start < count; start = end) {
      for (end = start + 1; end < count && free[end] == free[end - 1] + 1;) ++end;
      const T* from = x + free[start];
      const int n = end - start;
      for (int64_t k = 0; k < depth; ++k) {
        const T* p = from + summed[k];
        T* q = to + k * width + start;
        int i = 0;
        for (; i + lanes <= n; i += lanes) Vec<T>::load(p + i).store(q + i);
        if (i < n) Vec<T>::load(p + i, n - i).store(q + i, n - i);
      }
    }
    return;
  }

  constexpr int block = kBlock<T>;
  for (int64_t k = 0, end; k < depth; k = end) {
    for (end = k + 1; end < depth && summed[end] == summed[end - 1] + 1;) ++end;
    const T* from = x + summed[k];
    T* q = to + k * width;
    int64_t run = end - k;
    for (; block > 1 && run >= block; run -= block, from += block, q += block * width) {
      int i = 0;
      for (; i + block <= count; i += block) transpose([&](int r) { return from + free[i + r]; }, q + i, width);
      if (i == count) continue;
      if (count > block)  // the last block overlaps the one before
        transpose([&](int r) { return from + free[count - block + r]; }, q + count - block, width);
      else  // a narrow strip spills into its next row, which comes later
        transpose([&](int r) { return from + free[r < count ? r : count - 1]; }, q, width);
    }
    for (; run > 0; --run, ++from, q += width)
      for (int i = 0; i < count; ++i) q[i] = from[free[i]];
  }
}

// Packs `count` columns into strips of `width`, one after the other; the last is as wide as its rest in whole vectors.
template <class T>
static void pack_strips(const T* x, const int64_t* free, int64_t count, const int64_t* summed, int64_t depth, int width,
                        T* to) {
  constexpr int lanes = Vec<T>::lanes;
  bool is_run = true;
  for (int64_t j = 1; j < count; ++j) is_run = is_run && free[j] == free[j - 1] + 1;
  if (!is_run) {
    for (int64_t j = 0; j < count; j += width) {
      const int n = static_cast<int>(smaller(width, count - j));
      pack_strip(x, free + j, n, summed, depth, static_cast<int>(round_up(n, lanes)), to + j * depth);
    }
    return;
  }
  // Row by row, as memory runs.
  constexpr int64_t line = 64 / sizeof(T);
  const int64_t whole = count / width * width, rest = count - whole, step = round_up(rest, lanes);
  for (int64_t k = 0; k < depth; ++k) {
    const T *p = x + free[0] + summed[k], *ahead = x + free[0] + summed[smaller(k + kPackAhead, depth - 1)];
    for (int64_t j = 0; j < count; j += line) prefetch(ahead + j);
    T* q = to + k * width;
    for (int64_t j = 0; j < whole; j += width, q += width * depth)
      for (int i = 0; i < width; i += lanes) Vec<T>::load(p + j + i).store(q + i);
    q = to + whole * depth + k * step;
    int64_t i = 0;
    for (; i + lanes <= rest; i += lanes) Vec<T>::load(p + whole + i).store(q + i);
    if (i < rest) Vec<T>::load(p + whole + i, static_cast<int>(rest - i)).store(q + i);
  }
}

}  // namespace nabla::NABLA_ISA
