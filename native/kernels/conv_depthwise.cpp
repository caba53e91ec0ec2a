// Depthwise convolution: every channel has a filter of its own, so there is nothing to contract; channels lie on the
// lanes and each position of the result sums its few taps.
#include "chain.h"
#include "conv.h"
#include "partials.h"
#include "prologue.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kTask = 65536;       // multiplications by a register of channels, or so
constexpr int64_t kMostChunks = 16;    // that the filter gradient's sum over pixels is split into
constexpr int64_t kFinishSpan = 8192;  // elements
constexpr int64_t kRegisters = 2;      // of channels that stay in L1 while the filter gradient passes over rows
constexpr size_t kWriteAhead = 2048;   // bytes of the result that are fetched before they are written
constexpr double kNanoseconds = 0.5;   // of a multiplication by a register

// The filter cells along one axis that meet the other image, and where: both in arithmetic progression, the image's
// ascending.
struct Taps {
  int64_t count, cell, cell_step, filter, filter_step;
  NABLA_INLINE Taps times(int64_t cells, int64_t filters) const {
    return {count, cell * cells, cell_step * cells, filter * filters, filter_step * filters};
  }
};

struct Rows {
  int64_t total, per_task;  // rows of the result (filter gradient: of y)
  int64_t tasks() const { return total == 0 ? 0 : ceil_div(total, per_task); }
};

Rows rows_of(Pass pass, const Conv& g, int lanes) {
  const int64_t* size = pass == Pass::input_grad ? g.in : g.out;
  const int64_t row = larger(1, size[1] * g.window[0] * g.window[1] * ceil_div(g.c, lanes));
  Rows rows{g.n * size[0], larger(1, kTask / row)};
  if (pass == Pass::filter_grad) rows.per_task = larger(rows.per_task, ceil_div(rows.total, kMostChunks));
  return rows;
}

// Rows of x that rows [first, last) of y of one image are made of.
struct Span {
  int64_t first, last;
};
Span span_of(const Conv& g, int64_t first, int64_t last) {
  const int64_t reach = (g.window[0] - 1) * g.dilation[0] + 1;
  const int64_t low = first * g.stride[0] - g.pad[0], high = (last - 1) * g.stride[0] - g.pad[0] + reach;
  const int64_t from = smaller(g.in[0], larger(0, low));
  return {from, larger(from, smaller(g.in[0], high))};
}

// Rows of y for which a prologue computes x at once.
int64_t rows_together(const Conv& g) {
  const int64_t reach = (g.window[0] - 1) * g.dilation[0] + 1, rows = kPiece / larger(1, g.in[1] * g.c);
  return larger(1, (rows - reach) / g.stride[0] + 1);
}

size_t computed_bytes(const Conv& g, const Call& call) {
  if (!call.prologue) return 0;
  const int64_t reach = (g.window[0] - 1) * g.dilation[0] + 1;
  const int64_t rows = smaller(g.in[0], (rows_together(g) - 1) * g.stride[0] + reach);
  return (static_cast<size_t>(rows * g.in[1] * g.c) * size_of(call.inputs[0].dtype) + 63) / 64 * 64;
}

// The images that rows of the result are made of, as they lie or as a prologue has computed them: the first element of
// image i lies at data[i·size − origin], and it is that of so many `rows`.
template <class T>
struct Images {
  const T* data;
  int64_t rows, size, origin;
  NABLA_INLINE const T* of(int64_t row) const { return data + row / rows * size; }
};

// Calls visit(first, last, images) for pieces [first, last) of a task's rows of the result: all, or as many of one
// image as a prologue computes the source for.
template <class T, class Visit>
NABLA_INLINE void each_piece(Pass pass, const Conv& g, const Call& call, const Work& work, int64_t first, int64_t last,
                             Visit visit) {
  const bool to_input = pass == Pass::input_grad;
  const int64_t *from = to_input ? g.out : g.in, rows = (to_input ? g.in : g.out)[0];
  const int64_t line = from[1] * g.c, size = from[0] * line;
  const T* const source = reinterpret_cast<const T*>(call.inputs[0].data);
  if (!call.prologue) return visit(first, last, Images<T>{source, rows, size, 0});
  char* const at = work.scratch + (call.tile ? tile_scratch(call) : 0);
  T* const computed = reinterpret_cast<T*>(at);
  for (int64_t row = first, end; row < last; row = end) {
    const int64_t i = row % rows;
    end = smaller(last, row + smaller(rows - i, rows_together(g)));
    const Span span = span_of(g, i, i + end - row);
    prologue_run(call, work, row / rows * size + span.first * line, (span.last - span.first) * line, computed,
                 at + computed_bytes(g, call));
    visit(row, end, Images<T>{computed, rows, 0, span.first * line});
  }
}

