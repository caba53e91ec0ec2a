// What a tile is prepared to: its steps, where their results lie, and where it is cut.
#pragma once
#include "tile_ops.h"
#include "tile_sums.h"
#include "views.h"

namespace nabla::NABLA_ISA {

constexpr int kNone = -1;

// How an operand is brought into a register.
enum class Access : uint8_t {
  contiguous,  // element i of the iteration space is element i of the operand
  scalar,      // one element for all
  periodic,    // element i is element i mod period, period <= kTileLength: filled once for a run
  strided,     // anything else
};

struct Step {
  TileOp op;
  Access access;    // of a load
  bool copied;      // a contiguous load that is copied to its slot, because in-place outputs may overwrite it
  bool kept;        // a result that not only the next step needs, and that in registers
  bool stored;      // a result that is stored
  int16_t slot;     // memory of a tile's length, or kNone
  int16_t direct;   // store that the step may write to, or kNone
  Summed sum;       // what is summed of the result; period 0: nothing
  int16_t args[3];  // registers; for loads the operand
  Dtype dtype;      // of a load's operand
  Dims dims;        // of a strided or periodic load

  // Whether the machine adds the result to sums; moments are those of an operand, taken before.
  bool is_added() const { return sum.period > 0 && !sum.is_moments; }
};

// A store that is written by its step in place, while an operand that may be the same memory is still to be read.
struct Hazard {
  int16_t store, operand;
};

struct State {
  int step_count, store_count, first_input, own_outputs;
  int slot_count, hazard_count;
  int64_t size;         // elements of the iteration space
  int64_t sums;         // bytes of what a task sums; 0: nothing
  bool is_idle;         // the tile computes nothing, but for moments
  bool is_large;        // an instruction of its own, whose operands are in no cache
  bool has_rows;        // an operand that is read in place row by row
  bool needs_no_slots;  // other than for stores that turn out to be no early ones
  int64_t length;       // elements of a tile
  int64_t row;          // tiles end where rows of this length do; 0: nowhere
  int64_t together;     // tiles end where runs of this many elements do; 0: nowhere
  int64_t turn;         // elements after which everything repeats; 0: none
  int16_t stores[kMaxOperands];
  int16_t deferred[kMaxOperands];  // stores copied after the last step: own type differs, or defined by a load
  Hazard hazards[kMaxOperands];
  Step steps[1];  // step_count of them
};

inline int64_t elements(const Tile& tile) {
  int64_t n = 1;
  for (int i = 0; i < tile.rank; ++i) n *= tile.shape[i];
  return n;
}

inline bool defines_itself(TileOp op) { return op <= TileOp::index; }

inline int arity_of(TileOp op) {
  static constexpr int8_t arity[] = {
#define X(name, arity) arity,
      NABLA_TILE_OPS(X)
#undef X
  };
  return arity[static_cast<int>(op)];
}

inline const View& operand_of(const Call& call, int own_inputs, int own_outputs, int k) {
  if (own_outputs == 0) return call.inputs[own_inputs + k];
  return k == 0 ? call.outputs[0] : call.inputs[own_inputs + k - 1];
}

// Whether an operation can take argument k from the registers.
inline bool may_hold(TileOp op, int k) { return k == 0 || (k == 1 && !has_one_form(op, arity_of(op))); }

inline char* tile_sums(const State& state, const Work& work) {
  return work.workspace + work.plan->sums + work.task * state.sums;
}

inline int64_t period_of(const Dims& dims) {
  int64_t period = 1;
  for (int i = 1; i < dims.rank; ++i) period *= dims.shape[i];
  return period;
}

}  // namespace nabla::NABLA_ISA
