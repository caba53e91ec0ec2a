// Σ g and Σ g·(x − m) of columns, which gradients of normalisation are made of: read where they lie and summed in
// registers, down a block of rows.
#pragma once
#include "convert.h"
#include "tile.h"
#include "views.h"

namespace nabla::NABLA_ISA {

template <class T>
struct Pair {
  const T *g, *x, *m;  // m: a number for each column
};

// The pair that the tile of a reduction of [n, inner] computes, if it is one.
template <class T>
bool pair_of(const Call& call, int64_t inner, Pair<T>& pair) {
  const Tile& tile = *call.tile;
  if (call.output_count != 2) return false;
  const auto matrix = [&](int step) -> const T* {
    if (tile.steps[step].op != TileOp::load) return nullptr;
    const View& v = call.inputs[tile.steps[step].args[0]];
    return v.dtype == kDtype<T> && is_contiguous(v) ? reinterpret_cast<const T*>(v.data) : nullptr;
  };
  const auto row = [&](int step) -> const T* {
    if (tile.steps[step].op != TileOp::load) return nullptr;
    const View& v = call.inputs[tile.steps[step].args[0]];
    const Dims dims = merged(v);
    const bool is_row = v.dtype == kDtype<T> && dims.rank == 2 && dims.strides[0] == 0 && dims.strides[1] == 1 &&
                        dims.shape[1] == inner;
    return is_row ? reinterpret_cast<const T*>(v.data) : nullptr;
  };
  const TileStep& product = tile.steps[tile.stores[1]];
  pair.g = matrix(tile.stores[0]);
  if (pair.g == nullptr || product.op != TileOp::mul) return false;
  for (int k = 0; k < 2; ++k) {
    const TileStep& distance = tile.steps[product.args[1 - k]];
    if (matrix(product.args[k]) != pair.g || distance.op != TileOp::sub) continue;
    pair.x = matrix(distance.args[0]);
    pair.m = row(distance.args[1]);
    return pair.x != nullptr && pair.m != nullptr;
  }
  return false;
}

constexpr int64_t kPairBlock = 4096;   // elements of g whose columns are summed at once: with x they stay in L1
constexpr int64_t kPairColumns = 512;  // most columns that are kept together
constexpr int kPairRows = 32;          // most rows that are added in T before they go into doubles

// Both sums of up to kPairColumns columns.
template <class T>
class PairSums {
 public:
  // `m` again and again, as rows are joined to rows of `columns`.
  PairSums(const T* m, int64_t period, int64_t columns) : columns_(columns) {
    for (int64_t i = 0; i < columns; ++i) m_[i] = m[i % period];
    for (auto& sums : sums_)
      for (int64_t i = 0; i < columns; ++i) sums[i] = 0;
  }
  // A block of rows, `stride` elements apart; the one behind it is asked for meanwhile.
  void add(const T* g, const T* x, int64_t stride, int64_t rows) {
    constexpr int lanes = Vec<T>::lanes;
    int64_t c = 0;
    for (; c + 4 * lanes <= columns_; c += 4 * lanes) pass<4>(g + c, x + c, stride, rows, c, All{});
    sweep<T>(columns_ - c, [&](int64_t i, auto some) { pass<1>(g + c + i, x + c + i, stride, rows, c + i, some); });
  }
  double of(int j, int64_t column) const { return sums_[j][column]; }

 private:
  template <int width, class Lanes>
  NABLA_INLINE void pass(const T* g, const T* x, int64_t stride, int64_t rows, int64_t at, Lanes lanes) {
    constexpr int step = Vec<T>::lanes;
    Vec<T> m[width], sum[width], product[width];
    repeat<width>([&](auto k) {
      m[k.value] = load(m_ + at + k.value * step, lanes);
      sum[k.value] = product[k.value] = Vec<T>::zero();
    });
    for (int64_t r = 0; r < rows; ++r, g += stride, x += stride)
      repeat<width>([&](auto k) {
        prefetch(g + rows * stride + k.value * step);
        prefetch(x + rows * stride + k.value * step);
        const Vec<T> v = load(g + k.value * step, lanes);
        sum[k.value] = sum[k.value] + v;
        product[k.value] = fma(v, load(x + k.value * step, lanes) - m[k.value], product[k.value]);
      });
    T partial[2][width * step];
    repeat<width>([&](auto k) {
      sum[k.value].store(partial[0] + k.value * step);
      product[k.value].store(partial[1] + k.value * step);
    });
    const int64_t count = smaller(width * step, columns_ - at);
    for (int j = 0; j < 2; ++j)
      for (int64_t i = 0; i < count; ++i) sums_[j][at + i] += static_cast<double>(partial[j][i]);
  }

  int64_t columns_;
  T m_[kPairColumns];
  double sums_[2][kPairColumns];
};

// Both sums over a chunk of whole rows, [rows, columns] of `inner` elements a row, from element `start` on;
// result(j, column, value) receives them.
template <class T, class Result>
NABLA_INLINE void sum_pair(const Pair<T>& pair, int64_t inner, int64_t start, int64_t rows, int64_t columns,
                           Result result) {
  const T *g = pair.g + start, *x = pair.x + start, *m = pair.m + start % inner;
  // Short rows: several at once, as if they were one.
  const int64_t together = columns == inner ? larger(1, smaller(64 / inner, rows)) : 1;
  for (int64_t column = 0; column < columns; column += kPairColumns) {
    const int64_t count = smaller(kPairColumns, columns - column), width = together * count;
    const int64_t stride = together * inner, whole = rows / together;
    const int64_t block = smaller(kPairRows, larger(8, kPairBlock / width));
    PairSums<T> sums(m + column, count, width);
    for (int64_t r = 0; r < whole; r += block)
      sums.add(g + r * stride + column, x + r * stride + column, stride, smaller(block, whole - r));
    for (int64_t i = 0; i < count; ++i) {
      double total[2] = {0, 0};
      for (int j = 0; j < 2; ++j)
        for (int64_t k = 0; k < together; ++k) total[j] += sums.of(j, k * count + i);
      for (int64_t r = whole * together; r < rows; ++r) {
        const int64_t at = r * inner + column + i;
        total[0] += static_cast<double>(g[at]);
        total[1] += static_cast<double>(g[at] * (x[at] - m[column + i]));
      }
      for (int j = 0; j < 2; ++j) result(j, column + i, total[j]);
    }
  }
}

}  // namespace nabla::NABLA_ISA
