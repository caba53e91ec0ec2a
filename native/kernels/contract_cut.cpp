// How a contraction is cut into tasks, and what each of them does.
#include "contract_cut.h"

#include "contract_thin.h"
#include "contract_tile.h"
#include "prologue.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kDepth = 512;     // slice of k
constexpr int64_t kRows = 120;      // block of A: with kDepth a quarter of L2
constexpr int64_t kEvenRows = 480;  // of a task that has few columns
constexpr int64_t kCols = 1024;
constexpr int64_t kSmall = 1 << 17;         // elements of C that stay in L2, almost
constexpr int64_t kWhole = 1 << 17;         // elements of A that do
constexpr int64_t kPackCols = 256;          // columns of B that are packed at once
constexpr int64_t kNarrow = 64;             // columns of a task, at least, that packs its own
constexpr int64_t kFewestRows = 56;         // rows of a task, at least, that shares what is packed
constexpr int64_t kLong = 8192;             // k from which a sum is cut, not its result
constexpr int64_t kTasks = 16;              // cut until there are so many ...
constexpr double kTaskNanoseconds = 40000;  // ... or tasks are this short
constexpr int64_t kInlineRun = 64;          // shortest piece of a row that is worth an epilogue call

// Nanoseconds that multiplying a block takes, estimated: arithmetic, and bringing the operands.
template <class T>
double time_of(int64_t m, int64_t n, int64_t k) {
  return static_cast<double>(m * n * k) / (6 * Vec<T>::lanes) + 0.06 * static_cast<double>((m + n) * k) + 200;
}

// What cutting goes by: arithmetic and packing, as of a processor that is in no hurry.
double cost_of(int64_t m, int64_t n, int64_t k) {
  return static_cast<double>(m * n * k) / 40 + static_cast<double>((m + n) * k) / 4 + 500;
}

// Registers in a row of the tile by which C is computed, its last columns apart: few rows pass by B once, if they can.
template <class T>
int tile_vectors(int64_t m, int64_t n) {
  using Size = TileSize<T>;
  int v = static_cast<int>(larger(1, smaller(Size::vectors, ceil_div(n, Size::lanes))));
  for (int narrower = v; narrower > 1; --narrower)
    if (m <= Size::rows(narrower)) return narrower;
  return v;
}

// Vector operations for C as it is and for Cᵀ, whose tiles are scattered one element at a time and which must turn A
// round unless that lies so already. A single column of registers leaves the multipliers waiting for their own results.
template <class T>
bool should_swap(const Job& job) {
  constexpr int64_t lanes = Vec<T>::lanes;
  const auto operations = [&](int64_t rows, int64_t cols) {
    return static_cast<double>(rows * ceil_div(cols, lanes) * job.k) * (cols <= lanes && lanes < 16 ? 1.5 : 1);
  };
  const double scatter = 2.0 * static_cast<double>(job.m * job.n);
  const double turn = job.runs_a ? 0 : 0.3 * static_cast<double>(job.m * job.k);
  return operations(job.n, job.m) + scatter + turn < operations(job.m, job.n);
}

// Whether the epilogue reads matrices of C's size: those come from memory best in whole rows.
bool reads_matrices(const Call& call) {
  for (int i = 2; i < call.input_count; ++i)
    if (is_contiguous(call.inputs[i])) return true;
  return false;
}

// Rows of a tile that takes evenly spaced ones, or 0.
template <class T>
int64_t even_height(const Job& job, int vectors) {
  const int64_t most = TileSize<T>::even_rows(vectors);
  return most == 0 || job.even_rows == 0 ? 0 : ceil_div(job.even_rows, ceil_div(job.even_rows, most));
}

