// Vec<T> on AVX2 with FMA: eight floats or four doubles.
#pragma once
#include <immintrin.h>

#include "vec.h"

namespace nabla::NABLA_ISA {

constexpr bool kFusedMultiplyAdd = true;  // fma rounds once

// The first n lanes' mask of 32-bit (64-bit: halved) lanes starts at kTail + 8 - n.
alignas(64) constexpr int32_t kTail32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
alignas(64) constexpr int64_t kTail64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};

template <>
struct Mask<float> {
  __m256 v;
};
template <>
struct Mask<double> {
  __m256d v;
};

template <>
struct Vec<float> {
  static constexpr int lanes = 8;
  __m256 v;

  static NABLA_INLINE Vec all(float x) { return {_mm256_set1_ps(x)}; }
  static NABLA_INLINE Vec zero() { return {_mm256_setzero_ps()}; }
  static NABLA_INLINE Vec from_bits(uint32_t b) {
    return {_mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int32_t>(b)))};
  }
  static NABLA_INLINE __m256i tail(int n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kTail32 + 8 - n));
  }
  static NABLA_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static NABLA_INLINE Vec load(const float* p, int n, float fill = 0) {
    const __m256i m = tail(n);
    return {_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m))};
  }
  NABLA_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  NABLA_INLINE void store(float* p, int n) const { _mm256_maskstore_ps(p, tail(n), v); }
  NABLA_INLINE void stream(float* p) const { _mm256_stream_ps(p, v); }

  static NABLA_INLINE Vec from(const float* p) { return load(p); }
  static NABLA_INLINE Vec from(const double* p) {
    return {_mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(p + 4)), _mm256_cvtpd_ps(_mm256_loadu_pd(p)))};
  }
  static NABLA_INLINE Vec from(const int32_t* p) {
    return {_mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static NABLA_INLINE Vec from(const uint8_t* p) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
  }
  NABLA_INLINE void to(float* p) const { store(p); }
  NABLA_INLINE void to(double* p) const {
    _mm256_storeu_pd(p, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
    _mm256_storeu_pd(p + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
  }
  NABLA_INLINE void to(int32_t* p) const {
    const __m256 big = _mm256_cmp_ps(v, _mm256_set1_ps(2147483648.0f), _CMP_GE_OQ);
    const __m256 number = _mm256_cmp_ps(v, v, _CMP_ORD_Q);
    // Out of range gives INT32_MIN: right for negative numbers, mended for large and NaN.
    __m256i i = _mm256_cvttps_epi32(v);
    i = _mm256_blendv_epi8(i, _mm256_set1_epi32(INT32_MAX), _mm256_castps_si256(big));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_and_si256(i, _mm256_castps_si256(number)));
  }
  NABLA_INLINE void to(uint8_t* p) const {
    const __m256 x = _mm256_min_ps(_mm256_max_ps(v, _mm256_setzero_ps()), _mm256_set1_ps(255));  // NaN -> 0
    const __m256i i = _mm256_cvttps_epi32(x);
    const __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(w, w));
  }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 4;
  __m256d v;

  static NABLA_INLINE Vec all(double x) { return {_mm256_set1_pd(x)}; }
  static NABLA_INLINE Vec zero() { return {_mm256_setzero_pd()}; }
  static NABLA_INLINE Vec from_bits(uint64_t b) {
    return {_mm256_castsi256_pd(_mm256_set1_epi64x(static_cast<int64_t>(b)))};
  }
  static NABLA_INLINE __m256i tail(int n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kTail64 + 4 - n));
  }
  static NABLA_INLINE Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static NABLA_INLINE Vec load(const double* p, int n, double fill = 0) {
    const __m256i m = tail(n);
    return {_mm256_blendv_pd(_mm256_set1_pd(fill), _mm256_maskload_pd(p, m), _mm256_castsi256_pd(m))};
  }
  NABLA_INLINE void store(double* p) const { _mm256_storeu_pd(p, v); }
  NABLA_INLINE void store(double* p, int n) const { _mm256_maskstore_pd(p, tail(n), v); }
  NABLA_INLINE void stream(double* p) const { _mm256_stream_pd(p, v); }

  static NABLA_INLINE Vec from(const double* p) { return load(p); }
  static NABLA_INLINE Vec from(const float* p) { return {_mm256_cvtps_pd(_mm_loadu_ps(p))}; }
  static NABLA_INLINE Vec from(const int32_t* p) {
    return {_mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static NABLA_INLINE Vec from(const uint8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return {_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)))};
  }
  NABLA_INLINE void to(double* p) const { store(p); }
  NABLA_INLINE void to(float* p) const { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }
  NABLA_INLINE void to(int32_t* p) const {
    const __m256d number = _mm256_and_pd(v, _mm256_cmp_pd(v, v, _CMP_ORD_Q));
    const __m256d x = _mm256_min_pd(_mm256_max_pd(number, _mm256_set1_pd(-2147483648.0)), _mm256_set1_pd(2147483647.0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvttpd_epi32(x));
  }
  NABLA_INLINE void to(uint8_t* p) const {
    const __m256d x = _mm256_min_pd(_mm256_max_pd(v, _mm256_setzero_pd()), _mm256_set1_pd(255));  // NaN -> 0
    const __m128i i = _mm256_cvttpd_epi32(x);
    const __m128i w = _mm_packs_epi32(i, i);
    const int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(w, w));
    std::memcpy(p, &four, 4);
  }
};

