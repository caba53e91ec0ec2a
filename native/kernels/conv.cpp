// conv2d, conv2d_input_grad, conv2d_filter_grad: convolutions as contractions that pack straight from the images.
//
// Each pass is C = A·B where A consists of patches of the first operand: an element's address is (offset of the pixel)
// + (offset of the tap), so no patch matrix is ever built. Where windows reach over the border, the first operand is
// copied once into a frame of zeros. The gradient of the input with stride s falls apart into s_h·s_w convolutions of
// gy, one for each remainder of the input position; none of them meets a zero that strides put in.
#include "conv.h"

#include "contract.h"
#include "kernels.h"
#include "prologue.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kFrameTask = 16384;   // elements that a framing task copies
constexpr int64_t kFewTerms = 64;       // of a row of a window
constexpr double kLargest = 1ll << 47;  // elements of a frame: far above any memory, far below overflow
constexpr double kLargestAttribute = 1 << 30;

// Along one axis of gx, the positions p ≡ phase (mod stride). Position number t takes part in output
// start + t + j·spread with filter cell last − j·step, for j < taps.
struct Phase {
  int64_t count, taps, start, spread, last, step;
};

Phase phase_of(const Conv& g, int d, int64_t phase) {
  int64_t a = g.stride[d], b = g.dilation[d];
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  Phase p{};
  p.count = ceil_div(g.in[d] - phase, g.stride[d]);
  p.step = g.stride[d] / a;
  p.spread = g.dilation[d] / a;
  const int64_t position = phase + g.pad[d];
  int64_t first = 0;
  while (first < smaller(p.step, g.window[d]) && (position - first * g.dilation[d]) % g.stride[d] != 0) ++first;
  if (first >= smaller(p.step, g.window[d])) return p;  // no filter cell ever meets these positions
  p.taps = ceil_div(g.window[d] - first, p.step);
  p.last = first + (p.taps - 1) * p.step;
  p.start = (position - p.last * g.dilation[d]) / g.stride[d];
  return p;
}

int64_t phases_of(const Conv& g, int d) { return smaller(g.stride[d], g.in[d]); }

// The part [start, start + size) of the first operand's rows (columns) that patches touch.
struct Range {
  int64_t start, size;
};

Range range_of(Pass pass, const Conv& g, int d) {
  if (pass != Pass::input_grad) {
    const bool empty = g.out[d] == 0 || g.window[d] == 0;
    return {-g.pad[d], empty ? 0 : (g.out[d] - 1) * g.stride[d] + (g.window[d] - 1) * g.dilation[d] + 1};
  }
  Range r{};
  for (int64_t i = 0; i < phases_of(g, d); ++i) {
    const Phase p = phase_of(g, d, i);
    if (p.taps == 0 || p.count == 0) continue;
    const int64_t end = p.start + p.count + (p.taps - 1) * p.spread;
    if (r.size == 0) {
      r = {p.start, end - p.start};
    } else {
      const int64_t start = smaller(r.start, p.start);
      r = {start, larger(r.start + r.size, end) - start};
    }
  }
  return r;
}

// A convolution made ready to be contracted.
struct Problem {
  Conv g;
  Range range[2];
  bool framed;         // the first operand is copied into a frame
  int64_t channels;    // of the first operand
  int64_t row, image;  // strides of what patches are read from
  int64_t corner;      // offset of (range[0].start, range[1].start) in the first image
  int64_t rows_per_task;
  Job job;
};

