// Every kernel of one instruction set, as the engine looks them up.
#include "../simd/vec.h"
#include "kernels.h"

namespace nabla::NABLA_ISA {
namespace {
constexpr const Kernel* kernels[] = {
#define X(name) &name##_kernel,
    NABLA_KERNELS(X)
#undef X
};
#define NABLA_STRING_OF(x) #x
#define NABLA_STRING(x) NABLA_STRING_OF(x)
}  // namespace

extern const KernelSet kernel_set;
const KernelSet kernel_set = {NABLA_STRING(NABLA_ISA), kernels, sizeof(kernels) / sizeof(kernels[0]),
                              Vec<float>::lanes * sizeof(float)};

}  // namespace nabla::NABLA_ISA
