// `moments`: means and variances in one pass over memory. `layer_norm` and its gradient: rows brought to mean 0 and
// variance 1 while they are in cache.
//
// Accuracy: a block that fits the cache is passed twice, for its rounded mean and for the distances from that, in the
// elements' own type; blocks and chunks are combined in double and in order (Chan, Golub & LeVeque 1979).
#include "kernels.h"
#include "tile.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kRowBlock = 4096;     // elements of a row that are passed twice
constexpr int64_t kColumnBlock = 8192;  // the same of a block of columns, but
constexpr int64_t kFewestRows = 16;     // at least so many rows, whose sums are combined in double
constexpr int64_t kChunk = 65536;       // elements whose moments are one partial result
constexpr int64_t kColumns = 1024;      // most columns that are kept together
constexpr int64_t kNarrow = 64;         // rows shorter than this are joined to about this length

// Of n numbers: their mean and Σ (x − mean)².
struct Moments {
  double n, mean, squares;
};
NABLA_INLINE void merge(Moments& a, const Moments& b) {
  const double n = a.n + b.n, d = b.mean - a.mean, share = b.n / n;
  a = {n, a.mean + d * share, a.squares + b.squares + d * (d * (a.n * share))};
}

// Σ term(i, lanes) over a row of n, four sums at a time.
template <class T, class Term>
NABLA_INLINE double sum_of(int64_t n, Term term) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> sum[4];
  repeat<4>([&](auto k) { sum[k.value] = Vec<T>::zero(); });
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    repeat<4>([&](auto k) { sum[k.value] = sum[k.value] + term(i + k.value * lanes, All{}); });
  sweep<T>(n - i, [&](int64_t j, auto some) { sum[0] = sum[0] + term(i + j, some); });
  return static_cast<double>(hsum((sum[0] + sum[1]) + (sum[2] + sum[3])));
}

// Moments of a block of a row around `center`, a rounded mean: Σ (x − center) tells how far it is from the mean. The
// row behind is asked for meanwhile.
template <class T>
NABLA_INLINE Moments around(const T* x, int64_t n, int64_t ahead, T center) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> c = Vec<T>::all(center);
  Vec<T> drift[4], squares[4];
  repeat<4>([&](auto k) { drift[k.value] = squares[k.value] = Vec<T>::zero(); });
  const auto add = [&](auto k, int64_t i, auto some) {
    prefetch(x + ahead + i);
    const Vec<T> d = load(x + i, some, center) - c;  // what lies behind the end counts as the center
    drift[k.value] = drift[k.value] + d;
    squares[k.value] = fma(d, d, squares[k.value]);
  };
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) repeat<4>([&](auto k) { add(k, i + k.value * lanes, All{}); });
  sweep<T>(n - i, [&](int64_t at, auto some) { add(Index<0>{}, i + at, some); });
  const double count = static_cast<double>(n);
  const double off = static_cast<double>(hsum((drift[0] + drift[1]) + (drift[2] + drift[3])));
  const double total = static_cast<double>(hsum((squares[0] + squares[1]) + (squares[2] + squares[3])));
  return {count, static_cast<double>(center) + off / count, total - off * (off / count)};
}

// Moments of a row; around 0 instead of the mean unless it is `centered`.
template <class T>
Moments row_moments(const T* x, int64_t n, bool centered) {
  Moments total{};
  for (int64_t start = 0; start < n; start += kRowBlock) {
    const T* p = x + start;
    const int64_t count = smaller(kRowBlock, n - start);
    if (centered) {
      const double sum = sum_of<T>(count, [&](int64_t i, auto lanes) { return load(p + i, lanes); });
      merge(total, around(p, count, n, static_cast<T>(sum / static_cast<double>(count))));
    } else {
      const Moments block = around(p, count, n, T(0));
      merge(total, {block.n, 0, block.squares + block.n * block.mean * block.mean});
    }
  }
  return total;
}

