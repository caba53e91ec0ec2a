// Register-blocked microkernels of the matrix product: R × (V registers) of C stay in registers while k runs.
#pragma once
#include "chain.h"

namespace nabla::NABLA_ISA {

// The tiles of each instruction set. A wide one has few rows, as each number of A then serves many sums; a narrower one
// has as many as keep both multipliers busy.
template <class T>
struct TileSize {
  static constexpr int lanes = Vec<T>::lanes;
  static constexpr int bytes = lanes * static_cast<int>(sizeof(T));
  static constexpr int vectors = bytes == 64 ? 4 : bytes == 32 ? 2 : bytes == 16 ? 3 : 4;
  static constexpr int cols = vectors * lanes;  // NR
  // MR of a tile of v registers: v registers of B and one of A have room beside the sums.
  static constexpr int rows(int v) {
    if (bytes == 64) return v == 4 ? 6 : v == 3 ? 9 : 14;
    return bytes == 32 ? 6 : bytes == 16 ? 8 : 4;
  }
  static constexpr int most_rows = rows(1);
  // Of a tile whose rows of A are evenly spaced, so that their addresses take few registers; 0 if that gains nothing.
  static constexpr int even_rows(int v) { return bytes < 64 || v > 2 ? 0 : v == 1 ? 16 : 14; }
};
constexpr int kFewestEven = 10;  // rows of such a tile: fewer keep the multipliers waiting for their own results

constexpr int kSteps = 4;          // terms that are added between two looks at the loop's end
constexpr int kLaterLines = 2;     // of the next strip that are fetched meanwhile
constexpr int64_t kFarAhead = 96;  // rows of packed B that are fetched before they are first read

// Where a tile of C lies: element (i, j) at c[rows[i] + j], for j < cols.
template <class T>
struct TileTarget {
  T* c;
  const int64_t* rows;
  int cols;
  bool add;                         // to what is there, else overwrite
  const Chain<T>* chain = nullptr;  // what the sums go through, if they are complete
  int64_t column = 0, origin = 0;   // of c[0] in the result: its column, its number
};

// Rows of A that are `row` elements apart, and terms that are `term` apart in runs of `run`, of whose first so many
// have `begun` before the tile does.
struct Even {
  int64_t row, term, run, begun;
};

// Where R rows of A lie: element (i, k) at a[rows[i] + summed[k]], with `summed` growing by `step` within each kSteps
// terms unless that is 0; and what is fetched meanwhile, the first that there is: B, so far `ahead` of what is read of
// it; the R rows of A for the `next` tile, whose elements of a term are neighbours if `is_column`; a piece of the strip
// of B that is used later.
template <class T>
struct TileSource {
  const T* a;
  const int64_t *rows, *summed;
  int64_t step, ahead;
  const int64_t* next;
  bool is_column;
  const T* later;
  Even even{};
};

// Elements that a tile fetches from `later` on.
template <class T>
NABLA_INLINE int64_t later_elements(int64_t depth) {
  return depth / kSteps * kLaterLines * static_cast<int64_t>(64 / sizeof(T));
}

// sum[i] += a[i][summed[u]]·b[u·b_step] for u < U; with a step, summed[u] is summed[0] + u·step and is not looked up.
template <int U, int step, class T, int R, int V>
NABLA_INLINE void multiply_add(const T* const (&a)[R], const int64_t* summed, const T* b, int64_t b_step,
                               Vec<T> (&sum)[R][V]) {
  constexpr int lanes = Vec<T>::lanes;
  // A number of A serves V registers. Where these are but one, there is more to do with the address of a row of A.
  constexpr int together = V == 1 ? U : 1;
  const auto at = [&](int u) { return step != 0 ? summed[0] + u * step : summed[u]; };
  NABLA_UNROLL
  for (int start = 0; start < U; start += together) {
    int64_t k[together];
    Vec<T> row[together][V];
    NABLA_UNROLL
    for (int u = 0; u < together; ++u) {
      k[u] = at(start + u);
      NABLA_UNROLL
      for (int v = 0; v < V; ++v) row[u][v] = Vec<T>::load(b + (start + u) * b_step + v * lanes);
    }
    NABLA_UNROLL
    for (int i = 0; i < R; ++i) {
      NABLA_UNROLL
      for (int u = 0; u < together; ++u) {
        const Vec<T> x = Vec<T>::all(a[i][k[u]]);
        NABLA_UNROLL
        for (int v = 0; v < V; ++v) sum[i][v] = fma(x, row[u][v], sum[i][v]);
      }
    }
  }
}

// All terms of a tile's sums, kSteps at a time; `fetches` what a tile fetches meanwhile, but for B.
template <int step, bool fetches, class T, int R, int V>
NABLA_INLINE void sum_up(int64_t depth, const TileSource<T>& from, const T* const (&a)[R], const T* b, int64_t b_step,
                         Vec<T> (&sum)[R][V]) {
  const int64_t *summed = from.summed, *const end = summed + depth;
  constexpr int line = 64 / sizeof(T);
  if (fetches && from.next != nullptr && from.is_column) {
    for (; end - summed >= kSteps; summed += kSteps, b += kSteps * b_step) {
      NABLA_UNROLL
      for (int u = 0; u < kSteps; ++u) prefetch(from.a + from.next[R - 1] + summed[u]);
      multiply_add<kSteps, step>(a, summed, b, b_step, sum);
    }
  } else if (fetches && from.next != nullptr) {
    // A few rows at a time, so that each has its turn once a line.
    constexpr int few = (R * kSteps + line - 1) / line, last = R - few;
    for (int i = 0; end - summed >= kSteps; summed += kSteps, b += kSteps * b_step) {
      NABLA_UNROLL
      for (int j = 0; j < few; ++j) prefetch(from.a + from.next[i + j] + *summed);
      i = i == last ? 0 : i + few < last ? i + few : last;
      multiply_add<kSteps, step>(a, summed, b, b_step, sum);
    }
  } else if (fetches && from.later != nullptr) {
    for (const T* later = from.later; end - summed >= kSteps; summed += kSteps, b += kSteps * b_step) {
      NABLA_UNROLL
      for (int j = 0; j < kLaterLines; ++j, later += line) prefetch(later);
      multiply_add<kSteps, step>(a, summed, b, b_step, sum);
    }
  } else {
    for (; end - summed >= kSteps; summed += kSteps, b += kSteps * b_step)
      multiply_add<kSteps, step>(a, summed, b, b_step, sum);
  }
  for (; summed != end; ++summed, b += b_step) multiply_add<1, step>(a, summed, b, b_step, sum);
}

// V registers of which the last may reach over the edge of C.
template <class T, int V>
struct Edge {
  static constexpr int lanes = Vec<T>::lanes;
  int cols;

