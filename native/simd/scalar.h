// Vec<T> of a single lane: plain C++ for processors without a vector unit that nabla knows, and the other widths'
// oracle.
#pragma once
#include "vec.h"

namespace nabla::NABLA_ISA {

constexpr bool kFusedMultiplyAdd = false;  // fma rounds once

template <class T>
struct Mask {
  bool v;
};

template <class T>
struct Vec {
  static constexpr int lanes = 1;
  T v;

  static NABLA_INLINE Vec all(T x) { return {x}; }
  static NABLA_INLINE Vec zero() { return {T(0)}; }
  static NABLA_INLINE Vec from_bits(Bits<T> b) {
    Vec r;
    std::memcpy(&r.v, &b, sizeof b);
    return r;
  }
  NABLA_INLINE Bits<T> bits() const {
    Bits<T> b;
    std::memcpy(&b, &v, sizeof b);
    return b;
  }
  static NABLA_INLINE Vec load(const T* p) { return {*p}; }
  static NABLA_INLINE Vec load(const T* p, int n, T fill = T(0)) { return {n > 0 ? *p : fill}; }
  NABLA_INLINE void store(T* p) const { *p = v; }
  NABLA_INLINE void store(T* p, int n) const {
    if (n > 0) *p = v;
  }
  NABLA_INLINE void stream(T* p) const { *p = v; }

  template <class S>
  static NABLA_INLINE Vec from(const S* p) {
    return {static_cast<T>(*p)};
  }
  NABLA_INLINE void to(float* p) const { *p = static_cast<float>(v); }
  NABLA_INLINE void to(double* p) const { *p = static_cast<double>(v); }
  NABLA_INLINE void to(int32_t* p) const {
    *p = v != v ? 0 : v >= T(2147483648.0) ? INT32_MAX : v < T(-2147483648.0) ? INT32_MIN : static_cast<int32_t>(v);
  }
  NABLA_INLINE void to(uint8_t* p) const { *p = !(v > 0) ? 0 : v >= 255 ? 255 : static_cast<uint8_t>(v); }
};

template <class T>
NABLA_INLINE Mask<T> operator&(Mask<T> a, Mask<T> b) {
  return {a.v && b.v};
}
template <class T>
NABLA_INLINE Mask<T> operator|(Mask<T> a, Mask<T> b) {
  return {a.v || b.v};
}
template <class T>
NABLA_INLINE Mask<T> operator~(Mask<T> a) {
  return {!a.v};
}
template <class T>
NABLA_INLINE bool any(Mask<T> m) {
  return m.v;
}
template <class T>
NABLA_INLINE bool all(Mask<T> m) {
  return m.v;
}

template <class T>
NABLA_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) {
  return {a.v + b.v};
}
template <class T>
NABLA_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) {
  return {a.v - b.v};
}
template <class T>
NABLA_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) {
  return {a.v * b.v};
}
template <class T>
NABLA_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) {
  return {a.v / b.v};
}
template <class T>
NABLA_INLINE Vec<T> operator-(Vec<T> a) {
  return {-a.v};
}
// Two roundings: a fused one would be a library call without FMA hardware.
template <class T>
NABLA_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  return {a.v * b.v + c.v};
}
template <class T>
NABLA_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
  return {a.v > b.v ? a.v : b.v};
}
template <class T>
NABLA_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
  return {a.v < b.v ? a.v : b.v};
}
NABLA_INLINE Vec<float> sqrt(Vec<float> a) { return {__builtin_sqrtf(a.v)}; }
NABLA_INLINE Vec<double> sqrt(Vec<double> a) { return {__builtin_sqrt(a.v)}; }
NABLA_INLINE Vec<float> abs(Vec<float> a) { return {__builtin_fabsf(a.v)}; }
NABLA_INLINE Vec<double> abs(Vec<double> a) { return {__builtin_fabs(a.v)}; }

template <class T>
NABLA_INLINE Mask<T> operator==(Vec<T> a, Vec<T> b) {
  return {a.v == b.v};
}
template <class T>
NABLA_INLINE Mask<T> operator!=(Vec<T> a, Vec<T> b) {
  return {a.v != b.v};
}
template <class T>
NABLA_INLINE Mask<T> operator<(Vec<T> a, Vec<T> b) {
  return {a.v < b.v};
}
template <class T>
NABLA_INLINE Mask<T> operator<=(Vec<T> a, Vec<T> b) {
  return {a.v <= b.v};
}
template <class T>
NABLA_INLINE Mask<T> operator>(Vec<T> a, Vec<T> b) {
  return {a.v > b.v};
}
template <class T>
NABLA_INLINE Mask<T> operator>=(Vec<T> a, Vec<T> b) {
  return {a.v >= b.v};
}
template <class T>
NABLA_INLINE Vec<T> select(Mask<T> m, Vec<T> a, Vec<T> b) {
  return {m.v ? a.v : b.v};
}

template <class T>
NABLA_INLINE T hsum(Vec<T> a) {
  return a.v;
}
template <class T>
NABLA_INLINE T hmax(Vec<T> a) {
  return a.v;
}
template <class T>
NABLA_INLINE T hmin(Vec<T> a) {
  return a.v;
}

template <class T>
NABLA_INLINE Vec<T> bit_and(Vec<T> a, Vec<T> b) {
  return Vec<T>::from_bits(a.bits() & b.bits());
}
template <class T>
NABLA_INLINE Vec<T> bit_or(Vec<T> a, Vec<T> b) {
  return Vec<T>::from_bits(a.bits() | b.bits());
}
template <class T>
NABLA_INLINE Vec<T> bit_xor(Vec<T> a, Vec<T> b) {
  return Vec<T>::from_bits(a.bits() ^ b.bits());
}
// ~a & b
template <class T>
NABLA_INLINE Vec<T> bit_andnot(Vec<T> a, Vec<T> b) {
  return Vec<T>::from_bits(~a.bits() & b.bits());
}
template <int k, class T>
NABLA_INLINE Vec<T> shift_left(Vec<T> a) {
  return Vec<T>::from_bits(a.bits() << k);
}
template <int k, class T>
NABLA_INLINE Vec<T> shift_right(Vec<T> a) {
  return Vec<T>::from_bits(a.bits() >> k);
}

// Half to even: adding and taking away 2^(mantissa bits) leaves an integer; larger values, infinities and NaN are
// integers already.
template <class T>
NABLA_INLINE Vec<T> round(Vec<T> a) {
  constexpr T magic = sizeof(T) == 4 ? T(8388608.0) : T(4503599627370496.0);
  const Vec<T> x = abs(a);
  if (!(x.v < magic)) return a;
  const T r = (x.v + magic) - magic;
  const Vec<T> sign = Vec<T>::from_bits(Bits<T>(1) << (sizeof(T) * 8 - 1));
  return bit_or(Vec<T>{r}, bit_and(sign, a));
}
template <class T>
NABLA_INLINE Vec<T> floor(Vec<T> a) {
  const Vec<T> r = round(a);
  return r.v > a.v ? Vec<T>{r.v - 1} : r;
}
template <class T>
NABLA_INLINE Vec<T> ceil(Vec<T> a) {
  return -floor(-a);
}
template <class T>
NABLA_INLINE Vec<T> trunc(Vec<T> a) {
  return a.v < 0 ? ceil(a) : floor(a);
}

}  // namespace nabla::NABLA_ISA
