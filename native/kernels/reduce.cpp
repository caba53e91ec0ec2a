// `reduce`: sums, extremes and products over the middle of [outer, n, inner], fused with the tile that computes what is
// reduced.
//
// Accuracy and determinism: at most kTileLength elements are folded in the tile's own type over several accumulators,
// everything beyond in double. Long reductions are cut into chunks by shape alone; their partial results stand in the
// workspace and are combined in order by a second phase.
#include "kernels.h"
#include "reduce_pair.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kChunk = 32768;  // elements whose fold is one partial result of a row
constexpr int64_t kWideChunk =
    524288;                         // the same where rows are longer than a tile: many columns share a partial's cost
constexpr int64_t kColumns = 4096;  // most columns that are folded together: their accumulators stay in cache
constexpr int kMaxResults = 4;      // most sums, extremes … of one pass
constexpr int kFlush = 32;          // tiles added in the tile's own type before they go into doubles

struct Sum {
  static constexpr double neutral = 0;
  template <class V>
  static NABLA_INLINE V of(V a, V b) {
    return a + b;
  }
  static NABLA_INLINE double of(double a, double b) { return a + b; }
  template <class T>
  static NABLA_INLINE double across(Vec<T> v) {
    return static_cast<double>(hsum(v));
  }
};
struct Max {
  static constexpr double neutral = -__builtin_huge_val();
  template <class T>
  static NABLA_INLINE Vec<T> of(Vec<T> a, Vec<T> b) {
    return maximum(a, b);
  }
  static NABLA_INLINE double of(double a, double b) { return a != a ? a : b > a || b != b ? b : a; }
  template <class T>
  static NABLA_INLINE double across(Vec<T> v) {
    return any(is_nan(v)) ? static_cast<double>(kNan) : static_cast<double>(hmax(v));
  }
};
struct Min {
  static constexpr double neutral = __builtin_huge_val();
  template <class T>
  static NABLA_INLINE Vec<T> of(Vec<T> a, Vec<T> b) {
    return minimum(a, b);
  }
  static NABLA_INLINE double of(double a, double b) { return a != a ? a : b < a || b != b ? b : a; }
  template <class T>
  static NABLA_INLINE double across(Vec<T> v) {
    return any(is_nan(v)) ? static_cast<double>(kNan) : static_cast<double>(hmin(v));
  }
};
struct Product {
  static constexpr double neutral = 1;
  template <class V>
  static NABLA_INLINE V of(V a, V b) {
    return a * b;
  }
  static NABLA_INLINE double of(double a, double b) { return a * b; }
  template <class T>
  static NABLA_INLINE double across(Vec<T> v) {
    T lane[Vec<T>::lanes];
    v.store(lane);
    double p = 1;
    for (int i = 0; i < Vec<T>::lanes; ++i) p *= static_cast<double>(lane[i]);
    return p;
  }
};

// How the work is cut. A unit is (one outer, one chunk of rows, one block of columns), or, where a whole outer fits in
// a tile, as many outers as do.
struct Cut {
  int64_t outer, n, inner;
  bool small;              // n·inner <= kTileLength
  int64_t outers;          // of a small unit
  int64_t columns;         // of a block
  int64_t rows;            // of a chunk
  int64_t blocks, chunks;  // of one outer
  int64_t units, per_task;
};

Cut cut_of(const Call& call) {
  Cut c{};
  c.outer = static_cast<int64_t>(call.attrs[1]);
  c.n = static_cast<int64_t>(call.attrs[2]);
  c.inner = static_cast<int64_t>(call.attrs[3]);
  const double cost = tile_cost(call) + 0.1;
  if (c.outer == 0 || c.inner == 0) return c;
  if (c.n == 0) {
    c.units = 1;
    c.per_task = 1;
    return c;
  }
  const int64_t block = c.n * c.inner;
  c.small = block <= kTileLength;
  if (c.small) {
    c.outers = kTileLength / block;
    c.units = ceil_div(c.outer, c.outers);
    c.per_task = pieces_per_task(cost * static_cast<double>(c.outers * block));
    return c;
  }
  c.columns = smaller(c.inner, kColumns);
  c.blocks = ceil_div(c.inner, c.columns);
  c.rows = (c.columns <= kTileLength ? kChunk : kWideChunk) / c.columns;
  c.chunks = ceil_div(c.n, c.rows);
  c.units = c.outer * c.chunks * c.blocks;
  c.per_task = pieces_per_task(cost * static_cast<double>(smaller(c.rows, c.n) * c.columns));
  return c;
}