Contraction contraction_of(Pass pass, const Problem& p, int64_t part) {
  const Conv& g = p.g;
  Contraction x{};
  x.batch = g.groups;
  if (pass == Pass::input_grad) {
    const int64_t phases = larger(1, phases_of(g, 1)), i = part / phases, j = part % phases;
    const Phase v = phase_of(g, 0, i), u = phase_of(g, 1, j);
    const int64_t cell = g.depth() * g.k;  // of the filters
    x.a_rows = axis(g.n, p.image).then(v.count, p.row).then(u.count, g.k);
    x.a_sum = axis(v.taps, v.spread * p.row).then(u.taps, u.spread * g.k).then(g.filters(), 1);
    x.a_offset = p.corner + (v.start - p.range[0].start) * p.row + (u.start - p.range[1].start) * g.k;
    x.a_batch = g.filters();
    x.b_sum = axis(v.taps, -v.step * g.window[1] * cell).then(u.taps, -u.step * cell).then(g.filters(), 1);
    x.b_cols = axis(g.depth(), g.k);
    x.b_offset = (v.last * g.window[1] + u.last) * cell;
    x.b_batch = g.filters();
    const int64_t row = g.in[1] * g.c;
    x.c_rows = axis(g.n, g.in[0] * row).then(v.count, g.stride[0] * row).then(u.count, g.stride[1] * g.c);
    x.c_cols = axis(g.depth(), 1);
    x.c_offset = i * row + j * g.c;
    x.c_batch = g.depth();
    return x;
  }
  const Axis pixels = axis(g.n, p.image).then(g.out[0], g.stride[0] * p.row).then(g.out[1], g.stride[1] * g.c);
  const Axis taps = axis(g.window[0], g.dilation[0] * p.row).then(g.window[1], g.dilation[1] * g.c).then(g.depth(), 1);
  const bool forward = pass == Pass::forward;
  x.a_rows = forward ? pixels : taps;
  x.a_sum = forward ? taps : pixels;
  x.a_offset = p.corner;
  x.a_batch = g.depth();
  x.b_sum = axis(x.a_sum.size(), g.k);
  x.b_cols = axis(g.filters(), 1);
  x.c_rows = axis(x.a_rows.size(), g.k);
  x.c_cols = axis(g.filters(), 1);
  x.b_batch = x.c_batch = g.filters();
  return x;
}

// Evenly spaced pixels of a row of the result, or a filter's numbers for a row of its window, if these are so few that
// what they meet is in a cache: what comes from further away had better be fetched ahead, by other tiles.
int64_t even_rows_of(Pass pass, const Contraction& x) {
  const int64_t terms = (pass == Pass::filter_grad ? x.a_rows : x.a_sum).run();
  return x.a_rows.rank > 1 && terms < kFewTerms ? x.a_rows.run() : 0;
}

Problem problem_of(Pass pass, const Call& call) {
  Problem p{};
  const Conv& g = p.g = conv_of(pass, call);
  const View& source = call.inputs[0];
  p.channels = source.shape[3];
  for (int d = 0; d < 2; ++d) {
    p.range[d] = range_of(pass, g, d);
    p.framed = p.framed || p.range[d].start < 0 || p.range[d].start + p.range[d].size > source.shape[1 + d];
  }
  p.framed = p.framed && p.range[0].size > 0 && p.range[1].size > 0 && p.channels > 0;
  p.row = (p.framed ? p.range[1].size : source.shape[2]) * p.channels;
  p.image = (p.framed ? p.range[0].size : source.shape[1]) * p.row;
  p.corner = p.framed ? 0 : p.range[0].start * p.row + p.range[1].start * p.channels;

  Job& job = p.job;
  job.parts = 1;
  job.batch = g.groups;
  job.output_size = call.outputs[0].size();
  switch (pass) {
    case Pass::forward:
      job.m = g.pixels(), job.n = g.filters(), job.k = g.taps();
      job.runs_b = true;
      break;
    case Pass::filter_grad:
      job.m = g.taps(), job.n = g.filters(), job.k = g.pixels();
      job.runs_a = job.runs_b = true;
      break;
    case Pass::input_grad: {
      int64_t taps[2] = {};
      for (int d = 0; d < 2; ++d)
        for (int64_t i = 0; i < phases_of(g, d); ++i) taps[d] = larger(taps[d], phase_of(g, d, i).taps);
      job.parts = larger(1, phases_of(g, 0) * phases_of(g, 1));
      job.m = g.n * ceil_div(g.in[0], g.stride[0]) * ceil_div(g.in[1], g.stride[1]);
      job.n = g.depth(), job.k = taps[0] * taps[1] * g.filters();
      break;
    }
  }
  job.is_contiguous = job.parts == 1 && g.groups == 1;
  job.even_rows = even_rows_of(pass, contraction_of(pass, p, 0));
  if (call.prologue) job.computed = pass == Pass::forward ? Computed::rows : Computed::columns;
  if (p.framed && job.output_size > 0) {
    const int64_t rows = source.shape[0] * p.range[0].size;
    p.rows_per_task = larger(1, kFrameTask / p.row);
    job.own_tasks = ceil_div(rows, p.rows_per_task);
    job.own_bytes = (static_cast<size_t>(rows * p.row) * size_of(source.dtype) + 63) / 64 * 64;
  }
  return p;
}