// Moments of up to kColumns columns, row after row.
template <class T>
struct Columns {
  T center[kColumns], drift[kColumns],
      around[kColumns];  // of a block: its rounded mean, Σ (x − center), Σ (x − center)²
  double mean[kColumns], squares[kColumns];
  int64_t rows = 0;

  // A block of rows, `stride` elements apart; the one behind it is asked for meanwhile.
  void add(const T* x, int64_t stride, int64_t count, int64_t columns) {
    constexpr int lanes = Vec<T>::lanes;
    int64_t c = 0;
    for (; c + 4 * lanes <= columns; c += 4 * lanes) pass<4>(x + c, stride, count, c, All{});
    sweep<T>(columns - c, [&](int64_t i, auto some) { pass<1>(x + c + i, stride, count, c + i, some); });
    const double inverse = 1 / static_cast<double>(count), before = static_cast<double>(rows);
    const double share = static_cast<double>(count) / static_cast<double>(rows + count), weight = before * share;
    if (rows == 0)
      for (int64_t i = 0; i < columns; ++i) mean[i] = squares[i] = 0;
    for (int64_t i = 0; i < columns; ++i) {
      const double off = static_cast<double>(drift[i]), shift = off * inverse;
      const double d = static_cast<double>(center[i]) + shift - mean[i];
      mean[i] += d * share;
      squares[i] += static_cast<double>(around[i]) - off * shift + d * (d * weight);
    }
    rows += count;
  }

 private:
  template <int width, class Lanes>
  NABLA_INLINE void pass(const T* x, int64_t stride, int64_t count, int64_t at, Lanes lanes) {
    constexpr int step = Vec<T>::lanes;
    Vec<T> sum[width], middle[width], off[width], square[width];
    repeat<width>([&](auto k) { sum[k.value] = off[k.value] = square[k.value] = Vec<T>::zero(); });
    for (int64_t r = 0; r < count; ++r)
      repeat<width>([&](auto k) { sum[k.value] = sum[k.value] + load(x + r * stride + k.value * step, lanes); });
    const Vec<T> inverse = Vec<T>::all(T(1) / static_cast<T>(count));
    repeat<width>([&](auto k) { middle[k.value] = sum[k.value] * inverse; });
    for (int64_t r = 0; r < count; ++r) {
      repeat<width>([&](auto k) {
        const T* p = x + r * stride + k.value * step;
        prefetch(p + count * stride);
        const Vec<T> d = load(p, lanes) - middle[k.value];
        off[k.value] = off[k.value] + d;
        square[k.value] = fma(d, d, square[k.value]);
      });
    }
    repeat<width>([&](auto k) {
      store(center + at + k.value * step, middle[k.value], lanes);
      store(drift + at + k.value * step, off[k.value], lanes);
      store(around + at + k.value * step, square[k.value], lanes);
    });
  }
};

// How the work is cut: a unit is one outer, one chunk of rows, one block of columns.
struct Cut {
  int64_t outer, n, inner, columns, rows, blocks, chunks, units, per_task;
};

Cut cut_of(const Call& call) {
  Cut c{};
  c.outer = static_cast<int64_t>(call.attrs[0]);
  c.n = static_cast<int64_t>(call.attrs[1]);
  c.inner = static_cast<int64_t>(call.attrs[2]);
  c.columns = smaller(larger(1, c.inner), kColumns);
  c.rows = larger(1, kChunk / c.columns);
  c.blocks = ceil_div(c.inner, c.columns);
  c.chunks = larger(1, ceil_div(c.n, c.rows));
  c.units = c.outer * c.chunks * c.blocks;
  const double each = 0.04 * static_cast<double>(size_of(call.inputs[0].dtype));  // nanoseconds
  c.per_task = pieces_per_task(10 + each * static_cast<double>(smaller(c.rows, c.n) * c.columns));
  return c;
}

