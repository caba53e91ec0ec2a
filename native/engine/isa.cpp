#include "engine/isa.h"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#if defined(__x86_64__) || defined(_M_X64)
#define NABLA_X64 1
#if defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace nabla {

namespace base {
extern const KernelSet kernel_set;
}
#ifdef NABLA_X64
namespace avx2 {
extern const KernelSet kernel_set;
}
namespace avx512 {
extern const KernelSet kernel_set;
}
#endif

namespace {

#ifdef NABLA_X64
struct Registers {
  uint32_t eax, ebx, ecx, edx;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r{};
#if defined(_MSC_VER)
  int out[4];
  __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<uint32_t>(out[0]), static_cast<uint32_t>(out[1]), static_cast<uint32_t>(out[2]),
       static_cast<uint32_t>(out[3])};
#else
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
#endif
  return r;
}

// Register state that the operating system saves on a context switch.
uint64_t xgetbv() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
#endif
}

// Bits as in Intel's Software Developer's Manual, volume 2, CPUID.
struct Features {
  bool avx2 = false, avx512 = false;

  Features() {
    const auto bit = [](uint64_t word, int i) { return (word >> i & 1) != 0; };
    if (cpuid(0, 0).eax < 7) return;
    const Registers one = cpuid(1, 0), seven = cpuid(7, 0);
    if (!bit(one.ecx, 27)) return;  // OSXSAVE
    const uint64_t saved = xgetbv();
    const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xe6) == 0xe6;
    // AVX, FMA, AVX2
    avx2 = ymm && bit(one.ecx, 28) && bit(one.ecx, 12) && bit(seven.ebx, 5);
    // F, DQ, BW, VL
    avx512 = avx2 && zmm && bit(seven.ebx, 16) && bit(seven.ebx, 17) && bit(seven.ebx, 30) && bit(seven.ebx, 31);
  }
};
#endif

std::string names(const std::vector<const KernelSet*>& sets) {
  std::string list;
  for (const KernelSet* set : sets) list += (list.empty() ? "" : ", ") + std::string(set->isa);
  return list;
}

const KernelSet& choose() {
  const std::vector<const KernelSet*>& supported = supported_kernels();
  const char* wanted = std::getenv("NABLA_ISA");
  if (wanted == nullptr || *wanted == '\0') return *supported.back();
  for (const KernelSet* set : supported)
    if (std::string(set->isa) == wanted) return *set;
  throw std::runtime_error("NABLA_ISA is \"" + std::string(wanted) + "\" but this processor runs " + names(supported));
}

}  // namespace

const std::vector<const KernelSet*>& supported_kernels() {
  static const auto& sets = *new std::vector<const KernelSet*>([] {
    std::vector<const KernelSet*> list = {&base::kernel_set};
#ifdef NABLA_X64
    const Features features;
    if (features.avx2) list.push_back(&avx2::kernel_set);
    if (features.avx512) list.push_back(&avx512::kernel_set);
#endif
    return list;
  }());
  return sets;
}

const KernelSet& active_kernels() {
  static const KernelSet& set = choose();
  return set;
}

}  // namespace nabla