// Copies rows of the first operand into the frame; zeros where there is no image.
template <class T>
void fill_frame(const Problem& p, const View& source, int64_t task, T* frame) {
  const T* x = reinterpret_cast<const T*>(source.data);
  const int64_t height = p.range[0].size, width = p.range[1].size, c = p.channels;
  const int64_t rows = source.shape[0] * height;
  const int64_t left = smaller(width, larger(0, -p.range[1].start));
  const int64_t from = larger(0, p.range[1].start);
  const int64_t inside = larger(0, smaller(source.shape[2] - from, width - left));
  const auto clear = [](T* y, int64_t n) {
    sweep<T>(n, [&](int64_t i, auto some) { store(y + i, Vec<T>::zero(), some); });
  };
  const int64_t first = task * p.rows_per_task, last = smaller(rows, first + p.rows_per_task);
  for (int64_t row = first; row < last; ++row) {
    T* y = frame + row * p.row;
    const int64_t image = row / height, h = p.range[0].start + row % height;
    if (h < 0 || h >= source.shape[1]) {
      clear(y, p.row);
      continue;
    }
    const T* line = x + ((image * source.shape[1] + h) * source.shape[2] + from) * c;
    clear(y, left * c);
    sweep<T>(inside * c, [&](int64_t i, auto some) { store(y + left * c + i, load(line + i, some), some); });
    clear(y + (left + inside) * c, (width - left - inside) * c);
  }
}