template <class Op, class T>
NABLA_INLINE double fold(const T* x, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  const T neutral = static_cast<T>(Op::neutral);
  Vec<T> a = Vec<T>::all(neutral), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = Op::of(a, Vec<T>::load(x + i));
    b = Op::of(b, Vec<T>::load(x + i + lanes));
    c = Op::of(c, Vec<T>::load(x + i + 2 * lanes));
    d = Op::of(d, Vec<T>::load(x + i + 3 * lanes));
  }
  sweep<T>(n - i, [&](int64_t k, auto rest) { a = Op::of(a, load(x + i + k, rest, neutral)); });
  return Op::across(Op::of(Op::of(a, b), Op::of(c, d)));
}

// One small unit: y gets the folds of whole outers, all of whose elements are in x.
template <class Op, class T>
void fold_outers(const T* x, int64_t outers, int64_t n, int64_t inner, T* y) {
  for (int64_t o = 0; o < outers; ++o, x += n * inner, y += inner) {
    if (inner == 1) {
      y[0] = static_cast<T>(fold<Op>(x, n));
      continue;
    }
    sweep<T>(inner, [&](int64_t i, auto lanes) {
      Vec<T> a = load(x + i, lanes);
      for (int64_t j = 1; j < n; ++j) a = Op::of(a, load(x + j * inner + i, lanes));
      store(y + i, a, lanes);
    });
  }
}

// Accumulators of the column folds: narrow ones of type T, emptied into wide ones now and then. The first row must be
// whole, the last may be shorter.
template <class Op, class T>
struct Columns {
  T narrow[kColumns];
  double wide[kColumns];
  int64_t filled = 0;  // of `narrow`
  int pending = 0;     // rows in `narrow`
  bool has_wide = false;

  // x: elements [at, at + n) of a row; those of the next row lie `ahead` behind them, if it is not 0.
  NABLA_INLINE void add(const T* x, int64_t at, int64_t n, int64_t ahead) {
    if (pending == 0) {
      std::memcpy(narrow + at, x, static_cast<size_t>(n) * sizeof(T));
      filled = at + n;
      return;
    }
    sweep<T>(n, [&](int64_t i, auto lanes) {
      if (ahead > 0) prefetch(x + i + ahead);
      store(narrow + at + i, Op::of(load(narrow + at + i, lanes), load(x + i, lanes)), lanes);
    });
  }
  NABLA_INLINE void end_row() {
    if (++pending == kFlush) flush();
  }
  void flush() {
    if (pending == 0) return;
    if (has_wide)
      for (int64_t i = 0; i < filled; ++i) wide[i] = Op::of(wide[i], static_cast<double>(narrow[i]));
    else
      for (int64_t i = 0; i < filled; ++i) wide[i] = static_cast<double>(narrow[i]);
    has_wide = true;
    pending = 0;
  }
};

// What store j of the tile computes, piece by piece: read where it lies in memory as it is, else from the tile machine.
template <class T>
const T* plain_operand(const Call& call, int j) {
  const TileStep& step = call.tile->steps[call.tile->stores[j]];
  if (step.op != TileOp::load) return nullptr;
  const View& x = call.inputs[step.args[0]];
  return x.dtype == call.tile->dtype && is_contiguous(x) ? reinterpret_cast<const T*>(x.data) : nullptr;
}

// The values to be reduced, by their place in the iteration space.
template <class T>
class Values {
 public:
  Values(const Call& call, const Work& work) : call_(call), work_(work) {
    for (int j = 0; j < call.output_count; ++j) {
      plain_[j] = plain_operand<T>(call, j);
      if (!plain_[j]) computes_ = true;
    }
    if (computes_) tile_begin(call, work.state, work.scratch);
  }
  // Computes a piece of at most kTileLength, and asks for the one behind it.
  NABLA_INLINE void at(int64_t start, int64_t count) {
    start_ = start;
    count_ = count;
    if (computes_) first_ = tile_eval(call_, work_.state, start, count, work_.scratch);
  }
  // Of store j, until the next is asked for.
  NABLA_INLINE const T* of(int j) const {
    if (plain_[j]) return plain_[j] + start_;
    return static_cast<const T*>(j == 0 ? first_ : tile_result(call_, work_.state, j, count_, work_.scratch));
  }
  NABLA_INLINE bool is_plain(int j) const { return plain_[j] != nullptr; }

