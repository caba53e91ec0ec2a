#include "engine/interpreter.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace nabla {
namespace {

constexpr double kSerial = 4000;         // nanoseconds of work below which waking others costs more than it saves
constexpr double kUnit = 2000;           // nanoseconds that a unit takes at least, if tasks are small
constexpr double kWorthWaking = 25'000;  // nanoseconds of a program below which threads that sleep would come too late
constexpr int64_t kMaxUnits = int64_t(1) << 20;

// All tasks of one phase, `stride` of them to a unit.
struct Job {
  const Kernel* kernel;
  const Call* call;
  Work work;
  int64_t tasks, stride;
  char* scratch;
  size_t scratch_stride;

  void run_unit(uint32_t unit, int thread) const {
    Work own = work;
    own.scratch = scratch + static_cast<size_t>(thread) * scratch_stride;
    const int64_t first = static_cast<int64_t>(unit) * stride, end = std::min(first + stride, tasks);
    for (own.task = first; own.task < end; ++own.task) kernel->run(*call, own);
  }
};

// A loop of independent iterations, each of which one thread runs from beginning to end.
struct Iterations {
  const std::vector<Instruction>& instructions;
  int loop;
  const std::vector<char*>& kept;  // of the instructions behind the loop's mark
  const std::vector<char*>& bases;
  char* scratch;
  size_t scratch_stride;

  void run(int64_t iteration, int thread) const {
    const Instruction& mark = instructions[static_cast<size_t>(loop)];
    const Band& band = *mark.band;
    char* const own = scratch + static_cast<size_t>(thread) * scratch_stride;
    View views[kMaxOperands];
    for (int i = loop + 1; i < mark.partner; ++i) {
      const Instruction& ins = instructions[static_cast<size_t>(i)];
      Call call = ins.call;
      call.outputs = views;
      call.inputs = views + call.output_count;
      for (size_t k = 0; k < ins.views.size(); ++k) {
        const Place& place = ins.places[k];
        const int64_t offset = band.offsets[static_cast<size_t>(place.buffer)];
        char* const base = offset < 0 ? bases[static_cast<size_t>(place.buffer)] : own + offset;
        views[k] = ins.views[k];
        views[k].data = base == nullptr ? nullptr : base + place.offset + place.steps[0] * iteration;
      }
      Report report{};  // stays empty: nothing here may fail
      Work work = {0,
                   0,
                   &ins.plan,
                   own + band.own,
                   own + band.own + band.workspace,
                   ins.state.data(),
                   &report,
                   kept[static_cast<size_t>(i - loop - 1)]};
      for (; work.phase < ins.plan.phases; ++work.phase)
        for (work.task = 0; work.task < ins.plan.tasks[work.phase]; ++work.task) ins.kernel->run(call, work);
    }
  }
};

}  // namespace

Interpreter::Needs Interpreter::needs_of(const Program& program) const {
  Needs needs{program.arena_bytes(), program.workspace_bytes(), aligned(program.scratch_bytes()), 0};
  needs.scratch *= static_cast<size_t>(pool_.threads());
  for (const int place : program.endangered())
    needs.saved += aligned(static_cast<size_t>(program.external()[static_cast<size_t>(place)].bytes()));
  return needs;
}

// Throws std::bad_alloc, also where the system would promise the memory and break its word later.
void Interpreter::reserve(const Needs& needs) {
  const size_t memory = physical_memory(), lent = storage_pool().lent();
  if (needs.total() + lent > memory) throw std::bad_alloc();
  if (needs.total() + lent + held_bytes() > memory) release_memory();
  arena_.reserve(needs.arena);
  workspace_.reserve(needs.workspace);
  scratch_.reserve(needs.scratch);
  saved_.reserve(needs.saved);
}

void Interpreter::release_memory() {
  for (Block* block : {&arena_, &workspace_, &scratch_, &saved_}) *block = Block();
}

void Interpreter::save_states(const Program& program, const std::vector<StorageRef>& storages) {
  char* to = saved_.data();
  for (const int place : program.endangered()) {
    const auto bytes = static_cast<size_t>(program.external()[static_cast<size_t>(place)].bytes());
    if (bytes > 0) std::memcpy(to, storages[static_cast<size_t>(place)]->data(), bytes);
    to += aligned(bytes);
  }
}

void Interpreter::restore_states(const Program& program, const std::vector<StorageRef>& storages) {
  const char* from = saved_.data();
  for (const int place : program.endangered()) {
    const auto bytes = static_cast<size_t>(program.external()[static_cast<size_t>(place)].bytes());
    if (bytes > 0) std::memcpy(storages[static_cast<size_t>(place)]->data(), from, bytes);
    from += aligned(bytes);
  }
}