  NABLA_INLINE bool is_inside(int v) const { return v < V - 1 || cols == V * lanes; }
  NABLA_INLINE int rest() const { return cols - (V - 1) * lanes; }
  NABLA_INLINE Vec<T> load(const T* p, int v) const {
    return is_inside(v) ? Vec<T>::load(p + v * lanes) : Vec<T>::load(p + v * lanes, rest());
  }
  NABLA_INLINE void store(T* p, int v, Vec<T> x) const {
    is_inside(v) ? x.store(p + v * lanes) : x.store(p + v * lanes, rest());
  }
};

// V registers of which none does.
template <class T>
struct Whole {
  static constexpr int lanes = Vec<T>::lanes;
  NABLA_INLINE Vec<T> load(const T* p, int v) const { return Vec<T>::load(p + v * lanes); }
  NABLA_INLINE void store(T* p, int v, Vec<T> x) const { x.store(p + v * lanes); }
};

// The chain over H rows of a tile that has been stored. A function of its own: inside a microkernel it would have the
// sums in memory.
template <class T, int H, int V>
NABLA_NOINLINE static void finish_rows(const TileTarget<T>& to, int first) {
  const Edge<T, V> edge{to.cols};
  const int64_t* rows = to.rows + first;
  const auto load = [&](const T* p, int v) { return edge.load(p, v); };
  if (to.chain->is_affine()) {
    const Affine<T, V> affine(to.chain->links[0], to.column, load);
    for (int i = 0; i < H; ++i)
      for (int v = 0; v < V; ++v) edge.store(to.c + rows[i], v, affine(load(to.c + rows[i], v), v));
    return;
  }
  Vec<T> x[H][V];
  for (int i = 0; i < H; ++i)
    for (int v = 0; v < V; ++v) x[i][v] = load(to.c + rows[i], v);
  apply(*to.chain, to.column, x, load, [&](int i) { return to.origin + rows[i]; });
  for (int i = 0; i < H; ++i)
    for (int v = 0; v < V; ++v) edge.store(to.c + rows[i], v, x[i][v]);
}

// Where the rows of a tile of C lie: anywhere. Looked up for each, as there are no registers to spare.
template <class T>
struct Rows {
  const TileTarget<T>& to;

