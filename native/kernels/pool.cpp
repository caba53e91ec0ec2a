// Pooling: maximum with scatter and gather at its place, average with its adjoint. Channels lie on the lanes.
#include "kernels.h"
#include "tile.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

enum class Pool { max, scatter, gather, average, average_grad };

constexpr bool writes_image(Pool kind) { return kind == Pool::scatter || kind == Pool::average_grad; }
constexpr bool averages(Pool kind) { return kind == Pool::average || kind == Pool::average_grad; }
constexpr int own_inputs(Pool kind) { return kind == Pool::scatter || kind == Pool::gather ? 2 : 1; }

constexpr int64_t kTask = 32768;   // elements that a task visits, or so
constexpr int64_t kFewImages = 8;  // below: image-writing tasks share an image by channels
constexpr int64_t kFinishSpan = 16384;
constexpr double kNanoseconds = 0.2;  // of an element visited

const View& image_of(Pool kind, const Call& call) { return writes_image(kind) ? call.outputs[0] : call.inputs[0]; }
const View& result_of(Pool kind, const Call& call) {
  return kind == Pool::scatter ? call.inputs[1] : kind == Pool::average_grad ? call.inputs[0] : call.outputs[0];
}

struct Geometry {
  int64_t n, h, w, c, oh, ow;
  int64_t window[2], stride[2], pad[2];
  bool counts_padding;
};
Geometry geometry_of(Pool kind, const Call& call) {
  const View &x = image_of(kind, call), &y = result_of(kind, call);
  Geometry g{x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[1], y.shape[2], {}, {}, {}, false};
  for (int d = 0; d < 2; ++d) {
    g.window[d] = static_cast<int64_t>(call.attrs[d]);
    g.stride[d] = static_cast<int64_t>(call.attrs[2 + d]);
    g.pad[d] = static_cast<int64_t>(call.attrs[4 + d]);
  }
  g.counts_padding = averages(kind) && call.attrs[6] == 1;
  return g;
}

// What of the window at `at` along axis d lies inside the image.
struct Span {
  int64_t first, count;
};
NABLA_INLINE Span span_at(const Geometry& g, int d, int64_t at) {
  const int64_t start = at * g.stride[d] - g.pad[d], first = larger(start, 0);
  return {first, larger(0, smaller(start + g.window[d], d == 0 ? g.h : g.w) - first)};
}

// The cells of a window: rows × columns pixels. The window below and the one to the right begin as many `fresh` rows
// and columns further on. `step` and `row_step` lead to the next pixel and row, in elements.
struct Cells {
  int64_t rows, columns, fresh_rows, fresh_columns, step, row_step;
};
Cells cells_of(const Geometry& g, const Span& rows, const Span& columns) {
  return {rows.count, columns.count, smaller(g.stride[0], rows.count), smaller(g.stride[1], columns.count),
          g.c,        g.w * g.c};
}

// Calls visit(offset, number) for each cell, row-major; k > 0: they are k × k.
template <int k, class Visit>
NABLA_INLINE void each_cell(const Cells& cells, Visit visit) {
  if constexpr (k > 0) {
    repeat<k>([&](auto r) {
      repeat<k>([&](auto s) { visit(r.value * cells.row_step + s.value * cells.step, r.value * k + s.value); });
    });
  } else {
    int64_t number = 0;
    for (int64_t r = 0; r < cells.rows; ++r)
      for (int64_t s = 0; s < cells.columns; ++s) visit(r * cells.row_step + s * cells.step, number++);
  }
}

// Calls run(Index<k>) for cells that are k × k, k one of the usual windows, else run(Index<0>).
template <class Run>
NABLA_INLINE void by_square(const Cells& cells, Run run) {
  if (cells.rows == 2 && cells.columns == 2) return run(Index<2>{});
  if (cells.rows == 3 && cells.columns == 3) return run(Index<3>{});
  run(Index<0>{});
}

