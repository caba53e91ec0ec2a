// oneDNN: matrix products and convolutions, in the layouts that are fastest; reordering happens before the timed steps.
// Usage: onednn gemm LAYOUT M N K, LAYOUT being plain (row-major) or any
//        onednn conv PASS N C H K R STRIDE PADDING GROUPS, PASS being forward, backward-data or backward-weights
#include <algorithm>
#include <chrono>
#include <cstring>
#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "serve.h"

using namespace dnnl;
using dims = memory::dims;
using tag = memory::format_tag;

static const engine cpu(engine::kind::cpu, 0);
static stream queue(cpu);

static memory filled(const memory::desc& desc) {
  memory result(desc, cpu);
  const size_t count = desc.get_size() / sizeof(float);
  const auto values = random_floats(count);
  std::memcpy(result.get_data_handle(), values.data(), count * sizeof(float));
  return result;
}

static memory::desc f32(const dims& shape, tag format = tag::any) { return {shape, memory::data_type::f32, format}; }

static std::function<void()> step_of(const primitive& work, const std::unordered_map<int, memory>& operands) {
  return [=] {
    work.execute(queue, operands);
    queue.wait();
  };
}

static std::function<void()> gemm(bool is_plain, long m, long n, long k) {
  const tag format = is_plain ? tag::ab : tag::any;
  const matmul::primitive_desc desc(matmul::desc(f32({m, k}, format), f32({k, n}, format), f32({m, n}, format)), cpu);
  return step_of(matmul(desc), {{DNNL_ARG_SRC, filled(desc.src_desc())},
                                {DNNL_ARG_WEIGHTS, filled(desc.weights_desc())},
                                {DNNL_ARG_DST, filled(desc.dst_desc())}});
}

// The fastest of some ways to do the same: the layout that oneDNN prefers is not always the best it can do.
static std::function<void()> fastest(const std::vector<std::function<void()>>& steps) {
  const auto seconds = [](const std::function<void()>& step) {
    double least = 1e9;
    for (int i = 0; i < 6; ++i) {
      const auto start = std::chrono::steady_clock::now();
      step();
      least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return least;
  };
  return *std::min_element(steps.begin(), steps.end(),
                           [&](const auto& a, const auto& b) { return seconds(a) < seconds(b); });
}

// With images laid out as `format` says.
static std::function<void()> conv(tag format, const std::string& pass, long n, long c, long h, long k, long r, long s,
                                  long p, long g) {
  const long o = (h + 2 * p - r) / s + 1, after = (o - 1) * s + r - h - p;
  const auto x = f32({n, c, h, h}, format), y = f32({n, k, o, o}, format);
  const auto w = g == 1 ? f32({k, c, r, r}) : f32({g, k / g, c / g, r, r});
  const dims strides{s, s}, before{p, p}, behind{after, after};
  const auto best = algorithm::convolution_auto;
  const convolution_forward::primitive_desc forward(
      convolution_forward::desc(prop_kind::forward_training, best, x, w, y, strides, before, behind), cpu);
  if (pass == "forward") {
    return step_of(convolution_forward(forward), {{DNNL_ARG_SRC, filled(forward.src_desc())},
                                                  {DNNL_ARG_WEIGHTS, filled(forward.weights_desc())},
                                                  {DNNL_ARG_DST, filled(forward.dst_desc())}});
  }
  if (pass == "backward-data") {
    const convolution_backward_data::primitive_desc desc(
        convolution_backward_data::desc(best, x, w, y, strides, before, behind), cpu, forward);
    return step_of(convolution_backward_data(desc), {{DNNL_ARG_DIFF_SRC, filled(desc.diff_src_desc())},
                                                     {DNNL_ARG_WEIGHTS, filled(desc.weights_desc())},
                                                     {DNNL_ARG_DIFF_DST, filled(desc.diff_dst_desc())}});
  }
  const convolution_backward_weights::primitive_desc desc(
      convolution_backward_weights::desc(best, x, w, y, strides, before, behind), cpu, forward);
  return step_of(convolution_backward_weights(desc), {{DNNL_ARG_SRC, filled(desc.src_desc())},
                                                      {DNNL_ARG_DIFF_WEIGHTS, filled(desc.diff_weights_desc())},
                                                      {DNNL_ARG_DIFF_DST, filled(desc.diff_dst_desc())}});
}

int main(int, char** arguments) {
  const std::string kind = arguments[1], how = arguments[2];
  const auto number = [&](int i) { return std::atol(arguments[2 + i]); };
  return serve([&] {
    if (kind == "gemm") return gemm(how == "plain", number(1), number(2), number(3));
    const auto in = [&](tag format) {
      return conv(format, how, number(1), number(2), number(3), number(4), number(5), number(6), number(7), number(8));
    };
    return fastest({in(tag::any), in(tag::nhwc)});
  });
}
