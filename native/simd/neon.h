// Vec<T> on 64-bit ARM's NEON: four floats or two doubles.
#pragma once
#include <arm_neon.h>

#include "vec.h"

namespace nabla::NABLA_ISA {

constexpr bool kFusedMultiplyAdd = true;  // fma rounds once

template <>
struct Mask<float> {
  uint32x4_t v;
};
template <>
struct Mask<double> {
  uint64x2_t v;
};

template <>
struct Vec<float> {
  static constexpr int lanes = 4;
  float32x4_t v;

  static NABLA_INLINE Vec all(float x) { return {vdupq_n_f32(x)}; }
  static NABLA_INLINE Vec zero() { return all(0); }
  static NABLA_INLINE Vec from_bits(uint32_t b) { return {vreinterpretq_f32_u32(vdupq_n_u32(b))}; }
  static NABLA_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
  static NABLA_INLINE Vec load(const float* p, int n, float fill = 0) {
    float lane[4] = {fill, fill, fill, fill};
    for (int i = 0; i < n; ++i) lane[i] = p[i];
    return load(lane);
  }
  NABLA_INLINE void store(float* p) const { vst1q_f32(p, v); }
  NABLA_INLINE void store(float* p, int n) const {
    float lane[4];
    store(lane);
    for (int i = 0; i < n; ++i) p[i] = lane[i];
  }
  NABLA_INLINE void stream(float* p) const { store(p); }

  static NABLA_INLINE Vec from(const float* p) { return load(p); }
  static NABLA_INLINE Vec from(const double* p) {
    return {vcombine_f32(vcvt_f32_f64(vld1q_f64(p)), vcvt_f32_f64(vld1q_f64(p + 2)))};
  }
  static NABLA_INLINE Vec from(const int32_t* p) { return {vcvtq_f32_s32(vld1q_s32(p))}; }
  static NABLA_INLINE Vec from(const uint8_t* p) {
    const uint32_t four[4] = {p[0], p[1], p[2], p[3]};
    return {vcvtq_f32_u32(vld1q_u32(four))};
  }
  NABLA_INLINE void to(float* p) const { store(p); }
  NABLA_INLINE void to(double* p) const {
    vst1q_f64(p, vcvt_f64_f32(vget_low_f32(v)));
    vst1q_f64(p + 2, vcvt_f64_f32(vget_high_f32(v)));
  }
  // The hardware's conversions saturate and take NaN to 0.
  NABLA_INLINE void to(int32_t* p) const { vst1q_s32(p, vcvtq_s32_f32(v)); }
  NABLA_INLINE void to(uint8_t* p) const {
    const uint16x4_t w = vqmovn_u32(vcvtq_u32_f32(v));
    const uint8x8_t b = vqmovn_u16(vcombine_u16(w, w));
    vst1_lane_u32(reinterpret_cast<uint32_t*>(p), vreinterpret_u32_u8(b), 0);
  }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 2;
  float64x2_t v;

  static NABLA_INLINE Vec all(double x) { return {vdupq_n_f64(x)}; }
  static NABLA_INLINE Vec zero() { return all(0); }
  static NABLA_INLINE Vec from_bits(uint64_t b) { return {vreinterpretq_f64_u64(vdupq_n_u64(b))}; }
  static NABLA_INLINE Vec load(const double* p) { return {vld1q_f64(p)}; }
  static NABLA_INLINE Vec load(const double* p, int n, double fill = 0) {
    double lane[2] = {fill, fill};
    for (int i = 0; i < n; ++i) lane[i] = p[i];
    return load(lane);
  }
  NABLA_INLINE void store(double* p) const { vst1q_f64(p, v); }
  NABLA_INLINE void store(double* p, int n) const {
    if (n > 0) p[0] = vgetq_lane_f64(v, 0);
    if (n > 1) p[1] = vgetq_lane_f64(v, 1);
  }
  NABLA_INLINE void stream(double* p) const { store(p); }

