// The contraction engine: GotoBLAS's scheme (Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication",
// ACM TOMS 34(3), 2008) over virtual matrices. B is packed into strips as wide as a microkernel; a strip stays in L1
// or L2 while a block of A passes by, which is read where it lies.
#include "contract.h"

#include "contract_cut.h"
#include "contract_pack.h"
#include "contract_thin.h"
#include "contract_tile.h"
#include "partials.h"
#include "prologue.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kResident = 4096;  // elements of B that stay in L1 without being packed
constexpr int64_t kConflict = 4096;  // bytes: addresses so far apart share a set of L1
constexpr int64_t kAhead = 16;       // rows of B where it lies that are fetched before their turn
constexpr int64_t kFar = 64;         // elements of A in a run from which the next tile's rows are fetched ahead

// offsets[i] = offset of index start + i.
void fill_offsets(const Axis& axis, int64_t start, int64_t count, int64_t* offsets) {
  if (count <= 0) return;
  int64_t digit[3] = {}, at = 0;  // `at` leaves the last digit out
  const int last = axis.rank - 1;
  for (int d = last; d >= 0; --d) {
    digit[d] = start % axis.extent[d];
    start /= axis.extent[d];
    if (d < last) at += digit[d] * axis.stride[d];
  }
  for (int64_t i = 0; i < count;) {
    const int64_t step = axis.stride[last], from = at + digit[last] * step;
    const int64_t run = smaller(axis.extent[last] - digit[last], count - i);
    for (int64_t r = 0; r < run; ++r) offsets[i + r] = from + r * step;
    i += run;
    digit[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      at += axis.stride[d];
      if (++digit[d] < axis.extent[d]) break;
      at -= axis.stride[d] * axis.extent[d];
      digit[d] = 0;
    }
  }
}

// Whether the elements that a microkernel reads one after the other fall on a few sets of the cache: packing them costs
// less than their misses if there are enough columns.
template <class T>
bool packs_a(const Contraction& x, const Cut& cut) {
  const auto is_bad = [](const Axis& axis) {
    const int64_t conflict = axis.rank > 1 ? kConflict / 4 : kConflict;  // pixels of images are many
    return axis.rank > 0 && axis.stride[axis.rank - 1] * static_cast<int64_t>(sizeof(T)) % conflict == 0;
  };
  return cut.cols > kFewCols && (is_bad(x.a_rows) || is_bad(x.a_sum));
}

Contraction transposed(const Contraction& x) {
  Contraction y = x;
  y.a_rows = x.b_cols, y.a_sum = x.b_sum, y.b_sum = x.a_sum, y.b_cols = x.a_rows;
  y.c_rows = x.c_cols, y.c_cols = x.c_rows;
  y.a_offset = x.b_offset, y.b_offset = x.a_offset;
  y.a_batch = x.b_batch, y.b_batch = x.a_batch;
  return y;
}

// One task's view of the job: matrices in the order in which they are multiplied.
template <class T>
class Task {
  static constexpr int lanes = Vec<T>::lanes;

 public:
  Task(const Job& job, const Cut& cut, const Place& place, const Contraction& part, const Operands& operands,
       const Call& call, const Work& work)
      : job_(job), cut_(cut), place_(place), x_(cut.swapped ? transposed(part) : part), call_(call), work_(work) {
    a_ = static_cast<const T*>(cut.swapped ? operands.b : operands.a);
    b_ = static_cast<const T*>(cut.swapped ? operands.a : operands.b);
    c_ = static_cast<T*>(operands.c);
    packed_ = reinterpret_cast<T*>(work.kept != nullptr ? work.kept : work.workspace + job.own_bytes);
    is_packed_ = cut.packs_ahead || work.kept != nullptr;
    partials_ = reinterpret_cast<T*>(work.workspace + job.own_bytes + cut.packed_bytes);
    a_strips_ = reinterpret_cast<T*>(work.scratch);
    b_strips_ = a_strips_ + a_elements<T>(cut);
    const auto strips = static_cast<size_t>(a_elements<T>(cut) + b_elements<T>(cut)) * sizeof(T);
    a_rows_ = reinterpret_cast<int64_t*>(work.scratch + aligned(strips));
    c_rows_ = a_rows_ + cut.rows, strip_rows_ = c_rows_ + cut.rows;
    b_cols_ = strip_rows_ + cut.rows, c_cols_ = b_cols_ + cut.cols;
    a_sum_ = c_cols_ + cut.cols, b_sum_ = a_sum_ + cut.depth;
    computed_ =
        reinterpret_cast<T*>(work.scratch + aligned(strips) + aligned(static_cast<size_t>(offset_count(cut)) * 8));
    tile_scratch_ = work.scratch + cut.scratch;
    prologue_scratch_ = tile_scratch_ + (call.tile ? tile_scratch(call) : 0);
    m_ = x_.a_rows.size(), n_ = x_.b_cols.size(), k_ = x_.a_sum.size();
  }

