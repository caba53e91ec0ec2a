// Geometry of a convolution, shared by the three passes and by their depthwise form.
#pragma once
#include "views.h"

namespace nabla::NABLA_ISA {

enum class Pass { forward, input_grad, filter_grad };

// x [n,h,w,c], filters [r,s,c/groups,k] → y [n,oh,ow,k]:
// y[n,i,j,·] = Σ_{r,s} x[n, i·strideH − padTop + r·dilationH, j·strideW − padLeft + s·dilationW, ·] · filter[r,s,·,·]
// Rows and columns behave alike: index 0 and 1 of the arrays.
struct Conv {
  int64_t n, c, k, groups;
  int64_t in[2], window[2], out[2];
  int64_t stride[2], pad[2], dilation[2];
  bool direct;  // sums are taken term by term, whatever would be faster

  NABLA_INLINE int64_t depth() const { return c / groups; }    // input channels of a group
  NABLA_INLINE int64_t filters() const { return k / groups; }  // output channels of a group
  NABLA_INLINE int64_t pixels() const { return n * out[0] * out[1]; }
  NABLA_INLINE int64_t taps() const { return window[0] * window[1] * depth(); }
  // A matrix product: each pixel of y is made of one of x.
  NABLA_INLINE bool is_pointwise() const {
    bool is = groups == 1;
    for (int d = 0; d < 2; ++d) is = is && window[d] == 1 && stride[d] == 1 && pad[d] == 0 && in[d] == out[d];
    return is;
  }
  // One filter for each channel: nothing to contract over.
  NABLA_INLINE bool is_depthwise() const { return groups > 1 && groups == c && groups == k; }
};

NABLA_INLINE Conv conv_of(Pass pass, const Call& call) {
  const View& x = pass == Pass::input_grad ? call.outputs[0] : call.inputs[0];
  const View& w = pass == Pass::filter_grad ? call.outputs[0] : call.inputs[1];
  const View& y = pass == Pass::forward ? call.outputs[0] : call.inputs[pass == Pass::input_grad ? 0 : 1];
  Conv g{};
  g.n = x.shape[0], g.c = x.shape[3], g.k = w.shape[3];
  g.groups = static_cast<int64_t>(call.attrs[6]);
  g.direct = call.attrs[7] != 0;
  for (int d = 0; d < 2; ++d) {
    g.in[d] = x.shape[1 + d], g.window[d] = w.shape[d], g.out[d] = y.shape[1 + d];
    g.stride[d] = static_cast<int64_t>(call.attrs[d]);
    g.pad[d] = static_cast<int64_t>(call.attrs[2 + d]);
    g.dilation[d] = static_cast<int64_t>(call.attrs[4 + d]);
  }
  return g;
}

// Few channels, vectorised over pixels (conv_few.cpp).
bool few_applies(Pass, const Conv&, const Call&);
void few_plan(Pass, const Conv&, const Call&, Plan&);
void few_run(Pass, const Conv&, const Call&, const Work&);

// 3 × 3 windows at stride 1, with a quarter of the multiplications (conv_winograd.cpp).
bool winograd_applies(Pass, const Conv&, const Call&);
void winograd_plan(Pass, const Conv&, const Call&, Plan&);
void winograd_run(Pass, const Conv&, const Call&, const Work&);

// Depthwise convolution, vectorised over channels (conv_depthwise.cpp).
void depthwise_plan(Pass, const Conv&, const Call&, Plan&);
void depthwise_run(Pass, const Conv&, const Call&, const Work&);

}  // namespace nabla::NABLA_ISA
