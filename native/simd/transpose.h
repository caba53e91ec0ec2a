// Transposing a small square block in registers: what packing needs where memory runs along the wrong axis.
//
// transpose_block(row, to, T()): to(k)[i] = row(i)[k] for i, k in [0, kBlock<T>); both give pointers. Written in the
// order of k, so that what spills behind a destination row narrower than the block is overwritten by the next.
#pragma once
#include "vec.h"

namespace nabla::NABLA_ISA {

#if defined(__AVX2__)

template <class T>
constexpr int kBlock = 32 / static_cast<int>(sizeof(T));

template <class Row, class To>
NABLA_INLINE void transpose_block(Row row, To to, float) {
  // Rows i and i + 4 side by side, so that 4 × 4 transposes within the halves are the whole work.
  __m256 r[8];
  for (int i = 0; i < 4; ++i) {
    const float *p = row(i), *q = row(i + 4);
    r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(q), 1);
    r[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 4)), _mm_loadu_ps(q + 4), 1);
  }
  for (int h = 0; h < 8; h += 4) {
    const __m256 a = _mm256_unpacklo_ps(r[h], r[h + 1]), b = _mm256_unpacklo_ps(r[h + 2], r[h + 3]);
    const __m256 c = _mm256_unpackhi_ps(r[h], r[h + 1]), d = _mm256_unpackhi_ps(r[h + 2], r[h + 3]);
    _mm256_storeu_ps(to(h), _mm256_shuffle_ps(a, b, 0x44));
    _mm256_storeu_ps(to(h + 1), _mm256_shuffle_ps(a, b, 0xee));
    _mm256_storeu_ps(to(h + 2), _mm256_shuffle_ps(c, d, 0x44));
    _mm256_storeu_ps(to(h + 3), _mm256_shuffle_ps(c, d, 0xee));
  }
}

template <class Row, class To>
NABLA_INLINE void transpose_block(Row row, To to, double) {
  for (int h = 0; h < 4; h += 2) {
    const auto half = [&](int i) {
      return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(row(i) + h)), _mm_loadu_pd(row(i + 2) + h), 1);
    };
    const __m256d a = half(0), b = half(1);
    _mm256_storeu_pd(to(h), _mm256_unpacklo_pd(a, b));
    _mm256_storeu_pd(to(h + 1), _mm256_unpackhi_pd(a, b));
  }
}

#elif defined(__aarch64__) || defined(_M_ARM64)

template <class T>
constexpr int kBlock = 16 / static_cast<int>(sizeof(T));

template <class Row, class To>
NABLA_INLINE void transpose_block(Row row, To to, float) {
  const float32x4_t r0 = vld1q_f32(row(0)), r1 = vld1q_f32(row(1)), r2 = vld1q_f32(row(2)), r3 = vld1q_f32(row(3));
  const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r0, r1)), b = vreinterpretq_f64_f32(vtrn2q_f32(r0, r1));
  const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r2, r3)), d = vreinterpretq_f64_f32(vtrn2q_f32(r2, r3));
  vst1q_f32(to(0), vreinterpretq_f32_f64(vtrn1q_f64(a, c)));
  vst1q_f32(to(1), vreinterpretq_f32_f64(vtrn1q_f64(b, d)));
  vst1q_f32(to(2), vreinterpretq_f32_f64(vtrn2q_f64(a, c)));
  vst1q_f32(to(3), vreinterpretq_f32_f64(vtrn2q_f64(b, d)));
}

template <class Row, class To>
NABLA_INLINE void transpose_block(Row row, To to, double) {
  const float64x2_t a = vld1q_f64(row(0)), b = vld1q_f64(row(1));
  vst1q_f64(to(0), vtrn1q_f64(a, b));
  vst1q_f64(to(1), vtrn2q_f64(a, b));
}

#else

template <class T>
constexpr int kBlock = 1;

template <class Row, class To, class T>
NABLA_INLINE void transpose_block(Row row, To to, T) {
  *to(0) = *row(0);
}

#endif

// To rows that are `step` apart.
template <class T, class Row>
NABLA_INLINE void transpose(Row row, T* to, int64_t step) {
  transpose_block(row, [&](int k) { return to + k * step; }, T());
}

}  // namespace nabla::NABLA_ISA