// Taps of index `at` of y, or (input gradient) of gx, along axis d.
Taps taps_of(Pass pass, const Conv& g, int d, int64_t at) {
  Taps taps{};
  const auto add = [&](int64_t cell, int64_t filter) {
    if (taps.count == 0) taps.cell = cell, taps.filter = filter;
    if (taps.count == 1) taps.cell_step = cell - taps.cell, taps.filter_step = filter - taps.filter;
    ++taps.count;
  };
  if (pass == Pass::input_grad) {
    for (int64_t s = g.window[d] - 1; s >= 0; --s) {
      const int64_t cell = at + g.pad[d] - s * g.dilation[d], stride = g.stride[d];
      if (cell < 0 || cell >= g.out[d] * stride) continue;
      if (stride == 1)
        add(cell, s);  // divisions are slow
      else if (cell % stride == 0)
        add(cell / stride, s);
    }
  } else {
    const int64_t corner = at * g.stride[d] - g.pad[d];
    for (int64_t s = 0; s < g.window[d]; ++s) {
      const int64_t cell = corner + s * g.dilation[d];
      if (cell >= 0 && cell < g.in[d]) add(cell, s);
    }
  }
  return taps;
}

// Calls visit(j, step, count, taps) for runs of columns j, j + step, … of y, or of gx, whose taps are those of j, moved
// on by a constant: where the whole window lies inside, and each other column on its own.
template <class Visit>
NABLA_INLINE void each_run(Pass pass, const Conv& g, Visit visit) {
  const bool to_input = pass == Pass::input_grad;
  const int64_t size = to_input ? g.in[1] : g.out[1], step = to_input ? g.stride[1] : 1;
  const int64_t reach = (g.window[1] - 1) * g.dilation[1];
  const int64_t corners = larger(0, g.in[1] + g.pad[1] - reach);  // columns, from the padding on, of whole windows
  const int64_t low = to_input ? reach - g.pad[1] : ceil_div(g.pad[1], g.stride[1]);
  const int64_t high = smaller(size, to_input ? g.out[1] * g.stride[1] - g.pad[1] : ceil_div(corners, g.stride[1]));
  for (int64_t first = 0; first < smaller(step, size); ++first)
    for (int64_t j = first; j < size;) {
      const int64_t count = j >= low && j < high ? ceil_div(high - j, step) : 1;
      visit(j, step, count, taps_of(pass, g, 1, j));
      j += count * step;
    }
}

// Where pixels of the result go: the first to element `at` of y, each other `step` elements further, through the chain.
template <class T>
struct Target {
  T* y;
  int64_t at, step;
  const Chain<T>& chain;
};

