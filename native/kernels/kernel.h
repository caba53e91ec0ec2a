// The contract between the engine and the kernels: plain structs without std containers, as per-ISA objects need.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../simd/inline.h"

namespace nabla {

constexpr int kMaxRank = 8;
constexpr int kMaxOperands = 64;  // outputs + inputs of one instruction
constexpr int kMaxPhases = 5;

// Same order as `dtypes` in lib/base/dtype.ts.
enum class Dtype : uint8_t { f32, f64, i32, u8, boolean };
NABLA_INLINE constexpr size_t size_of(Dtype d) {
  return d == Dtype::f64 ? 8 : d == Dtype::f32 || d == Dtype::i32 ? 4 : 1;
}

// A strided window. `data` already includes the offset; it is null while a program is being validated and planned.
struct View {
  char* data;
  Dtype dtype;
  int rank;
  int64_t shape[kMaxRank];
  int64_t strides[kMaxRank];  // in elements

  NABLA_INLINE int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }
};

// Same names and arities as `tileOps` in lib/runtime/program.ts; X(name, arity).
// clang-format off
#define NABLA_TILE_OPS(X)                                                                                     \
  X(load, 1) X(constant, 1) X(uniform, 1) X(index, 0)                                                         \
  X(neg, 1) X(abs, 1) X(sign, 1) X(exp, 1) X(expm1, 1) X(log, 1) X(log1p, 1) X(sqrt, 1) X(sin, 1) X(cos, 1)   \
  X(tanh, 1) X(sigmoid, 1) X(erf, 1) X(floor, 1) X(ceil, 1) X(round, 1) X(trunc, 1) X(logical_not, 1)         \
  X(add, 2) X(sub, 2) X(mul, 2) X(div, 2) X(pow, 2) X(mod, 2) X(maximum, 2) X(minimum, 2)                     \
  X(eq, 2) X(ne, 2) X(lt, 2) X(le, 2) X(gt, 2) X(ge, 2) X(logical_and, 2) X(logical_or, 2)                    \
  X(where, 3)
// clang-format on
enum class TileOp : uint8_t {
#define X(name, arity) name,
  NABLA_TILE_OPS(X)
#undef X
      count
};

constexpr int kMaxTileSteps = 256;

// One step of a tile program; step i defines register i. `value` serves `constant`; `args` are registers, or the
// operand of a `load`, or the slot of a `uniform`.
struct TileStep {
  TileOp op;
  int32_t args[3];
  double value;
};

struct Tile {
  Dtype dtype;  // f32 or f64: the type of all arithmetic
  int rank;
  int64_t shape[kMaxRank];
  int step_count;
  int store_count;
  const TileStep* steps;
  const int32_t* stores;  // register written to each tile output
};

// One instruction, as a kernel sees it.
struct Call {
  int output_count;
  int input_count;
  int attr_count;
  int uniform_count;
  const View* outputs;
  const View* inputs;
  const double* attrs;
  const Tile* tile;        // null if none
  const Tile* prologue;    // of what the first input is to be taken for; null if none, see docs/kernels.md
  const double* uniforms;  // null while planning
};

// How an instruction's work is cut: phases one after another, each of independent tasks. A function of shapes and ISA
// only, never of the number of threads, so that results have the same bits for any number of them.
struct Plan {
  int phases;
  int64_t tasks[kMaxPhases];
  size_t workspace;  // bytes shared by all tasks of one run of the instruction, kept between phases; 64-byte aligned
  size_t scratch;    // bytes private to a task while it runs; 64-byte aligned
  size_t state;      // bytes filled once by `prepare`, read-only afterwards
  // What the kernel could use again as long as one of its inputs stays the same, as packed weights: bytes (0: nothing),
  // the tasks of phase kKeep that compute them from that input alone, its number, and what tells one arrangement of the
  // same input by the same kernel from another.
  size_t kept;
  int64_t keep_tasks;
  int kept_input;
  int64_t kept_layout;
  int64_t grain;  // estimated nanoseconds of a typical task: tiny instructions stay on one thread
  // The phase that adds up what the epilogue of each task of the phase before has summed (0: it sums nothing), and
  // where in the workspace that lies.
  int sum_phase;
  size_t sums;
};

constexpr int kKeep = -1;  // the phase before the first, run only where its input has stopped changing

enum class Failure : int { none = 0, index = 1 };

// What a task is given.
struct Work {
  int phase;
  int64_t task;
  const Plan* plan;
  char* workspace;
  char* scratch;
  const void* state;
  struct Report* report;
  char* kept;  // what phase kKeep computed; null where it did not run
};

// Where a task reports that its data is bad: the run stops after the instruction. At most one task of an instruction
// writes here (kernels see to it, so that what is reported does not depend on the order of tasks); it is read when all
// have ended. No std::atomic: its inline functions would be weak symbols of the instruction set.
struct Report {
  Failure failure;
  double value, limit;  // the offending value and the limit it violates
};

// A kernel for one ISA. `check` returns null, or one sentence on what is wrong with the operands: the engine has
// verified that every view lies inside its buffer, that dtypes and ranks are in range, that tile registers precede
// their use and that tile operands are in range; the kernel checks all else (counts, shapes, strides, dtypes,
// attributes).
struct Kernel {
  const char* name;
  bool fallible;        // may report a failure
  bool takes_epilogue;  // a tile after own work, see docs/kernels.md
  const char* (*check)(const Call&);
  void (*plan)(const Call&, Plan&);
  void (*prepare)(const Call&, void* state);  // may be null when state == 0
  void (*run)(const Call&, const Work&);      // one task
  bool takes_prologue = false;                // a tile in the place of its first input
};

struct KernelSet {
  const char* isa;
  const Kernel* const* kernels;
  int count;
  int vector_bytes;
};

}  // namespace nabla
