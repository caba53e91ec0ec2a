// Convolutions of few channels: where an image has fewer channels than half a register has lanes, pixels lie on the
// lanes.
//
// The first operand is copied once into frames, channel by channel and with its border of zeros, so that a tap of a row
// of pixels is one load from neighbouring addresses. The input gradient at stride 1 is the forward pass of gy with the
// filters turned round. The filter gradient multiplies registers of pixels and adds up the lanes at the end.
#include "../simd/transpose.h"
#include "conv.h"
#include "partials.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int kMostFew = 8;            // channels
constexpr int64_t kMostChunks = 16;    // that the filter gradient's sum over pixels is split into
constexpr int64_t kFrameTask = 16384;  // elements that a framing task copies
constexpr int64_t kResident = 8192;    // elements of both operands that stay in L1 while taps pass by
constexpr double kNanoseconds = 0.3;   // of a multiplication by a register

template <class T>
constexpr int kRegisters = Vec<T>::lanes * sizeof(T) == 32 ? 16 : 32;

// Registers of pixels that are worked on at once beside `few` channels: accumulators, pixels and one weight fit.
template <class T>
constexpr int together(int few) {
  const int fit = (kRegisters<T> - 1) / (few + 1);
  return fit > 8 ? 8 : fit;
}

// The problem in the form that all passes share: windows of `window` cells over planes of `channels`.
struct Few {
  int64_t n, channels, few;  // images; channels that are summed over; channels on the result's side
  int64_t in[2], out[2], window[2], dilation[2];
  int64_t before[2];                    // zeros in front
  int64_t height, width, plane, image;  // of frames
  int64_t taps;                         // window · channels

  NABLA_INLINE int64_t rows() const { return n * out[0]; }
};

Few few_of(Pass pass, const Conv& g) {
  const bool back = pass == Pass::input_grad;
  Few f{};
  f.n = g.n;
  f.channels = back ? g.k : g.c;
  f.few = back ? g.c : g.k;
  for (int d = 0; d < 2; ++d) {
    const int64_t reach = (g.window[d] - 1) * g.dilation[d];
    f.in[d] = back ? g.out[d] : g.in[d];
    f.out[d] = back ? g.in[d] : g.out[d];
    f.window[d] = g.window[d];
    f.dilation[d] = g.dilation[d];
    f.before[d] = back ? reach - g.pad[d] : g.pad[d];
  }
  f.height = f.out[0] + (f.window[0] - 1) * f.dilation[0];
  f.width = f.out[1] + (f.window[1] - 1) * f.dilation[1];
  f.plane = f.height * f.width;
  f.image = f.channels * f.plane;
  f.taps = f.window[0] * f.window[1] * f.channels;
  return f;
}