// result(i, moments) of each of the columns of some rows.
template <class T, class Result>
NABLA_INLINE void chunk_moments(const T* x, int64_t inner, int64_t rows, int64_t columns, Result result) {
  if (inner == 1) return result(0, row_moments(x, rows, true));
  // Short rows: several at once, as if they were one; their columns are combined at the end.
  const int64_t together = columns == inner && inner < kNarrow ? smaller(kNarrow / inner, larger(1, rows)) : 1;
  const int64_t width = together * columns, whole = rows / together, stride = together * inner;
  const int64_t block = larger(kFewestRows, kColumnBlock / width);
  Columns<T> moments;
  for (int64_t r = 0; r < whole; r += block) moments.add(x + r * stride, stride, smaller(block, whole - r), width);
  for (int64_t i = 0; i < columns; ++i) {
    Moments total{};
    for (int64_t k = 0; whole > 0 && k < together; ++k)
      merge(total, {static_cast<double>(whole), moments.mean[k * columns + i], moments.squares[k * columns + i]});
    for (int64_t r = whole * together; r < rows; ++r) merge(total, {1, static_cast<double>(x[r * inner + i]), 0});
    result(i, total);
  }
}

template <class T>
void units_of_moments(const Call& call, const Work& work, const Cut& c) {
  const T* x = reinterpret_cast<const T*>(call.inputs[0].data);
  T* y = reinterpret_cast<T*>(call.outputs[0].data);
  double* partial = reinterpret_cast<double*>(work.workspace);
  const int64_t first = work.task * c.per_task, last = smaller(c.units, first + c.per_task), size = c.outer * c.inner;
  for (int64_t unit = first; unit < last; ++unit) {
    const int64_t block = unit % c.blocks, chunk = unit / c.blocks % c.chunks, o = unit / c.blocks / c.chunks;
    const int64_t row = chunk * c.rows, column = block * c.columns;
    chunk_moments(x + (o * c.n + row) * c.inner + column, c.inner, smaller(c.rows, c.n - row),
                  smaller(c.columns, c.inner - column), [&](int64_t i, const Moments& m) {
                    const int64_t at = column + i;
                    if (c.chunks == 1) {
                      y[o * c.inner + at] = static_cast<T>(c.n ? m.mean : static_cast<double>(kNan));
                      y[size + o * c.inner + at] = static_cast<T>(m.squares / m.n);
                    } else {
                      double* p = partial + (o * c.chunks + chunk) * 2 * c.inner + at;
                      p[0] = m.mean;
                      p[c.inner] = m.squares;
                    }
                  });
  }
}

template <class T>
void combine_moments(const Call& call, const Work& work, const Cut& c) {
  const double* partial = reinterpret_cast<const double*>(work.workspace);
  T* y = reinterpret_cast<T*>(call.outputs[0].data);
  const int64_t size = c.outer * c.inner, first = work.task * kColumns, last = smaller(size, first + kColumns);
  for (int64_t i = first; i < last; ++i) {
    const double* p = partial + i / c.inner * c.chunks * 2 * c.inner + i % c.inner;
    Moments total{};
    for (int64_t k = 0; k < c.chunks; ++k, p += 2 * c.inner)
      merge(total, {static_cast<double>(smaller(c.rows, c.n - k * c.rows)), p[0], p[c.inner]});
    y[i] = static_cast<T>(total.mean);
    y[size + i] = static_cast<T>(total.squares / total.n);
  }
}

const char* check_moments(const Call& call) {
  if (call.input_count != 1 || call.output_count != 1 || call.attr_count != 3)
    return "moments: one input, one output; attributes are outer, n, inner";
  const View &x = call.inputs[0], &y = call.outputs[0];
  double wanted = 1;
  for (int i = 0; i < 3; ++i) {
    if (!is_whole(call.attrs[i], 0, 0x1p40)) return "moments: outer, n and inner must be natural numbers";
    wanted *= call.attrs[i];
  }
  if (static_cast<double>(x.size()) != wanted) return "moments: the input has outer * n * inner elements";
  if (static_cast<double>(y.size()) != 2 * call.attrs[0] * call.attrs[2])
    return "moments: the output has 2 * outer * inner elements";
  if (!is_float(x.dtype) || y.dtype != x.dtype) return "moments: input and output are both f32 or both f64";
  if (!is_contiguous(x) || !is_contiguous(y)) return "moments: operands must be row-major contiguous";
  return nullptr;
}

