// gemm: batched matrix product of views with any strides.
#include "contract.h"
#include "kernels.h"
#include "prologue.h"
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
  if (call.prologue) {
    const bool transposed = a.strides[1] == 1 && a.strides[2] == a.shape[1] && a.shape[0] == 1;
    if (!is_contiguous(a) && !transposed) return "gemm's a is row-major or the transpose of that where it is computed";
    if (const char* complaint = prologue_check(call, 2)) return complaint;
  }
  if (call.tile) return tile_check(call, 2, 1);
  const bool fits = call.output_count == 1 && (call.prologue || call.input_count == 2);
  return fits ? nullptr : "gemm has operands for no tile";
}

// The product as one of fewer batches with more rows, where one b serves rows of a that step evenly through all
// batches.
struct Product {
  int64_t batch, m, n, k;
  View a, b;
};
Product product_of(const Call& call) {
  Product p = {call.outputs[0].shape[0], call.outputs[0].shape[1], call.outputs[0].shape[2],
               call.inputs[0].shape[2],  call.inputs[0],           call.inputs[1]};
  if (p.m == 1) p.a.strides[1] = p.a.strides[0];
  if (p.batch > 1 && p.b.strides[0] == 0 && p.a.strides[0] == p.m * p.a.strides[1]) p.m *= p.batch, p.batch = 1;
  return p;
}

Job job_of(const Product& p, const Call& call) {
  Job job{};
  job.parts = 1;
  job.batch = p.batch;
  job.m = p.m;
  job.n = p.n;
  job.k = p.k;
  job.shared_a = p.a.strides[0] == 0;
  job.shared_b = p.b.strides[0] == 0;
  job.runs_a = p.a.strides[1] == 1;
  job.runs_b = p.b.strides[2] == 1;
  job.is_contiguous = true;
  job.output_size = p.batch * p.m * p.n;
  if (call.prologue) job.computed = is_contiguous(call.inputs[0]) ? Computed::rows : Computed::columns;
  return job;
}

Contraction contraction_of(const Product& p) {
  Contraction x{};
  x.a_rows = axis(p.m, p.a.strides[1]);
  x.a_sum = axis(p.k, p.a.strides[2]);
  x.b_sum = axis(p.k, p.b.strides[1]);
  x.b_cols = axis(p.n, p.b.strides[2]);
  x.c_rows = axis(p.m, p.n);
  x.c_cols = axis(p.n, 1);
  x.batch = p.batch;
  x.a_batch = p.a.strides[0];
  x.b_batch = p.b.strides[0];
  x.c_batch = p.m * p.n;
  return x;
}

void plan(const Call& call, Plan& plan) {
  contract_plan(job_of(product_of(call), call), call, plan);
  tile_plan_sums(call, 1, plan);
}

void run(const Call& call, const Work& work) {
  if (tile_sum_up(call, work)) return;
  const Product product = product_of(call);
  const Job job = job_of(product, call);
  const Cut cut = contract_cut(job, call);
  contract_run(job, cut, contract_place(job, cut, work), contraction_of(product),
               {call.inputs[0].data, call.inputs[1].data, call.outputs[0].data}, call, work);
}

}  // namespace

const Kernel gemm_kernel = {"gemm", false, true, check, plan, contract_prepare, run, true};

}  // namespace nabla::NABLA_ISA