template <class T>
size_t bytes_of(int64_t count) {
  return (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
}

// What lies in the workspace, in this order.
template <class T>
struct Layout {
  size_t frames, other, partials;  // other: turned filters of the input gradient, planes of gy of the filter gradient
  Layout(Pass pass, const Few& f, int64_t tasks) {
    frames = bytes_of<T>(f.n * f.image + Vec<T>::lanes);  // the last row's last register reads beyond it
    other = pass == Pass::input_grad    ? bytes_of<T>(f.taps * f.few)
            : pass == Pass::filter_grad ? bytes_of<T>(f.rows() * f.out[1] * f.few)
                                        : 0;
    partials = pass == Pass::filter_grad ? bytes_of<T>(tasks * f.taps * f.few) : 0;
  }
};

struct Tasks {
  int64_t images;  // of a framing task
  int64_t framing, rows, main;
};

// Of a row of pixels.
template <class T>
double row_nanoseconds(const Few& f) {
  return kNanoseconds * static_cast<double>(ceil_div(f.out[1], Vec<T>::lanes) * f.taps * f.few);
}

template <class T>
Tasks tasks_of(Pass pass, const Few& f) {
  Tasks t{};
  t.images = larger(1, kFrameTask / larger(1, f.image));
  t.framing = ceil_div(f.n, t.images) + 1;  // the last turns the filters round
  t.rows = larger(1, pieces_per_task(row_nanoseconds<T>(f)));
  if (pass == Pass::filter_grad) t.rows = larger(t.rows, ceil_div(f.rows(), kMostChunks));
  t.main = ceil_div(f.rows(), t.rows);
  return t;
}

// to[c·plane + i] = x[i·channels + c]
template <class T>
void split_channels(const T* x, int64_t count, int64_t channels, int64_t plane, T* to) {
  constexpr int block = kBlock<T>;
  if (channels == 1) {
    sweep<T>(count, [&](int64_t i, auto some) { store(to + i, load(x + i, some), some); });
    return;
  }
  int64_t i = 0;
  for (; i + block <= count; i += block) {
    int64_t c = 0;
    for (; c + block <= channels; c += block)
      transpose([&](int r) { return x + (i + r) * channels + c; }, to + c * plane + i, plane);
    const int rest = static_cast<int>(channels - c);
    if (2 * rest > block && (i + block - 1) * channels + c + block <= count * channels) {
      T* const first = to + c * plane + i;
      T others[block];  // what belongs to the next pixels
      transpose_block([&](int r) { return x + (i + r) * channels + c; },
                      [&](int k) { return k < rest ? first + k * plane : others; }, T());
      continue;
    }
    for (; c < channels; ++c)
      for (int r = 0; r < block; ++r) to[c * plane + i + r] = x[(i + r) * channels + c];
  }
  for (; i < count; ++i)
    for (int64_t c = 0; c < channels; ++c) to[c * plane + i] = x[i * channels + c];
}

template <class T>
void clear(T* y, int64_t n) {
  sweep<T>(n, [&](int64_t i, auto some) { store(y + i, Vec<T>::zero(), some); });
}

template <class T>
void fill_frame(const Few& f, const T* x, T* frame) {
  const int64_t left = smaller(f.width, larger(0, f.before[1])), from = larger(0, -f.before[1]);
  const int64_t inside = larger(0, smaller(f.in[1] - from, f.width - left));
  if (inside < f.width || f.before[0] > 0 || f.height - f.before[0] > f.in[0]) clear(frame, f.image);
  for (int64_t i = 0; i < f.height; ++i) {
    const int64_t h = i - f.before[0];
    if (h < 0 || h >= f.in[0]) continue;
    split_channels(x + (h * f.in[1] + from) * f.channels, inside, f.channels, f.plane, frame + i * f.width + left);
  }
}

template <class T>
void prepare_operands(Pass pass, const Few& f, const Tasks& tasks, const Call& call, const Work& work) {
  T* frames = reinterpret_cast<T*>(work.workspace);
  T* other = reinterpret_cast<T*>(work.workspace + Layout<T>(pass, f, tasks.main).frames);
  const T *x = reinterpret_cast<const T*>(call.inputs[0].data), *y = reinterpret_cast<const T*>(call.inputs[1].data);
  if (work.task == tasks.framing - 1) {
    clear(frames + f.n * f.image, Vec<T>::lanes);
    if (pass != Pass::input_grad) return;
    const int64_t cells = f.window[0] * f.window[1];
    for (int64_t cell = 0; cell < cells; ++cell)
      for (int64_t c = 0; c < f.channels; ++c)
        for (int64_t r = 0; r < f.few; ++r)
          other[(cell * f.channels + c) * f.few + r] = y[((cells - 1 - cell) * f.few + r) * f.channels + c];
    return;
  }
  const int64_t first = work.task * tasks.images, last = smaller(f.n, first + tasks.images);
  const int64_t pixels = f.out[0] * f.out[1];
  for (int64_t i = first; i < last; ++i) {
    fill_frame(f, x + i * f.in[0] * f.in[1] * f.channels, frames + i * f.image);
    if (pass == Pass::filter_grad)
      split_channels(y + i * pixels * f.few, pixels, f.few, pixels, other + i * pixels * f.few);
  }
}

// offsets[k] = where tap k of the window at the origin lies in a frame.
void list_taps(const Few& f, int64_t* offsets) {
  for (int64_t r = 0; r < f.window[0]; ++r)
    for (int64_t s = 0; s < f.window[1]; ++s)
      for (int64_t c = 0; c < f.channels; ++c)
        *offsets++ = c * f.plane + r * f.dilation[0] * f.width + s * f.dilation[1];
}

// A register of pixels: where its window lies, where its result goes, and how many of its lanes count.
template <class T>
struct Pixels {
  const T* x;
  T* y;
  int count;
};

// y[i·R + r] = Σ_k x[i + offsets[k]]·w[k·R + r]
template <class T, int R>
void gather(const Pixels<T>* pixels, const int64_t* offsets, int64_t taps, const T* w) {
  constexpr int lanes = Vec<T>::lanes, V = together<T>(R);
  Vec<T> sum[R][V];
  NABLA_UNROLL
  for (int r = 0; r < R; ++r) NABLA_UNROLL
  for (int v = 0; v < V; ++v) sum[r][v] = Vec<T>::zero();
  const T* x[V];
  NABLA_UNROLL
  for (int v = 0; v < V; ++v) x[v] = pixels[v].x;
  for (int64_t k = 0; k < taps; ++k, w += R) {
    const int64_t at = offsets[k];
    Vec<T> row[V];
    NABLA_UNROLL
    for (int v = 0; v < V; ++v) row[v] = Vec<T>::load(x[v] + at);
    NABLA_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> weight = Vec<T>::all(w[r]);
      NABLA_UNROLL
      for (int v = 0; v < V; ++v) sum[r][v] = fma(weight, row[v], sum[r][v]);
    }
  }
  alignas(64) T turned[R][lanes];
  NABLA_UNROLL
  for (int v = 0; v < V; ++v) {
    NABLA_UNROLL
    for (int r = 0; r < R; ++r) sum[r][v].store(turned[r]);
    T* y = pixels[v].y;
    for (int i = 0; i < pixels[v].count; ++i, y += R) NABLA_UNROLL
    for (int r = 0; r < R; ++r) y[r] = turned[r][i];
  }
}

