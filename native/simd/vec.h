// Vec<T>: one SIMD register of floats or doubles, the only vocabulary in which kernels speak to the vector unit.
//
// A kernel source is compiled once per instruction set, each time inside `namespace nabla::NABLA_ISA`, so that the
// linker can never hand code for a newer processor to an older one. For the same reason nothing here instantiates
// anything of `std`. Each instruction set defines, for T = float and double:
//   Vec<T>   lanes · all · zero · from_bits · load (whole, or n lanes with a fill) · store (whole, or n lanes) · stream
//            from / to (whole registers converted from and to f32, f64, i32, u8 arrays, saturating, NaN -> 0)
//   Mask<T>  & | ~ · any · all
//   + - * / unary - · fma · max min (a NaN in b is the result, one in a may be) · sqrt abs floor ceil round trunc · ==
//   != < <= > >= select · hsum hmax hmin · bit_and bit_or bit_xor bit_andnot · shift_left shift_right (on the lanes'
//   bits)
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "inline.h"

#ifndef NABLA_ISA
#error "compile kernels with -DNABLA_ISA=<name of the instruction set>"
#endif

namespace nabla::NABLA_ISA {
template <class T>
struct Vec;
template <class T>
struct Mask;

// Tags of `sweep`: a whole register, or its first n lanes.
struct All {};
struct Some {
  int n;
};

// The unsigned integer as wide as T.
template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
  using type = uint32_t;
};
template <>
struct BitsOf<double> {
  using type = uint64_t;
};
template <class T>
using Bits = typename BitsOf<T>::type;

constexpr float kInfinity = __builtin_huge_valf();
constexpr float kNan = __builtin_nanf("");
}  // namespace nabla::NABLA_ISA

#if defined(__AVX512F__)
#include "avx512.h"
#elif defined(__AVX2__)
#include "avx2.h"
#elif defined(__aarch64__) || defined(_M_ARM64)
#include "neon.h"
#else
#include "scalar.h"
#endif

namespace nabla::NABLA_ISA {
template <class T>
NABLA_INLINE Vec<T> load(const T* p, All) {
  return Vec<T>::load(p);
}
template <class T>
NABLA_INLINE Vec<T> load(const T* p, Some lanes, T fill = T(0)) {
  return Vec<T>::load(p, lanes.n, fill);
}
template <class T>
NABLA_INLINE Vec<T> load(const T* p, All, T) {
  return Vec<T>::load(p);
}
template <class T>
NABLA_INLINE void store(T* p, Vec<T> v, All) {
  v.store(p);
}
template <class T>
NABLA_INLINE void store(T* p, Vec<T> v, Some lanes) {
  v.store(p, lanes.n);
}

// Calls body(i, All{}) for each whole register of n elements, then body(i, Some{rest}) for what is left.
template <class T, class Body>
NABLA_INLINE void sweep(int64_t n, Body body) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, All{});
  if (i < n) body(i, Some{static_cast<int>(n - i)});
}

// Calls body(Index<0>), …, body(Index<n - 1>): a loop that is unrolled before the compiler decides what lives in
// registers.
template <int i>
struct Index {
  static constexpr int value = i;
};
template <int n, class Body>
NABLA_INLINE void repeat(Body body) {
  if constexpr (n > 0) {
    repeat<n - 1>(body);
    body(Index<n - 1>{});
  }
}

// NaN-propagating extremes, as NumPy's maximum and minimum.
template <class T>
NABLA_INLINE Vec<T> maximum(Vec<T> a, Vec<T> b) {
  return select(a != a, a, max(a, b));
}
template <class T>
NABLA_INLINE Vec<T> minimum(Vec<T> a, Vec<T> b) {
  return select(a != a, a, min(a, b));
}

// c - a*b
template <class T>
NABLA_INLINE Vec<T> fnma(Vec<T> a, Vec<T> b, Vec<T> c) {
  return fma(-a, b, c);
}

// Magnitude of a, sign of b.
template <class T>
NABLA_INLINE Vec<T> copysign(Vec<T> a, Vec<T> b) {
  const Vec<T> sign = Vec<T>::from_bits(Bits<T>(1) << (sizeof(T) * 8 - 1));
  return bit_or(bit_andnot(sign, a), bit_and(sign, b));
}

template <class T>
NABLA_INLINE Mask<T> is_nan(Vec<T> a) {
  return a != a;
}

// Has the compiler keep what was loaded in a register, not load it again for each use.
template <class T>
NABLA_INLINE Vec<T> held(Vec<T> a) {
#if defined(__AVX2__) && defined(__GNUC__)
  asm("" : "+v"(a.v));
#endif
  return a;
}

// Orders what `stream` has written before all that is written later.
NABLA_INLINE void finish_streams() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

NABLA_INLINE void prefetch(const void* p) {
#if defined(_MSC_VER) && !defined(__clang__)
  (void)p;
#else
  __builtin_prefetch(p);
#endif
}

// What a store would wait for: a line that is not in the caches is read before it is written.
NABLA_INLINE void prefetch_to_write(void* p) {
#if defined(_MSC_VER) && !defined(__clang__)
  (void)p;
#else
  __builtin_prefetch(p, 1);
#endif
}
}  // namespace nabla::NABLA_ISA