template <class T>
Cut cut_of(const Job& job, const Call& call) {
  Cut cut{};
  const bool computes_rows = job.computed == Computed::rows, computes_columns = job.computed == Computed::columns;
  cut.swapped = !computes_rows && should_swap<T>(job);
  cut.m = cut.swapped ? job.n : job.m;
  cut.n = cut.swapped ? job.m : job.n;
  cut.k = job.k;
  if (job.output_size == 0) return cut;

  const int vectors = tile_vectors<T>(cut.m, cut.n);
  const int64_t mr = cut.tile_rows = TileSize<T>::rows(vectors);
  const int64_t nr = cut.tile_cols = vectors * TileSize<T>::lanes;
  cut.is_even =
      !cut.swapped && job.computed == Computed::none && cut.n <= nr && even_height<T>(job, vectors) >= kFewestEven;
  const int64_t unit = !cut.is_even ? mr : job.even_rows <= kEvenRows ? job.even_rows : mr;
  const auto balanced = [](int64_t size, int64_t most, int64_t unit) {
    return round_up(ceil_div(size, ceil_div(size, most)), unit);
  };
  cut.is_thin = cut.m <= kThin && cut.k > 0 && job.runs_b && !cut.swapped && !computes_columns;
  const int64_t most_depth = cut.is_thin ? kThinDepth : kDepth;
  cut.depth = cut.k == 0 ? 1 : balanced(cut.k, most_depth, 8);
  const int64_t most_rows = cut.is_even ? kEvenRows : computes_rows ? smaller(kRows, kPiece / larger(cut.k, 1)) : kRows;
  cut.rows = balanced(cut.m, larger(most_rows / unit, 1) * unit, unit);
  cut.cols = balanced(cut.n, cut.is_thin ? kThinCols : kCols, nr);
  const bool is_read_in_place = (cut.swapped ? job.runs_a : job.runs_b) && cut.m <= kFewRows * mr;
  const auto tasks = [&] { return job.parts * job.batch * ceil_div(cut.m, cut.rows) * ceil_div(cut.n, cut.cols); };
  const int64_t narrow = round_up(kNarrow, nr);
  // A long sum over a small result is cut along k alone, so that both operands are read once and C stays in L2.
  const bool is_long = job.parts == 1 && cut.m * cut.n <= kSmall && cut.k >= kLong && !computes_rows;
  // Where A fits L2 a task packs its own columns of B: nobody waits for packing, nothing goes through another cache.
  const bool takes_all_rows = !is_read_in_place && !computes_rows && cut.m * cut.depth <= kWhole &&
                              !reads_matrices(call) &&
                              (2 * job.parts * job.batch * ceil_div(cut.n, narrow) >= kTasks ||
                               cost_of(cut.m, narrow, cut.k) <= 4 * kTaskNanoseconds);
  // In the swapped form a block that has all rows is a contiguous piece of C.
  const int64_t fewest_rows = cut.swapped ? cut.rows : round_up(kFewestRows, unit);
  int64_t fewest_cols = 2 * narrow;
  if (is_long || takes_all_rows) {
    cut.rows = round_up(cut.m, unit);
    fewest_cols = narrow;
  }
  while (!is_long && !cut.is_thin && tasks() < kTasks && cost_of(cut.rows, cut.cols, cut.k) > kTaskNanoseconds) {
    if (cut.rows > fewest_rows && !takes_all_rows)
      cut.rows = round_up(cut.rows / 2, unit);
    else if (cut.cols > fewest_cols)
      cut.cols = round_up(cut.cols / 2, nr);
    else
      break;
  }
  cut.row_blocks = ceil_div(cut.m, cut.rows);
  cut.col_blocks = ceil_div(cut.n, cut.cols);

  cut.splits = 1;
  const int64_t most_tasks = cut.is_thin ? kThinTasks : kTasks;
  if (job.parts == 1 && tasks() < most_tasks && !computes_rows) {
    const double worth = cut.is_thin ? time_of<T>(cut.m, cut.cols, cut.k) / kThinNanoseconds
                                     : cost_of(cut.rows, cut.cols, cut.k) / kTaskNanoseconds;
    const int64_t wanted = smaller(ceil_div(most_tasks, tasks()), static_cast<int64_t>(worth));
    cut.splits = larger(1, smaller(wanted, cut.k / (2 * cut.depth)));
  }
  cut.split_depth = ceil_div(larger(cut.k, 1), cut.splits);
  if (cut.splits > 1) cut.depth = balanced(cut.split_depth, most_depth, 8);
  cut.split_depth = round_up(cut.split_depth, cut.depth);
  cut.splits = ceil_div(larger(cut.k, 1), cut.split_depth);

  const int64_t copies_of_b = job.parts * ((cut.swapped ? job.shared_a : job.shared_b) ? 1 : job.batch);
  const int64_t k_blocks = ceil_div(cut.k, cut.depth);
  const bool computes_b = computes_columns && cut.swapped;
  cut.packs_ahead = cut.k > 0 && !is_read_in_place && !computes_b && tasks() > copies_of_b * cut.col_blocks;
  cut.pack_cols = smaller(round_up(kPackCols, nr), cut.cols);
  cut.pack_tasks = copies_of_b * k_blocks * ceil_div(cut.n, cut.pack_cols);
  cut.packed_bytes = aligned(static_cast<size_t>(copies_of_b * cut.k * round_up(cut.n, nr)) * sizeof(T));
  // Rows of A that are thin read B from memory, packed or not; B is no input where it is computed.
  const bool is_own = cut.swapped && job.own_tasks > 0;
  if (cut.k > 0 && cut.m > kThin && job.parts == 1 && !is_own && !computes_b) {
    cut.kept_bytes = cut.packed_bytes;
    cut.keep_tasks = cut.pack_tasks;
  }
  if (!cut.packs_ahead) cut.pack_tasks = 0, cut.packed_bytes = 0;
  if (cut.splits > 1) cut.partial_bytes = aligned(static_cast<size_t>(cut.splits * job.output_size) * sizeof(T));
  cut.multiply_tasks = tasks() * cut.splits;
  cut.finishes_inline = call.tile && job.is_contiguous && cut.splits == 1 &&
                        (cut.swapped ? cut.row_blocks == 1 : cut.col_blocks == 1 || cut.cols >= kInlineRun);
  if (cut.splits > 1 || (call.tile && !cut.finishes_inline)) cut.finish_tasks = ceil_div(job.output_size, kFinishSpan);

  if (computes_rows) cut.computed_elements = cut.rows * cut.k;
  if (computes_columns) cut.computed_elements = cut.depth * job.m;
  const int64_t packed = a_elements<T>(cut) + b_elements<T>(cut);
  cut.scratch = aligned(static_cast<size_t>(packed) * sizeof(T)) + aligned(static_cast<size_t>(offset_count(cut)) * 8) +
                aligned(static_cast<size_t>(cut.computed_elements) * sizeof(T));
  const int64_t rows = smaller(cut.rows, cut.m), cols = smaller(cut.cols, cut.n),
                depth = smaller(cut.split_depth, cut.k);
  cut.nanoseconds =
      time_of<T>(rows, cols, depth) + prologue_cost(call) * static_cast<double>((cut.swapped ? cols : rows) * depth);
  return cut;
}