  void pack() {
    const int64_t k_blocks = ceil_div(cut_.k, cut_.depth), groups = ceil_div(cut_.n, cut_.pack_cols);
    const int64_t k0 = place_.task % k_blocks * cut_.depth, rest = place_.task / k_blocks;
    const int64_t j0 = rest % groups * cut_.pack_cols, copy = rest / groups;
    if (j0 >= n_ || k0 >= k_) return;
    const int64_t depth = smaller(cut_.depth, k_ - k0), count = smaller(cut_.pack_cols, n_ - j0);
    fill_offsets(x_.b_cols, j0, count, b_cols_);
    fill_offsets(x_.b_sum, k0, depth, b_sum_);
    const T* b = b_ + x_.b_offset + copy_batch(copy) * x_.b_batch;
    pack_strips(b, b_cols_, count, b_sum_, depth, static_cast<int>(cut_.tile_cols),
                packed_ + strip_offset(copy, k0, j0, depth));
  }

  void multiply() {
    const int64_t batch = place_.task / cut_.splits / cut_.row_blocks / cut_.col_blocks % job_.batch;
    Block block = block_of(batch);
    if (block.rows <= 0 || block.cols <= 0) return;
    fill_offsets(x_.a_rows, block.i0, block.rows, a_rows_);
    fill_offsets(x_.c_rows, block.i0, block.rows, c_rows_);
    fill_offsets(x_.b_cols, block.j0, block.cols, b_cols_);
    fill_offsets(x_.c_cols, block.j0, block.cols, c_cols_);
    if (job_.computed == Computed::rows) compute_rows(block);

    if (cut_.is_thin && x_.b_cols.is_run(1) && writes_runs() && block.first < block.last) {
      multiply_thin(block);
    } else {
      Chain<T> links;
      const bool chains = cut_.finishes_inline && !cut_.swapped && writes_runs() && chain_of(call_, links);
      multiply_block(block, chains ? &links : nullptr);
      if (chains) return;
    }
    if (cut_.finishes_inline) finish_block(block, batch * x_.c_batch);
  }

  void finish() {
    const int64_t start = place_.task * kFinishSpan, count = smaller(kFinishSpan, job_.output_size - start);
    if (cut_.splits > 1) sum_partials(partials_, cut_.splits, job_.output_size, start, count, c_);
    if (call_.tile) tile_run(call_, work_, start, count, tile_scratch_);
  }

 private:
  // What a task multiplies: a block of C, and the terms [first, last) of its sums.
  struct Block {
    int64_t i0, j0, rows, cols, first, last;
    int64_t copy;  // of packed B
    const T *a, *b;
    T* c;
  };

  // The task's, without rows or columns where it lies beyond a part that is smaller than others.
  Block block_of(int64_t batch) const {
    const int64_t split = place_.task % cut_.splits, rest = place_.task / cut_.splits;
    Block block{};
    block.i0 = rest % cut_.row_blocks * cut_.rows;
    block.j0 =
        rest / cut_.row_blocks % cut_.col_blocks * cut_.cols;  // slower, as in packing: a thread reads what it packed
    block.rows = smaller(cut_.rows, m_ - block.i0), block.cols = smaller(cut_.cols, n_ - block.j0);
    block.first = split * cut_.split_depth, block.last = smaller(k_, block.first + cut_.split_depth);
    block.copy = place_.part * (b_is_shared() ? 1 : job_.batch) + (b_is_shared() ? 0 : batch);
    block.a = a_ + x_.a_offset + batch * x_.a_batch;
    block.b = b_ + x_.b_offset + batch * x_.b_batch;
    block.c = (cut_.splits > 1 ? partials_ + split * job_.output_size : c_) + x_.c_offset + batch * x_.c_batch;
    return block;
  }

