// Sums of what the tasks of a kernel's last phase compute: their place in the workspace, and the phase that adds them
// up.
#include "tile_sums.h"

#include "tile_state.h"

namespace nabla::NABLA_ISA {
namespace {

template <class T>
void write_sums(const Summed& s, const Call& call, const State& state, const Work& work, int64_t first, int64_t count) {
  const int64_t tasks = work.plan->tasks[work.plan->sum_phase - 1];
  double total[kTileLength] = {};
  for (int64_t task = 0; task < tasks; ++task) {
    char* const sums = work.workspace + work.plan->sums + task * state.sums;
    settle<T>(s, sums, first, count);
    add_wide(reinterpret_cast<const double*>(sums + s.totals) + first, count, total);
  }
  T* const y = reinterpret_cast<T*>(call.outputs[s.output].data) + first;
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(total[i]);
}

// Means first, counted from a value of the first task that has any; then the squares around them: those of a task
// around its own mean, and that one's distance.
template <class T>
void write_moments(const Summed& s, const Call& call, const State& state, const Work& work, int64_t first,
                   int64_t count) {
  const int64_t tasks = work.plan->tasks[work.plan->sum_phase - 1];
  double n[kTileLength] = {}, sum[kTileLength] = {}, squares[kTileLength] = {}, origin[kTileLength] = {};
  const auto each_task = [&](auto visit) {
    for (int64_t task = 0; task < tasks; ++task) {
      const TaskMoments<T> own(s, work.workspace + work.plan->sums + task * state.sums);
      const double *off = own.off() + first, *around = own.squares() + first;
      const double *all = own.count() + first, *shift = own.shift() + first;
      for (int64_t i = 0; i < count; ++i) visit(i, off[i], around[i], all[i], shift[i]);
    }
  };
  each_task([&](int64_t i, double off, double, double all, double shift) {
    origin[i] = n[i] > 0 ? origin[i] : shift;
    sum[i] += all * (shift - origin[i]) + off;
    n[i] += all;
  });
  for (int64_t i = 0; i < count; ++i) sum[i] /= n[i];
  each_task([&](int64_t i, double off, double around, double all, double shift) {
    const double mean = off / (all > 0 ? all : 1), away = shift - origin[i] + mean - sum[i];
    squares[i] += around - off * mean + all * away * away;
  });
  T* const y = reinterpret_cast<T*>(call.outputs[s.output].data) + first;
  for (int64_t i = 0; i < count; ++i) {
    y[i] = static_cast<T>(origin[i] + sum[i]);
    y[s.period + i] = static_cast<T>(squares[i] < 0 ? 0 : squares[i] / n[i]);
  }
}

}  // namespace

void tile_plan_sums(const Call& call, int own_outputs, Plan& plan) {
  if (call.tile == nullptr) return;
  int64_t blocks = 0;
  const int64_t bytes =
      each_sum(call, own_outputs, [&](const Summed& s) { blocks += ceil_div(s.period, kTileLength); });
  if (blocks == 0) return;
  const int64_t tasks = plan.tasks[plan.phases - 1];
  plan.sums = (plan.workspace + 63) / 64 * 64;
  // What no memory holds is refused by the engine; its product is not to be taken for something small.
  const bool is_absurd = static_cast<double>(tasks) * static_cast<double>(bytes) > 0x1p60;
  plan.workspace = is_absurd ? SIZE_MAX : plan.sums + static_cast<size_t>(tasks * bytes);
  plan.sum_phase = plan.phases++;
  plan.tasks[plan.sum_phase] = blocks;
}

bool tile_sum_up(const Call& call, const Work& work) {
  const int phase = work.plan->sum_phase;
  if (phase == 0 || work.phase < phase - 1) return false;
  const State& state = *static_cast<const State*>(work.state);
  if (work.phase < phase) {
    std::memset(tile_sums(state, work), 0, static_cast<size_t>(state.sums));
    return false;
  }
  int64_t block = work.task;
  each_sum(call, state.own_outputs, [&](const Summed& s) {
    const int64_t first = block * kTileLength, count = smaller(kTileLength, s.period - first);
    block -= ceil_div(s.period, kTileLength);
    if (first < 0 || count <= 0) return;
    const bool narrow = call.tile->dtype == Dtype::f32;
    const auto write = s.is_moments ? (narrow ? write_moments<float> : write_moments<double>)
                                    : (narrow ? write_sums<float> : write_sums<double>);
    write(s, call, state, work, first, count);
  });
  return true;
}

}  // namespace nabla::NABLA_ISA