 private:
  const Call& call_;
  const Work& work_;
  const T* plain_[kMaxResults];
  bool computes_ = false;
  const void* first_ = nullptr;
  int64_t start_ = 0, count_ = 0;
};

// Folds a chunk of rows over a block of columns; result(j, i, value) receives each column's of store j.
template <class Op, class T, class Result>
NABLA_INLINE void fold_chunk(Values<T>& values, int results, const Cut& c, int64_t o, int64_t row, int64_t rows,
                             int64_t column, int64_t columns, Result result) {
  const int64_t start = (o * c.n + row) * c.inner + column;
  if (c.inner == 1) {
    double total[kMaxResults];
    for (int j = 0; j < results; ++j) total[j] = Op::neutral;
    for (int64_t i = 0; i < rows; i += kTileLength) {
      const int64_t count = smaller(kTileLength, rows - i);
      values.at(start + i, count);
      for (int j = 0; j < results; ++j) total[j] = Op::of(total[j], fold<Op>(values.of(j), count));
    }
    for (int j = 0; j < results; ++j) result(j, 0, total[j]);
    return;
  }
  // Narrow matrices: several rows at once, as if they were one; folded together at the end.
  const int64_t together = columns == c.inner ? smaller(larger(1, kTileLength / columns), rows) : 1;
  Columns<Op, T> sums[kMaxResults];
  for (int64_t r = 0; r < rows; r += together) {
    const int64_t width = smaller(together, rows - r) * columns;
    for (int64_t i = 0; i < width; i += kTileLength) {
      const int64_t count = smaller(kTileLength, width - i);
      values.at(start + r * c.inner + i, count);
      for (int j = 0; j < results; ++j)
        sums[j].add(values.of(j), i, count, values.is_plain(j) ? together * c.inner : 0);
    }
    for (int j = 0; j < results; ++j) sums[j].end_row();
  }
  for (int j = 0; j < results; ++j) {
    sums[j].flush();
    for (int64_t i = 0; i < columns; ++i) {
      double total = sums[j].wide[i];
      for (int64_t k = 1; k < together; ++k) total = Op::of(total, sums[j].wide[k * columns + i]);
      result(j, i, total);
    }
  }
}

template <class Op, class T>
void fold_units(const Call& call, const Work& work, const Cut& c) {
  const auto y = [&](int j) { return reinterpret_cast<T*>(call.outputs[j].data); };
  const int results = call.output_count;
  if (c.n == 0) {
    for (int j = 0; j < results; ++j)
      for (int64_t i = 0; i < c.outer * c.inner; ++i) y(j)[i] = static_cast<T>(Op::neutral);
    return;
  }
  double* partial = reinterpret_cast<double*>(work.workspace);
  const int64_t first = work.task * c.per_task, last = smaller(c.units, first + c.per_task);
  Values<T> values(call, work);
  for (int64_t unit = first; unit < last; ++unit) {
    if (c.small) {
      const int64_t o = unit * c.outers, outers = smaller(c.outers, c.outer - o), block = c.n * c.inner;
      values.at(o * block, outers * block);
      for (int j = 0; j < results; ++j) fold_outers<Op>(values.of(j), outers, c.n, c.inner, y(j) + o * c.inner);
      continue;
    }
    const int64_t block = unit % c.blocks, chunk = unit / c.blocks % c.chunks, o = unit / c.blocks / c.chunks;
    const int64_t row = chunk * c.rows, column = block * c.columns;
    const int64_t rows = smaller(c.rows, c.n - row), columns = smaller(c.columns, c.inner - column);
    const auto result = [&](int j, int64_t i, double value) {
      if (c.chunks == 1)
        y(j)[o * c.inner + column + i] = static_cast<T>(value);
      else
        partial[((j * c.outer + o) * c.chunks + chunk) * c.inner + column + i] = value;
    };
    if constexpr (Op::neutral == 0) {
      if (Pair<T> pair; c.outer == 1 && c.inner > 1 && pair_of(call, c.inner, pair)) {
        sum_pair(pair, c.inner, row * c.inner + column, rows, columns, result);
        continue;
      }
    }
    fold_chunk<Op, T>(values, results, c, o, row, rows, column, columns, result);
  }
}