  void multiply_thin(const Block& block) {
    for (int64_t k0 = block.first; k0 < block.last; k0 += cut_.depth) {
      const int64_t depth = smaller(cut_.depth, block.last - k0);
      fill_offsets(x_.a_sum, k0, depth, a_sum_);
      fill_offsets(x_.b_sum, k0, depth, b_sum_);
      (block.rows == 1 ? contract_thin<1, T> : contract_thin<2, T>)(depth, block.a, a_rows_, a_sum_,
                                                                    block.b + b_cols_[0], b_sum_, block.cols,
                                                                    block.c + c_cols_[0], c_rows_, k0 > block.first);
    }
  }

  // Without terms the sums are 0.
  void multiply_block(const Block& block, const Chain<T>* chain) {
    const bool packs = packs_a<T>(x_, cut_);
    int64_t k0 = block.first;
    do {
      const int64_t depth = smaller(cut_.depth, larger(block.last - k0, 0));
      fill_offsets(x_.a_sum, k0, depth, a_sum_);
      if (!is_packed_) fill_offsets(x_.b_sum, k0, depth, b_sum_);
      Block slice = block;
      if (job_.computed == Computed::columns) compute_columns(slice, depth);
      if (packs) pack_rows(slice, depth);
      const Chain<T>* links = k0 + depth >= block.last ? chain : nullptr;
      for (int64_t j = 0; j < block.cols; j += cut_.tile_cols) multiply_strip(slice, k0, depth, j, packs, links);
      k0 += cut_.depth;
    } while (k0 < block.last);
  }

  // Computes the rows of A, and has the block and the tables point there.
  void compute_rows(Block& block) {
    if (k_ == 0) return;
    const int64_t first = a_rows_[0];
    prologue_run(call_, work_, block.a - a_ + first, block.rows * k_, computed_, prologue_scratch_);
    block.a = computed_;
    for (int64_t i = 0; i < block.rows; ++i) a_rows_[i] -= first;
  }

  // The same for as many columns of A, or of B where that is what the prologue computes, as the slice has terms.
  void compute_columns(Block& slice, int64_t depth) {
    if (depth == 0) return;
    const T *&from = cut_.swapped ? slice.b : slice.a, *const all = cut_.swapped ? b_ : a_;
    int64_t* const sum = cut_.swapped ? b_sum_ : a_sum_;
    const int64_t width = job_.m, first = sum[0], i0 = cut_.swapped ? slice.j0 : slice.i0;
    const int64_t count = cut_.swapped ? slice.cols : slice.rows, start = from - all + first;
    if (count == width)
      prologue_run(call_, work_, start, depth * width, computed_, prologue_scratch_);
    else
      prologue_run_rows(call_, work_, start + i0, count, depth, width, computed_ + i0, prologue_scratch_);
    from = computed_;
    for (int64_t k = 0; k < depth; ++k) sum[k] -= first;
  }

  // Packs the rows of A, and has the tables point there.
  void pack_rows(const Block& block, int64_t depth) {
    const int64_t mr = cut_.tile_rows;
    for (int64_t i = 0; i < block.rows; i += mr) {
      const int height = static_cast<int>(smaller(mr, block.rows - i));
      pack_strip(block.a, a_rows_ + i, height, a_sum_, depth, static_cast<int>(mr), a_strips_ + i * depth);
      for (int r = 0; r < height; ++r) strip_rows_[i + r] = i * depth + r;
    }
    fill_offsets(axis(depth, mr), 0, depth, a_sum_);
  }