// Calls visit(j, count, columns) for runs of windows of a row whose columns are those of window j, moved along: all
// windows that lie inside, and each other on its own.
template <class Visit>
NABLA_INLINE void each_run(const Geometry& g, Visit visit) {
  const int64_t low = ceil_div(g.pad[1], g.stride[1]), room = g.w + g.pad[1] - g.window[1];
  const int64_t high = room < 0 ? 0 : smaller(g.ow, room / g.stride[1] + 1);
  for (int64_t j = 0; j < g.ow;) {
    const int64_t count = j >= low && j < high ? high - j : 1;
    visit(j, count, span_at(g, 1, j));
    j += count;
  }
}

// Calls begin(pixel) and then visit(pixel, channel, lanes) for n pixels: whole registers of channels, then the rest of
// every pixel.
template <class T, class Begin, class Visit>
NABLA_INLINE void each_register(int64_t n, int64_t channels, Begin begin, Visit visit) {
  constexpr int64_t lanes = Vec<T>::lanes;
  const int64_t whole = channels / lanes * lanes;
  if (whole > 0)
    for (int64_t p = 0; p < n; ++p) {
      begin(p);
      for (int64_t c = 0; c < whole; c += lanes) visit(p, c, All{});
    }
  if (const Some rest{static_cast<int>(channels - whole)}; rest.n > 0)
    for (int64_t p = 0; p < n; ++p) {
      if (whole == 0) begin(p);
      visit(p, whole, rest);
    }
}

// Fetches the cells that the window below has and this one has not; x points at the window's corner.
template <class T>
NABLA_INLINE void fetch_below(const T* x, const Cells& cells) {
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t r = 0; r < cells.fresh_rows; ++r)
    for (int64_t i = 0; i < cells.fresh_columns * cells.step; i += line)
      prefetch(x + (cells.rows + r) * cells.row_step + i);
}

// The maximum of cells, NaN if one of them is. That is noted aside, so that a comparison waits for no other.
template <int k, class T, class Lanes>
NABLA_INLINE Vec<T> maximum_of(const T* x, const Cells& cells, Lanes some) {
  Vec<T> best = Vec<T>::all(T(-kInfinity));
  Mask<T> nan = is_nan(best);
  each_cell<k>(cells, [&](int64_t cell, int64_t) {
    const Vec<T> value = load(x + cell, some);
    best = max(best, value);
    nan = nan | is_nan(value);
  });
  return select(nan, Vec<T>::all(T(kNan)), best);
}

// Calls better(offset, number of the cell, lanes where it beats all before it) for each cell: the first of equals
// stays, a NaN beats all but a NaN.
template <int k, class T, class Lanes, class Better>
NABLA_INLINE void each_better(const T* x, const Cells& cells, Lanes some, Better better) {
  Vec<T> best = Vec<T>::all(T(-kInfinity));
  each_cell<k>(cells, [&](int64_t cell, int64_t number) {
    const Vec<T> value = load(x + cell, some);
    const Mask<T> stands = (best >= value) | is_nan(best);
    best = select(stands, best, value);
    better(cell, number, ~stands);
  });
}

int64_t divisor_of(const Geometry& g, const Cells& cells) {
  return g.counts_padding ? g.window[0] * g.window[1] : cells.rows * cells.columns;
}

// max, gather, average of n windows `advance` elements apart; x and other point at the first one's corner.
template <Pool kind, int k, class T>
void reduce_run(const T* x, const T* other, int64_t advance, const Cells& cells, T divisor, int64_t n, int64_t channels,
                T* y) {
  const auto begin = [&](int64_t p) { fetch_below(x + p * advance, cells); };
  each_register<T>(n, channels, begin, [&](int64_t p, int64_t c, auto some) {
    const int64_t corner = p * advance + c;
    Vec<T> result = Vec<T>::zero();
    if constexpr (kind == Pool::max)
      result = maximum_of<k>(x + corner, cells, some);
    else if constexpr (kind == Pool::gather) {
      result = load(other + corner, some);
      each_better<k>(x + corner, cells, some, [&](int64_t cell, int64_t, Mask<T> better) {
        result = select(better, load(other + corner + cell, some), result);
      });
    } else
      each_cell<k>(cells, [&](int64_t cell, int64_t) { result = result + load(x + corner + cell, some); });
    if constexpr (kind == Pool::average) result = result / Vec<T>::all(divisor);
    store(y + p * channels + c, result, some);
  });
}

