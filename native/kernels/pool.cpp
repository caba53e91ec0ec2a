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

constexpr int64_t kTask = 16384;   // elements that a task visits, or so
constexpr int64_t kFewImages = 8;  // below: image-writing tasks share an image by channels
constexpr int64_t kFinishSpan = 16384;
constexpr double kNanoseconds = 0.3;  // of an element visited

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

// What of a window lies inside the image.
struct Window {
  int64_t top, bottom, left, right;
  bool is_empty() const { return top >= bottom || left >= right; }
};
Window window_at(const Geometry& g, int64_t i, int64_t j) {
  const int64_t h = i * g.stride[0] - g.pad[0], w = j * g.stride[1] - g.pad[1];
  return {larger(h, 0), smaller(h + g.window[0], g.h), larger(w, 0), smaller(w + g.window[1], g.w)};
}

template <class T>
Vec<T> share_of(const Geometry& g, const Window& window) {
  const int64_t cells =
      g.counts_padding ? g.window[0] * g.window[1] : (window.bottom - window.top) * (window.right - window.left);
  return Vec<T>::all(static_cast<T>(cells));
}

// Calls visit(offset in the image) for each cell of a window, row-major.
template <class Visit>
NABLA_INLINE void each_cell(const Geometry& g, const Window& window, Visit visit) {
  for (int64_t h = window.top; h < window.bottom; ++h)
    for (int64_t w = window.left; w < window.right; ++w) visit((h * g.w + w) * g.c);
}

// Whether x beats the maximum so far: the first of equals stays, a NaN beats all but a NaN.
template <class T>
NABLA_INLINE Mask<T> beats(Vec<T> x, Vec<T> best) {
  return (x > best) | (is_nan(x) & ~is_nan(best));
}

// max, gather, average: one row of results; x and other are images.
template <Pool kind, class T>
void reduce_row(const Geometry& g, const T* x, const T* other, int64_t i, T* y) {
  for (int64_t j = 0; j < g.ow; ++j, y += g.c) {
    const Window window = window_at(g, i, j);
    const bool empty = window.is_empty();
    const int64_t corner = (window.top * g.w + window.left) * g.c;
    sweep<T>(g.c, [&](int64_t c, auto some) {
      Vec<T> result = Vec<T>::all(kind == Pool::max ? T(-kInfinity) : T(0));
      if (empty) {
      } else if constexpr (kind == Pool::average) {
        each_cell(g, window, [&](int64_t cell) { result = result + load(x + cell + c, some); });
        result = result / share_of<T>(g, window);
      } else {
        Vec<T> best = load(x + corner + c, some);
        if constexpr (kind == Pool::gather) result = load(other + corner + c, some);
        each_cell(g, window, [&](int64_t cell) {
          const Vec<T> value = load(x + cell + c, some);
          const Mask<T> better = beats(value, best);
          best = select(better, value, best);
          if constexpr (kind == Pool::gather) result = select(better, load(other + cell + c, some), result);
        });
        if constexpr (kind == Pool::max) result = best;
      }
      store(y + c, result, some);
    });
  }
}

// scatter, average_grad: channels [from, from + count) of an image; windows may overlap.
template <Pool kind, class T>
void spread_image(const Geometry& g, const T* x, const T* gy, int64_t from, int64_t count, T* gx) {
  for (int64_t p = 0; p < g.h * g.w; ++p)
    sweep<T>(count, [&](int64_t c, auto some) { store(gx + p * g.c + from + c, Vec<T>::zero(), some); });
  for (int64_t i = 0; i < g.oh; ++i)
    for (int64_t j = 0; j < g.ow; ++j, gy += g.c) {
      const Window window = window_at(g, i, j);
      if (window.is_empty()) continue;
      sweep<T>(count, [&](int64_t c, auto some) {
        c += from;
        const auto add = [&](int64_t cell, Vec<T> value) {
          store(gx + cell + c, load(gx + cell + c, some) + value, some);
        };
        const Vec<T> incoming = load(gy + c, some);
        if constexpr (kind == Pool::average_grad) {
          const Vec<T> value = incoming / share_of<T>(g, window);
          each_cell(g, window, [&](int64_t cell) { add(cell, value); });
        } else {
          const int64_t corner = (window.top * g.w + window.left) * g.c;
          Vec<T> best = load(x + corner + c, some), place = Vec<T>::zero();
          T number = 0;
          each_cell(g, window, [&](int64_t cell) {
            const Vec<T> value = load(x + cell + c, some);
            const Mask<T> better = beats(value, best);
            best = select(better, value, best);
            place = select(better, Vec<T>::all(number), place);
            number += 1;
          });
          number = 0;
          each_cell(g, window, [&](int64_t cell) {
            add(cell, select(place == Vec<T>::all(number), incoming, Vec<T>::zero()));
            number += 1;
          });
        }
      });
    }
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
}

template <Pool kind, class T>
void run_typed(const Call& call, const Work& work) {
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
      const T* x = kind == Pool::scatter ? input(0) + n * image : nullptr;
      spread_image<kind, T>(g, x, input(kind == Pool::scatter ? 1 : 0) + n * g.oh * g.ow * g.c, from,
                            smaller(cut.channels, g.c - from), output + n * image);
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
  if (call.tile) tile_run(call, work.state, start, count, work.scratch);
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