  // All rows by the columns [j, j + tile_cols) of a block.
  void multiply_strip(const Block& block, int64_t k0, int64_t depth, int64_t j, bool packs, const Chain<T>* chain) {
    const int64_t nr = cut_.tile_cols;
    const int width = static_cast<int>(smaller(nr, block.cols - j)), vectors = (width + lanes - 1) / lanes;
    const int64_t whole = vectors * lanes, mr = TileSize<T>::rows(vectors);
    const bool in_place = reads_b_in_place() && whole == width;
    // Where columns are neighbours in memory several strips are packed at once, along with it.
    const int64_t group = reads_b_in_place() || !x_.b_cols.is_run(1) ? nr : cut_.pack_cols;
    const T* strip = b_strips_ + j % group * depth;
    if (is_packed_)
      strip = packed_ + strip_offset(block.copy, k0, block.j0 + j, depth);
    else if (in_place)
      strip = block.b + b_cols_[j] + b_sum_[0];
    else if (j % group == 0)
      pack_strips(block.b, b_cols_ + j, smaller(group, block.cols - j), b_sum_, depth, static_cast<int>(nr), b_strips_);
    const int64_t b_step = in_place ? x_.b_sum.stride[0] : whole;
    const int64_t* rows = packs ? strip_rows_ : a_rows_;
    const Axis& sum = x_.a_sum;
    const bool is_stepped = sum.rank == 1 || sum.run() % kSteps == 0;
    const int64_t a_step = packs ? cut_.tile_rows : is_stepped ? sum.stride[sum.rank - 1] : 0;
    // What has long runs is large, mostly.
    const bool is_column = x_.a_rows.stride[x_.a_rows.rank - 1] == 1;
    const bool is_far = !packs && j == 0 && (is_column || sum.run() >= kFar);
    const T *later = later_strip(block, k0, depth, j), *later_end = later != nullptr ? later + depth * nr : nullptr;
    const bool is_first = is_packed_ && j == 0 && k0 == block.first;
    const Even even = cut_.is_even ? even_of(k0) : Even{};
    // Such a tile's results are evenly spaced as well.
    const bool is_even = cut_.is_even && !packs && x_.c_rows.run() % x_.a_rows.run() == 0;
    const int64_t most = is_even ? TileSize<T>::even_rows(vectors) : mr;
    const int64_t extent = is_even ? x_.a_rows.run() : block.rows;
    for (int64_t i = 0, end = is_even ? extent - block.i0 % extent : extent; i < block.rows; end += extent) {
      end = smaller(end, block.rows);
      // Tiles of nearly the same height: low ones keep the multipliers waiting for what they read.
      for (int64_t tiles = ceil_div(end - i, most), height; i < end; i += height, --tiles) {
        height = tiles == 1 ? end - i : ceil_div(end - i, tiles);
        const int64_t* next = is_far && i + 2 * height <= block.rows ? rows + i + height : nullptr;
        // The first tile brings B: the processor looks ahead itself, but not far enough for what comes from memory.
        const int64_t ahead = i > 0 ? 0 : in_place ? kAhead * b_step : is_first ? kFarAhead * b_step : 0;
        const TileSource<T> source{
            packs ? a_strips_ : block.a, rows + i, a_sum_, a_step, ahead, next, is_column, later, even};
        if (later != nullptr && (later += later_elements<T>(depth)) >= later_end) later = nullptr;
        const TileTarget<T> target{block.c + c_cols_[j],     c_rows_ + i, width, k0 > block.first, chain, block.j0 + j,
                                   block.c + c_cols_[j] - c_};
        const auto kernel_for =
            is_even && height >= kFewestEven ? even_kernel_for<T> : tile_kernel_for<T, TileSize<T>::vectors>;
        const TileKernel<T> kernel = kernel_for(static_cast<int>(height), vectors);
        if (writes_runs())
          kernel(depth, source, strip, b_step, target);
        else
          scatter(kernel, depth, source, strip, b_step, target, height, c_cols_ + j, block.c);
      }
    }
  }

  // How rows and terms follow each other from term k0 on.
  Even even_of(int64_t k0) const {
    const Axis &rows = x_.a_rows, &sum = x_.a_sum;
    const int64_t run = larger(1, sum.run());
    return {rows.stride[rows.rank - 1], sum.stride[sum.rank - 1], run, k0 % run};
  }