  static NABLA_INLINE Vec from(const double* p) { return load(p); }
  static NABLA_INLINE Vec from(const float* p) { return {vcvt_f64_f32(vld1_f32(p))}; }
  static NABLA_INLINE Vec from(const int32_t* p) { return {vcvtq_f64_s64(vmovl_s32(vld1_s32(p)))}; }
  static NABLA_INLINE Vec from(const uint8_t* p) {
    const double two[2] = {static_cast<double>(p[0]), static_cast<double>(p[1])};
    return load(two);
  }
  NABLA_INLINE void to(double* p) const { store(p); }
  NABLA_INLINE void to(float* p) const { vst1_f32(p, vcvt_f32_f64(v)); }
  NABLA_INLINE void to(int32_t* p) const { vst1_s32(p, vqmovn_s64(vcvtq_s64_f64(v))); }
  NABLA_INLINE void to(uint8_t* p) const {
    const uint64x2_t i = vcvtq_u64_f64(v);
    const uint64_t a = vgetq_lane_u64(i, 0), b = vgetq_lane_u64(i, 1);
    p[0] = static_cast<uint8_t>(a < 255 ? a : 255);
    p[1] = static_cast<uint8_t>(b < 255 ? b : 255);
  }
};

NABLA_INLINE Mask<float> operator&(Mask<float> a, Mask<float> b) { return {vandq_u32(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator|(Mask<float> a, Mask<float> b) { return {vorrq_u32(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator~(Mask<float> a) { return {vmvnq_u32(a.v)}; }
NABLA_INLINE bool any(Mask<float> m) { return vmaxvq_u32(m.v) != 0; }
NABLA_INLINE bool all(Mask<float> m) { return vminvq_u32(m.v) != 0; }
NABLA_INLINE Mask<double> operator&(Mask<double> a, Mask<double> b) { return {vandq_u64(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator|(Mask<double> a, Mask<double> b) { return {vorrq_u64(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator~(Mask<double> a) {
  return {vreinterpretq_u64_u32(vmvnq_u32(vreinterpretq_u32_u64(a.v)))};
}
NABLA_INLINE bool any(Mask<double> m) { return vmaxvq_u32(vreinterpretq_u32_u64(m.v)) != 0; }
NABLA_INLINE bool all(Mask<double> m) { return vminvq_u32(vreinterpretq_u32_u64(m.v)) != 0; }

NABLA_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) { return {vaddq_f32(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) { return {vsubq_f32(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) { return {vmulq_f32(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) { return {vdivq_f32(a.v, b.v)}; }
NABLA_INLINE Vec<float> operator-(Vec<float> a) { return {vnegq_f32(a.v)}; }
NABLA_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
NABLA_INLINE Vec<float> max(Vec<float> a, Vec<float> b) { return {vmaxq_f32(a.v, b.v)}; }
NABLA_INLINE Vec<float> min(Vec<float> a, Vec<float> b) { return {vminq_f32(a.v, b.v)}; }
NABLA_INLINE Vec<float> sqrt(Vec<float> a) { return {vsqrtq_f32(a.v)}; }
NABLA_INLINE Vec<float> abs(Vec<float> a) { return {vabsq_f32(a.v)}; }
NABLA_INLINE Vec<float> floor(Vec<float> a) { return {vrndmq_f32(a.v)}; }
NABLA_INLINE Vec<float> ceil(Vec<float> a) { return {vrndpq_f32(a.v)}; }
NABLA_INLINE Vec<float> round(Vec<float> a) { return {vrndnq_f32(a.v)}; }
NABLA_INLINE Vec<float> trunc(Vec<float> a) { return {vrndq_f32(a.v)}; }

NABLA_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) { return {vaddq_f64(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) { return {vsubq_f64(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) { return {vmulq_f64(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) { return {vdivq_f64(a.v, b.v)}; }
NABLA_INLINE Vec<double> operator-(Vec<double> a) { return {vnegq_f64(a.v)}; }
NABLA_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
NABLA_INLINE Vec<double> max(Vec<double> a, Vec<double> b) { return {vmaxq_f64(a.v, b.v)}; }
NABLA_INLINE Vec<double> min(Vec<double> a, Vec<double> b) { return {vminq_f64(a.v, b.v)}; }
NABLA_INLINE Vec<double> sqrt(Vec<double> a) { return {vsqrtq_f64(a.v)}; }
NABLA_INLINE Vec<double> abs(Vec<double> a) { return {vabsq_f64(a.v)}; }
NABLA_INLINE Vec<double> floor(Vec<double> a) { return {vrndmq_f64(a.v)}; }
NABLA_INLINE Vec<double> ceil(Vec<double> a) { return {vrndpq_f64(a.v)}; }
NABLA_INLINE Vec<double> round(Vec<double> a) { return {vrndnq_f64(a.v)}; }
NABLA_INLINE Vec<double> trunc(Vec<double> a) { return {vrndq_f64(a.v)}; }

NABLA_INLINE Mask<float> operator==(Vec<float> a, Vec<float> b) { return {vceqq_f32(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator!=(Vec<float> a, Vec<float> b) { return ~(a == b); }
NABLA_INLINE Mask<float> operator<(Vec<float> a, Vec<float> b) { return {vcltq_f32(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator<=(Vec<float> a, Vec<float> b) { return {vcleq_f32(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator>(Vec<float> a, Vec<float> b) { return {vcgtq_f32(a.v, b.v)}; }
NABLA_INLINE Mask<float> operator>=(Vec<float> a, Vec<float> b) { return {vcgeq_f32(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator==(Vec<double> a, Vec<double> b) { return {vceqq_f64(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator!=(Vec<double> a, Vec<double> b) { return ~(a == b); }
NABLA_INLINE Mask<double> operator<(Vec<double> a, Vec<double> b) { return {vcltq_f64(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator<=(Vec<double> a, Vec<double> b) { return {vcleq_f64(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator>(Vec<double> a, Vec<double> b) { return {vcgtq_f64(a.v, b.v)}; }
NABLA_INLINE Mask<double> operator>=(Vec<double> a, Vec<double> b) { return {vcgeq_f64(a.v, b.v)}; }
NABLA_INLINE Vec<float> select(Mask<float> m, Vec<float> a, Vec<float> b) { return {vbslq_f32(m.v, a.v, b.v)}; }
NABLA_INLINE Vec<double> select(Mask<double> m, Vec<double> a, Vec<double> b) { return {vbslq_f64(m.v, a.v, b.v)}; }

NABLA_INLINE float hsum(Vec<float> a) { return vaddvq_f32(a.v); }
NABLA_INLINE float hmax(Vec<float> a) { return vmaxvq_f32(a.v); }
NABLA_INLINE float hmin(Vec<float> a) { return vminvq_f32(a.v); }
NABLA_INLINE double hsum(Vec<double> a) { return vaddvq_f64(a.v); }
NABLA_INLINE double hmax(Vec<double> a) { return vmaxvq_f64(a.v); }
NABLA_INLINE double hmin(Vec<double> a) { return vminvq_f64(a.v); }

NABLA_INLINE uint32x4_t bits(Vec<float> a) { return vreinterpretq_u32_f32(a.v); }
NABLA_INLINE uint64x2_t bits(Vec<double> a) { return vreinterpretq_u64_f64(a.v); }
NABLA_INLINE Vec<float> bit_and(Vec<float> a, Vec<float> b) {
  return {vreinterpretq_f32_u32(vandq_u32(bits(a), bits(b)))};
}
NABLA_INLINE Vec<float> bit_or(Vec<float> a, Vec<float> b) {
  return {vreinterpretq_f32_u32(vorrq_u32(bits(a), bits(b)))};
}
NABLA_INLINE Vec<float> bit_xor(Vec<float> a, Vec<float> b) {
  return {vreinterpretq_f32_u32(veorq_u32(bits(a), bits(b)))};
}
NABLA_INLINE Vec<float> bit_andnot(Vec<float> a, Vec<float> b) {
  return {vreinterpretq_f32_u32(vbicq_u32(bits(b), bits(a)))};
}
NABLA_INLINE Vec<double> bit_and(Vec<double> a, Vec<double> b) {
  return {vreinterpretq_f64_u64(vandq_u64(bits(a), bits(b)))};
}
NABLA_INLINE Vec<double> bit_or(Vec<double> a, Vec<double> b) {
  return {vreinterpretq_f64_u64(vorrq_u64(bits(a), bits(b)))};
}
NABLA_INLINE Vec<double> bit_xor(Vec<double> a, Vec<double> b) {
  return {vreinterpretq_f64_u64(veorq_u64(bits(a), bits(b)))};
}
NABLA_INLINE Vec<double> bit_andnot(Vec<double> a, Vec<double> b) {
  return {vreinterpretq_f64_u64(vbicq_u64(bits(b), bits(a)))};
}
template <int k>
NABLA_INLINE Vec<float> shift_left(Vec<float> a) {
  return {vreinterpretq_f32_u32(vshlq_n_u32(bits(a), k))};
}
template <int k>
NABLA_INLINE Vec<float> shift_right(Vec<float> a) {
  return {vreinterpretq_f32_u32(vshrq_n_u32(bits(a), k))};
}
template <int k>
NABLA_INLINE Vec<double> shift_left(Vec<double> a) {
  return {vreinterpretq_f64_u64(vshlq_n_u64(bits(a), k))};
}
template <int k>
NABLA_INLINE Vec<double> shift_right(Vec<double> a) {
  return {vreinterpretq_f64_u64(vshrq_n_u64(bits(a), k))};
}

}  // namespace nabla::NABLA_ISA
