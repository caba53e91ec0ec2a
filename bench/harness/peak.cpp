// The machine's own limits, for the roof column: fused multiply-adds and the streaming triad. Prints JSON.
// Usage: peak THREADS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

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

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : 1;
  const long steps = 8'000'000;
  const double flops = best(threads, 2.0 * 12 * kLanes * steps * threads, [&](int) { multiply_add(steps); });

  const size_t n = size_t(32) << 20;  // 128 MiB an array: beyond every cache
  std::vector<float> x(n, 1.f), y(n, 2.f), z(n);
  const double bytes = best(threads, 3.0 * sizeof(float) * n, [&](int t) {
    const size_t from = n / threads * t, to = t + 1 == threads ? n : n / threads * (t + 1);
    for (size_t i = from; i < to; ++i) z[i] = x[i] + 0.5f * y[i];
  });
  std::printf("{\"gflops\": %.1f, \"gbytes\": %.1f}\n", flops / 1e9, bytes / 1e9);
}