// y[p] = Σ_taps x[p·from + cell] · filter for p < n, `pixels` at a time, then half as many, and so on. columns > 0:
// there are so many taps in a row, one pixel's step apart, so that each element of x is loaded once for all of them.
// The chain is applied if it `is_affine`, being one such link.
template <bool is_affine, int columns, int pixels, class T, class Lanes>
NABLA_INLINE void gather_pixels(const T* x, int64_t from, const T* filter, Taps rows, Taps taps, const Target<T>& to,
                                int64_t channel, Lanes some) {
  Vec<T> sum[pixels];
  repeat<pixels>([&](auto k) { sum[k.value] = Vec<T>::zero(); });
  for (int64_t r = 0; r < rows.count; ++r, x += rows.cell_step, filter += rows.filter_step) {
    const T *cell = x, *f = filter;
    if constexpr (columns > 0) {
      Vec<T> w[columns];
      repeat<columns>([&](auto s) { w[s.value] = load(f + s.value * taps.filter_step, some); });
      repeat<pixels + columns - 1>([&](auto q) {
        const Vec<T> v = held(load(cell, some));
        cell += from;
        repeat<columns>([&](auto s) {
          constexpr int k = decltype(q)::value - decltype(s)::value;
          if constexpr (k >= 0 && k < pixels) sum[k] = fma(v, w[s.value], sum[k]);
        });
      });
    } else {
      for (int64_t s = 0; s < taps.count; ++s, cell += taps.cell_step, f += taps.filter_step) {
        const Vec<T> w = load(f, some);
        repeat<pixels>([&](auto k) { sum[k.value] = fma(load(cell + k.value * from, some), w, sum[k.value]); });
      }
    }
  }
  if constexpr (is_affine) {
    const Affine<T, 1> affine(to.chain.links[0], channel, [&](const T* p, int) { return load(p, some); });
    repeat<pixels>([&](auto k) { sum[k.value] = affine(sum[k.value], 0); });
  }
  repeat<pixels>([&](auto k) {
    prefetch(x + k.value * from);  // the row behind the window's last
    T* const y = to.y + to.at + k.value * to.step + channel;
    prefetch_to_write(y + kWriteAhead / sizeof(T));
    store(y, sum[k.value], some);
  });
}

// The chain over pixels that have been stored.
template <int pixels, class T>
NABLA_NOINLINE void finish_pixels(const Target<T>& to, int64_t channels) {
  T* const y = to.y + to.at;
  sweep<T>(channels, [&](int64_t c, auto some) {
    Vec<T> x[pixels][1];
    for (int k = 0; k < pixels; ++k) x[k][0] = load(y + k * to.step + c, some);
    apply(
        to.chain, c, x, [&](const T* p, int) { return load(p, some); }, [&](int k) { return to.at + k * to.step + c; });
    for (int k = 0; k < pixels; ++k) store(y + k * to.step + c, x[k][0], some);
  });
}

template <bool is_affine, int columns, int pixels, class T>
void gather_run(const T* x, int64_t from, const T* filter, const Taps& rows, const Taps& taps, int64_t channels,
                Target<T> to, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  for (; n >= pixels; n -= pixels, x += pixels * from, to.at += pixels * to.step) {
    int64_t c = 0;
    for (; c + lanes <= channels; c += lanes)
      gather_pixels<is_affine, columns, pixels>(x + c, from, filter + c, rows, taps, to, c, All{});
    if (c < channels)
      gather_pixels<is_affine, columns, pixels>(x + c, from, filter + c, rows, taps, to, c,
                                                Some{static_cast<int>(channels - c)});
    if (!is_affine && to.chain.count > 0) finish_pixels<pixels>(to, channels);
  }
  if constexpr (pixels > 1)
    if (n > 0) gather_run<is_affine, columns, pixels / 2>(x, from, filter, rows, taps, channels, to, n);
}

// Calls run(Index<k>) where the taps are k neighbours, k one of the usual window sizes, else run(Index<0>).
template <class Run>
NABLA_INLINE void by_columns(const Taps& taps, int64_t from, Run run) {
  if (taps.count == 3 && taps.cell_step == from) return run(Index<3>{});
  if (taps.count == 5 && taps.cell_step == from) return run(Index<5>{});
  run(Index<0>{});
}

// Forward and input gradient: result[position] = Σ_taps source · filter.
template <bool is_affine, class T>
void gather(Pass pass, const Conv& g, const Call& call, const Chain<T>& chain, const Work& work) {
  const bool forward = pass == Pass::forward;
  const int64_t *size = forward ? g.out : g.in, *other = forward ? g.in : g.out;
  const T* filter = reinterpret_cast<const T*>(call.inputs[1].data);
  T* result = reinterpret_cast<T*>(call.outputs[0].data);
  const Rows cut = rows_of(pass, g, Vec<T>::lanes);
  const int64_t start = work.task * cut.per_task, end = smaller(cut.total, start + cut.per_task);
  const int64_t from = (forward ? g.stride[1] : 1) * g.c;
  each_piece<T>(pass, g, call, work, start, end, [&](int64_t first, int64_t last, const Images<T>& images) {
    for (int64_t row = first; row < last; ++row) {
      const Taps rows = taps_of(pass, g, 0, row % size[0]).times(other[1] * g.c, g.window[1] * g.c);
      const T* image = images.of(row) + rows.cell - images.origin;
      each_run(pass, g, [&](int64_t j, int64_t step, int64_t count, const Taps& columns) {
        const Taps taps = columns.times(g.c, g.c);
        const Target<T> to = {result, (row * size[1] + j) * g.c, step * g.c, chain};
        by_columns(taps, from, [&](auto k) {
          gather_run<is_affine, decltype(k)::value, 8>(image + taps.cell, from, filter + rows.filter + taps.filter,
                                                       rows, taps, g.c, to, count);
        });
      });
    }
  });
}