  NABLA_INLINE T* operator[](int i) const { return to.c + to.rows[i]; }
};

// Evenly spaced; two at least.
template <class T>
struct EvenRows {
  T* first;
  int64_t step;

  NABLA_INLINE explicit EvenRows(const TileTarget<T>& to) : first(to.c + to.rows[0]), step(to.rows[1] - to.rows[0]) {}
  NABLA_INLINE T* operator[](int i) const { return first + i * step; }
};

// Stores the sums, or adds them to what is there.
template <class T, int R, int V, class Place, class Columns>
NABLA_INLINE void put(const Vec<T> (&sum)[R][V], bool adds, Place c, Columns columns) {
  NABLA_UNROLL
  for (int i = 0; i < R; ++i) {
    T* const row = c[i];
    NABLA_UNROLL
    for (int v = 0; v < V; ++v) columns.store(row, v, adds ? sum[i][v] + columns.load(row, v) : sum[i][v]);
  }
}

template <class T, int R, int V, class Place>
NABLA_INLINE void begin_tile(Vec<T> (&sum)[R][V], Place c) {
  NABLA_UNROLL
  for (int i = 0; i < R; ++i) {
    NABLA_UNROLL
    for (int v = 0; v < V; ++v) {
      prefetch(c[i] + v * Vec<T>::lanes);
      sum[i][v] = Vec<T>::zero();
    }
  }
}

template <class T, int R, int V, class Place>
NABLA_INLINE void finish_tile(const Vec<T> (&sum)[R][V], const TileTarget<T>& to, Place c) {
  if (to.cols == V * Vec<T>::lanes)
    put(sum, to.add, c, Whole<T>{});
  else
    put(sum, to.add, c, Edge<T, V>{to.cols});
  if (to.chain == nullptr) return;
  if constexpr (R == TileSize<T>::rows(V))
    finish_rows<T, R, V>(to, 0);
  else
    for (int i = 0; i < R; ++i) finish_rows<T, 1, V>(to, i);
}

// C (+)= A·B over `depth`, with element (k, j) of B at b[k·b_step + j].
template <class T, int R, int V>
static void contract_tile(int64_t depth, const TileSource<T>& from, const T* b, int64_t b_step,
                          const TileTarget<T>& to) {
  constexpr int lanes = Vec<T>::lanes;
  const T* a[R];
  Vec<T> sum[R][V];
  const Rows<T> c{to};
  begin_tile(sum, c);
  NABLA_UNROLL
  for (int i = 0; i < R; ++i) a[i] = from.a + from.rows[i];
  constexpr int most = TileSize<T>::rows(V);
  constexpr bool is_usual = R == most || (V == TileSize<T>::vectors && 2 * R > most);
  if (from.ahead != 0) {
    for (int64_t k = 0; k < depth; ++k, b += b_step) {
      NABLA_UNROLL
      for (int v = 0; v < V; ++v) prefetch(b + from.ahead + v * lanes);
      multiply_add<1, 0>(a, from.summed + k, b, b_step, sum);
    }
  } else if (is_usual && from.step == 1) {
    sum_up<is_usual ? 1 : 0, is_usual>(depth, from, a, b, b_step, sum);
  } else if (is_usual && from.step == most) {
    sum_up<is_usual ? most : 0, is_usual>(depth, from, a, b, b_step, sum);
  } else {
    sum_up<0, is_usual>(depth, from, a, b, b_step, sum);
  }
  finish_tile(sum, to, c);
}

// All terms of the sums of even rows, whose addresses are two bases and few multiples of a step, which is a constant
// unless `step` is 0: a register less in each address.
template <int step, class T, int R, int V>
NABLA_INLINE void sum_up_even(int64_t depth, const TileSource<T>& from, const T* b, int64_t b_step,
                              Vec<T> (&sum)[R][V]) {
  const int64_t row = step != 0 ? step : from.even.row, term = from.even.term, run = from.even.run;
  const int64_t offset[8] = {0, row, 2 * row, 3 * row, 4 * row, 5 * row, 6 * row, 7 * row};
  for (int64_t k = 0, n = run - from.even.begun; k < depth; k += n, n = run) {
    if (n > depth - k) n = depth - k;
    const T *low = from.a + from.rows[0] + from.summed[k], *high = low + 8 * row;
    for (int64_t u = 0; u < n; ++u, low += term, high += term, b += b_step) {
      Vec<T> w[V];
      NABLA_UNROLL
      for (int v = 0; v < V; ++v) w[v] = Vec<T>::load(b + v * Vec<T>::lanes);
      NABLA_UNROLL
      for (int i = 0; i < R; ++i) {
        // Not i % 8: checked for overflow (UBSan), GCC 12 computes that wrongly in a loop it unrolls.
        const Vec<T> x = Vec<T>::all((i < 8 ? low : high)[offset[i & 7]]);
        NABLA_UNROLL
        for (int v = 0; v < V; ++v) sum[i][v] = fma(x, w[v], sum[i][v]);
      }
    }
  }
}

// The microkernel for even rows. Filters' gradients have steps of 1, mostly; pixels those of their channels.
template <class T, int R, int V>
static void contract_even(int64_t depth, const TileSource<T>& from, const T* b, int64_t b_step,
                          const TileTarget<T>& to) {
  Vec<T> sum[R][V];
  const EvenRows<T> c(to);
  begin_tile(sum, c);
  switch (V == 1 ? from.even.row : 0) {
    case 1:
      sum_up_even<1>(depth, from, b, b_step, sum);
      break;
    case 3:
      sum_up_even<3>(depth, from, b, b_step, sum);
      break;
    case 6:
      sum_up_even<6>(depth, from, b, b_step, sum);
      break;
    default:
      sum_up_even<0>(depth, from, b, b_step, sum);
  }
  finish_tile(sum, to, c);
}

template <class T>
using TileKernel = void (*)(int64_t depth, const TileSource<T>& from, const T* b, int64_t b_step,
                            const TileTarget<T>& to);

template <class T, int R, int V>
NABLA_INLINE TileKernel<T> tile_kernel_of(int rows) {
  if constexpr (R > 1) {
    if (rows < R) return tile_kernel_of<T, R - 1, V>(rows);
  }
  return contract_tile<T, R, V>;
}

// The microkernel of exactly rows × vectors; both at least 1 and at most the tile's.
template <class T, int V = TileSize<T>::vectors>
NABLA_INLINE TileKernel<T> tile_kernel_for(int rows, int vectors) {
  if constexpr (V > 1) {
    if (vectors < V) return tile_kernel_for<T, V - 1>(rows, vectors);
  }
  return tile_kernel_of<T, TileSize<T>::rows(V), V>(rows);
}

template <class T, int R, int V>
NABLA_INLINE TileKernel<T> even_kernel_of(int rows) {
  if constexpr (R > kFewestEven) {
    if (rows < R) return even_kernel_of<T, R - 1, V>(rows);
  }
  return contract_even<T, R, V>;
}

// The microkernel of so many even rows, at least kFewestEven and at most TileSize::even_rows.
template <class T>
NABLA_INLINE TileKernel<T> even_kernel_for(int rows, int vectors) {
  using Size = TileSize<T>;
  if constexpr (Size::even_rows(1) == 0)
    return nullptr;
  else
    return vectors == 1 ? even_kernel_of<T, Size::even_rows(1), 1>(rows)
                        : even_kernel_of<T, Size::even_rows(2), 2>(rows);
}

}  // namespace nabla::NABLA_ISA
