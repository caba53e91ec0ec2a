// `gather_rows` and `scatter_add_rows`: embedding lookup and its adjoint.
#include "lookup.h"

#include "kernels.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kScatterTasks = 16;

const char* check_index(const View& index) {
  if (index.rank != 1 || index.dtype != Dtype::i32 || !is_contiguous(index))
    return "the index is a contiguous [m] of i32";
  return nullptr;
}

// gather_rows: x [rows, n], index [m] → y [m, n], y[i] = x[index[i]].
const char* check_gather(const Call& call) {
  if (call.input_count != 2 || call.output_count != 1 || call.attr_count != 0)
    return "gather_rows: inputs are x and index, the output is y";
  const View &x = call.inputs[0], &index = call.inputs[1], &y = call.outputs[0];
  if (const char* complaint = check_index(index)) return complaint;
  const int64_t shape[] = {index.shape[0], x.shape[1]};
  if (x.rank != 2 || !same_shape(y, 2, shape)) return "gather_rows: x is [rows, n], y is [m, n]";
  if (x.dtype != y.dtype) return "gather_rows: x and y have one dtype";
  if (!is_contiguous(x) || !is_contiguous(y)) return "gather_rows: operands must be row-major contiguous";
  return nullptr;
}

double cost_of_row(const View& rows) {
  return 8 + 0.1 * static_cast<double>(rows.shape[1]) * static_cast<double>(size_of(rows.dtype));
}

void plan_gather(const Call& call, Plan& plan) {
  const double cost = cost_of_row(call.outputs[0]);
  const int64_t m = call.outputs[0].shape[0], each = pieces_per_task(cost);
  plan.phases = 1;
  plan.tasks[0] = ceil_div(m, each);
  plan.grain = static_cast<int64_t>(cost * static_cast<double>(smaller(m, each)));
}

void run_gather(const Call& call, const Work& work) {
  const View &x = call.inputs[0], &y = call.outputs[0];
  const int64_t m = y.shape[0], rows = x.shape[0], each = pieces_per_task(cost_of_row(y));
  const size_t width = static_cast<size_t>(x.shape[1]) * size_of(x.dtype);
  const int32_t* index = reinterpret_cast<const int32_t*>(call.inputs[1].data);
  if (work.task == 0) report_bad_index(index, m, rows, *work.report);
  for (int64_t i = work.task * each; i < smaller(m, (work.task + 1) * each); ++i)
    if (index[i] >= 0 && index[i] < rows)
      std::memcpy(y.data + static_cast<size_t>(i) * width, x.data + static_cast<size_t>(index[i]) * width, width);
}

// scatter_add_rows: gy [m, n], index [m] → gx [rows, n], gx[index[i]] += gy[i] in the order of i.
const char* check_scatter(const Call& call) {
  if (call.input_count != 2 || call.output_count != 1 || call.attr_count != 0)
    return "scatter_add_rows: inputs are gy and index, the output is gx";
  const View &gy = call.inputs[0], &index = call.inputs[1], &gx = call.outputs[0];
  if (const char* complaint = check_index(index)) return complaint;
  const int64_t shape[] = {index.shape[0], gx.shape[1]};
  if (gx.rank != 2 || !same_shape(gy, 2, shape)) return "scatter_add_rows: gy is [m, n], gx is [rows, n]";
  if (!is_float(gx.dtype) || gx.dtype != gy.dtype) return "scatter_add_rows: gy and gx are both f32 or both f64";
  if (!is_contiguous(gx) || !is_contiguous(gy)) return "scatter_add_rows: operands must be row-major contiguous";
  return nullptr;
}

// Each task owns a range of gx's rows and reads the whole index: rows are added in order whatever runs when.
int64_t scatter_tasks(const Call& call) {
  const double cost = cost_of_row(call.outputs[0]);
  const int64_t pieces = call.inputs[1].shape[0] + call.outputs[0].shape[0];
  const int64_t tasks = ceil_div(pieces, pieces_per_task(cost));
  return larger(1, smaller(smaller(tasks, kScatterTasks), call.outputs[0].shape[0]));
}

void plan_scatter(const Call& call, Plan& plan) {
  plan.phases = 1;
  plan.tasks[0] = scatter_tasks(call);
  const int64_t pieces = call.inputs[1].shape[0] + call.outputs[0].shape[0];
  plan.grain =
      static_cast<int64_t>(cost_of_row(call.outputs[0]) * static_cast<double>(pieces)) / larger(1, plan.tasks[0]);
}

template <class T>
void scatter(const Call& call, const Work& work) {
  const int64_t rows = call.outputs[0].shape[0], n = call.outputs[0].shape[1], m = call.inputs[0].shape[0];
  const int64_t each = ceil_div(rows, scatter_tasks(call));
  const int64_t first = smaller(rows, work.task * each), last = smaller(rows, first + each);
  const T* gy = reinterpret_cast<const T*>(call.inputs[0].data);
  const int32_t* index = reinterpret_cast<const int32_t*>(call.inputs[1].data);
  T* gx = reinterpret_cast<T*>(call.outputs[0].data);
  if (work.task == 0) report_bad_index(index, m, rows, *work.report);
  std::memset(gx + first * n, 0, static_cast<size_t>((last - first) * n) * sizeof(T));
  for (int64_t i = 0; i < m; ++i) {
    if (index[i] < first || index[i] >= last) continue;
    T* to = gx + index[i] * n;
    const T* from = gy + i * n;
    sweep<T>(n, [&](int64_t k, auto lanes) { store(to + k, load(to + k, lanes) + load(from + k, lanes), lanes); });
  }
}

void run_scatter(const Call& call, const Work& work) {
  if (call.outputs[0].dtype == Dtype::f32)
    scatter<float>(call, work);
  else
    scatter<double>(call, work);
}

}  // namespace

const Kernel gather_rows_kernel = {"gather_rows", true, false, check_gather, plan_gather, nullptr, run_gather};
const Kernel scatter_add_rows_kernel = {"scatter_add_rows", true,    false,      check_scatter,
                                        plan_scatter,       nullptr, run_scatter};

}  // namespace nabla::NABLA_ISA
