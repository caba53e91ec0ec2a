// `copy`: between any two strided layouts of one shape: transposes, slices, concatenations, reversals.
//
// Dimensions are ordered by the output's strides and merged. The innermost one, and the one along which the input is
// contiguous, span planes that are copied in square blocks, so that both sides use whole cache lines.
#include "../simd/transpose.h"
#include "kernels.h"
#include "tile.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kLine = 16;           // columns copied together: 16 elements of 4 bytes fill a cache line
constexpr int64_t kPlanePiece = 16384;  // elements of a piece of a plane

constexpr int64_t kTileRows = 512, kTileColumns = 64;  // transposed at once: long runs of input, few pages
constexpr int64_t kTilePitch = kTileColumns + 16;

struct Loop {
  int64_t extent, from, to;  // strides in elements
};

// rank >= 2: the last two loops are the plane (rows, columns); columns have the output's smallest stride.
struct State {
  int rank;
  bool transposes, is_large;
  Loop loops[kMaxRank + 2];
  int64_t row_block, column_block, row_blocks, column_blocks, pieces, per_task;
};

int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

void shape_state(const View& x, const View& y, State& s) {
  Loop loops[kMaxRank];
  int rank = 0;
  for (int i = 0; i < x.rank; ++i) {
    if (x.shape[i] == 1) continue;
    Loop loop = {x.shape[i], x.strides[i], y.strides[i]};
    int at = rank++;  // insertion sort, largest output stride first
    for (; at > 0 && magnitude(loops[at - 1].to) < magnitude(loop.to); --at) loops[at] = loops[at - 1];
    loops[at] = loop;
  }
  int merged = 0;
  for (int i = 0; i < rank; ++i) {
    const Loop& inner = loops[i];
    if (merged > 0) {
      Loop& outer = s.loops[merged - 1];
      if (outer.from == inner.from * inner.extent && outer.to == inner.to * inner.extent) {
        outer = {outer.extent * inner.extent, inner.from, inner.to};
        continue;
      }
    }
    s.loops[merged++] = inner;
  }
  // Rows of the plane: the loop along which the input is contiguous, unless the columns are that already.
  if (merged >= 2 && s.loops[merged - 1].from != 1) {
    int rows = merged - 2;
    for (int i = 0; i < merged - 1; ++i)
      if (s.loops[i].from == 1) rows = i;
    const Loop loop = s.loops[rows];
    for (int i = rows; i < merged - 2; ++i) s.loops[i] = s.loops[i + 1];
    s.loops[merged - 2] = loop;
  }
  while (merged < 2) {  // at least a plane
    for (int i = merged; i > 0; --i) s.loops[i] = s.loops[i - 1];
    s.loops[0] = {1, 0, 0};
    ++merged;
  }
  s.rank = merged;
  const int64_t columns = s.loops[merged - 1].extent, rows = s.loops[merged - 2].extent;
  const bool transposing = s.loops[merged - 1].from != 1 && s.loops[merged - 2].from == 1;
  s.transposes = transposing;
  s.is_large = y.size() >= kPastCaches;
  s.column_block = smaller(larger(columns, 1), transposing ? kTileColumns : kPlanePiece);
  s.row_block = smaller(larger(rows, 1), larger(transposing ? kTileRows : kLine, kPlanePiece / s.column_block));
  s.row_blocks = ceil_div(rows, s.row_block);
  s.column_blocks = ceil_div(columns, s.column_block);
  s.pieces = s.row_blocks * s.column_blocks;
  for (int i = 0; i < merged - 2; ++i) s.pieces *= s.loops[i].extent;
  s.per_task = pieces_per_task(0.5 * static_cast<double>(s.row_block * s.column_block) + 10);
}

template <class T>
void copy_cells(const T* x, T* y, const Loop& row, const Loop& column, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) y[r * row.to + c * column.to] = x[r * row.from + c * column.from];
}

// Copies a run; `past_caches` if the output is larger than they are.
template <class Real>
NABLA_INLINE void copy_run(const Real* from, Real* to, int64_t n, bool past_caches) {
  if (past_caches && reinterpret_cast<uintptr_t>(to) % sizeof(Vec<Real>) == 0) {
    constexpr int64_t lanes = Vec<Real>::lanes;
    for (; n >= lanes; n -= lanes, from += lanes, to += lanes) Vec<Real>::load(from).stream(to);
  }
  sweep<Real>(n, [&](int64_t i, auto some) { store(to + i, load(from + i, some), some); });
}

// The input is contiguous along rows' index, the output along columns': square blocks are transposed in registers into
// `buffer`, from which whole lines of the output are written: rows that lie a power of two apart share few sets of the
// caches. What is narrower than a block is copied one by one. `Real` is as wide as T.
template <class Real, class T>
void transpose_plane(const T* x, T* y, const Loop& row, const Loop& column, int64_t rows, int64_t columns, Real* buffer,
                     bool past_caches) {
  constexpr int64_t side = kBlock<Real>;
  const int64_t whole_rows = rows / side * side, whole_columns = columns / side * side;
  for (int64_t r0 = 0; r0 < whole_rows; r0 += kTileRows)
    for (int64_t c0 = 0; c0 < whole_columns; c0 += kTileColumns) {
      const int64_t height = smaller(kTileRows, whole_rows - r0), width = smaller(kTileColumns, whole_columns - c0);
      for (int64_t c = 0; c < width; c += side) {
        const Real* from = reinterpret_cast<const Real*>(x + (c0 + c) * column.from + r0);
        for (int64_t r = 0; r < height; r += side)
          transpose([&](int64_t i) { return from + i * column.from + r; }, buffer + r * kTilePitch + c, kTilePitch);
      }
      for (int64_t r = 0; r < height; ++r) {
        const Real* from = buffer + r * kTilePitch;
        Real* to = reinterpret_cast<Real*>(y + (r0 + r) * row.to + c0);
        copy_run(from, to, width, past_caches);
      }
    }
  copy_cells(x + whole_columns * column.from, y + whole_columns, row, column, whole_rows, columns - whole_columns);
  copy_cells(x + whole_rows, y + whole_rows * row.to, row, column, rows - whole_rows, columns);
}