// partial[filter] += Σ_p x[p·from + cell] · gy[p·step] for p < n, for a register of channels.
template <class T, class Lanes>
NABLA_INLINE void correlate_taps(const T* x, int64_t from, Taps rows, Taps taps, const T* gy, int64_t step, int64_t n,
                                 T* partial, Lanes some) {
  for (int64_t r = 0; r < rows.count; ++r)
    for (int64_t s = 0; s < taps.count; ++s) {
      const T *cell = x + r * rows.cell_step + s * taps.cell_step, *g = gy;
      Vec<T> even = Vec<T>::zero(), odd = even;
      int64_t p = 0;
      for (; p + 2 <= n; p += 2, cell += 2 * from, g += 2 * step) {
        even = fma(load(cell, some), load(g, some), even);
        odd = fma(load(cell + from, some), load(g + step, some), odd);
      }
      if (p < n) even = fma(load(cell, some), load(g, some), even);
      T* to = partial + r * rows.filter_step + s * taps.filter_step;
      store(to, load(to, some) + (even + odd), some);
    }
}

// A row of y under a window of neighbouring columns: n whole windows, beside which `left` and `right` ones hang over.
// `lead` and `slack`: columns of x before the first and behind the last whole window.
struct Strip {
  int64_t first, n, left, right, lead, slack;
};
Strip strip_of(const Conv& g) {
  const int64_t columns = g.window[1], stride = g.stride[1], free = g.in[1] + g.pad[1] - columns;
  const int64_t first = ceil_div(g.pad[1], stride), high = free < 0 ? 0 : smaller(g.out[1], free / stride + 1);
  if (g.dilation[1] != 1 || first >= high) return {};
  return {first,
          high - first,
          smaller(first, (columns - 1) / stride),
          smaller(g.out[1] - high, (columns - 1) / stride),
          first * stride - g.pad[1],
          free - (high - 1) * stride};
}