// One row of results; x and other are images.
template <Pool kind, class T>
void reduce_row(const Geometry& g, const T* x, const T* other, int64_t i, T* y) {
  const Span rows = span_at(g, 0, i);
  each_run(g, [&](int64_t j, int64_t count, const Span& columns) {
    const Cells cells = cells_of(g, rows, columns);
    if (cells.rows == 0 || cells.columns == 0) {
      const Vec<T> nothing = Vec<T>::all(kind == Pool::max ? T(-kInfinity) : T(0));
      return sweep<T>(count * g.c, [&](int64_t c, auto some) { store(y + j * g.c + c, nothing, some); });
    }
    const int64_t corner = (rows.first * g.w + columns.first) * g.c;
    by_square(cells, [&](auto k) {
      reduce_run<kind, decltype(k)::value>(x + corner, other ? other + corner : nullptr, g.stride[1] * g.c, cells,
                                           static_cast<T>(divisor_of(g, cells)), count, g.c, y + j * g.c);
    });
  });
}

// How windows spread what they have: those that overlap add it, others write it, past the caches if that is large.
enum class Spread { added, written, streamed };

// scatter, average_grad of n windows.
template <Pool kind, int k, Spread spread, class T>
void spread_run(const T* x, const T* gy, int64_t advance, const Cells& cells, T divisor, int64_t n, int64_t channels,
                T* gx) {
  const auto begin = [&](int64_t p) {
    if constexpr (kind == Pool::scatter) fetch_below(x + p * advance, cells);
    if constexpr (spread != Spread::streamed) fetch_below(gx + p * advance, cells);
  };
  each_register<T>(n, channels, begin, [&](int64_t p, int64_t c, auto some) {
    const int64_t corner = p * advance + c;
    const auto put = [&](int64_t cell, Vec<T> value) {
      T* to = gx + corner + cell;
      if constexpr (spread == Spread::streamed)
        value.stream(to);
      else
        store(to, spread == Spread::written ? value : load(to, some) + value, some);
    };
    const Vec<T> incoming = load(gy + p * cells.step + c, some);
    if constexpr (kind == Pool::scatter) {
      Vec<T> place = Vec<T>::zero();
      each_better<k>(x + corner, cells, some, [&](int64_t, int64_t number, Mask<T> better) {
        place = select(better, Vec<T>::all(static_cast<T>(number)), place);
      });
      each_cell<k>(cells, [&](int64_t cell, int64_t number) {
        put(cell, select(place == Vec<T>::all(static_cast<T>(number)), incoming, Vec<T>::zero()));
      });
    } else {
      const Vec<T> share = incoming / Vec<T>::all(divisor);
      each_cell<k>(cells, [&](int64_t cell, int64_t) { put(cell, share); });
    }
  });
}

// scatter, average_grad: `channels` channels of an image, to whose first all arguments point; `outlives`: the images
// are larger than caches, and not read again by the task.
template <Pool kind, class T>
void spread_image(const Geometry& g, const T* x, const T* gy, int64_t channels, T* gx, bool outlives) {
  const bool apart = g.stride[0] >= g.window[0] && g.stride[1] >= g.window[1];
  const bool covers_rows = apart && g.stride[1] == g.window[1] && g.pad[1] == 0 && g.ow * g.stride[1] == g.w;
  constexpr int64_t lanes = Vec<T>::lanes;
  const bool streamed = outlives && covers_rows && g.c % lanes == 0 && channels % lanes == 0 &&
                        reinterpret_cast<uintptr_t>(gx) % sizeof(Vec<T>) == 0;
  int64_t done = 0;  // rows of gx that have been zeroed, or covered
  const auto zero_to = [&](int64_t row) {
    for (; done < row; ++done) {
      T* to = gx + done * g.w * g.c;
      if (channels == g.c)
        std::memset(to, 0, static_cast<size_t>(g.w * g.c) * sizeof(T));
      else
        for (int64_t w = 0; w < g.w; ++w) std::memset(to + w * g.c, 0, static_cast<size_t>(channels) * sizeof(T));
    }
  };
  for (int64_t i = 0; i < g.oh; ++i) {
    const Span rows = span_at(g, 0, i);
    if (rows.count == 0) continue;
    zero_to(rows.first + (covers_rows ? 0 : rows.count));
    if (covers_rows) done = rows.first + rows.count;
    each_run(g, [&](int64_t j, int64_t count, const Span& columns) {
      const Cells cells = cells_of(g, rows, columns);
      if (cells.columns == 0) return;
      const int64_t corner = (rows.first * g.w + columns.first) * g.c;
      by_square(cells, [&](auto k) {
        constexpr int side = decltype(k)::value;
        const auto run = streamed ? spread_run<kind, side, Spread::streamed, T>
                         : apart  ? spread_run<kind, side, Spread::written, T>
                                  : spread_run<kind, side, Spread::added, T>;
        run(x ? x + corner : nullptr, gy + (i * g.ow + j) * g.c, g.stride[1] * g.c, cells,
            static_cast<T>(divisor_of(g, cells)), count, channels, gx + corner);
      });
    });
  }
  zero_to(g.h);
  if (streamed) finish_streams();
}