// Floats as wide as T, if there are such: what registers move.
template <class T>
struct RealOf {
  using type = float;
};
template <>
struct RealOf<uint64_t> {
  using type = double;
};

template <class T>
void copy_plane(const T* x, T* y, const Loop& row, const Loop& column, int64_t rows, int64_t columns, char* scratch,
                bool past_caches) {
  using Real = typename RealOf<T>::type;
  if (column.from == 1 && column.to == 1) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* from = x + r * row.from;
      T* to = y + r * row.to;
      if (past_caches && sizeof(T) == sizeof(Real))
        copy_run(reinterpret_cast<const Real*>(from), reinterpret_cast<Real*>(to), columns, true);
      else
        std::memcpy(to, from, static_cast<size_t>(columns) * sizeof(T));
    }
    return;
  }
  if constexpr (sizeof(T) == sizeof(Real))
    if (row.from == 1 && column.to == 1)
      return transpose_plane(x, y, row, column, rows, columns, reinterpret_cast<Real*>(scratch), past_caches);
  for (int64_t r = 0; r < rows; r += kLine)
    for (int64_t c = 0; c < columns; c += kLine)
      copy_cells(x + r * row.from + c * column.from, y + r * row.to + c * column.to, row, column,
                 smaller(kLine, rows - r), smaller(kLine, columns - c));
}

template <class T>
void run_pieces(const Call& call, const State& s, int64_t first, int64_t last, char* scratch) {
  const T* x = reinterpret_cast<const T*>(call.inputs[0].data);
  T* y = reinterpret_cast<T*>(call.outputs[0].data);
  const Loop &row = s.loops[s.rank - 2], &column = s.loops[s.rank - 1];
  for (int64_t piece = first; piece < last; ++piece) {
    int64_t rest = piece;
    const int64_t c = rest % s.column_blocks * s.column_block;
    rest /= s.column_blocks;
    const int64_t r = rest % s.row_blocks * s.row_block;
    rest /= s.row_blocks;
    int64_t from = r * row.from + c * column.from, to = r * row.to + c * column.to;
    for (int i = s.rank - 3; i >= 0; --i) {
      const int64_t at = rest % s.loops[i].extent;
      rest /= s.loops[i].extent;
      from += at * s.loops[i].from;
      to += at * s.loops[i].to;
    }
    copy_plane(x + from, y + to, row, column, smaller(s.row_block, row.extent - r),
               smaller(s.column_block, column.extent - c), scratch, s.is_large);
  }
  if (s.is_large) finish_streams();
}

// Sufficient for distinct addresses, and met by every slice of a contiguous array: ordered by stride, each dimension
// steps over all that the smaller ones reach.
bool is_free_of_overlap(const View& y) {
  if (y.size() == 0) return true;
  bool done[kMaxRank] = {};
  int64_t reach = 0;
  for (int k = 0; k < y.rank; ++k) {
    int next = -1;
    for (int i = 0; i < y.rank; ++i)
      if (!done[i] && (next < 0 || magnitude(y.strides[i]) < magnitude(y.strides[next]))) next = i;
    done[next] = true;
    if (y.shape[next] == 1) continue;
    if (magnitude(y.strides[next]) <= reach) return false;
    reach += magnitude(y.strides[next]) * (y.shape[next] - 1);
  }
  return true;
}

const char* check(const Call& call) {
  if (call.input_count != 1 || call.output_count != 1 || call.attr_count != 0) return "copy: one input, one output";
  const View &x = call.inputs[0], &y = call.outputs[0];
  if (x.dtype != y.dtype) return "copy: input and output have one dtype";
  if (!same_shape(y, x.rank, x.shape)) return "copy: input and output have one shape";
  if (!is_free_of_overlap(y)) return "copy: elements of the output overlap";
  return nullptr;
}

void plan(const Call& call, Plan& plan) {
  State s;
  shape_state(call.inputs[0], call.outputs[0], s);
  const int64_t size = call.outputs[0].size();
  plan.phases = 1;
  plan.tasks[0] = size == 0 ? 0 : ceil_div(s.pieces, s.per_task);
  plan.state = sizeof(State);
  if (s.transposes) plan.scratch = static_cast<size_t>(kTileRows * kTilePitch) * size_of(call.inputs[0].dtype);
  plan.grain = size / larger(1, plan.tasks[0]) / 2;
}

void prepare(const Call& call, void* state) {
  shape_state(call.inputs[0], call.outputs[0], *static_cast<State*>(state));
}

void run(const Call& call, const Work& work) {
  const State& s = *static_cast<const State*>(work.state);
  const int64_t first = work.task * s.per_task, last = smaller(s.pieces, first + s.per_task);
  switch (size_of(call.inputs[0].dtype)) {
    case 1:
      return run_pieces<uint8_t>(call, s, first, last, work.scratch);
    case 4:
      return run_pieces<uint32_t>(call, s, first, last, work.scratch);
    default:
      return run_pieces<uint64_t>(call, s, first, last, work.scratch);
  }
}

}  // namespace

const Kernel copy_kernel = {"copy", false, false, check, plan, prepare, run};

}  // namespace nabla::NABLA_ISA