std::optional<RunFailure> Interpreter::run(Program& program, const std::vector<StorageRef>& storages,
                                           const double* uniforms, const std::atomic<bool>& is_cancelled,
                                           std::vector<Timing>* timings) {
  const Needs needs = needs_of(program);
  scratch_stride_ = needs.scratch / static_cast<size_t>(pool_.threads());
  try {
    reserve(needs);
    bases_.clear();
    stamps_.clear();
    for (const Buffer& b : program.buffers()) {
      Storage* const storage = b.kind == BufferKind::arena ? nullptr : storages[static_cast<size_t>(b.place)].get();
      bases_.push_back(storage == nullptr ? arena_.data() + b.place : storage->data());
      stamps_.push_back(b.kind == BufferKind::input ? storage->stamp : 0);
      if (b.kind == BufferKind::output || b.kind == BufferKind::state) storage->restamp();
    }
  } catch (const std::bad_alloc&) {
    return RunFailure{RunFailure::Code::out_of_memory, 0, -1, static_cast<double>(needs.total()), 0};
  }
  save_states(program, storages);
  wakes_ = program.nanoseconds() > kWorthWaking;
  const Steady& steady = program.steady();
  for (size_t b = 0; b < bases_.size(); ++b) {
    if (steady.offsets[b] < 0) continue;
    bases_[b] = steady.memory.data() + steady.offsets[b];
    stamps_[b] = steady.stamps[b];
  }
  std::optional<RunFailure> failure = walk(program, uniforms, is_cancelled, timings);
  if (failure) restore_states(program, storages);
  return failure;
}

// Whether a steady instruction has computed its results of what its inputs are now.
bool Interpreter::is_unchanged(const Instruction& ins) const {
  const auto outputs = static_cast<size_t>(ins.call.output_count);
  if (stamps_[static_cast<size_t>(ins.places[0].buffer)] == 0) return false;  // it has never run
  for (size_t k = 0; k < ins.stamps.size(); ++k)
    if (ins.stamps[k] != stamps_[static_cast<size_t>(ins.places[outputs + k].buffer)]) return false;
  return true;
}

// Its results are new, and of what its inputs are.
void Interpreter::note_steady(Steady& steady, Instruction& ins) {
  ins.stamps.clear();
  for (size_t k = 0; k < ins.places.size(); ++k) {
    const auto buffer = static_cast<size_t>(ins.places[k].buffer);
    if (k < static_cast<size_t>(ins.call.output_count))
      stamps_[buffer] = steady.stamps[buffer] = Storage::next_stamp();
    else
      ins.stamps.push_back(stamps_[buffer]);
  }
}

std::optional<RunFailure> Interpreter::walk(Program& program, const double* uniforms,
                                            const std::atomic<bool>& is_cancelled, std::vector<Timing>* timings) {
  using Clock = std::chrono::steady_clock;
  std::vector<Instruction>& instructions = program.instructions();
  int64_t iterations[kMaxLoops] = {};
  int depth = 0;
  for (int i = 0; i < static_cast<int>(instructions.size()) && !is_cancelled.load(std::memory_order_relaxed); ++i) {
    Instruction& ins = instructions[static_cast<size_t>(i)];
    switch (ins.kind) {
      case Instruction::Kind::loop:
        if (ins.band != nullptr) {
          const Clock::time_point start = timings == nullptr ? Clock::time_point() : Clock::now();
          run_band(instructions, i, uniforms);
          if (timings != nullptr) timings->push_back({0, i, start, Clock::now() - start});
        }
        if (ins.count == 0 || ins.band != nullptr)
          i = ins.partner;
        else
          iterations[depth++] = 0;
        break;
      case Instruction::Kind::end:
        if (++iterations[depth - 1] < instructions[static_cast<size_t>(ins.partner)].count)
          i = ins.partner;
        else
          --depth;
        break;
      case Instruction::Kind::call:
        if (i < program.steady().end && is_unchanged(ins)) break;
        bind(ins, iterations);
        ins.call.uniforms = uniforms;
        RunFailure failure{RunFailure::Code::index, 0, i, 0, 0};
        const Clock::time_point start = timings == nullptr ? Clock::time_point() : Clock::now();
        if (!call(ins, failure)) return failure;
        if (i < program.steady().end) note_steady(program.steady(), ins);
        if (timings != nullptr) timings->push_back({0, i, start, Clock::now() - start});
        break;
    }
  }
  return std::nullopt;
}