  // The strip of packed B that is used after this one; null if there is none.
  const T* later_strip(const Block& block, int64_t k0, int64_t depth, int64_t j) const {
    if (!is_packed_) return nullptr;
    const int64_t next = j + cut_.tile_cols;
    if (next < block.cols) return packed_ + strip_offset(block.copy, k0, block.j0 + next, depth);
    const int64_t k = k0 + cut_.depth;
    if (k >= block.last) return nullptr;
    return packed_ + strip_offset(block.copy, k, block.j0, smaller(cut_.depth, block.last - k));
  }

  // The tile's elements one by one, to columns that are no neighbours.
  static void scatter(TileKernel<T> kernel, int64_t depth, const TileSource<T>& from, const T* b, int64_t b_step,
                      const TileTarget<T>& to, int64_t height, const int64_t* cols, T* c) {
    constexpr int most_rows = TileSize<T>::most_rows, nr = TileSize<T>::cols;
    alignas(64) T tile[most_rows * nr];
    int64_t tile_rows[most_rows];
    for (int64_t i = 0; i < height; ++i) tile_rows[i] = i * nr;
    kernel(depth, from, b, b_step, {tile, tile_rows, to.cols, false});
    for (int j = 0; j < to.cols; ++j)
      for (int64_t i = 0; i < height; ++i) {
        T* at = c + cols[j] + to.rows[i];
        *at = to.add ? *at + tile[i * nr + j] : tile[i * nr + j];
      }
  }

  // The epilogue over a block of the batch that begins at `origin`.
  void finish_block(const Block& block, int64_t origin) {
    if (cut_.swapped)
      tile_run(call_, work_, origin + c_cols_[0], block.cols * m_, tile_scratch_);
    else if (cut_.col_blocks == 1)
      tile_run(call_, work_, origin + c_rows_[0], block.rows * n_, tile_scratch_);
    else
      tile_run_rows(call_, work_, origin + c_rows_[0] + block.j0, block.cols, block.rows, n_, tile_scratch_);
  }

  bool writes_runs() const { return x_.c_cols.is_run(1); }
  bool reads_b_in_place() const {
    return !is_packed_ && x_.b_cols.is_run(1) && x_.b_sum.rank == 1 && k_ > 0 &&
           (cut_.m <= kFewRows * cut_.tile_rows || k_ * n_ <= kResident);
  }
  bool b_is_shared() const { return cut_.swapped ? job_.shared_a : job_.shared_b; }
  // Copies of B are numbered part by part.
  int64_t copy_batch(int64_t copy) const { return b_is_shared() ? 0 : copy % job_.batch; }
  int64_t strip_offset(int64_t copy, int64_t k0, int64_t j, int64_t depth) const {
    const int64_t padded = round_up(cut_.n, cut_.tile_cols);
    return copy * cut_.k * padded + k0 * padded + j * depth;
  }

  const Job& job_;
  const Cut& cut_;
  const Place& place_;
  Contraction x_;
  const Call& call_;
  const Work& work_;
  const T *a_, *b_;
  T *c_, *packed_, *partials_, *a_strips_, *b_strips_, *computed_;
  bool is_packed_;
  int64_t *a_rows_, *c_rows_, *strip_rows_, *b_cols_, *c_cols_, *a_sum_, *b_sum_;  // offsets
  char *tile_scratch_, *prologue_scratch_;
  int64_t m_, n_, k_;
};

}  // namespace

void contract_prepare(const Call& call, void* state) {
  if (call.tile) tile_prepare(call, 2, 1, state);
  prologue_prepare(call, 2, state);
}

void contract_run(const Job& job, const Cut& cut, const Place& place, const Contraction& part, const Operands& operands,
                  const Call& call, const Work& work) {
  const auto run = [&](auto task) {
    if (place.step == Step::none) return;
    if (place.step == Step::pack) return task.pack();
    if (place.step == Step::multiply) return task.multiply();
    task.finish();
  };
  if (call.outputs[0].dtype == Dtype::f32)
    run(Task<float>(job, cut, place, part, operands, call, work));
  else
    run(Task<double>(job, cut, place, part, operands, call, work));
}

}  // namespace nabla::NABLA_ISA