NABLA_INLINE Mask<float> operator&(Mask<float> a, Mask<float> b) { return {_mm256_and_ps(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator|(Mask<float> a, Mask<float> b) { return {_mm256_or_ps(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator~(Mask<float> a) {
  return {_mm256_xor_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
NABLA_INLINE bool any(Mask<float> m) { return _mm256_movemask_ps(m.v) != 0; }
NABLA_INLINE bool all(Mask<float> m) { return _mm256_movemask_ps(m.v) == 0xff; }
NABLA_INLINE Mask<double> operator&(Mask<double> a, Mask<double> b) { return {_mm256_and_pd(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator|(Mask<double> a, Mask<double> b) { return {_mm256_or_pd(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator~(Mask<double> a) {
  return {_mm256_xor_pd(a.v, _mm256_castsi256_pd(_mm256_set1_epi32(-1)))};
}
NABLA_INLINE bool any(Mask<double> m) { return _mm256_movemask_pd(m.v) != 0; }
NABLA_INLINE bool all(Mask<double> m) { return _mm256_movemask_pd(m.v) == 0xf; }

NABLA_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) { return {_mm256_add_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) { return {_mm256_sub_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) { return {_mm256_mul_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) { return {_mm256_div_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator-(Vec<float> a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
NABLA_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
NABLA_INLINE Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm256_max_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm256_min_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> sqrt(Vec<float> a) { return {_mm256_sqrt_ps(a.v)}; }
NABLA_INLINE Vec<float> abs(Vec<float> a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
NABLA_INLINE Vec<float> floor(Vec<float> a) { return {_mm256_floor_ps(a.v)}; }
NABLA_INLINE Vec<float> ceil(Vec<float> a) { return {_mm256_ceil_ps(a.v)}; }
NABLA_INLINE Vec<float> round(Vec<float> a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<float> trunc(Vec<float> a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }

NABLA_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) { return {_mm256_add_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) { return {_mm256_sub_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) { return {_mm256_mul_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) { return {_mm256_div_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator-(Vec<double> a) { return {_mm256_xor_pd(a.v, _mm256_set1_pd(-0.0))}; }
NABLA_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
NABLA_INLINE Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm256_max_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm256_min_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> sqrt(Vec<double> a) { return {_mm256_sqrt_pd(a.v)}; }
NABLA_INLINE Vec<double> abs(Vec<double> a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
NABLA_INLINE Vec<double> floor(Vec<double> a) { return {_mm256_floor_pd(a.v)}; }
NABLA_INLINE Vec<double> ceil(Vec<double> a) { return {_mm256_ceil_pd(a.v)}; }
NABLA_INLINE Vec<double> round(Vec<double> a) {
  return {_mm256_round_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<double> trunc(Vec<double> a) { return {_mm256_round_pd(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }

NABLA_INLINE Mask<float> operator==(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
NABLA_INLINE Mask<float> operator!=(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_NEQ_UQ)}; }
NABLA_INLINE Mask<float> operator<(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
NABLA_INLINE Mask<float> operator<=(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
NABLA_INLINE Mask<float> operator>(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
NABLA_INLINE Mask<float> operator>=(Vec<float> a, Vec<float> b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
NABLA_INLINE Mask<double> operator==(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ)}; }
NABLA_INLINE Mask<double> operator!=(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_NEQ_UQ)}; }
NABLA_INLINE Mask<double> operator<(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
NABLA_INLINE Mask<double> operator<=(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ)}; }
NABLA_INLINE Mask<double> operator>(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GT_OQ)}; }
NABLA_INLINE Mask<double> operator>=(Vec<double> a, Vec<double> b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GE_OQ)}; }
NABLA_INLINE Vec<float> select(Mask<float> m, Vec<float> a, Vec<float> b) { return {_mm256_blendv_ps(b.v, a.v, m.v)}; }
NABLA_INLINE Vec<double> select(Mask<double> m, Vec<double> a, Vec<double> b) {
  return {_mm256_blendv_pd(b.v, a.v, m.v)};
}

// Horizontal folds: upper half onto lower half, again and again.
NABLA_INLINE float hsum(Vec<float> a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
NABLA_INLINE float hmax(Vec<float> a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
NABLA_INLINE float hmin(Vec<float> a) {
  __m128 s = _mm_min_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_min_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
}
NABLA_INLINE double hsum(Vec<double> a) {
  const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
NABLA_INLINE double hmax(Vec<double> a) {
  const __m128d s = _mm_max_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_max_sd(s, _mm_unpackhi_pd(s, s)));
}
NABLA_INLINE double hmin(Vec<double> a) {
  const __m128d s = _mm_min_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_min_sd(s, _mm_unpackhi_pd(s, s)));
}

NABLA_INLINE Vec<float> bit_and(Vec<float> a, Vec<float> b) { return {_mm256_and_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> bit_or(Vec<float> a, Vec<float> b) { return {_mm256_or_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> bit_xor(Vec<float> a, Vec<float> b) { return {_mm256_xor_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> bit_andnot(Vec<float> a, Vec<float> b) { return {_mm256_andnot_ps(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_and(Vec<double> a, Vec<double> b) { return {_mm256_and_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_or(Vec<double> a, Vec<double> b) { return {_mm256_or_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_xor(Vec<double> a, Vec<double> b) { return {_mm256_xor_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_andnot(Vec<double> a, Vec<double> b) { return {_mm256_andnot_pd(a.v, b.v)}; }
template <int k>
NABLA_INLINE Vec<float> shift_left(Vec<float> a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.v), k))};
}
template <int k>
NABLA_INLINE Vec<float> shift_right(Vec<float> a) {
  return {_mm256_castsi256_ps(_mm256_srli_epi32(_mm256_castps_si256(a.v), k))};
}
template <int k>
NABLA_INLINE Vec<double> shift_left(Vec<double> a) {
  return {_mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a.v), k))};
}
template <int k>
NABLA_INLINE Vec<double> shift_right(Vec<double> a) {
  return {_mm256_castsi256_pd(_mm256_srli_epi64(_mm256_castpd_si256(a.v), k))};
}

}  // namespace nabla::NABLA_ISA
