// `softmax`, `log_softmax`, `cross_entropy` and its gradient: over contiguous rows, shifted by the row's maximum so
// that exp() cannot overflow.
#include "../simd/math.h"
#include "kernels.h"
#include "lookup.h"
#include "tile.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kBlock = 512;      // elements summed in T before a sum goes on in double
constexpr int64_t kTogether = 4096;  // elements, or so, that an epilogue takes while they are in cache

template <class T>
NABLA_INLINE T log_of(double x) {
  T lane[Vec<T>::lanes];
  log(Vec<T>::all(static_cast<T>(x))).store(lane);
  return lane[0];
}

template <class T>
NABLA_INLINE T row_maximum(const T* x, int64_t n) {
  constexpr int64_t lanes = Vec<T>::lanes;
  Vec<T> top = Vec<T>::all(T(-kInfinity)), a = top, b = top, c = top;
  int64_t at = 0;
  for (; at + 4 * lanes <= n; at += 4 * lanes) {
    top = max(top, Vec<T>::load(x + at));
    a = max(a, Vec<T>::load(x + at + lanes));
    b = max(b, Vec<T>::load(x + at + 2 * lanes));
    c = max(c, Vec<T>::load(x + at + 3 * lanes));
  }
  sweep<T>(n - at, [&](int64_t i, auto some) { top = max(top, load(x + at + i, some, T(-kInfinity))); });
  return hmax(max(max(top, a), max(b, c)));
}

// Σ exp(x − shift); each(i, e, lanes) sees the terms. Padding lanes add exp(−∞) = 0.
template <class T, class Each>
NABLA_INLINE double sum_of_exp(const T* x, int64_t n, T shift, Each each) {
  const Vec<T> top = Vec<T>::all(shift);
  double total = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    Vec<T> sum = Vec<T>::zero();
    sweep<T>(smaller(kBlock, n - start), [&](int64_t i, auto lanes) {
      prefetch(x + n + start + i);  // of the next row
      const Vec<T> e = exp(load(x + start + i, lanes, T(-kInfinity)) - top);
      sum = sum + e;
      each(start + i, e, lanes);
    });
    total += static_cast<double>(hsum(sum));
  }
  return total;
}
struct Ignore {
  template <class V, class Lanes>
  NABLA_INLINE void operator()(int64_t, V, Lanes) const {}
};

template <class T>
void softmax_row(const T* x, T* y, int64_t n) {
  const double total =
      sum_of_exp(x, n, row_maximum(x, n), [&](int64_t i, Vec<T> e, auto lanes) { store(y + i, e, lanes); });
  const Vec<T> scale = Vec<T>::all(static_cast<T>(1 / total));
  sweep<T>(n, [&](int64_t i, auto lanes) { store(y + i, load(y + i, lanes) * scale, lanes); });
}

template <class T>
void log_softmax_row(const T* x, T* y, int64_t n) {
  const T top = row_maximum(x, n);
  const Vec<T> shift = Vec<T>::all(top), log_total = Vec<T>::all(log_of<T>(sum_of_exp(x, n, top, Ignore{})));
  sweep<T>(n, [&](int64_t i, auto lanes) { store(y + i, (load(x + i, lanes) - shift) - log_total, lanes); });
}

template <class T>
T cross_entropy_row(const T* x, int64_t label, int64_t n) {
  const T top = row_maximum(x, n);
  return log_of<T>(sum_of_exp(x, n, top, Ignore{})) + (top - x[label]);
}

double cost_of_row(const Call& call) {
  const View& x = call.inputs[0];
  return 20 + static_cast<double>(x.shape[1]) * 0.25 * static_cast<double>(size_of(x.dtype));
}

void plan(const Call& call, Plan& plan) {
  const double cost = cost_of_row(call);
  const int64_t rows = call.inputs[0].shape[0], each = pieces_per_task(cost);
  plan.phases = 1;
  plan.tasks[0] = ceil_div(rows, each);
  plan.grain = static_cast<int64_t>(cost * static_cast<double>(smaller(each, rows)));
  if (!call.tile) return;
  plan.scratch = tile_scratch(call);
  plan.state = tile_state_size(call);
  tile_plan_sums(call, 1, plan);
}

const char* check_softmax(const Call& call) {
  if (call.input_count != 1 || call.output_count != 1 || call.attr_count != 0) return "softmax: one input, one output";
  const View &x = call.inputs[0], &y = call.outputs[0];
  if (x.rank != 2 || !same_shape(y, x.rank, x.shape)) return "softmax: input and output are [rows, n]";
  if (!is_float(x.dtype) || y.dtype != x.dtype) return "softmax: input and output are both f32 or both f64";
  if (!is_contiguous(x) || !is_contiguous(y)) return "softmax: operands must be row-major contiguous";
  return nullptr;
}