template <class Op, class T>
void combine(const Call& call, const Work& work, const Cut& c) {
  const int64_t tasks = ceil_div(c.outer * c.inner, kChunk), j = work.task / tasks;
  const double* partial = reinterpret_cast<const double*>(work.workspace) + j * c.outer * c.chunks * c.inner;
  T* y = reinterpret_cast<T*>(call.outputs[j].data);
  const int64_t first = work.task % tasks * kChunk, last = smaller(c.outer * c.inner, first + kChunk);
  double total[kTileLength];
  for (int64_t i = first, count; i < last; i += count) {
    const int64_t o = i / c.inner, at = i % c.inner;
    count = smaller(smaller(kTileLength, last - i), c.inner - at);
    const double* p = partial + o * c.chunks * c.inner + at;
    for (int64_t k = 0; k < count; ++k) total[k] = p[k];
    for (int64_t chunk = 1; chunk < c.chunks; ++chunk)
      for (int64_t k = 0; k < count; ++k) total[k] = Op::of(total[k], p[chunk * c.inner + k]);
    for (int64_t k = 0; k < count; ++k) y[i + k] = static_cast<T>(total[k]);
  }
}

template <class Op>
void run_op(const Call& call, const Work& work) {
  const Cut c = cut_of(call);
  const bool f32 = call.tile->dtype == Dtype::f32;
  if (work.phase == 0)
    f32 ? fold_units<Op, float>(call, work, c) : fold_units<Op, double>(call, work, c);
  else
    f32 ? combine<Op, float>(call, work, c) : combine<Op, double>(call, work, c);
}

const char* check(const Call& call) {
  if (const char* complaint = tile_check_operands(call, 0, 0)) return complaint;
  if (call.output_count < 1 || call.output_count > kMaxResults || call.tile->store_count != call.output_count)
    return "reduce: 1 to 4 outputs, and as many stores in the tile";
  if (call.attr_count != 4) return "reduce: attributes are op, outer, n, inner";
  if (!is_whole(call.attrs[0], 0, 3)) return "reduce: op is 0 (sum), 1 (max), 2 (min) or 3 (prod)";
  double size = 1, wanted = 1;
  for (int i = 1; i < 4; ++i) {
    if (!is_whole(call.attrs[i], 0, 0x1p53)) return "reduce: outer, n and inner must be natural numbers";
    wanted *= call.attrs[i];
  }
  for (int i = 0; i < call.tile->rank; ++i) size *= static_cast<double>(call.tile->shape[i]);
  if (size != wanted) return "reduce: outer * n * inner must be the size of the tile";
  for (int j = 0; j < call.output_count; ++j) {
    const View& y = call.outputs[j];
    if (y.dtype != call.tile->dtype) return "reduce: outputs have the tile's dtype";
    if (static_cast<double>(y.size()) != call.attrs[1] * call.attrs[3])
      return "reduce: outputs have outer * inner elements";
    if (!is_contiguous(y)) return "reduce: outputs must be row-major contiguous";
  }
  return nullptr;
}

void plan(const Call& call, Plan& plan) {
  const Cut c = cut_of(call);
  plan.phases = c.chunks > 1 ? 2 : 1;
  plan.tasks[0] = c.units == 0 ? 0 : ceil_div(c.units, c.per_task);
  if (c.chunks > 1) {
    plan.tasks[1] = call.output_count * ceil_div(c.outer * c.inner, kChunk);
    plan.workspace = static_cast<size_t>(call.output_count * c.outer * c.chunks * c.inner) * sizeof(double);
  }
  plan.scratch = tile_scratch(call);
  plan.state = tile_state_size(call);
  const double work = (tile_cost(call) + 0.1) * static_cast<double>(c.outer * c.n * c.inner);
  plan.grain = static_cast<int64_t>(work < kTaskNanoseconds ? work : kTaskNanoseconds);
}

void prepare(const Call& call, void* state) { tile_prepare(call, 0, 0, state); }

void run(const Call& call, const Work& work) {
  switch (static_cast<int>(call.attrs[0])) {
    case 0:
      return run_op<Sum>(call, work);
    case 1:
      return run_op<Max>(call, work);
    case 2:
      return run_op<Min>(call, work);
    default:
      return run_op<Product>(call, work);
  }
}

}  // namespace

const Kernel reduce_kernel = {"reduce", false, false, check, plan, prepare, run};

}  // namespace nabla::NABLA_ISA
