// Conversions between element types, whole arrays at a time, with the rules of docs/kernels.md: float to integer
// truncates and saturates, NaN gives 0, anything not zero is true.
#pragma once
#include "../simd/vec.h"
#include "kernel.h"

namespace nabla::NABLA_ISA {

// dst[i] = T(src[i])
template <class T, class S>
NABLA_INLINE void widen(const S* src, T* dst, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) Vec<T>::from(src + i).store(dst + i);
  for (; i < n; ++i) dst[i] = static_cast<T>(src[i]);
}

template <class T>
NABLA_INLINE void convert_in(const char* src, Dtype dtype, T* dst, int64_t n) {
  switch (dtype) {
    case Dtype::f32:
      return widen(reinterpret_cast<const float*>(src), dst, n);
    case Dtype::f64:
      return widen(reinterpret_cast<const double*>(src), dst, n);
    case Dtype::i32:
      return widen(reinterpret_cast<const int32_t*>(src), dst, n);
    case Dtype::u8:
    case Dtype::boolean:
      return widen(reinterpret_cast<const uint8_t*>(src), dst, n);
  }
}

template <class T>
NABLA_INLINE T element_in(const char* src, Dtype dtype) {
  T x = T(0);
  convert_in<T>(src, dtype, &x, 1);
  return x;
}

// dst[i] = D(src[i]); the last registers' worth goes through a buffer, so that every element takes the same path.
template <class D, class T>
NABLA_INLINE void narrow(const T* src, D* dst, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) Vec<T>::load(src + i).to(dst + i);
  if (i < n) {
    D rest[lanes];
    Vec<T>::load(src + i, static_cast<int>(n - i)).to(rest);
    std::memcpy(dst + i, rest, static_cast<size_t>(n - i) * sizeof(D));
  }
}

template <class T>
NABLA_INLINE void truth(const T* src, uint8_t* dst, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> one = Vec<T>::all(T(1)), zero = Vec<T>::zero();
  for (int64_t i = 0; i < n; i += lanes) {
    uint8_t rest[lanes];
    const int count = n - i < lanes ? static_cast<int>(n - i) : lanes;
    const Vec<T> x = count == lanes ? Vec<T>::load(src + i) : Vec<T>::load(src + i, count);
    select(x != zero, one, zero).to(rest);
    std::memcpy(dst + i, rest, static_cast<size_t>(count));
  }
}

template <class T>
NABLA_INLINE void convert_out(const T* src, char* dst, Dtype dtype, int64_t n) {
  switch (dtype) {
    case Dtype::f32:
      return narrow(src, reinterpret_cast<float*>(dst), n);
    case Dtype::f64:
      return narrow(src, reinterpret_cast<double*>(dst), n);
    case Dtype::i32:
      return narrow(src, reinterpret_cast<int32_t*>(dst), n);
    case Dtype::u8:
      return narrow(src, reinterpret_cast<uint8_t*>(dst), n);
    case Dtype::boolean:
      return truth(src, reinterpret_cast<uint8_t*>(dst), n);
  }
}

template <class T>
constexpr Dtype kDtype = sizeof(T) == 4 ? Dtype::f32 : Dtype::f64;

}  // namespace nabla::NABLA_ISA
