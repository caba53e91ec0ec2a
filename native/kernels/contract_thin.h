// Products of one or two rows: memory is what they wait for. Rows of B pass by once, whole, as memory streams best; the
// sums stay in L1.
#pragma once
#include "../simd/vec.h"

namespace nabla::NABLA_ISA {

constexpr int64_t kThin = 2;               // rows at most
constexpr int64_t kThinDepth = 128;        // slice of k
constexpr int64_t kThinCols = 1 << 11;     // whose sums stay in L1
constexpr int64_t kThinTasks = 4;          // what more of them read does not come sooner
constexpr double kThinNanoseconds = 8000;  // shortest of them

// c[r][j] (+)= Σ_u a[r][a_sum[u]]·b[b_sum[u] + j], for u < U.
template <int U, class T, int R>
NABLA_INLINE void add_rows(const T* const (&a)[R], const int64_t* a_sum, const T* b, const int64_t* b_sum, int64_t cols,
                           T* const (&c)[R], bool add) {
  Vec<T> x[R][U];
  for (int r = 0; r < R; ++r)
    for (int u = 0; u < U; ++u) x[r][u] = Vec<T>::all(a[r][a_sum[u]]);
  sweep<T>(cols, [&](int64_t j, auto part) {
    Vec<T> row[U];
    for (int u = 0; u < U; ++u) row[u] = load(b + b_sum[u] + j, part);
    for (int r = 0; r < R; ++r) {
      Vec<T> sum = add ? load(c[r] + j, part) : Vec<T>::zero();
      for (int u = 0; u < U; ++u) sum = fma(x[r][u], row[u], sum);
      store(c[r] + j, sum, part);
    }
  });
}

// R rows of C (+)= A·B over `depth` > 0, all operands where they lie.
template <int R, class T>
static void contract_thin(int64_t depth, const T* a, const int64_t* a_rows, const int64_t* a_sum, const T* b,
                          const int64_t* b_sum, int64_t cols, T* c, const int64_t* c_rows, bool add) {
  const T* from[R];
  T* to[R];
  for (int r = 0; r < R; ++r) from[r] = a + a_rows[r], to[r] = c + c_rows[r];
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4) add_rows<4>(from, a_sum + k, b, b_sum + k, cols, to, add || k > 0);
  for (; k < depth; ++k) add_rows<1>(from, a_sum + k, b, b_sum + k, cols, to, add || k > 0);
}

}  // namespace nabla::NABLA_ISA
