// What a tile's task sums over the first axes: an output that repeats along them receives sums, or, with an axis of two
// before them, means and variances.
#pragma once
#include "convert.h"
#include "tile.h"
#include "views.h"

namespace nabla::NABLA_ISA {

// An output that receives what is summed, and where a task keeps that, in bytes. Sums: running ones in the tile's own
// type, which a tile may begin at any column of, and so go on behind the last; and totals in double, which take those
// in when they have grown long. Moments: Σ (x − a) and Σ (x − a)², the number of elements and a, which is near the
// mean; source: Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 37(3),
// 1983.
struct Summed {
  int output;
  bool is_moments;
  int64_t period;  // columns
  int64_t totals, running;

  int64_t totals_length() const { return is_moments ? 4 * period : period; }
  int64_t running_length() const { return is_moments ? 0 : period + kTileLength - 1; }
};

// What an output of a tile of that rank receives: period 0 if it is written element by element, -1 if it can be
// neither.
NABLA_INLINE Summed summed_of(const View& y, int rank) {
  if (y.rank == rank) return {0, false, repeats_after(y), 0, 0};
  if (y.rank != rank + 1 || y.shape[0] != 2) return {0, false, -1, 0, 0};
  View half = y;
  half.rank = rank;
  for (int d = 0; d < rank; ++d) half.shape[d] = y.shape[d + 1], half.strides[d] = y.strides[d + 1];
  const int64_t period = repeats_after(half);
  return {0, true, period > 0 && y.strides[0] == period ? period : -1, 0, 0};
}

// Calls visit(summed) for each such output; the bytes of all, 0 if there is none. They begin with the number of
// elements in the running sums.
template <class Visit>
int64_t each_sum(const Call& call, int own_outputs, Visit visit) {
  constexpr int64_t line = 64;
  const auto width = static_cast<int64_t>(size_of(call.tile->dtype));
  int64_t bytes = 0;
  for (int j = own_outputs; j < call.output_count; ++j) {
    Summed s = summed_of(call.outputs[j], call.tile->rank);
    if (s.period <= 0) continue;
    s.output = j;
    s.totals = larger(bytes, line);
    s.running = s.totals + round_up(s.totals_length() * 8, line);
    bytes = s.running + round_up(s.running_length() * width, line);
    visit(s);
  }
  return bytes;
}

// y[i] += x[i]
template <class T>
void add_wide(const T* x, int64_t n, double* y) {
  constexpr int lanes = Vec<double>::lanes;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) (Vec<double>::load(y + i) + Vec<double>::from(x + i)).store(y + i);
  for (; i < n; ++i) y[i] += static_cast<double>(x[i]);
}

// Takes columns [first, first + count) of running sums into the totals.
template <class T>
void settle(const Summed& s, char* sums, int64_t first, int64_t count) {
  T* const running = reinterpret_cast<T*>(sums + s.running);
  for (int64_t at = first; at < s.running_length(); at += s.period) {
    const int64_t n = smaller(count, s.running_length() - at);
    add_wide(running + at, n, reinterpret_cast<double*>(sums + s.totals) + first);
    std::memset(running + at, 0, static_cast<size_t>(n) * sizeof(T));
  }
}

// A task's moments of the columns of one operand, which is read where it lies.
template <class T>
class TaskMoments {
 public:
  TaskMoments(const Summed& s, char* sums) : period_(s.period), totals_(reinterpret_cast<double*>(sums + s.totals)) {}

  double* off() const { return totals_; }
  double* squares() const { return totals_ + period_; }
  double* count() const { return totals_ + 2 * period_; }
  double* shift() const { return totals_ + 3 * period_; }

  // n elements of each row, of columns from `column` on; x is the first.
  void add(const T* x, int64_t stride, int64_t rows, int64_t column, int64_t n) {
    constexpr int lanes = Vec<T>::lanes;
    for (int64_t i = 0; i < n; ++i) {
      if (count()[column + i] == 0) shift()[column + i] = static_cast<double>(x[i]);
      count()[column + i] += static_cast<double>(rows);
    }
    for (int64_t row = 0; row < rows; row += kMostRows) {
      const T* const from = x + row * stride;
      const int64_t some = smaller(kMostRows, rows - row);
      int64_t c = 0;
      for (; c + 4 * lanes <= n; c += 4 * lanes) pass<4>(from + c, stride, some, column + c, 4 * lanes, All{});
      sweep<T>(n - c, [&](int64_t i, auto part) {
        pass<1>(from + c + i, stride, some, column + c + i, smaller(lanes, n - c - i), part);
      });
    }
  }

 private:
  static constexpr int64_t kMostRows = 64;  // that are added in T before they go into doubles

  template <int width, class Lanes>
  NABLA_INLINE void pass(const T* x, int64_t stride, int64_t rows, int64_t column, int64_t n, Lanes some) {
    constexpr int step = Vec<T>::lanes;
    T shifts[width * step] = {}, sums[2][width * step];
    for (int64_t i = 0; i < n; ++i) shifts[i] = static_cast<T>(shift()[column + i]);
    Vec<T> a[width], sum[width], square[width];
    repeat<width>([&](auto k) {
      a[k.value] = load(shifts + k.value * step, some);
      sum[k.value] = square[k.value] = Vec<T>::zero();
    });
    for (int64_t r = 0; r < rows; ++r, x += stride)
      repeat<width>([&](auto k) {
        const Vec<T> d = load(x + k.value * step, some) - a[k.value];
        sum[k.value] = sum[k.value] + d;
        square[k.value] = fma(d, d, square[k.value]);
      });
    repeat<width>([&](auto k) {
      sum[k.value].store(sums[0] + k.value * step);
      square[k.value].store(sums[1] + k.value * step);
    });
    add_wide(sums[0], n, off() + column);
    add_wide(sums[1], n, squares() + column);
  }

  int64_t period_;
  double* totals_;
};

}  // namespace nabla::NABLA_ISA
