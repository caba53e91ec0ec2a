// Vec<T> on AVX-512 (F, BW, DQ, VL): sixteen floats or eight doubles, with predicate registers for masks and tails.
#pragma once
// GCC 12 warns of its own headers' deliberately undefined registers.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "vec.h"

namespace nabla::NABLA_ISA {

constexpr bool kFusedMultiplyAdd = true;  // fma rounds once

template <>
struct Mask<float> {
  __mmask16 v;
};
template <>
struct Mask<double> {
  __mmask8 v;
};

template <>
struct Vec<float> {
  static constexpr int lanes = 16;
  __m512 v;

  static NABLA_INLINE Vec all(float x) { return {_mm512_set1_ps(x)}; }
  static NABLA_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
  static NABLA_INLINE Vec from_bits(uint32_t b) {
    return {_mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int32_t>(b)))};
  }
  static NABLA_INLINE __mmask16 tail(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static NABLA_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static NABLA_INLINE Vec load(const float* p, int n, float fill = 0) {
    return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), tail(n), p)};
  }
  NABLA_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  NABLA_INLINE void store(float* p, int n) const { _mm512_mask_storeu_ps(p, tail(n), v); }
  NABLA_INLINE void stream(float* p) const { _mm512_stream_ps(p, v); }

  static NABLA_INLINE Vec from(const float* p) { return load(p); }
  static NABLA_INLINE Vec from(const double* p) {
    const __m256 low = _mm512_cvtpd_ps(_mm512_loadu_pd(p)), high = _mm512_cvtpd_ps(_mm512_loadu_pd(p + 8));
    return {_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)};
  }
  static NABLA_INLINE Vec from(const int32_t* p) { return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))}; }
  static NABLA_INLINE Vec from(const uint8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  NABLA_INLINE void to(float* p) const { store(p); }
  NABLA_INLINE void to(double* p) const {
    _mm512_storeu_pd(p, _mm512_cvtps_pd(_mm512_castps512_ps256(v)));
    _mm512_storeu_pd(p + 8, _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)));
  }
  NABLA_INLINE void to(int32_t* p) const {
    const __mmask16 big = _mm512_cmp_ps_mask(v, _mm512_set1_ps(2147483648.0f), _CMP_GE_OQ);
    const __mmask16 number = _mm512_cmp_ps_mask(v, v, _CMP_ORD_Q);
    // Out of range gives INT32_MIN: right for negative numbers, mended for large and NaN.
    const __m512i i = _mm512_maskz_cvttps_epi32(number, v);
    _mm512_storeu_si512(p, _mm512_mask_mov_epi32(i, big, _mm512_set1_epi32(INT32_MAX)));
  }
  NABLA_INLINE void to(uint8_t* p) const {
    const __m512 x = _mm512_min_ps(_mm512_max_ps(v, _mm512_setzero_ps()), _mm512_set1_ps(255));  // NaN -> 0
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(x)));
  }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 8;
  __m512d v;

  static NABLA_INLINE Vec all(double x) { return {_mm512_set1_pd(x)}; }
  static NABLA_INLINE Vec zero() { return {_mm512_setzero_pd()}; }
  static NABLA_INLINE Vec from_bits(uint64_t b) {
    return {_mm512_castsi512_pd(_mm512_set1_epi64(static_cast<int64_t>(b)))};
  }
  static NABLA_INLINE __mmask8 tail(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static NABLA_INLINE Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static NABLA_INLINE Vec load(const double* p, int n, double fill = 0) {
    return {_mm512_mask_loadu_pd(_mm512_set1_pd(fill), tail(n), p)};
  }
  NABLA_INLINE void store(double* p) const { _mm512_storeu_pd(p, v); }
  NABLA_INLINE void store(double* p, int n) const { _mm512_mask_storeu_pd(p, tail(n), v); }
  NABLA_INLINE void stream(double* p) const { _mm512_stream_pd(p, v); }

  static NABLA_INLINE Vec from(const double* p) { return load(p); }
  static NABLA_INLINE Vec from(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
  static NABLA_INLINE Vec from(const int32_t* p) {
    return {_mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static NABLA_INLINE Vec from(const uint8_t* p) {
    return {_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
  }
  NABLA_INLINE void to(double* p) const { store(p); }
  NABLA_INLINE void to(float* p) const { _mm256_storeu_ps(p, _mm512_cvtpd_ps(v)); }
  NABLA_INLINE void to(int32_t* p) const {
    const __mmask8 number = _mm512_cmp_pd_mask(v, v, _CMP_ORD_Q);
    const __m512d x = _mm512_min_pd(_mm512_max_pd(v, _mm512_set1_pd(-2147483648.0)), _mm512_set1_pd(2147483647.0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvttpd_epi32(number, x));
  }
  NABLA_INLINE void to(uint8_t* p) const {
    const __m512d x = _mm512_min_pd(_mm512_max_pd(v, _mm512_setzero_pd()), _mm512_set1_pd(255));  // NaN -> 0
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm256_cvtepi32_epi8(_mm512_cvttpd_epi32(x)));
  }
};

NABLA_INLINE Mask<float> operator&(Mask<float> a, Mask<float> b) { return {_kand_mask16(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator|(Mask<float> a, Mask<float> b) { return {_kor_mask16(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator~(Mask<float> a) { return {_knot_mask16(a.v)}; }
NABLA_INLINE bool any(Mask<float> m) { return m.v != 0; }
NABLA_INLINE bool all(Mask<float> m) { return m.v == 0xffff; }
NABLA_INLINE Mask<double> operator&(Mask<double> a, Mask<double> b) { return {_kand_mask8(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator|(Mask<double> a, Mask<double> b) { return {_kor_mask8(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator~(Mask<double> a) { return {_knot_mask8(a.v)}; }
NABLA_INLINE bool any(Mask<double> m) { return m.v != 0; }
NABLA_INLINE bool all(Mask<double> m) { return m.v == 0xff; }

NABLA_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) { return {_mm512_add_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) { return {_mm512_sub_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) { return {_mm512_mul_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) { return {_mm512_div_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator-(Vec<float> a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
NABLA_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
NABLA_INLINE Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm512_max_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm512_min_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> sqrt(Vec<float> a) { return {_mm512_sqrt_ps(a.v)}; }
NABLA_INLINE Vec<float> abs(Vec<float> a) { return {_mm512_abs_ps(a.v)}; }
NABLA_INLINE Vec<float> floor(Vec<float> a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<float> ceil(Vec<float> a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<float> round(Vec<float> a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<float> trunc(Vec<float> a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)};
}

NABLA_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) { return {_mm512_add_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) { return {_mm512_sub_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) { return {_mm512_mul_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) { return {_mm512_div_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator-(Vec<double> a) { return {_mm512_xor_pd(a.v, _mm512_set1_pd(-0.0))}; }
NABLA_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
NABLA_INLINE Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm512_max_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm512_min_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> sqrt(Vec<double> a) { return {_mm512_sqrt_pd(a.v)}; }
NABLA_INLINE Vec<double> abs(Vec<double> a) { return {_mm512_abs_pd(a.v)}; }
NABLA_INLINE Vec<double> floor(Vec<double> a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<double> ceil(Vec<double> a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<double> round(Vec<double> a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
NABLA_INLINE Vec<double> trunc(Vec<double> a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)};
}

NABLA_INLINE Mask<float> operator==(Vec<float> a, Vec<float> b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
NABLA_INLINE Mask<float> operator!=(Vec<float> a, Vec<float> b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
NABLA_INLINE Mask<float> operator<(Vec<float> a, Vec<float> b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
NABLA_INLINE Mask<float> operator<=(Vec<float> a, Vec<float> b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
NABLA_INLINE Mask<float> operator>(Vec<float> a, Vec<float> b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
NABLA_INLINE Mask<float> operator>=(Vec<float> a, Vec<float> b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
NABLA_INLINE Mask<double> operator==(Vec<double> a, Vec<double> b) {
  return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ)};
}
NABLA_INLINE Mask<double> operator!=(Vec<double> a, Vec<double> b) {
  return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_NEQ_UQ)};
}
NABLA_INLINE Mask<double> operator<(Vec<double> a, Vec<double> b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ)}; }
NABLA_INLINE Mask<double> operator<=(Vec<double> a, Vec<double> b) {
  return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ)};
}
NABLA_INLINE Mask<double> operator>(Vec<double> a, Vec<double> b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ)}; }
NABLA_INLINE Mask<double> operator>=(Vec<double> a, Vec<double> b) {
  return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_GE_OQ)};
}
NABLA_INLINE Vec<float> select(Mask<float> m, Vec<float> a, Vec<float> b) {
  return {_mm512_mask_blend_ps(m.v, b.v, a.v)};
}
NABLA_INLINE Vec<double> select(Mask<double> m, Vec<double> a, Vec<double> b) {
  return {_mm512_mask_blend_pd(m.v, b.v, a.v)};
}

NABLA_INLINE float hsum(Vec<float> a) { return _mm512_reduce_add_ps(a.v); }
NABLA_INLINE float hmax(Vec<float> a) { return _mm512_reduce_max_ps(a.v); }
NABLA_INLINE float hmin(Vec<float> a) { return _mm512_reduce_min_ps(a.v); }
NABLA_INLINE double hsum(Vec<double> a) { return _mm512_reduce_add_pd(a.v); }
NABLA_INLINE double hmax(Vec<double> a) { return _mm512_reduce_max_pd(a.v); }
NABLA_INLINE double hmin(Vec<double> a) { return _mm512_reduce_min_pd(a.v); }

NABLA_INLINE Vec<float> bit_and(Vec<float> a, Vec<float> b) { return {_mm512_and_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> bit_or(Vec<float> a, Vec<float> b) { return {_mm512_or_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> bit_xor(Vec<float> a, Vec<float> b) { return {_mm512_xor_ps(a.v, b.v)}; }
NABLA_INLINE Vec<float> bit_andnot(Vec<float> a, Vec<float> b) { return {_mm512_andnot_ps(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_and(Vec<double> a, Vec<double> b) { return {_mm512_and_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_or(Vec<double> a, Vec<double> b) { return {_mm512_or_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_xor(Vec<double> a, Vec<double> b) { return {_mm512_xor_pd(a.v, b.v)}; }
NABLA_INLINE Vec<double> bit_andnot(Vec<double> a, Vec<double> b) { return {_mm512_andnot_pd(a.v, b.v)}; }
template <int k>
NABLA_INLINE Vec<float> shift_left(Vec<float> a) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), k))};
}
template <int k>
NABLA_INLINE Vec<float> shift_right(Vec<float> a) {
  return {_mm512_castsi512_ps(_mm512_srli_epi32(_mm512_castps_si512(a.v), k))};
}
template <int k>
NABLA_INLINE Vec<double> shift_left(Vec<double> a) {
  return {_mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a.v), k))};
}
template <int k>
NABLA_INLINE Vec<double> shift_right(Vec<double> a) {
  return {_mm512_castsi512_pd(_mm512_srli_epi64(_mm512_castpd_si512(a.v), k))};
}

// y·2ⁿ for whole n: what math.h builds from several steps elsewhere.
NABLA_INLINE Vec<float> scale(Vec<float> y, Vec<float> n) { return {_mm512_scalef_ps(y.v, n.v)}; }
NABLA_INLINE Vec<double> scale(Vec<double> y, Vec<double> n) { return {_mm512_scalef_pd(y.v, n.v)}; }

}  // namespace nabla::NABLA_ISA