// The same where the taps of a row are `columns` neighbours, one pixel's `step` apart, for all of a strip, and of
// R rows of taps at once; x and gy point at the first whole window. Each element of x is loaded once for all columns.
template <int R, int columns, int stride, class T, class Lanes>
NABLA_INLINE void correlate_strip(const T* x, const Taps& rows, const T* gy, int64_t step, const Strip& strip,
                                  T* partial, Lanes some) {
  constexpr int pixels = 4, sets = R == 1 ? 2 : 1;  // so many sums that none waits for itself
  const int64_t lead = stride == 1 ? 0 : strip.lead, slack = stride == 1 ? 0 : strip.slack;
  const T *cell = x, *g = gy;
  Vec<T> sum[sets][R][columns];
  repeat<sets>([&](auto set) {
    repeat<R>([&](auto r) { repeat<columns>([&](auto s) { sum[set.value][r.value][s.value] = Vec<T>::zero(); }); });
  });
  int64_t p = 0;
  for (; p + pixels <= strip.n; p += pixels) {
    Vec<T> incoming[pixels];
    repeat<pixels>([&](auto k) { incoming[k.value] = load(g, some), g += step; });
    repeat<R>([&](auto r) {
      const T* next = cell + r.value * rows.cell_step;
      repeat<(pixels - 1) * stride + columns>([&](auto q) {
        const Vec<T> v = held(load(next, some));
        next += step;
        repeat<columns>([&](auto s) {
          constexpr int at = decltype(q)::value - decltype(s)::value, k = at / stride;
          if constexpr (at >= 0 && at % stride == 0 && k < pixels) {
            Vec<T>& to = sum[k % sets][r.value][s.value];
            to = fma(v, incoming[k], to);
          }
        });
      });
    });
    cell += pixels * stride * step;
  }
  for (; p < strip.n; ++p, cell += stride * step, g += step) {
    const Vec<T> incoming = load(g, some);
    repeat<R>([&](auto r) {
      repeat<columns>([&](auto s) {
        Vec<T>& to = sum[0][r.value][s.value];
        to = fma(load(cell + r.value * rows.cell_step + s.value * step, some), incoming, to);
      });
    });
  }
  // Here cell and g are one window behind the last whole one.
  repeat<(columns - 1) / stride>([&](auto beyond) {
    constexpr int over = decltype(beyond)::value + 1;
    const auto hang_over = [&](const T* window, const T* from, int set, auto is_inside) {
      const Vec<T> incoming = load(from, some);
      repeat<R>([&](auto r) {
        repeat<columns>([&](auto s) {
          if (!is_inside(s.value)) return;
          Vec<T>& to = sum[set][r.value][s.value];
          to = fma(load(window + r.value * rows.cell_step + s.value * step, some), incoming, to);
        });
      });
    };
    if (over <= strip.left)
      hang_over(x - over * stride * step, gy - over * step, 0, [&](int s) { return s >= over * stride - lead; });
    if (over <= strip.right)
      hang_over(cell + (over - 1) * stride * step, g + (over - 1) * step, sets - 1,
                [&](int s) { return s < columns - over * stride + slack; });
  });
  repeat<R>([&](auto r) {
    repeat<columns>([&](auto s) {
      T* to = partial + r.value * rows.filter_step + s.value * step;
      Vec<T> total = sum[0][r.value][s.value];
      if constexpr (sets == 2) total = total + sum[1][r.value][s.value];
      store(to, load(to, some) + total, some);
    });
  });
}

template <int columns, int stride, class T>
void correlate_channels(const T* x, const Taps& rows, const T* gy, int64_t step, int64_t channels, const Strip& strip,
                        T* partial) {
  sweep<T>(channels, [&](int64_t c, auto some) {
    if (columns == 3 && rows.count == columns)
      return correlate_strip < columns == 3 ? 3 : 1, columns,
             stride > (x + c, rows, gy + c, step, strip, partial + c, some);
    for (int64_t r = 0; r < rows.count; ++r)
      correlate_strip<1, columns, stride>(x + c + r * rows.cell_step, rows, gy + c, step, strip,
                                          partial + c + r * rows.filter_step, some);
  });
}

// Filter gradient over some rows of y: partial[filter] = Σ_pixels x · gy.
template <class T>
void correlate(const Conv& g, const Call& call, const Work& work) {
  const T* gy = reinterpret_cast<const T*>(call.inputs[1].data);
  const int64_t size = g.window[0] * g.window[1] * g.c;
  T* partial = reinterpret_cast<T*>(work.workspace) + work.task * size;
  sweep<T>(size, [&](int64_t i, auto some) { store(partial + i, Vec<T>::zero(), some); });
  const Rows cut = rows_of(Pass::filter_grad, g, Vec<T>::lanes);
  const int64_t start = work.task * cut.per_task, end = smaller(cut.total, start + cut.per_task);
  const int64_t columns = g.window[1];
  const Strip strip = strip_of(g);
  const auto add_row = [&](const Images<T>& images, int64_t row, int64_t from, int64_t channels) {
    const Taps rows = taps_of(Pass::filter_grad, g, 0, row % g.out[0]).times(g.in[1] * g.c, columns * g.c);
    const T* image = images.of(row) + rows.cell - images.origin + from;
    const T* incoming = gy + row * g.out[1] * g.c + from;
    T* to = partial + rows.filter + from;
    const auto add_strip = [&](auto width, auto stride) {
      constexpr int k = decltype(width)::value, s = decltype(stride)::value;
      if (strip.n == 0 || columns != k || g.stride[1] != s) return false;
      correlate_channels<k, s>(image + strip.lead * g.c, rows, incoming + strip.first * g.c, g.c, channels, strip, to);
      return true;
    };
    if (add_strip(Index<3>{}, Index<1>{}) || add_strip(Index<3>{}, Index<2>{}) || add_strip(Index<5>{}, Index<1>{}) ||
        add_strip(Index<5>{}, Index<2>{}))
      return;
    each_run(Pass::filter_grad, g, [&](int64_t j, int64_t, int64_t count, const Taps& one) {
      const Taps taps = one.times(g.c, g.c);
      sweep<T>(channels, [&](int64_t c, auto some) {
        correlate_taps(image + taps.cell + c, g.stride[1] * g.c, rows, taps, incoming + j * g.c + c, g.c, count,
                       to + taps.filter + c, some);
      });
    });
  };
  constexpr int64_t block = kRegisters * Vec<T>::lanes;
  each_piece<T>(Pass::filter_grad, g, call, work, start, end,
                [&](int64_t first, int64_t last, const Images<T>& images) {
                  for (int64_t c = 0; c < g.c; c += block)
                    for (int64_t row = first; row < last; ++row) add_row(images, row, c, smaller(block, g.c - c));
                });
}