// How results are cut: rows of them, or images by blocks of channels.
struct Cut {
  int64_t rows;      // per task, of the n·oh rows of results
  int64_t channels;  // per task, of an image
  int64_t tasks;
  bool finishes_inline;
};
Cut cut_of(Pool kind, const Geometry& g) {
  Cut cut{};
  if (!writes_image(kind)) {
    const int64_t row = larger(1, g.ow * g.c * smaller(g.window[0] * g.window[1], g.h * g.w));
    cut.rows = larger(1, kTask / row);
    cut.tasks = ceil_div(g.n * g.oh, cut.rows);
    cut.finishes_inline = true;
    return cut;
  }
  const int64_t shares = g.n >= kFewImages ? 1 : ceil_div(kFewImages, larger(g.n, 1));
  cut.channels = larger(1, smaller(g.c, round_up(ceil_div(g.c, shares), 16)));
  cut.tasks = g.n * ceil_div(g.c, cut.channels);
  cut.finishes_inline = cut.channels >= g.c;
  return cut;
}

const char* check(Pool kind, const Call& call) {
  if (call.attr_count != (averages(kind) ? 7 : 6))
    return "pooling takes windows, strides and pads (averages: countPad)";
  for (int i = 0; i < 6; ++i) {
    const double a = call.attrs[i];
    if (!(a >= (i < 4 ? 1 : 0) && a <= (1 << 30)) || a != static_cast<double>(static_cast<int64_t>(a)))
      return "windows and strides are whole numbers ≥ 1, pads ≥ 0";
  }
  if (averages(kind) && call.attrs[6] != 0 && call.attrs[6] != 1) return "countPad is 0 or 1";
  const int own = own_inputs(kind);
  if (call.input_count < own || call.output_count < 1) return "pooling lacks an operand";
  for (int i = -1; i < own; ++i) {
    const View& v = i < 0 ? call.outputs[0] : call.inputs[i];
    if (v.rank != 4) return "pooling's operands have four axes";
    if (!is_float(v.dtype) || v.dtype != call.outputs[0].dtype) return "pooling's operands are all f32 or all f64";
    if (!is_contiguous(v)) return "pooling's operands must be row-major contiguous";
  }
  const View &x = image_of(kind, call), &y = result_of(kind, call);
  if (x.shape[0] != y.shape[0] || x.shape[3] != y.shape[3]) return "pooling keeps images and channels";
  const View* twin = kind == Pool::scatter ? &call.inputs[0] : kind == Pool::gather ? &call.inputs[1] : nullptr;
  if (twin && !same_shape(*twin, 4, x.shape)) return "pooling at the maximum needs a second image of x's shape";
  for (int d = 0; d < 2; ++d)
    if (static_cast<double>(y.shape[1 + d]) * call.attrs[2 + d] > 1e15) return "pooling's windows lie too far out";
  // Cells are numbered in the operands' own type.
  if (kind == Pool::scatter && smaller(static_cast<int64_t>(call.attrs[0]), x.shape[1]) *
                                       smaller(static_cast<int64_t>(call.attrs[1]), x.shape[2]) >
                                   (1 << 24))
    return "max_pool2d_scatter takes windows of at most 2^24 cells";
  if (!call.tile)
    return call.input_count == own && call.output_count == 1 ? nullptr : "pooling has operands for no tile";
  return tile_check(call, own, 1);
}