template <class T, int R>
void gather_rows(const Few& f, int64_t first, int64_t last, const T* frames, const T* w, T* y, int64_t* offsets) {
  constexpr int lanes = Vec<T>::lanes, V = together<T>(R);
  list_taps(f, offsets);
  Pixels<T> pixels[V];
  int filled = 0;
  for (int64_t row = first; row < last; ++row) {
    const T* x = frames + row / f.out[0] * f.image + row % f.out[0] * f.width;
    for (int64_t j = 0; j < f.out[1]; j += lanes) {
      pixels[filled++] = {x + j, y + (row * f.out[1] + j) * R, static_cast<int>(smaller(lanes, f.out[1] - j))};
      if (filled < V) continue;
      gather<T, R>(pixels, offsets, f.taps, w);
      filled = 0;
    }
  }
  if (filled == 0) return;
  for (int v = filled; v < V; ++v) pixels[v] = {pixels[0].x, pixels[0].y, 0};
  gather<T, R>(pixels, offsets, f.taps, w);
}

// sums[t][r] += Σ x[row][i + offsets[t]]·gy[r][row][i] over rows and pixels i, lane by lane, for B taps.
template <class T, int R, int B>
void correlate(const Few& f, int64_t rows, const T* x, const T* gy, const int64_t* offsets, T* sums) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t pixels = f.out[0] * f.out[1];
  Vec<T> sum[B][R];
  const T* from[B];
  NABLA_UNROLL
  for (int t = 0; t < B; ++t) {
    from[t] = x + offsets[t];
    NABLA_UNROLL
    for (int r = 0; r < R; ++r) sum[t][r] = Vec<T>::load(sums + (t * R + r) * lanes);
  }
  for (int64_t row = 0; row < rows; ++row)
    sweep<T>(f.out[1], [&](int64_t i, auto some) NABLA_INLINE_BODY {
      Vec<T> g[R];
      NABLA_UNROLL
      for (int r = 0; r < R; ++r) g[r] = load(gy + r * pixels + row * f.out[1] + i, some);
      NABLA_UNROLL
      for (int t = 0; t < B; ++t) {
        const Vec<T> p = load(from[t] + row * f.width + i, some);
        NABLA_UNROLL
        for (int r = 0; r < R; ++r) sum[t][r] = fma(p, g[r], sum[t][r]);
      }
    });
  NABLA_UNROLL
  for (int t = 0; t < B; ++t) {
    NABLA_UNROLL
    for (int r = 0; r < R; ++r) sum[t][r].store(sums + (t * R + r) * lanes);
  }
}

template <class T, int R>
void correlate_rows(const Few& f, int64_t first, int64_t last, const T* frames, const T* gy, T* partial, T* sums,
                    int64_t* offsets) {
  constexpr int lanes = Vec<T>::lanes, B = together<T>(R);
  list_taps(f, offsets);
  clear(sums, f.taps * R * lanes);
  const int64_t most = larger(1, kResident / (f.channels * f.width + R * f.out[1]));
  for (int64_t row = first; row < last;) {
    const int64_t image = row / f.out[0], i = row % f.out[0];
    const int64_t rows = smaller(smaller(most, f.out[0] - i), last - row);
    const T* x = frames + image * f.image + i * f.width;
    const T* g = gy + image * f.out[0] * f.out[1] * R + i * f.out[1];
    int64_t t = 0;
    for (; t + B <= f.taps; t += B) correlate<T, R, B>(f, rows, x, g, offsets + t, sums + t * R * lanes);
    for (; t < f.taps; ++t) correlate<T, R, 1>(f, rows, x, g, offsets + t, sums + t * R * lanes);
    row += rows;
  }
  for (int64_t i = 0; i < f.taps * R; ++i) partial[i] = hsum(Vec<T>::load(sums + i * lanes));
}

// Calls body with the number of channels as a constant.
template <int R = kMostFew, class Body>
NABLA_INLINE void with_few(int64_t few, Body body) {
  if constexpr (R > 1) {
    if (few < R) return with_few<R - 1>(few, body);
  }
  body(Index<R>{});
}