template <class T, bool logarithm>
void run_rows(const Call& call, const Work& work) {
  const int64_t n = call.inputs[0].shape[1], each = pieces_per_task(cost_of_row(call));
  const int64_t first = work.task * each, last = smaller(call.inputs[0].shape[0], first + each);
  const T* x = reinterpret_cast<const T*>(call.inputs[0].data);
  T* y = reinterpret_cast<T*>(call.outputs[0].data);
  for (int64_t r = first; r < last; ++r) {
    if (logarithm)
      log_softmax_row(x + r * n, y + r * n, n);
    else
      softmax_row(x + r * n, y + r * n, n);
  }
}

template <bool logarithm>
void run_softmax(const Call& call, const Work& work) {
  if (call.inputs[0].dtype == Dtype::f32)
    run_rows<float, logarithm>(call, work);
  else
    run_rows<double, logarithm>(call, work);
}

constexpr int kInputs = 2;  // logits and labels

template <bool gradient>
const char* check_cross_entropy(const Call& call) {
  const bool has_tile = gradient && call.tile;
  if (call.attr_count != 0 || call.input_count < kInputs || call.output_count < 1 ||
      (!has_tile && call.input_count + call.output_count > kInputs + 1))
    return "cross_entropy: inputs are logits and labels, the output is the loss (gradient)";
  const View &x = call.inputs[0], &labels = call.inputs[1], &y = call.outputs[0];
  if (x.rank != 2 || !same_shape(labels, 1, x.shape) || !same_shape(y, gradient ? 2 : 1, x.shape))
    return "cross_entropy: logits (and gradient) are [rows, n], labels and loss [rows]";
  if (!is_float(x.dtype) || y.dtype != x.dtype || labels.dtype != Dtype::i32)
    return "cross_entropy: logits and the output are both f32 or both f64, labels i32";
  if (!is_contiguous(x) || !is_contiguous(labels) || !is_contiguous(y))
    return "cross_entropy: operands must be row-major contiguous";
  return has_tile ? tile_check(call, kInputs, 1) : nullptr;
}

template <class T>
void cross_entropy_rows(const Call& call, const Work& work) {
  const int64_t n = call.inputs[0].shape[1], rows = call.inputs[0].shape[0], each = pieces_per_task(cost_of_row(call));
  const int64_t first = work.task * each, last = smaller(rows, first + each);
  const T* x = reinterpret_cast<const T*>(call.inputs[0].data);
  const int32_t* labels = reinterpret_cast<const int32_t*>(call.inputs[1].data);
  T* loss = reinterpret_cast<T*>(call.outputs[0].data);
  if (work.task == 0) report_bad_index(labels, rows, n, *work.report);
  for (int64_t r = first; r < last; ++r)
    if (labels[r] >= 0 && labels[r] < n) loss[r] = cross_entropy_row(x + r * n, labels[r], n);
}

void run_cross_entropy(const Call& call, const Work& work) {
  if (call.inputs[0].dtype == Dtype::f32)
    cross_entropy_rows<float>(call, work);
  else
    cross_entropy_rows<double>(call, work);
}

void prepare_gradient(const Call& call, void* state) { tile_prepare(call, kInputs, 1, state); }

template <class T>
void gradient_rows(const Call& call, const Work& work) {
  const int64_t n = call.inputs[0].shape[1], rows = call.inputs[0].shape[0], each = pieces_per_task(cost_of_row(call));
  const int64_t first = work.task * each, last = smaller(rows, first + each);
  const T* x = reinterpret_cast<const T*>(call.inputs[0].data);
  const int32_t* labels = reinterpret_cast<const int32_t*>(call.inputs[1].data);
  T* y = reinterpret_cast<T*>(call.outputs[0].data);
  if (work.task == 0) report_bad_index(labels, rows, n, *work.report);
  const int64_t together = call.tile ? larger(1, kTogether / larger(1, n)) : rows;
  for (int64_t start = first; start < last; start += together) {
    const int64_t end = smaller(last, start + together);
    for (int64_t r = start; r < end; ++r) {
      softmax_row(x + r * n, y + r * n, n);
      if (labels[r] >= 0 && labels[r] < n) y[r * n + labels[r]] -= 1;
    }
    if (call.tile) tile_run(call, work, start * n, (end - start) * n, work.scratch);
  }
}

void run_gradient(const Call& call, const Work& work) {
  if (tile_sum_up(call, work)) return;
  if (call.inputs[0].dtype == Dtype::f32)
    gradient_rows<float>(call, work);
  else
    gradient_rows<double>(call, work);
}

}  // namespace

const Kernel softmax_kernel = {"softmax", false, false, check_softmax, plan, nullptr, run_softmax<false>};
const Kernel log_softmax_kernel = {"log_softmax", false, false, check_softmax, plan, nullptr, run_softmax<true>};
const Kernel cross_entropy_kernel = {"cross_entropy",  true, false, check_cross_entropy<false>, plan, nullptr,
                                     run_cross_entropy};
const Kernel cross_entropy_grad_kernel = {"cross_entropy_grad", true,        true, check_cross_entropy<true>, plan,
                                          prepare_gradient,     run_gradient};

}  // namespace nabla::NABLA_ISA
