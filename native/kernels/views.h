// Questions that kernels ask of views and shapes.
#pragma once
#include "../simd/vec.h"
#include "kernel.h"

namespace nabla::NABLA_ISA {

NABLA_INLINE bool is_float(Dtype d) { return d == Dtype::f32 || d == Dtype::f64; }

NABLA_INLINE bool is_contiguous(const View& v) {
  int64_t step = 1;
  bool empty = false, contiguous = true;
  for (int i = v.rank - 1; i >= 0; --i) {
    if (v.shape[i] != 1 && v.strides[i] != step) contiguous = false;
    if (v.shape[i] == 0) empty = true;
    step *= v.shape[i];
  }
  return contiguous || empty;
}

NABLA_INLINE bool same_shape(const View& v, int rank, const int64_t* shape) {
  if (v.rank != rank) return false;
  for (int i = 0; i < rank; ++i)
    if (v.shape[i] != shape[i]) return false;
  return true;
}

// Elements after which a view repeats along its first axes: 0 if it is contiguous, -1 if it is neither.
NABLA_INLINE int64_t repeats_after(const View& v) {
  if (is_contiguous(v)) return 0;
  int64_t period = 1;
  int axis = v.rank - 1;
  for (; axis >= 0 && (v.shape[axis] == 1 || v.strides[axis] == period); --axis) period *= v.shape[axis];
  for (; axis >= 0; --axis)
    if (v.shape[axis] != 1 && v.strides[axis] != 0) return -1;
  return period;
}

NABLA_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
NABLA_INLINE int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
NABLA_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
NABLA_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

NABLA_INLINE bool is_whole(double x, double low, double high) {
  return x >= low && x <= high && static_cast<double>(static_cast<int64_t>(x)) == x;
}

// Independent pieces of equal weight per task, so that a task takes about 20 µs.
constexpr double kTaskNanoseconds = 20000;
NABLA_INLINE int64_t pieces_per_task(double nanoseconds_each) {
  const double n = kTaskNanoseconds / (nanoseconds_each > 1 ? nanoseconds_each : 1);
  return n < 1 ? 1 : static_cast<int64_t>(n);
}

// Dimensions of a view with neighbours merged where one stride steps through both, those of extent 1 left out.
struct Dims {
  int rank;
  int64_t shape[kMaxRank], strides[kMaxRank];
};
NABLA_INLINE Dims merged(const View& v) {
  Dims d{};
  for (int i = 0; i < v.rank; ++i) {
    if (v.shape[i] == 1) continue;
    const int last = d.rank - 1;
    if (last >= 0 && d.strides[last] == v.strides[i] * v.shape[i]) {
      d.shape[last] *= v.shape[i];
      d.strides[last] = v.strides[i];
    } else {
      d.shape[d.rank] = v.shape[i];
      d.strides[d.rank] = v.strides[i];
      ++d.rank;
    }
  }
  return d;
}

}  // namespace nabla::NABLA_ISA