template <class T>
size_t offsets_bytes(const Few& f) {
  return bytes_of<int64_t>(f.taps);
}

template <class T>
size_t own_scratch(Pass pass, const Few& f) {
  return offsets_bytes<T>(f) + (pass == Pass::filter_grad ? bytes_of<T>(f.taps * f.few * Vec<T>::lanes) : 0);
}

template <class T>
void plan_typed(Pass pass, const Few& f, const Call& call, Plan& plan) {
  const Tasks tasks = tasks_of<T>(pass, f);
  const Layout<T> layout(pass, f, tasks.main);
  plan.phases = pass == Pass::filter_grad ? 3 : 2;
  plan.tasks[0] = tasks.framing;
  plan.tasks[1] = tasks.main;
  if (pass == Pass::filter_grad) plan.tasks[2] = 1;
  plan.workspace = layout.frames + layout.other + layout.partials;
  plan.scratch = own_scratch<T>(pass, f) + (call.tile ? tile_scratch(call) : 0);
  plan.state = call.tile ? tile_state_size(call) : 0;
  plan.grain = static_cast<int64_t>(row_nanoseconds<T>(f) * static_cast<double>(smaller(tasks.rows, f.rows())));
}

template <class T>
void run_typed(Pass pass, const Few& f, const Call& call, const Work& work) {
  const Tasks tasks = tasks_of<T>(pass, f);
  if (work.phase == 0) return prepare_operands<T>(pass, f, tasks, call, work);
  const Layout<T> layout(pass, f, tasks.main);
  const T* frames = reinterpret_cast<const T*>(work.workspace);
  const T* other = reinterpret_cast<const T*>(work.workspace + layout.frames);
  T* partials = reinterpret_cast<T*>(work.workspace + layout.frames + layout.other);
  T* result = reinterpret_cast<T*>(call.outputs[0].data);
  int64_t* offsets = reinterpret_cast<int64_t*>(work.scratch);
  const int64_t first = work.task * tasks.rows, last = smaller(f.rows(), first + tasks.rows);
  int64_t start = 0, count = f.taps * f.few;
  if (pass != Pass::filter_grad) {
    const T* w = pass == Pass::forward ? reinterpret_cast<const T*>(call.inputs[1].data) : other;
    with_few(f.few, [&](auto few) { gather_rows<T, few.value>(f, first, last, frames, w, result, offsets); });
    start = first * f.out[1] * f.few;
    count = (last - first) * f.out[1] * f.few;
  } else if (work.phase == 1) {
    T* sums = reinterpret_cast<T*>(work.scratch + offsets_bytes<T>(f));
    with_few(f.few, [&](auto few) {
      correlate_rows<T, few.value>(f, first, last, frames, other, partials + work.task * count, sums, offsets);
    });
    return;
  } else {
    sum_partials(partials, tasks.main, count, 0, count, result);
  }
  if (call.tile) tile_run(call, work, start, count, work.scratch + own_scratch<T>(pass, f));
}

}  // namespace

bool few_applies(Pass pass, const Conv& g, const Call& call) {
  const int lanes = call.outputs[0].dtype == Dtype::f32 ? Vec<float>::lanes : Vec<double>::lanes;
  const int64_t most = smaller(lanes / 2, kMostFew);
  if (call.prologue || g.groups != 1 || g.stride[0] != 1 || g.stride[1] != 1 || call.outputs[0].size() == 0)
    return false;
  if (g.n == 0 || g.window[0] * g.window[1] * g.c * g.k == 0) return false;
  for (int d = 0; d < 2; ++d)  // windows that never reach outside more than a window's length, and not mostly border
    if (g.out[d] < 1 || g.pad[d] > (g.window[d] - 1) * g.dilation[d]) return false;
  const Few f = few_of(pass, g);
  if (2 * f.out[1] < lanes || f.width > 2 * f.out[1] || f.height > 2 * f.out[0]) return false;
  return f.few <= most && (pass != Pass::filter_grad || f.channels <= most);
}

void few_plan(Pass pass, const Conv& g, const Call& call, Plan& plan) {
  if (call.outputs[0].dtype == Dtype::f32)
    plan_typed<float>(pass, few_of(pass, g), call, plan);
  else
    plan_typed<double>(pass, few_of(pass, g), call, plan);
}

void few_run(Pass pass, const Conv& g, const Call& call, const Work& work) {
  if (call.outputs[0].dtype == Dtype::f32)
    run_typed<float>(pass, few_of(pass, g), call, work);
  else
    run_typed<double>(pass, few_of(pass, g), call, work);
}

}  // namespace nabla::NABLA_ISA