void Interpreter::run_band(std::vector<Instruction>& instructions, int loop, const double* uniforms) {
  const Instruction& mark = instructions[static_cast<size_t>(loop)];
  if (mark.count == 0) return;
  const int64_t first[kMaxLoops] = {};
  std::vector<char*> kept;
  for (int i = loop + 1; i < mark.partner; ++i) {
    Instruction& ins = instructions[static_cast<size_t>(i)];
    bind(ins, first);
    ins.call.uniforms = uniforms;
    kept.push_back(ins.plan.kept > 0 ? keep(ins) : nullptr);
  }
  Iterations iterations{instructions, loop, kept, bases_, scratch_.data(), scratch_stride_};
  const auto run = [](void* context, uint32_t unit, int thread) {
    static_cast<const Iterations*>(context)->run(unit, thread);
  };
  pool_.run(static_cast<uint32_t>(mark.count), run, &iterations, wakes_);
}

void Interpreter::bind(Instruction& ins, const int64_t* iterations) {
  for (size_t k = 0; k < ins.views.size(); ++k) {
    const Place& place = ins.places[k];
    int64_t offset = place.offset;
    for (int l = 0; l < ins.depth; ++l) offset += place.steps[l] * iterations[l];
    char* const base = bases_[static_cast<size_t>(place.buffer)];
    ins.views[k].data = base == nullptr ? nullptr : base + offset;
  }
}

// Runs all phases; false if a task reported a failure.
bool Interpreter::call(Instruction& ins, RunFailure& failure) {
  char* const kept = ins.plan.kept > 0 ? keep(ins) : nullptr;
  Report report{};
  for (int phase = 0; phase < ins.plan.phases; ++phase) run_phase(ins, phase, ins.plan.tasks[phase], kept, report);
  failure.value = report.value;
  failure.limit = report.limit;
  return report.failure == Failure::none;
}

void Interpreter::run_phase(const Instruction& ins, int phase, int64_t tasks, char* kept, Report& report) {
  if (tasks == 0) return;
  const Plan& plan = ins.plan;
  const Work work = {phase, 0, &plan, workspace_.data(), nullptr, ins.state.data(), &report, kept};
  Job job{ins.kernel, &ins.call, work, tasks, 1, scratch_.data(), scratch_stride_};
  const double grain = static_cast<double>(std::max<int64_t>(plan.grain, 1));
  const auto count = static_cast<double>(tasks);
  if (pool_.threads() == 1 || tasks == 1 || count * grain < kSerial) {
    job.stride = tasks;
    job.run_unit(0, 0);
    return;
  }
  // Units are no smaller than is worth handing out, yet several for each thread.
  const double worth = std::min(kUnit / grain, count / (4 * pool_.threads()));
  job.stride = std::max<int64_t>({1, static_cast<int64_t>(worth), (tasks + kMaxUnits - 1) / kMaxUnits});
  const auto units = static_cast<uint32_t>((tasks + job.stride - 1) / job.stride);
  pool_.run(
      units, [](void* context, uint32_t unit, int thread) { static_cast<const Job*>(context)->run_unit(unit, thread); },
      &job, wakes_);
}

// What the kernel has kept of an input that is as it was the last time; null where that has yet to show. An input that
// changes from run to run, as weights in training, costs nothing but the look at its stamp.
char* Interpreter::keep(Instruction& ins) {
  const Place& place = ins.places[static_cast<size_t>(ins.call.output_count + ins.plan.kept_input)];
  const uint64_t stamp = stamps_[static_cast<size_t>(place.buffer)];
  const bool moves = std::any_of(place.steps, place.steps + ins.depth, [](int64_t step) { return step != 0; });
  if (stamp == 0 || moves) return nullptr;
  if (ins.kept_stamp == stamp) return ins.kept->data();
  ins.kept_stamp = 0;
  if (ins.seen_stamp != stamp) {
    ins.seen_stamp = stamp;
    ins.kept.reset();
    return nullptr;
  }
  const Plan& plan = ins.plan;
  const View& input = ins.call.inputs[plan.kept_input];
  std::vector<int64_t> key = {static_cast<int64_t>(stamp), place.offset, static_cast<int64_t>(plan.kept),
                              plan.kept_layout};
  key.insert(key.end(), input.shape, input.shape + input.rank);
  key.insert(key.end(), input.strides, input.strides + input.rank);
  ins.kept = kept_[key].lock();
  if (ins.kept == nullptr) {
    ins.kept = KeptBlock::take(plan.kept);
    if (ins.kept == nullptr) return nullptr;
    Report report{};
    run_phase(ins, kKeep, plan.keep_tasks, ins.kept->data(), report);
    for (auto it = kept_.begin(); it != kept_.end();) it = it->second.expired() ? kept_.erase(it) : std::next(it);
    kept_[std::move(key)] = ins.kept;
  }
  ins.kept_stamp = stamp;
  return ins.kept->data();
}

}  // namespace nabla