template <class T>
void plan_typed(Pass pass, const Conv& g, const Call& call, Plan& plan) {
  const Rows rows = rows_of(pass, g, Vec<T>::lanes);
  const int64_t size = call.outputs[0].size();
  plan.phases = 1;
  plan.tasks[0] = size == 0 ? 0 : rows.tasks();
  const double computed = static_cast<double>(smaller(rows.per_task, rows.total)) * static_cast<double>(g.stride[0]) *
                          static_cast<double>(g.in[1] * g.c);
  plan.grain = static_cast<int64_t>(kNanoseconds * static_cast<double>(kTask) + prologue_cost(call) * computed);
  if (pass == Pass::filter_grad) {
    plan.phases = 2;
    plan.tasks[1] = ceil_div(size, kFinishSpan);
    plan.workspace = static_cast<size_t>(larger(1, rows.tasks()) * size) * sizeof(T);
  }
  plan.scratch = (call.tile ? tile_scratch(call) : 0) + computed_bytes(g, call) + prologue_scratch(call);
  plan.state = (call.tile ? tile_state_size(call) : 0) + prologue_state_size(call);
}

template <class T>
void run_typed(Pass pass, const Conv& g, const Call& call, const Work& work) {
  int64_t start = 0, count = 0;
  if (pass != Pass::filter_grad) {
    Chain<T> chain;
    const bool is_chain = chain_of(call, chain);
    if (!is_chain) chain.count = 0;
    if (chain.is_affine())
      gather<true>(pass, g, call, chain, work);
    else
      gather<false>(pass, g, call, chain, work);
    if (is_chain) return;
    const Rows rows = rows_of(pass, g, Vec<T>::lanes);
    const int64_t row = (pass == Pass::forward ? g.out : g.in)[1] * g.c, first = work.task * rows.per_task;
    start = first * row;
    count = (smaller(rows.total, first + rows.per_task) - first) * row;
  } else if (work.phase == 0) {
    return correlate<T>(g, call, work);
  } else {
    T* gw = reinterpret_cast<T*>(call.outputs[0].data);
    const int64_t size = call.outputs[0].size(), parts = rows_of(pass, g, Vec<T>::lanes).tasks();
    start = work.task * kFinishSpan;
    count = smaller(kFinishSpan, size - start);
    if (parts == 0)
      sweep<T>(count, [&](int64_t i, auto some) { store(gw + start + i, Vec<T>::zero(), some); });
    else
      sum_partials(reinterpret_cast<const T*>(work.workspace), parts, size, start, count, gw);
  }
  if (call.tile) tile_run(call, work, start, count, work.scratch);
}

}  // namespace

void depthwise_plan(Pass pass, const Conv& g, const Call& call, Plan& plan) {
  if (call.outputs[0].dtype == Dtype::f32)
    plan_typed<float>(pass, g, call, plan);
  else
    plan_typed<double>(pass, g, call, plan);
}

void depthwise_run(Pass pass, const Conv& g, const Call& call, const Work& work) {
  if (call.outputs[0].dtype == Dtype::f32)
    run_typed<float>(pass, g, call, work);
  else
    run_typed<double>(pass, g, call, work);
}

}  // namespace nabla::NABLA_ISA
