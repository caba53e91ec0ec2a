// `random`: uniform and normal numbers from the counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw:
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011), so that element i depends on seed, counter and i alone.
#include "../simd/math.h"
#include "kernels.h"
#include "philox.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kBatch = 64;    // elements drawn at once: whole blocks and whole pairs of either type
constexpr int64_t kTask = 16384;  // elements of a task

// u[0..kBatch) = uniforms of elements start … of [0, 1); start is a multiple of kBatch.
void draw(uint64_t seed, uint64_t counter, int64_t start, float* u) {
  constexpr int blocks = kBatch / 4;
  uint32_t words[4][blocks];
  philox_blocks<blocks>(seed, counter + static_cast<uint64_t>(start) / 4, words);
  for (int b = 0; b < blocks; ++b)
    for (int k = 0; k < 4; ++k) u[4 * b + k] = static_cast<float>(static_cast<int32_t>(words[k][b] >> 8)) * 0x1p-24f;
}
void draw(uint64_t seed, uint64_t counter, int64_t start, double* u) {
  constexpr int blocks = kBatch / 2;
  uint32_t words[4][blocks];
  philox_blocks<blocks>(seed, counter + static_cast<uint64_t>(start) / 2, words);
  for (int b = 0; b < blocks; ++b)
    for (int k = 0; k < 2; ++k)
      u[2 * b + k] =
          (static_cast<double>(words[2 * k][b] >> 5) * 0x1p26 + static_cast<double>(words[2 * k + 1][b] >> 6)) *
          0x1p-53;
}

// Box and Muller's transform of pairs of uniforms: √(−2 ln(1 − u₁))·(cos 2πu₂, sin 2πu₂).
template <class T>
void make_normal(T* u) {
  constexpr int half = kBatch / 2;
  T radius[half], angle[half], even[half], odd[half];
  for (int i = 0; i < half; ++i) {
    radius[i] = T(1) - u[2 * i];
    angle[i] = u[2 * i + 1];
  }
  for (int i = 0; i < half; i += Vec<T>::lanes) {
    const Vec<T> r = sqrt(log(Vec<T>::load(radius + i)) * Vec<T>::all(T(-2)));
    const SinCos<T> turn = sin_cos_of_turns(Vec<T>::load(angle + i));
    (r * turn.cos).store(even + i);
    (r * turn.sin).store(odd + i);
  }
  for (int i = 0; i < half; ++i) {
    u[2 * i] = even[i];
    u[2 * i + 1] = odd[i];
  }
}

template <class T>
void fill(const Call& call, int64_t start, int64_t end) {
  const uint64_t seed = static_cast<uint64_t>(call.uniforms[static_cast<int>(call.attrs[1])]);
  const uint64_t counter = static_cast<uint64_t>(call.uniforms[static_cast<int>(call.attrs[2])]);
  const bool normal = call.attrs[0] == 1;
  T* y = reinterpret_cast<T*>(call.outputs[0].data);
  alignas(64) T batch[kBatch];
  for (; start < end; start += kBatch) {
    draw(seed, counter, start, batch);
    if (normal) make_normal(batch);
    std::memcpy(y + start, batch, static_cast<size_t>(smaller(kBatch, end - start)) * sizeof(T));
  }
}

const char* check(const Call& call) {
  if (call.input_count != 0 || call.output_count != 1) return "random: no input, one output";
  if (call.attr_count != 3) return "random: attributes are kind, seed slot, counter slot";
  if (!is_whole(call.attrs[0], 0, 1)) return "random: kind is 0 (uniform) or 1 (normal)";
  for (int i = 1; i < 3; ++i)
    if (!is_whole(call.attrs[i], 0, call.uniform_count - 1)) return "random: seed and counter are uniform slots";
  if (!is_float(call.outputs[0].dtype)) return "random: the output is f32 or f64";
  if (!is_contiguous(call.outputs[0])) return "random: the output must be row-major contiguous";
  return nullptr;
}

void plan(const Call& call, Plan& plan) {
  const int64_t size = call.outputs[0].size();
  plan.phases = 1;
  plan.tasks[0] = ceil_div(size, kTask);
  plan.grain = smaller(size, kTask) * (call.attrs[0] == 1 ? 3 : 2);
}

void run(const Call& call, const Work& work) {
  const int64_t start = work.task * kTask, end = smaller(call.outputs[0].size(), start + kTask);
  if (call.outputs[0].dtype == Dtype::f32)
    fill<float>(call, start, end);
  else
    fill<double>(call, start, end);
}

}  // namespace

const Kernel random_kernel = {"random", false, false, check, plan, nullptr, run};

}  // namespace nabla::NABLA_ISA
