// Runs programs, one at a time: binds views to memory, walks loops, and cuts each instruction's tasks into units for
// the pool. Owns the memory that all runs share.
#pragma once
#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "engine/pool.h"
#include "engine/program.h"

namespace nabla {

// When an instruction ran.
struct Timing {
  uint64_t ticket;
  int instruction;
  std::chrono::steady_clock::time_point start;
  std::chrono::nanoseconds duration;
};

class Interpreter {
 public:
  explicit Interpreter(int threads) : pool_(threads) {}

  Pool& pool() { return pool_; }

  // Runs `program` on the storages of its external places. Returns where and why it stopped (the ticket left open),
  // with every state as it was; or nothing, also when `is_cancelled` turned true, which leaves outputs and states
  // undefined. Adds to `timings`, if given, each instruction that ran, the ticket left open.
  std::optional<RunFailure> run(Program& program, const std::vector<StorageRef>& storages, const double* uniforms,
                                const std::atomic<bool>& is_cancelled, std::vector<Timing>* timings = nullptr);

  size_t held_bytes() const { return arena_.bytes() + workspace_.bytes() + scratch_.bytes() + saved_.bytes(); }
  void release_memory();

 private:
  // Bytes that a run takes.
  struct Needs {
    size_t arena, workspace, scratch, saved;
    size_t total() const { return arena + workspace + scratch + saved; }
  };

  Needs needs_of(const Program& program) const;
  void reserve(const Needs& needs);
  void save_states(const Program& program, const std::vector<StorageRef>& storages);
  void restore_states(const Program& program, const std::vector<StorageRef>& storages);
  bool is_unchanged(const Instruction& instruction) const;
  void note_steady(Steady& steady, Instruction& instruction);
  std::optional<RunFailure> walk(Program& program, const double* uniforms, const std::atomic<bool>& is_cancelled,
                                 std::vector<Timing>* timings);
  void run_band(std::vector<Instruction>& instructions, int loop, const double* uniforms);
  void bind(Instruction& instruction, const int64_t* iterations);
  bool call(Instruction& instruction, RunFailure& failure);
  void run_phase(const Instruction& instruction, int phase, int64_t tasks, char* kept, Report& report);
  char* keep(Instruction& instruction);

  Pool pool_;
  Block arena_, workspace_, scratch_, saved_;
  size_t scratch_stride_ = 0;
  bool wakes_ = true;             // whether threads that sleep are worth waking for this program
  std::vector<char*> bases_;      // of the buffers
  std::vector<uint64_t> stamps_;  // of the buffers that are inputs; 0 for others
  // What instructions keep, by what it was computed from and how it lies, so that they can share it.
  std::map<std::vector<int64_t>, std::weak_ptr<KeptBlock>> kept_;
};

}  // namespace nabla