// Whether packing has to wait for the kernel's own tasks: they write A, which is what is packed in the swapped form.
bool packs_apart(const Job& job, const Cut& cut) { return cut.swapped && job.own_tasks > 0 && cut.pack_tasks > 0; }

}  // namespace

Cut contract_cut(const Job& job, const Call& call) {
  return call.outputs[0].dtype == Dtype::f32 ? cut_of<float>(job, call) : cut_of<double>(job, call);
}

void contract_plan(const Job& job, const Call& call, Plan& plan) {
  const Cut cut = contract_cut(job, call);
  plan.phases = 0;
  if (packs_apart(job, cut)) plan.tasks[plan.phases++] = job.own_tasks;
  const int64_t together = cut.pack_tasks + (packs_apart(job, cut) ? 0 : job.own_tasks);
  if (together > 0) plan.tasks[plan.phases++] = together;
  plan.tasks[plan.phases++] = cut.multiply_tasks;
  if (cut.finish_tasks > 0) plan.tasks[plan.phases++] = cut.finish_tasks;
  plan.workspace = job.own_bytes + cut.packed_bytes + cut.partial_bytes;
  plan.scratch = cut.scratch + (call.tile ? tile_scratch(call) : 0) + prologue_scratch(call);
  plan.state = (call.tile ? tile_state_size(call) : 0) + prologue_state_size(call);
  plan.grain = static_cast<int64_t>(cut.nanoseconds);
  plan.kept = cut.kept_bytes;
  plan.keep_tasks = cut.keep_tasks;
  plan.kept_input = cut.swapped ? 0 : 1;
  plan.kept_layout = cut.depth << 8 | cut.tile_cols;
}

Place contract_place(const Job& job, const Cut& cut, const Work& work) {
  int phase = work.phase;
  if (phase == kKeep) return {Step::pack, work.task, 0};
  const bool apart = packs_apart(job, cut);
  if (apart && phase-- == 0) return {Step::own, work.task, 0};
  const int64_t own_tasks = apart ? 0 : job.own_tasks;
  if (own_tasks + cut.pack_tasks > 0 && phase-- == 0) {
    if (work.task < own_tasks) return {Step::own, work.task, 0};
    const int64_t task = work.task - own_tasks;
    if (work.kept != nullptr) return {Step::none, task, 0};
    return {Step::pack, task, task / (cut.pack_tasks / job.parts)};
  }
  if (phase == 0) return {Step::multiply, work.task, work.task / (cut.multiply_tasks / job.parts)};
  return {Step::finish, work.task, 0};
}

}  // namespace nabla::NABLA_ISA
