// Depthwise convolution: every channel has a filter of its own, so there is nothing to contract; channels lie on the
// lanes and each position of the result sums its few taps.
#include "conv.h"
#include "partials.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kTask = 65536;       // multiplications by a register of channels, or so
constexpr int64_t kMostChunks = 16;    // that the filter gradient's sum over pixels is split into
constexpr int64_t kFinishSpan = 8192;  // elements
constexpr double kNanoseconds = 0.5;   // of a multiplication by a register

// A source position and a filter cell that meet in a position of the result; offsets in elements.
struct Tap {
  int64_t source, filter;
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

// Taps of position (i, j) of y (forward) or gx (input gradient) in an image whose rows have `width` cells.
int64_t list_taps(Pass pass, const Conv& g, int64_t i, int64_t j, Tap* taps) {
  const int64_t at[2] = {i, j};
  const auto meets = [&](int d, int64_t cell, int64_t& source) {
    if (pass == Pass::forward) {
      source = at[d] * g.stride[d] - g.pad[d] + cell * g.dilation[d];
      return source >= 0 && source < g.in[d];
    }
    const int64_t scaled = at[d] + g.pad[d] - cell * g.dilation[d];
    source = scaled / g.stride[d];
    return scaled >= 0 && scaled % g.stride[d] == 0 && source < g.out[d];
  };
  const int64_t width = pass == Pass::forward ? g.in[1] : g.out[1];
  int64_t count = 0, h, w;
  for (int64_t r = 0; r < g.window[0]; ++r) {
    if (!meets(0, r, h)) continue;
    for (int64_t s = 0; s < g.window[1]; ++s)
      if (meets(1, s, w)) taps[count++] = {(h * width + w) * g.c, (r * g.window[1] + s) * g.c};
  }
  return count;
}

// Forward and input gradient: result[position] = Σ_taps source · filter.
template <class T>
void gather(Pass pass, const Conv& g, const Call& call, const Work& work) {
  const bool forward = pass == Pass::forward;
  const int64_t *size = forward ? g.out : g.in, *from = forward ? g.in : g.out;
  const T* source = reinterpret_cast<const T*>(call.inputs[0].data);
  const T* filter = reinterpret_cast<const T*>(call.inputs[1].data);
  T* result = reinterpret_cast<T*>(call.outputs[0].data);
  Tap* taps = reinterpret_cast<Tap*>(work.scratch);
  const Rows rows = rows_of(pass, g, Vec<T>::lanes);
  const int64_t first = work.task * rows.per_task, last = smaller(rows.total, first + rows.per_task);
  for (int64_t row = first; row < last; ++row) {
    const T* image = source + row / size[0] * from[0] * from[1] * g.c;
    for (int64_t j = 0; j < size[1]; ++j) {
      const int64_t count = list_taps(pass, g, row % size[0], j, taps);
      T* y = result + (row * size[1] + j) * g.c;
      sweep<T>(g.c, [&](int64_t c, auto some) {
        Vec<T> sum = Vec<T>::zero();
        for (int64_t t = 0; t < count; ++t)
          sum = fma(load(image + taps[t].source + c, some), load(filter + taps[t].filter + c, some), sum);
        store(y + c, sum, some);
      });
    }
  }
}

// Filter gradient over some rows of y: partial[cell] = Σ_pixels x · gy.
template <class T>
void correlate(const Conv& g, const Call& call, const Work& work) {
  const T* x = reinterpret_cast<const T*>(call.inputs[0].data);
  const T* gy = reinterpret_cast<const T*>(call.inputs[1].data);
  const int64_t size = g.window[0] * g.window[1] * g.c;
  T* partial = reinterpret_cast<T*>(work.workspace) + work.task * size;
  sweep<T>(size, [&](int64_t i, auto some) { store(partial + i, Vec<T>::zero(), some); });
  const Rows rows = rows_of(Pass::filter_grad, g, Vec<T>::lanes);
  const int64_t first = work.task * rows.per_task, last = smaller(rows.total, first + rows.per_task);
  for (int64_t row = first; row < last; ++row) {
    const int64_t image = row / g.out[0], i = row % g.out[0];
    for (int64_t r = 0; r < g.window[0]; ++r) {
      const int64_t h = i * g.stride[0] - g.pad[0] + r * g.dilation[0];
      if (h < 0 || h >= g.in[0]) continue;
      for (int64_t s = 0; s < g.window[1]; ++s) {
        const int64_t shift = s * g.dilation[1] - g.pad[1];  // column of x that j = 0 meets
        const int64_t low = shift >= 0 ? 0 : ceil_div(-shift, g.stride[1]);
        const int64_t high = shift >= g.in[1] ? 0 : smaller(g.out[1], (g.in[1] - 1 - shift) / g.stride[1] + 1);
        if (low >= high) continue;
        const T* p = x + ((image * g.in[0] + h) * g.in[1] + low * g.stride[1] + shift) * g.c;
        const T* q = gy + (row * g.out[1] + low) * g.c;
        const int64_t step = g.stride[1] * g.c;
        sweep<T>(g.c, [&](int64_t c, auto some) {
          T* to = partial + (r * g.window[1] + s) * g.c + c;
          Vec<T> even = load(to, some), odd = Vec<T>::zero();
          int64_t j = 0;
          for (; j + 2 <= high - low; j += 2) {
            even = fma(load(p + j * step + c, some), load(q + j * g.c + c, some), even);
            odd = fma(load(p + (j + 1) * step + c, some), load(q + (j + 1) * g.c + c, some), odd);
          }
          if (j < high - low) even = fma(load(p + j * step + c, some), load(q + j * g.c + c, some), even);
          store(to, even + odd, some);
        });
      }
    }
  }
}

size_t own_scratch(Pass pass, const Conv& g) {
  if (pass == Pass::filter_grad) return 0;
  return (static_cast<size_t>(g.window[0] * g.window[1]) * sizeof(Tap) + 63) / 64 * 64;
}

template <class T>
void plan_typed(Pass pass, const Conv& g, const Call& call, Plan& plan) {
  const Rows rows = rows_of(pass, g, Vec<T>::lanes);
  const int64_t size = call.outputs[0].size();
  plan.phases = 1;
  plan.tasks[0] = size == 0 ? 0 : rows.tasks();
  plan.grain = static_cast<int64_t>(kNanoseconds * static_cast<double>(kTask));
  if (pass == Pass::filter_grad) {
    plan.phases = 2;
    plan.tasks[1] = ceil_div(size, kFinishSpan);
    plan.workspace = static_cast<size_t>(larger(1, rows.tasks()) * size) * sizeof(T);
  }
  plan.scratch = own_scratch(pass, g) + (call.tile ? tile_scratch(call) : 0);
  plan.state = call.tile ? tile_state_size(call) : 0;
}

template <class T>
void run_typed(Pass pass, const Conv& g, const Call& call, const Work& work) {
  int64_t start = 0, count = 0;
  if (pass != Pass::filter_grad) {
    gather<T>(pass, g, call, work);
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
  if (call.tile) tile_run(call, work.state, start, count, work.scratch + own_scratch(pass, g));
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
