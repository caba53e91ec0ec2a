// The list of kernels: every family defines its `Kernel`s in the namespace of the instruction set it is compiled for.
#pragma once
#include "kernel.h"

// X(name): `name##_kernel` is the kernel, `name` what programs call it.
#define NABLA_KERNELS(X) \
  X(tile)                \
  X(reduce)              \
  X(arg_reduce)          \
  X(copy)                \
  X(gemm)                \
  X(conv2d)              \
  X(conv2d_input_grad)   \
  X(conv2d_filter_grad)  \
  X(max_pool2d)          \
  X(max_pool2d_scatter)  \
  X(max_pool2d_gather)   \
  X(avg_pool2d)          \
  X(avg_pool2d_grad)     \
  X(softmax)             \
  X(log_softmax)         \
  X(cross_entropy)       \
  X(cross_entropy_grad)  \
  X(moments)             \
  X(layer_norm)          \
  X(layer_norm_grad)     \
  X(gather_rows)         \
  X(scatter_add_rows)    \
  X(random)

#ifdef NABLA_ISA
namespace nabla::NABLA_ISA {
#define X(name) extern const Kernel name##_kernel;
NABLA_KERNELS(X)
#undef X
}  // namespace nabla::NABLA_ISA
#endif