void plan(Pool kind, const Call& call, Plan& plan) {
  const Geometry g = geometry_of(kind, call);
  const Cut cut = cut_of(kind, g);
  const int64_t size = call.outputs[0].size();
  plan.phases = 1;
  plan.tasks[0] = size == 0 ? 0 : cut.tasks;
  if (call.tile) {
    if (!cut.finishes_inline) plan.tasks[plan.phases++] = ceil_div(size, kFinishSpan);
    plan.scratch = tile_scratch(call);
    plan.state = tile_state_size(call);
  }
  const double cells = static_cast<double>(g.window[0]) * static_cast<double>(g.window[1]);
  const double visited = static_cast<double>(g.n * g.oh * g.ow * g.c) * cells;
  plan.grain = static_cast<int64_t>(kNanoseconds * visited / static_cast<double>(larger(1, cut.tasks)));
  tile_plan_sums(call, 1, plan);
}

template <Pool kind, class T>
void run_typed(const Call& call, const Work& work) {
  if (tile_sum_up(call, work)) return;
  const Geometry g = geometry_of(kind, call);
  const Cut cut = cut_of(kind, g);
  const auto input = [&](int i) { return reinterpret_cast<const T*>(call.inputs[i].data); };
  T* output = reinterpret_cast<T*>(call.outputs[0].data);
  const int64_t image = g.h * g.w * g.c;
  int64_t start = 0, count = 0;
  if constexpr (writes_image(kind)) {
    if (work.phase == 1) {
      start = work.task * kFinishSpan;
      count = smaller(kFinishSpan, g.n * image - start);
    } else {
      const int64_t blocks = ceil_div(g.c, cut.channels), n = work.task / blocks,
                    from = work.task % blocks * cut.channels;
      const T* x = kind == Pool::scatter ? input(0) + n * image + from : nullptr;
      spread_image<kind, T>(g, x, input(kind == Pool::scatter ? 1 : 0) + n * g.oh * g.ow * g.c + from,
                            smaller(cut.channels, g.c - from), output + n * image + from,
                            !call.tile && g.n * image >= kPastCaches);
      if (!cut.finishes_inline) return;
      start = n * image;
      count = image;
    }
  } else {
    const int64_t first = work.task * cut.rows, last = smaller(g.n * g.oh, first + cut.rows), row = g.ow * g.c;
    for (int64_t i = first; i < last; ++i) {
      const int64_t offset = i / g.oh * image;
      reduce_row<kind, T>(g, input(0) + offset, kind == Pool::gather ? input(1) + offset : nullptr, i % g.oh,
                          output + i * row);
    }
    start = first * row;
    count = (last - first) * row;
  }
  if (call.tile) tile_run(call, work, start, count, work.scratch);
}

template <Pool kind>
constexpr Kernel kernel_for(const char* name) {
  return {name,
          false,
          true,
          [](const Call& call) { return check(kind, call); },
          [](const Call& call, Plan& p) { plan(kind, call, p); },
          [](const Call& call, void* state) { tile_prepare(call, own_inputs(kind), 1, state); },
          [](const Call& call, const Work& work) {
            if (call.outputs[0].dtype == Dtype::f32)
              run_typed<kind, float>(call, work);
            else
              run_typed<kind, double>(call, work);
          }};
}

}  // namespace

const Kernel max_pool2d_kernel = kernel_for<Pool::max>("max_pool2d");
const Kernel max_pool2d_scatter_kernel = kernel_for<Pool::scatter>("max_pool2d_scatter");
const Kernel max_pool2d_gather_kernel = kernel_for<Pool::gather>("max_pool2d_gather");
const Kernel avg_pool2d_kernel = kernel_for<Pool::average>("avg_pool2d");
const Kernel avg_pool2d_grad_kernel = kernel_for<Pool::average_grad>("avg_pool2d_grad");

}  // namespace nabla::NABLA_ISA
