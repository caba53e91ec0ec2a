// Contraction: C = A·B for matrices that are anything whose element address is (row offset) + (column offset), which is
// what gemm and all three convolutions are. Plans the cut into tasks, packs, multiplies, sums, runs the epilogue.
#pragma once
#include "views.h"

namespace nabla::NABLA_ISA {

// An index in mixed radix: i = (i0·extent1 + i1)·extent2 + i2 lies at offset i0·stride0 + i1·stride1 + i2·stride2.
struct Axis {
  int rank;
  int64_t extent[3], stride[3];

  NABLA_INLINE int64_t size() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= extent[d];
    return n;
  }
  // How many indices lie evenly spaced before an outer digit changes.
  NABLA_INLINE int64_t run() const { return extent[rank - 1]; }
  // Appends an inner digit, merged with the one before where one stride steps through both.
  NABLA_INLINE Axis then(int64_t e, int64_t s) const {
    if (e == 1 && rank > 0) return *this;
    Axis a = *this;
    if (a.rank > 0 && (a.stride[a.rank - 1] == s * e || a.extent[a.rank - 1] == 1)) {
      a.extent[a.rank - 1] *= e;
      a.stride[a.rank - 1] = s;
    } else {
      a.extent[a.rank] = e;
      a.stride[a.rank] = s;
      ++a.rank;
    }
    return a;
  }
  NABLA_INLINE bool is_run(int64_t step) const { return rank == 1 && (extent[0] <= 1 || stride[0] == step); }
};
NABLA_INLINE Axis axis(int64_t extent, int64_t stride) { return Axis{}.then(extent, stride); }

// C[i, j] = Σ_k A[i, k]·B[k, j], `batch` times. Offsets and strides count elements.
struct Contraction {
  Axis a_rows, a_sum, b_sum, b_cols, c_rows, c_cols;
  int64_t a_offset, b_offset, c_offset;
  int64_t batch, a_batch, b_batch, c_batch;
};

// How a prologue computes A: not at all; the rows of a block, whole; or the columns of a slice of k, whole. Each lies
// in memory without gaps then.
enum class Computed { none, rows, columns };

// What a kernel asks for: `parts` contractions that together write each element of the output once.
struct Job {
  int64_t parts, batch, m, n, k;  // sizes are those of the largest part
  bool shared_a, shared_b;        // the same for the whole batch
  bool runs_a, runs_b;            // rows of A, columns of B are neighbours in memory
  int64_t even_rows;              // of A that lie evenly spaced in memory; 0 if all do
  bool is_contiguous;             // parts = 1 and C is row-major: rows step by n, columns by 1, batches by m·n
  int64_t output_size;
  Computed computed;
  int64_t own_tasks;  // of the kernel itself, which write A: run before all that reads it
  size_t own_bytes;   // of workspace, for the kernel itself
};

// How a job is cut, by its shape alone.
struct Cut {
  bool swapped;                  // computes Cᵀ = Bᵀ·Aᵀ: the side of C that fills registers better belongs on the lanes
  int64_t m, n, k;               // after swapping, as all that follows
  int64_t tile_rows, tile_cols;  // of the microkernel
  bool is_even;                  // tiles take rows that are evenly spaced
  bool is_thin;                  // so few rows that B is read as it lies, row by row
  int64_t rows, cols, depth;     // a task's block of C, and the slice of k that is packed at once
  int64_t row_blocks, col_blocks;
  int64_t splits, split_depth;  // of k
  int64_t pack_cols;            // columns of B that a packing task takes
  bool packs_ahead;             // B is packed once, before, because several row blocks read it
  bool finishes_inline;         // a task runs the epilogue on what it has just written
  int64_t keep_tasks, pack_tasks, multiply_tasks, finish_tasks;
  size_t packed_bytes, partial_bytes;  // workspace: packed B, one image of the output for each split
  size_t kept_bytes;                   // of packed B, where it may be kept
  int64_t computed_elements;           // of scratch, for what a prologue computes
  size_t scratch;                      // without what the tile and the prologue need
  double nanoseconds;                  // of a task
};
Cut contract_cut(const Job&, const Call&);

void contract_plan(const Job&, const Call&, Plan&);
void contract_prepare(const Call&, void* state);

// What a task of the engine is to do. `own` is the kernel's own business; `none` is what has been kept.
enum class Step { none, own, pack, multiply, finish };
struct Place {
  Step step;
  int64_t task;
  int64_t part;  // the contraction it belongs to
};
Place contract_place(const Job&, const Cut&, const Work&);

// Does a step other than `own`, on operands of c's dtype; `finish` does not look at the contraction.
struct Operands {
  const void *a, *b;
  void* c;
};
void contract_run(const Job&, const Cut&, const Place&, const Contraction&, const Operands&, const Call&, const Work&);

}  // namespace nabla::NABLA_ISA
