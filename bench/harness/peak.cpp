// The machine's own limits, for the roof column: fused multiply-adds, and the streaming triad over working sets of many
// sizes. Prints JSON.
// Usage: peak THREADS
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#ifdef __SSE__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kLanes = kBytes / sizeof(float);
typedef float Vec __attribute__((vector_size(kBytes)));

static double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Twelve independent chains hide the latency of an FMA on every core of today (at most 5 cycles × 2 units).
static void multiply_add(long steps) {
  Vec x[12];
  for (int i = 0; i < 12; ++i) x[i] = Vec{} + float(i);
  Vec a = Vec{} + 0.999f, b = Vec{} + 0.001f;
  asm volatile("" : "+m"(a), "+m"(b));
  const Vec scale = a, shift = b;
  for (long s = 0; s < steps; ++s) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) x[i] = x[i] * scale + shift;
  }
  for (int i = 0; i < 12; ++i) asm volatile("" ::"m"(x[i]));
}

// The best rate of several tries of work that is split over the threads.
static double best(int threads, double amount, const std::function<void(int)>& work) {
  double rate = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const double start = seconds();
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t) pool.emplace_back(work, t);
    for (auto& thread : pool) thread.join();
    rate = std::max(rate, amount / (seconds() - start));
  }
  return rate;
}

static void store(float* to, Vec value, bool past_caches) {
#if defined(__AVX512F__)
  if (past_caches) return _mm512_stream_ps(to, (__m512)value);
#elif defined(__AVX2__)
  if (past_caches) return _mm256_stream_ps(to, (__m256)value);
#endif
  *reinterpret_cast<Vec*>(to) = value;
}

// Bytes a second of z = x + y / 2 over three arrays of `bytes` together, each thread with a part of its own.
static double stream(int threads, size_t bytes, bool past_caches) {
  const size_t part = bytes / 3 / sizeof(float) / threads / kLanes * kLanes;
  const long repeats = std::max<long>(1, long((size_t(256) << 20) / bytes));
  std::vector<float> memory(3 * part * threads + kLanes, 1.f);
  float* const aligned = memory.data() + (kBytes - reinterpret_cast<uintptr_t>(memory.data()) % kBytes) / sizeof(float);
  return best(threads, 3.0 * sizeof(float) * part * threads * repeats, [&](int t) {
    const float *x = aligned + 3 * part * t, *y = x + part;
    float* z = const_cast<float*>(y) + part;
    for (long r = 0; r < repeats; ++r) {
      for (size_t i = 0; i < part; i += kLanes) {
        const Vec a = *reinterpret_cast<const Vec*>(x + i), b = *reinterpret_cast<const Vec*>(y + i);
        store(z + i, a + 0.5f * b, past_caches);
      }
      asm volatile("" ::: "memory");
    }
  });
}

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : 1;
  const long steps = 4'000'000;
  const double flops = best(threads, 2.0 * 12 * kLanes * steps * threads, [&](int) { multiply_add(steps); });

  std::printf("{\"gflops\": %.1f, \"streams\": [", flops / 1e9);
  // From half of a first-level cache to beyond every cache; the whole set is split over the threads.
  for (size_t bytes = size_t(24) << 10; bytes <= size_t(384) << 20; bytes *= 4) {
    const double rate = std::max(stream(threads, bytes, false), stream(threads, bytes, true));
    std::printf("%s{\"bytes\": %zu, \"gbytes\": %.1f}", bytes == size_t(24) << 10 ? "" : ", ", bytes, rate / 1e9);
  }
  std::printf("]}\n");
}
