// `arg_reduce`: the position of the first largest or smallest element along the middle of [outer, n, inner]; a NaN
// counts as the extreme, as in NumPy.
#include "kernels.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

struct Shape3 {
  int64_t outer, n, inner;
};
Shape3 shape_of(const Call& call) {
  return {static_cast<int64_t>(call.attrs[1]), static_cast<int64_t>(call.attrs[2]),
          static_cast<int64_t>(call.attrs[3])};
}

// A row is scanned twice in whole registers: for its extreme, then for the first place where that stands.
template <class T, bool largest>
int64_t first_extreme(const T* x, int64_t n) {
  const T fill = largest ? T(-kInfinity) : T(kInfinity);
  Vec<T> best = Vec<T>::all(fill);
  Mask<T> nan = is_nan(best);
  sweep<T>(n, [&](int64_t i, auto lanes) {
    const Vec<T> v = load(x + i, lanes, fill);
    nan = nan | is_nan(v);
    best = largest ? max(best, v) : min(best, v);
  });
  const bool has_nan = any(nan);
  const T target = largest ? hmax(best) : hmin(best);
  for (int64_t i = 0; i < n; ++i)
    if (has_nan ? x[i] != x[i] : x[i] == target) return i;
  return 0;
}

template <class T, bool largest>
void run_rows(const Call& call, const Shape3& s, int64_t first, int64_t last) {
  const T* x = reinterpret_cast<const T*>(call.inputs[0].data);
  int32_t* y = reinterpret_cast<int32_t*>(call.outputs[0].data);
  for (int64_t o = first; o < last; ++o) {
    if (s.inner == 1) {
      y[o] = static_cast<int32_t>(first_extreme<T, largest>(x + o * s.n, s.n));
      continue;
    }
    for (int64_t i = 0; i < s.inner; ++i) {
      const T* p = x + o * s.n * s.inner + i;
      T best = p[0];
      int64_t at = 0;
      for (int64_t j = 1; j < s.n && best == best; ++j) {
        const T v = p[j * s.inner];
        if ((largest ? v > best : v < best) || v != v) best = v, at = j;
      }
      y[o * s.inner + i] = static_cast<int32_t>(at);
    }
  }
}

const char* check(const Call& call) {
  if (call.input_count != 1 || call.output_count != 1) return "arg_reduce: one input, one output";
  if (call.attr_count != 4) return "arg_reduce: attributes are op, outer, n, inner";
  if (!is_whole(call.attrs[0], 0, 1)) return "arg_reduce: op is 0 (max) or 1 (min)";
  for (int i = 1; i < 4; ++i)
    if (!is_whole(call.attrs[i], 0, 0x1p53)) return "arg_reduce: outer, n and inner must be natural numbers";
  const View &x = call.inputs[0], &y = call.outputs[0];
  if (!is_float(x.dtype) || y.dtype != Dtype::i32) return "arg_reduce: the input is f32 or f64, the output i32";
  if (!is_contiguous(x) || !is_contiguous(y)) return "arg_reduce: operands must be row-major contiguous";
  if (static_cast<double>(x.size()) != call.attrs[1] * call.attrs[2] * call.attrs[3])
    return "arg_reduce: the input has outer * n * inner elements";
  if (static_cast<double>(y.size()) != call.attrs[1] * call.attrs[3])
    return "arg_reduce: the output has outer * inner elements";
  if (call.attrs[2] == 0 && y.size() > 0) return "arg_reduce: nothing has no extreme: n is 0";
  if (call.attrs[2] > 2147483647.0) return "arg_reduce: positions must fit in i32";
  return nullptr;
}

double cost_of_outer(const Call& call, const Shape3& s) {
  const double each = s.inner == 1 ? 0.15 * static_cast<double>(size_of(call.inputs[0].dtype)) / 4 : 1.5;
  return 5 + each * static_cast<double>(s.n * s.inner);
}

void plan(const Call& call, Plan& plan) {
  const Shape3 s = shape_of(call);
  const double cost = cost_of_outer(call, s);
  const int64_t each = pieces_per_task(cost);
  plan.phases = 1;
  plan.tasks[0] = s.inner == 0 ? 0 : ceil_div(s.outer, each);
  plan.grain = static_cast<int64_t>(cost * static_cast<double>(smaller(each, s.outer)));
}

void run(const Call& call, const Work& work) {
  const Shape3 s = shape_of(call);
  const int64_t each = pieces_per_task(cost_of_outer(call, s));
  const int64_t first = work.task * each, last = smaller(s.outer, first + each);
  const bool f32 = call.inputs[0].dtype == Dtype::f32;
  if (call.attrs[0] == 0)
    f32 ? run_rows<float, true>(call, s, first, last) : run_rows<double, true>(call, s, first, last);
  else
    f32 ? run_rows<float, false>(call, s, first, last) : run_rows<double, false>(call, s, first, last);
}

}  // namespace

const Kernel arg_reduce_kernel = {"arg_reduce", false, false, check, plan, nullptr, run};

}  // namespace nabla::NABLA_ISA