void plan_moments(const Call& call, Plan& plan) {
  const Cut c = cut_of(call);
  plan.phases = c.chunks > 1 ? 2 : 1;
  plan.tasks[0] = ceil_div(c.units, c.per_task);
  if (c.chunks > 1) {
    plan.tasks[1] = ceil_div(c.outer * c.inner, kColumns);
    plan.workspace = static_cast<size_t>(c.outer * c.chunks * 2 * c.inner) * sizeof(double);
  }
  plan.grain = static_cast<int64_t>(kTaskNanoseconds);
  if (c.units < c.per_task) plan.grain = plan.grain * c.units / c.per_task;
}

template <class T>
void moments(const Call& call, const Work& work) {
  const Cut c = cut_of(call);
  work.phase == 0 ? units_of_moments<T>(call, work, c) : combine_moments<T>(call, work, c);
}

void run_moments(const Call& call, const Work& work) {
  call.inputs[0].dtype == Dtype::f32 ? moments<float>(call, work) : moments<double>(call, work);
}

// Row norms. Inputs: x, weight, bias, eps; of the gradient x, weight, gy, eps. Rows have the weight's length.
constexpr int kInputs = 4;

template <class T>
struct Rows {
  const T *x, *weight, *third;  // bias, or gy
  T* y;
  int64_t n;
  double eps;
  bool centered;

  // 1 / √(variance + eps)
  double scale(const Moments& m) const { return 1 / __builtin_sqrt(m.squares / m.n + eps); }

  NABLA_INLINE void forward(int64_t row) const {
    const T* p = x + row * n;
    const Moments m = row_moments(p, n, centered);
    const Vec<T> center = Vec<T>::all(static_cast<T>(m.mean)), factor = Vec<T>::all(static_cast<T>(scale(m)));
    sweep<T>(n, [&](int64_t i, auto lanes) {
      const Vec<T> z = (load(p + i, lanes) - center) * factor;
      store(y + row * n + i, fma(z, load(weight + i, lanes), load(third + i, lanes)), lanes);
    });
  }

  // gx = r·(g − mean g − z·mean(g·z)), with g = weight·gy, r the scale and z = r·(x − mean x).
  NABLA_INLINE void backward(int64_t row) const {
    const T *p = x + row * n, *gy = third + row * n;
    const Moments m = row_moments(p, n, centered);
    const Vec<T> center = Vec<T>::all(static_cast<T>(m.mean));
    double total = 0, along = 0;
    for (int64_t start = 0; start < n; start += kRowBlock) {
      const int64_t count = smaller(kRowBlock, n - start);
      const auto g = [&](int64_t i, auto lanes) {
        return load(weight + start + i, lanes) * load(gy + start + i, lanes);
      };
      if (centered) total += sum_of<T>(count, g);
      along += sum_of<T>(count, [&](int64_t i, auto lanes) {
        prefetch(gy + n + start + i);
        return g(i, lanes) * (load(p + start + i, lanes) - center);
      });
    }
    const double r = scale(m), length = static_cast<double>(n);
    const Vec<T> factor = Vec<T>::all(static_cast<T>(r)), offset = Vec<T>::all(static_cast<T>(r * total / length));
    const Vec<T> slope = Vec<T>::all(static_cast<T>(r * r * r * along / length));
    sweep<T>(n, [&](int64_t i, auto lanes) {
      const Vec<T> g = load(weight + i, lanes) * load(gy + i, lanes);
      const Vec<T> d = load(p + i, lanes) - center;
      store(y + row * n + i, fnma(d, slope, fma(g, factor, -offset)), lanes);
    });
  }
};

double cost_of_row(const Call& call) {
  return 30 + static_cast<double>(call.inputs[1].size()) * 0.05 * static_cast<double>(size_of(call.inputs[0].dtype));
}

