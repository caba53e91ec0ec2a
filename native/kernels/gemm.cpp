// gemm: batched matrix product of views with any strides.
#include "contract.h"
#include "kernels.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

const char* check(const Call& call) {
  if (call.attr_count != 0) return "gemm takes no attributes";
  if (call.input_count < 2 || call.output_count < 1) return "gemm needs a, b and c";
  const View &a = call.inputs[0], &b = call.inputs[1], &c = call.outputs[0];
  if (a.rank != 3 || b.rank != 3 || c.rank != 3) return "gemm's operands are [batch, rows, columns]";
  if (!is_float(c.dtype) || a.dtype != c.dtype || b.dtype != c.dtype) return "gemm's operands are all f32 or all f64";
  if (a.shape[0] != c.shape[0] || b.shape[0] != c.shape[0]) return "gemm's batches differ";
  if (a.shape[1] != c.shape[1] || b.shape[2] != c.shape[2]) return "gemm's c must be [batch, rows of a, columns of b]";
  if (a.shape[2] != b.shape[1]) return "gemm's a has not as many columns as b has rows";
  if (!is_contiguous(c)) return "gemm's c must be row-major contiguous";
  if (!call.tile) return call.input_count == 2 && call.output_count == 1 ? nullptr : "gemm has operands for no tile";
  return tile_check(call, 2, 1);
}

Job job_of(const Call& call) {
  const View &a = call.inputs[0], &b = call.inputs[1], &c = call.outputs[0];
  Job job{};
  job.parts = 1;
  job.batch = c.shape[0];
  job.m = c.shape[1];
  job.n = c.shape[2];
  job.k = a.shape[2];
  job.shared_a = a.strides[0] == 0;
  job.shared_b = b.strides[0] == 0;
  job.runs_a = a.strides[1] == 1;
  job.runs_b = b.strides[2] == 1;
  job.is_contiguous = true;
  job.output_size = c.size();
  return job;
}

Contraction contraction_of(const Call& call) {
  const View &a = call.inputs[0], &b = call.inputs[1];
  const int64_t m = a.shape[1], k = a.shape[2], n = b.shape[2];
  Contraction x{};
  x.a_rows = axis(m, a.strides[1]);
  x.a_sum = axis(k, a.strides[2]);
  x.b_sum = axis(k, b.strides[1]);
  x.b_cols = axis(n, b.strides[2]);
  x.c_rows = axis(m, n);
  x.c_cols = axis(n, 1);
  x.batch = a.shape[0];
  x.a_batch = a.strides[0];
  x.b_batch = b.strides[0];
  x.c_batch = m * n;
  return x;
}

void plan(const Call& call, Plan& plan) { contract_plan(job_of(call), call, plan); }

void run(const Call& call, const Work& work) {
  const Job job = job_of(call);
  const Cut cut = contract_cut(job, call);
  contract_run(job, cut, contract_place(job, cut, work), contraction_of(call),
               {call.inputs[0].data, call.inputs[1].data, call.outputs[0].data}, call, work);
}

}  // namespace

const Kernel gemm_kernel = {"gemm", false, true, check, plan, contract_prepare, run};

}  // namespace nabla::NABLA_ISA