const char* check(Pass pass, const Call& call) {
  if (call.attr_count != 8) return "a convolution takes strides, pads, dilations, groups and whether sums are direct";
  for (int i = 0; i < 7; ++i) {
    const double a = call.attrs[i], least = i == 2 || i == 3 ? 0 : 1;
    if (!(a >= least && a <= kLargestAttribute) || a != static_cast<double>(static_cast<int64_t>(a)))
      return "strides, dilations and groups are whole numbers ≥ 1, pads ≥ 0";
  }
  if (call.attrs[7] != 0 && call.attrs[7] != 1) return "whether a convolution's sums are direct is 0 or 1";
  if (call.input_count < 2 || call.output_count < 1) return "a convolution needs two inputs and an output";
  const View* own[] = {&call.inputs[0], &call.inputs[1], &call.outputs[0]};
  for (const View* v : own) {
    if (v->rank != 4) return "a convolution's operands have four axes";
    if (!is_float(v->dtype) || v->dtype != own[0]->dtype) return "a convolution's operands are all f32 or all f64";
    if (!is_contiguous(*v)) return "a convolution's operands must be row-major contiguous";
  }
  const View& x = pass == Pass::input_grad ? call.outputs[0] : call.inputs[0];
  const View& w = pass == Pass::filter_grad ? call.outputs[0] : call.inputs[1];
  const View& y = pass == Pass::forward ? call.outputs[0] : call.inputs[pass == Pass::input_grad ? 0 : 1];
  const int64_t groups = static_cast<int64_t>(call.attrs[6]);
  if (x.shape[0] != y.shape[0]) return "a convolution's x and y differ in images";
  if (w.shape[3] != y.shape[3]) return "a convolution's y has one channel for each filter";
  if (w.shape[2] * groups != x.shape[3]) return "a convolution's filters take c / groups channels";
  if (w.shape[3] % groups != 0) return "a convolution's filters do not divide into groups";
  double frame = static_cast<double>(larger(x.shape[0], 1) * larger(x.shape[3], w.shape[3]));
  for (int d = 0; d < 2; ++d)
    frame *= static_cast<double>(y.shape[1 + d]) * call.attrs[d] + static_cast<double>(x.shape[1 + d]) +
             static_cast<double>(w.shape[d]) * call.attrs[4 + d] + call.attrs[2 + d];
  if (!(frame < kLargest)) return "a convolution's padded images are too large";
  if (call.prologue) {
    const Conv g = conv_of(pass, call);
    if (pass == Pass::input_grad || !(g.is_pointwise() || g.is_depthwise()))
      return "a prologue stands before pointwise and depthwise convolutions, and their filter gradients";
    if (const char* complaint = prologue_check(call, 2)) return complaint;
  }
  if (call.tile) return tile_check(call, 2, 1);
  const bool fits = call.output_count == 1 && (call.prologue || call.input_count == 2);
  return fits ? nullptr : "a convolution has operands for no tile";
}

void plan_own(Pass pass, const Call& call, Plan& plan) {
  const Conv g = conv_of(pass, call);
  if (g.is_depthwise()) return depthwise_plan(pass, g, call, plan);
  if (few_applies(pass, g, call)) return few_plan(pass, g, call, plan);
  if (winograd_applies(pass, g, call)) return winograd_plan(pass, g, call, plan);
  contract_plan(problem_of(pass, call).job, call, plan);
}

void plan(Pass pass, const Call& call, Plan& plan) {
  plan_own(pass, call, plan);
  tile_plan_sums(call, 1, plan);
}

void run(Pass pass, const Call& call, const Work& work) {
  if (tile_sum_up(call, work)) return;
  const Conv g = conv_of(pass, call);
  if (g.is_depthwise()) return depthwise_run(pass, g, call, work);
  if (few_applies(pass, g, call)) return few_run(pass, g, call, work);
  if (winograd_applies(pass, g, call)) return winograd_run(pass, g, call, work);
  const Problem p = problem_of(pass, call);
  const Cut cut = contract_cut(p.job, call);
  const Place place = contract_place(p.job, cut, work);
  const View& source = call.inputs[0];
  if (place.step == Step::own) {
    if (source.dtype == Dtype::f32)
      fill_frame(p, source, place.task, reinterpret_cast<float*>(work.workspace));
    else
      fill_frame(p, source, place.task, reinterpret_cast<double*>(work.workspace));
    return;
  }
  contract_run(p.job, cut, place, contraction_of(pass, p, place.part),
               {p.framed ? work.workspace : source.data, call.inputs[1].data, call.outputs[0].data}, call, work);
}

template <Pass pass>
constexpr Kernel kernel_for(const char* name) {
  return {name,
          false,
          true,
          [](const Call& call) { return check(pass, call); },
          [](const Call& call, Plan& p) { plan(pass, call, p); },
          contract_prepare,
          [](const Call& call, const Work& work) { run(pass, call, work); },
          pass != Pass::input_grad};
}

}  // namespace

const Kernel conv2d_kernel = kernel_for<Pass::forward>("conv2d");
const Kernel conv2d_input_grad_kernel = kernel_for<Pass::input_grad>("conv2d_input_grad");
const Kernel conv2d_filter_grad_kernel = kernel_for<Pass::filter_grad>("conv2d_filter_grad");

}  // namespace nabla::NABLA_ISA