template <bool gradient>
const char* check_rows(const Call& call) {
  if (call.attr_count != 1 || !is_whole(call.attrs[0], 0, 1))
    return "layer_norm: the attribute is whether rows are centered, 0 or 1";
  if (call.input_count < kInputs || call.output_count < 1 || (!call.tile && call.input_count + call.output_count > 5))
    return "layer_norm: inputs are x, weight, bias (gy) and eps, the output is y (gx)";
  const View &x = call.inputs[0], &weight = call.inputs[1], &third = call.inputs[2], &y = call.outputs[0];
  const int64_t n = weight.size();
  if (n < 1 || x.size() % n != 0) return "layer_norm: the weight is as long as a row, at least 1";
  if (third.size() != (gradient ? x.size() : n)) return "layer_norm: a bias is like the weight, gy like x";
  if (call.inputs[3].size() != 1) return "layer_norm: eps is one number";
  if (!same_shape(y, x.rank, x.shape)) return "layer_norm: the output has the shape of x";
  if (!is_float(x.dtype) || y.dtype != x.dtype) return "layer_norm: operands are all f32 or all f64";
  for (int i = 0; i < kInputs; ++i) {
    if (call.inputs[i].dtype != x.dtype) return "layer_norm: operands are all f32 or all f64";
    if (!is_contiguous(call.inputs[i])) return "layer_norm: operands must be row-major contiguous";
  }
  if (!is_contiguous(y)) return "layer_norm: operands must be row-major contiguous";
  return call.tile ? tile_check(call, kInputs, 1) : nullptr;
}

void plan_rows(const Call& call, Plan& plan) {
  const double cost = cost_of_row(call);
  const int64_t rows = call.inputs[0].size() / call.inputs[1].size(), each = pieces_per_task(cost);
  plan.phases = 1;
  plan.tasks[0] = ceil_div(rows, each);
  plan.grain = static_cast<int64_t>(cost * static_cast<double>(smaller(each, rows)));
  if (!call.tile) return;
  plan.scratch = tile_scratch(call);
  plan.state = tile_state_size(call);
  tile_plan_sums(call, 1, plan);
}

void prepare_rows(const Call& call, void* state) { tile_prepare(call, kInputs, 1, state); }

template <class T, bool gradient>
void rows(const Call& call, const Work& work) {
  const auto input = [&](int i) { return reinterpret_cast<const T*>(call.inputs[i].data); };
  T* y = reinterpret_cast<T*>(call.outputs[0].data);
  const int64_t n = call.inputs[1].size(), each = pieces_per_task(cost_of_row(call));
  const Rows<T> r = {input(0), input(1), input(2), y, n, static_cast<double>(input(3)[0]), call.attrs[0] != 0};
  const int64_t first = work.task * each, last = smaller(call.inputs[0].size() / n, first + each);
  // The epilogue takes a few rows while they are in cache.
  const int64_t together = call.tile ? larger(1, kRowBlock / n) : last - first;
  for (int64_t start = first; start < last; start += together) {
    const int64_t end = smaller(last, start + together);
    for (int64_t row = start; row < end; ++row) {
      if constexpr (gradient)
        r.backward(row);
      else
        r.forward(row);
    }
    if (call.tile) tile_run(call, work, start * n, (end - start) * n, work.scratch);
  }
}

template <bool gradient>
void run_rows(const Call& call, const Work& work) {
  if (tile_sum_up(call, work)) return;
  call.inputs[0].dtype == Dtype::f32 ? rows<float, gradient>(call, work) : rows<double, gradient>(call, work);
}

}  // namespace

const Kernel moments_kernel = {"moments", false, false, check_moments, plan_moments, nullptr, run_moments};
const Kernel layer_norm_kernel = {"layer_norm", false,        true,           check_rows<false>,
                                  plan_rows,    prepare_rows, run_rows<false>};
const Kernel layer_norm_grad_kernel = {"layer_norm_grad", false,        true,          check_rows<true>,
                                       plan_rows,         prepare_rows, run_rows<true>};

}  // namespace nabla::NABLA_ISA
