// What the cut of a contraction and its tasks have in common: the layout of scratch.
#pragma once
#include "contract.h"
#include "contract_pack.h"

namespace nabla::NABLA_ISA {

constexpr int64_t kFewRows = 12;       // strips of rows up to which packing B costs more than reading it with gaps
constexpr int64_t kFewCols = 128;      // columns up to which packing A costs more than its misses
constexpr int64_t kFinishSpan = 8192;  // elements that a finishing task sums

NABLA_INLINE size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Elements of scratch for strips of A and of B.
template <class T>
int64_t a_elements(const Cut& cut) {
  return cut.cols > kFewCols ? cut.rows * cut.depth + kBlock<T> : 0;
}
template <class T>
int64_t b_elements(const Cut& cut) {
  return cut.packs_ahead ? 0 : cut.pack_cols * cut.depth + kBlock<T>;
}

// Entries of a task's tables of offsets.
NABLA_INLINE int64_t offset_count(const Cut& cut) { return 3 * cut.rows + 2 * (cut.cols + cut.depth); }

}  // namespace nabla::NABLA_ISA
